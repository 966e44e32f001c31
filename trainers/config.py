"""The configuration of a GRPO run: a YAML file, `key=value` overrides, and nothing hidden."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..sandbox.errors import RunError
from .advantages import Credit
from .config_sections import BlendConfig, LoraConfig, RewardConfig, Section, ThresholdsConfig, WarmStartConfig
from .online_config import OnlineConfig
from .presets import Trainer
from .settings_file import fitted, load_settings, override, read_mapping

_REWARD_EXAMPLE = "examples/reward_layers/judge.yaml"


class TrustRegionConfig(Section):
    """The step of `update: trpo`; see `trpo_update.TrustRegion`.

    Attributes:
        max_kl: bound of the mean KL(old || new), nats a token.
        cg_iterations: most Fisher-vector products of an update.
        damping: added to the Fisher matrix's diagonal.
        backtracks: how often the step may be shortened.
        backtrack_ratio: by how much each time.
        fisher_fraction: share of the prompts on which curvature and KL are measured.
    """

    max_kl: float = Field(default=0.01, gt=0)
    cg_iterations: int = Field(default=8, ge=1)
    damping: float = Field(default=1e-3, ge=0)
    backtracks: int = Field(default=8, ge=1)
    backtrack_ratio: float = Field(default=0.6, gt=0, lt=1)
    fisher_fraction: float = Field(default=0.1, gt=0, le=1)


class GRPOConfig(OnlineConfig):
    """Everything a GRPO run depends on, beside what `OnlineConfig` names.

    Attributes:
        group_size: episodes per group.
        max_replacements: dead groups of an iteration that may be replaced by fresh ones, which begin while the others
            are still played (see `replacement`).
        dead_by: which groups are dead: those without any `advantage`, or those whose episodes all succeeded or all
            failed (`success`).
        advantage: what a step is compared with. Steps: `frontier` (return-to-go against siblings at the same
            milestones), `process` (standardised rewards), `anchor` (the same observation), `reward-to-go` (the batch).
            Whole episodes: `outcome` (standardised), `centred` (less the mean), `leave-one-out`.
        anchor_weight: weight of the step's part in `anchor`.
        scale_advantages: divide an iteration's advantages by their root mean square.
        zero_advantages: `skip` leaves steps of advantage 0 out of the update; `keep` lets them count in its means.
        update: `gradient`: minibatches through the optimiser; `trpo`: one constrained step without it.
        trpo: that step, see `TrustRegionConfig`.
        kl_coef: weight of the KL to the reference, which is the base (the adapter off) unless `reference_decay` is set.
    """

    trainer: ClassVar[Trainer] = "grpo"

    group_size: int = Field(default=8, ge=2)
    max_replacements: int = Field(default=4, ge=0)
    dead_by: Literal["advantage", "success"] = "advantage"
    advantage: Credit = "frontier"
    anchor_weight: float = Field(default=1.0, ge=0)
    scale_advantages: bool = True
    zero_advantages: Literal["skip", "keep"] = "skip"
    kl_coef: float = Field(default=0.005, ge=0)
    update: Literal["gradient", "trpo"] = "gradient"
    trpo: TrustRegionConfig = TrustRegionConfig()

    @model_validator(mode="after")
    def _check_update(self) -> GRPOConfig:
        if self.update == "trpo" and (self.ptx_coef > 0 or (self.kl_coef > 0 and self.kl_in == "loss")):
            raise ValueError(
                "update: trpo bounds the KL itself and takes no further terms of the loss: set kl_coef and ptx_coef to "
                "0, or kl_in to reward"
            )
        return self


def load_config(path: Path, overrides: Sequence[str] = ()) -> GRPOConfig:
    """Read a GRPO run's configuration; see `load_settings`."""
    return load_settings(path, overrides, GRPOConfig, kind="GRPO", example="examples/quickstart/config.yaml")


def load_reward(path: Path | None, overrides: Sequence[str] = ()) -> RewardConfig:
    """Read which layers make the reward, for an evaluation.

    Args:
        path: YAML file with a `reward:` section; what else is in it, as in a training's configuration, is another
            command's. None: the overrides say it all.
        overrides: `reward.KEY=VALUE` items, as for training.

    Raises:
        RunError: the file is missing, has no such section, or a key or value does not fit.
    """
    data: dict[str, Any] = {} if path is None else read_mapping(path, _REWARD_EXAMPLE)
    if path is not None and "reward" not in data:
        raise RunError(
            f"{path}: expected a `reward:` section, got {', '.join(map(str, data)) or 'nothing'}. Put the settings "
            f"under `reward:`, as in {_REWARD_EXAMPLE}."
        )
    for item in overrides:
        if not item.startswith("reward."):
            raise RunError(f"setting {item!r}: expected one that begins with `reward.`, such as reward.mode=cascade.")
        override(data, item)
    where = "the settings" if path is None else f"{path} with {len(overrides)} overrides"
    return fitted(data.get("reward", {}), RewardConfig, f"the reward of {where} is not valid")


__all__ = [
    "BlendConfig",
    "GRPOConfig",
    "LoraConfig",
    "RewardConfig",
    "ThresholdsConfig",
    "TrustRegionConfig",
    "WarmStartConfig",
    "load_config",
    "load_reward",
    "load_settings",
]
