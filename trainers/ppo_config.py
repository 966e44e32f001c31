"""The configuration of a PPO run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from .config_sections import LoraConfig, Section
from .online_config import OnlineConfig
from .presets import Trainer
from .settings_file import load_settings


class CriticConfig(Section):
    """The critic: a value head, and what it reads.

    Attributes:
        backbone: `shared`: the head reads the policy's hidden states, which an update computes anyway; `separate`: a
            model and adapter of its own.
        stop_gradient: the value loss does not reach a shared backbone.
        reward_model: folder of a version of the reward model from which a separate critic starts; None: from the base.
        layers: keep so many of a separate backbone's first layers; None: all. A reward model brings its own.
        learning_rate: AdamW learning rate of the head.
        adapter_learning_rate: and of a separate critic's adapter.
        lora: a separate critic's adapter.
    """

    backbone: Literal["shared", "separate"] = "shared"
    stop_gradient: bool = True
    reward_model: Path | None = None
    layers: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=1e-2, gt=0)
    adapter_learning_rate: float = Field(default=1e-4, gt=0)
    lora: LoraConfig = LoraConfig()

    @model_validator(mode="after")
    def _check_start(self) -> CriticConfig:
        if self.reward_model is not None and self.backbone == "shared":
            raise ValueError("reward_model starts a critic with a backbone of its own: set backbone: separate")
        return self


class PPOConfig(OnlineConfig):
    """Everything a PPO run depends on, beside what `OnlineConfig` names.

    Attributes:
        gae_level: advantages over environment steps, or over the tokens of a `shared` critic.
        gae_lambda: 0 trusts the critic, 1 the sampled returns.
        token_lambda: decay between the tokens of one action, at the token level.
        whiten: advantages of a batch are centred and scaled to deviation 1.
        value_coef: weight of the value loss.
        value_clip: how far V may move in an iteration for its loss to shrink, in the reward's units; None: as far as it
            likes (a critic that begins at zero has far to go, and runs are short).
        critic: see `CriticConfig`.
    """

    trainer: ClassVar[Trainer] = "ppo"

    epochs: int = Field(default=2, ge=1)
    minibatches: int = Field(default=4, ge=1)
    clip_high: float = Field(default=0.2, gt=0)
    negative_scale: float = Field(default=1.0, gt=0, le=1)
    gae_level: Literal["step", "token"] = "step"
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    token_lambda: float = Field(default=1.0, ge=0, le=1)
    whiten: bool = True
    value_coef: float = Field(default=0.5, ge=0)
    value_clip: float | None = Field(default=None, gt=0)
    critic: CriticConfig = CriticConfig()

    @model_validator(mode="after")
    def _check_level(self) -> PPOConfig:
        if self.gae_level == "token" and self.critic.backbone == "separate":
            raise ValueError("gae_level: token needs a value at every token, which only a shared critic gives")
        return self


def load_ppo_config(path: Path, overrides: Sequence[str] = ()) -> PPOConfig:
    """Read a PPO run's configuration; see `load_settings`."""
    return load_settings(path, overrides, PPOConfig, kind="PPO", example="examples/presets/ppo.yaml")


__all__ = ["CriticConfig", "PPOConfig", "load_ppo_config"]
