"""The sections that several trainers' configurations share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..rewards.judge.config import JudgeConfig
from ..rewards.router import Mode, Unscored


class Section(BaseModel):
    """A part of a configuration: unknown keys are refused, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WarmStartConfig(Section):
    """Supervised warm start on oracle demonstrations. `demonstrations: 0` skips it.

    Attributes:
        demonstrations: oracle episodes in all, spread evenly over the tasks.
        epochs: passes over them.
        learning_rate: peak AdamW learning rate.
        batch_demonstrations: demonstrations per optimiser step.
    """

    demonstrations: int = Field(default=18, ge=0, le=100_000)
    epochs: int = Field(default=2, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    batch_demonstrations: int = Field(default=6, ge=1)


class BlendConfig(Section):
    """How much each layer counts in a blend; each in [0, 1], together 1."""

    rule: float = Field(default=0.6, ge=0, le=1)
    model: float = Field(default=0.2, ge=0, le=1)
    judge: float = Field(default=0.2, ge=0, le=1)


class ThresholdsConfig(Section):
    """How sure a layer must be to be believed in a cascade, in [0, 1].

    Attributes:
        model: of the learned reward model.
        judge: of the judge.
        tasks: other thresholds by task: `{note-write: {model: 0.9}}`.
        milestones: other thresholds by "task/milestone".
    """

    model: float = Field(default=0.8, ge=0, le=1)
    judge: float = Field(default=0.6, ge=0, le=1)
    tasks: dict[str, dict[Literal["model", "judge"], float]] = {}
    milestones: dict[str, dict[Literal["model", "judge"], float]] = {}


class RewardConfig(Section):
    """Which layers make the reward that the policy learns from. Evaluation is by rules wherever they speak.

    Attributes:
        mode: `rules`; `model` or `judge` alone; `cascade`: the first that is sure, in that order; `blend`: all of them.
            Milestones with `source: model` or `source: judge` are asked about in `rules` too, of the layers given.
        model: folder of a version of the learned reward model.
        judge: the judge's settings, see docs/judge.md.
        thresholds: for the cascade.
        weights: for the blend.
        unscored: what becomes of a step that nobody scored: `mask` leaves it out of the loss, `carry` lets later
            rewards flow over it, `require` stops the run.
    """

    mode: Mode = Mode.RULES
    model: Path | None = None
    judge: JudgeConfig | None = None
    thresholds: ThresholdsConfig = ThresholdsConfig()
    weights: BlendConfig = BlendConfig()
    unscored: Unscored = Unscored.MASK


class VLLMConfig(Section):
    """What vLLM may use, where `engine: vllm`.

    Attributes:
        gpu_memory_utilization: share of a GPU's memory for its weights and cache together.
        kv_cache_gb: GiB for its cache of keys and values; None: what is left of that share, and on a CPU 1.
        context_tokens: longest prompt and action together; None: what the model was made for.
        float32_head: compute logits in float32, in vLLM and in the trainer: rounded to bf16 they add to the gap.
        eager: compile nothing and record no CUDA graphs; None: on a CPU only.
    """

    gpu_memory_utilization: float = Field(default=0.5, gt=0, le=1)
    kv_cache_gb: float | None = Field(default=None, gt=0)
    context_tokens: int | None = Field(default=None, ge=16)
    float32_head: bool = True
    eager: bool | None = None


class LoraConfig(Section):
    """Low-rank adapter on every linear layer of the decoder."""

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, gt=0)


__all__ = [
    "BlendConfig",
    "LoraConfig",
    "RewardConfig",
    "Section",
    "ThresholdsConfig",
    "VLLMConfig",
    "WarmStartConfig",
]
