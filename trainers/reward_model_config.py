"""The configuration of a reward model's training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .config import LoraConfig


class TextConfig(BaseModel):
    """Most tokens of each part of a step's text; see `rewards.reward_model.TextBudgets`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    goal_tokens: int = Field(default=56, ge=8)
    before_tokens: int = Field(default=80, ge=8)
    action_tokens: int = Field(default=40, ge=8)
    after_tokens: int = Field(default=48, ge=8)


class RewardModelConfig(BaseModel):
    """Everything that the training of a reward model depends on.

    Attributes:
        preferences: JSONL files of preferences, see `rewards.preferences`.
        out: folder of the versions; the new one is added to it.
        start: `latest` goes on from the newest version in `out` (the first one starts from the backbone), `fresh` from
            the backbone.
        backbone: a model's name in the cache, or a folder in Hugging Face format: a causal language model or an
            encoder.
        layers: how many of its layers are used, from the first; null: all. In the default model the middle ones tell
            more about a step than the last, which prepare the next token, and the rest need not be computed.
        seed: seeds every random draw.
        held_out: share of the (task, seed) groups that is kept from training to measure on; a group's side depends on
            nothing but its task and seed, so it never changes sides as preferences accumulate.
        unseen_tasks: tasks kept out of training altogether and measured apart.
        head_rankings: rankings, drawn at random, on which the heads are fitted before anything else is trained, when
            starting from the backbone.
        head_penalty: weight of the heads' squared weights in that fit.
        epochs: most passes over the training rankings that train adapter and heads together; 0 trains the heads only.
        time_budget_s: wall time for loading, training and measuring together; training ends early to keep to it. None:
            no limit.
        trajectories: most trajectories of a ranking in one optimiser step, drawn anew each time.
        batch_rankings: rankings per optimiser step; each is one batch element.
        heads: size of the ensemble; each head weighs the rankings by draws of its own.
        learning_rate: AdamW learning rate of the adapter.
        head_learning_rate: of the heads.
        warmup_updates: optimiser steps over which the learning rates rise.
        weight_decay: of the heads.
        max_grad_norm: gradient norm bound.
        guard_tolerance: a version that goes on from another is refused if its held-out accuracy is lower by more.
        pack_tokens: most tokens in one forward pass.
        precision: arithmetic of the backbone; `auto` is the one this machine is fast in.
        lora: the adapter, when starting from the backbone.
        text: token budgets, when starting from the backbone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preferences: tuple[Path, ...] = Field(min_length=1)
    out: Path
    start: Literal["latest", "fresh"] = "latest"
    backbone: str = "smollm2-135m-instruct"
    layers: int | None = Field(default=15, ge=1)
    seed: int = Field(default=0, ge=0)
    held_out: float = Field(default=0.25, gt=0, lt=1)
    unseen_tasks: tuple[str, ...] = ()
    head_rankings: int = Field(default=96, ge=2)
    head_penalty: float = Field(default=3e-4, gt=0)
    epochs: int = Field(default=1, ge=0)
    time_budget_s: float | None = Field(default=840.0, gt=0)
    trajectories: int = Field(default=8, ge=2)
    batch_rankings: int = Field(default=2, ge=1)
    heads: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0)
    head_learning_rate: float = Field(default=1e-3, gt=0)
    warmup_updates: int = Field(default=4, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    guard_tolerance: float = Field(default=0.005, ge=0)
    pack_tokens: int = Field(default=2048, ge=64)
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    lora: LoraConfig = LoraConfig()
    text: TextConfig = TextConfig()

    def to_plain(self) -> dict[str, Any]:
        """Return the resolved configuration as plain JSON- and YAML-ready data."""
        return self.model_dump(mode="json")


__all__ = ["RewardModelConfig", "TextConfig"]
