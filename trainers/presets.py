"""Presets: the settings that make a named method of the literature, with its paper.

`preset: NAME` in a configuration fills in what is below; keys that the configuration gives itself win. A preset holds
what the method's objective is, nothing of learning rates, sizes or schedules; examples/presets/NAME.yaml is a run that
can be started. "Sequence" in a paper is one action here (see `objectives`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Trainer = Literal["grpo", "ppo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A named method.

    Attributes:
        trainer: which trainer runs it.
        paper: where it comes from.
        settings: configuration keys and their values.
    """

    trainer: Trainer
    paper: str
    settings: Mapping[str, Any]


_PLAIN: dict[str, Any] = {"negative_scale": 1.0, "scale_advantages": False, "zero_advantages": "keep", "kl_coef": 0.0}
"""What the papers do not have: our weighing down of negative advantages, our scaling, leaving out zeros."""

PRESETS: Mapping[str, Preset] = {
    "reinforce": Preset(
        trainer="grpo",
        paper="Williams 1992; rewards-to-go and a baseline from the batch",
        settings={**_PLAIN, "advantage": "reward-to-go", "surrogate": "log", "minibatches": 1, "target_kl": None},
    ),
    "rloo": Preset(
        trainer="grpo",
        paper="Ahmadian et al. 2024 (2402.14740)",
        settings={
            **_PLAIN, "advantage": "leave-one-out", "ratio": "product", "clip_low": 0.2, "clip_high": 0.2,
            "normalisation": "sequence", "kl_coef": 0.03, "kl_in": "reward",
        },
    ),
    "grpo": Preset(
        trainer="grpo",
        paper="Shao et al. 2024 (2402.03300)",
        settings={
            **_PLAIN, "advantage": "outcome", "clip_low": 0.2, "clip_high": 0.2, "normalisation": "sequence",
            "kl_coef": 0.04, "kl_in": "loss", "kl_estimator": "k3",
        },
    ),
    "dr-grpo": Preset(
        trainer="grpo",
        paper="Liu et al. 2025 (2503.20783)",
        settings={
            **_PLAIN, "advantage": "centred", "clip_low": 0.2, "clip_high": 0.2, "normalisation": "constant",
        },
    ),
    "dapo": Preset(
        trainer="grpo",
        paper="Yu et al. 2025 (2503.14476)",
        settings={
            **_PLAIN, "advantage": "outcome", "clip_low": 0.2, "clip_high": 0.28, "normalisation": "token",
            "dead_by": "success", "resample": True, "max_replacements": 16, "overlong_cache_tokens": 8,
            "zero_advantages": "skip",
        },
    ),
    "grpo+": Preset(
        trainer="grpo",
        paper="Luo et al. 2025 (DeepCoder)",
        settings={
            **_PLAIN, "advantage": "outcome", "clip_low": 0.2, "clip_high": 0.4, "normalisation": "sequence",
            "mask_truncated": "responses", "entropy_coef": 0.0,
        },
    ),
    "gspo": Preset(
        trainer="grpo",
        paper="Zheng et al. 2025 (2507.18071)",
        settings={
            **_PLAIN, "advantage": "outcome", "ratio": "sequence", "clip_low": 3e-4, "clip_high": 4e-4,
            "normalisation": "sequence",
        },
    ),
    "cispo": Preset(
        trainer="grpo",
        paper="MiniMax 2025 (2506.13585)",
        settings={
            **_PLAIN, "advantage": "outcome", "surrogate": "cispo", "clip_low": 1.0, "clip_high": 4.0,
            "normalisation": "token",
        },
    ),
    "gigpo": Preset(
        trainer="grpo",
        paper="Feng et al. 2025 (2505.10978)",
        settings={
            **_PLAIN, "advantage": "anchor", "anchor_weight": 1.0, "gamma": 0.95, "clip_low": 0.2, "clip_high": 0.2,
            "normalisation": "sequence", "kl_coef": 0.01,
        },
    ),
    "trpo": Preset(
        trainer="grpo",
        paper="Schulman et al. 2015 (1502.05477), with group baselines in place of a critic",
        settings={**_PLAIN, "advantage": "reward-to-go", "update": "trpo"},
    ),
    "ppo": Preset(
        trainer="ppo",
        paper="Schulman et al. 2017 (1707.06347)",
        settings={
            "clip_low": 0.2, "clip_high": 0.2, "kl_coef": 0.0, "entropy_coef": 0.01, "value_coef": 0.5, "epochs": 4,
            "gae_lambda": 0.95,
        },
    ),
    "ppo-penalty": Preset(
        trainer="ppo",
        paper="Schulman et al. 2017 (1707.06347), section 4",
        settings={
            "surrogate": "ratio", "penalty_coef": 1.0, "penalty_target": 0.01, "kl_coef": 0.0, "entropy_coef": 0.01,
            "value_coef": 0.5, "epochs": 4, "gae_lambda": 0.95, "target_kl": None,
        },
    ),
    "ppo-ptx": Preset(
        trainer="ppo",
        paper="Ouyang et al. 2022 (2203.02155)",
        settings={
            "clip_low": 0.2, "clip_high": 0.2, "kl_coef": 0.02, "kl_in": "reward",
            "ptx_coef": 27.8, "gae_lambda": 0.95, "gamma": 1.0,
        },
    ),
}  # fmt: skip


__all__ = ["PRESETS", "Preset", "Trainer"]
