"""From a run's configuration to what settles its rewards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..agents.settlement import Settler
from ..rewards.router import Thresholds, Weights
from ..rewards.types import Source
from .config import RewardConfig


def build_settler(config: RewardConfig) -> Settler:
    """Return the settler of a run, its model loaded and its judge connected.

    Raises:
        RewardError: the mode needs a layer that is not configured, or a layer cannot be loaded.
        EngineError: the reward model's backbone cannot be loaded.
    """
    from ..agents.reward_layers import JudgingLayer, LearnedLayer
    from ..rewards.judge import Judge

    thresholds, weights = config.thresholds, config.weights
    settler = Settler(
        mode=config.mode,
        model=None if config.model is None else LearnedLayer.load(config.model),
        judge=None if config.judge is None else JudgingLayer(Judge.connect(config.judge)),
        thresholds=Thresholds(
            model=thresholds.model,
            judge=thresholds.judge,
            tasks={name: _by_source(own) for name, own in thresholds.tasks.items()},
            milestones={name: _by_source(own) for name, own in thresholds.milestones.items()},
        ),
        weights=Weights(rule=weights.rule, model=weights.model, judge=weights.judge),
        unscored=config.unscored,
    )
    return settler


def _by_source(thresholds: Mapping[Literal["model", "judge"], float]) -> dict[Source, float]:
    return {Source(name): value for name, value in thresholds.items()}


__all__ = ["build_settler"]
