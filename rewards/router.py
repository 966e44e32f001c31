"""Whom to believe: one number from what the rules, the learned model and the judge said.

Two ways. The **cascade** believes the first layer that is sure enough, in the order rules, model,
judge, so the next need be asked only if it is not. The **blend** weighs all that answered. Neither turns silence into a
number: what nobody could score is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import fsum

from ..sandbox.errors import RewardError
from .types import Source, TierScore

ORDER = (Source.RULE, Source.MODEL, Source.JUDGE)
"""The cascade, from what is measured to what is only opined."""


class Mode(StrEnum):
    """Which layers make the reward."""

    RULES = "rules"
    MODEL = "model"
    JUDGE = "judge"
    CASCADE = "cascade"
    BLEND = "blend"


class Unscored(StrEnum):
    """What training does with a step that no layer scored.

    `CARRY` leaves its own reward out and lets what later steps earned flow back over it; `MASK` leaves the step out of
    the loss as well; `REQUIRE` stops the run with an error.
    """

    CARRY = "carry"
    MASK = "mask"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """How sure a layer must be to be believed, in [0, 1].

    Attributes:
        model: of the learned model.
        judge: of the judge.
        tasks: other thresholds for a task, by its name.
        milestones: other thresholds for a milestone, by "task/milestone"; they go before the task's.
    """

    model: float = 0.8
    judge: float = 0.6
    tasks: Mapping[str, Mapping[Source, float]] = field(default_factory=dict)
    milestones: Mapping[str, Mapping[Source, float]] = field(default_factory=dict)

    def of(self, source: Source, *, task: str = "", milestone: str | None = None) -> float:
        """Return how sure a layer must be of a task's step, or of one of its milestones. A rule need not be."""
        if source is Source.RULE:
            return 0.0
        own = self.milestones.get(f"{task}/{milestone}", {}) if milestone is not None else {}
        default = self.model if source is Source.MODEL else self.judge
        return own.get(source, self.tasks.get(task, {}).get(source, default))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each layer counts in a blend: each in [0, 1], together 1 (alpha, beta and gamma of spec 5.2)."""

    rule: float = 0.6
    model: float = 0.2
    judge: float = 0.2

    def __post_init__(self) -> None:
        values = (self.rule, self.model, self.judge)
        if not all(0.0 <= value <= 1.0 for value in values) or abs(fsum(values) - 1.0) > 1e-6:
            raise RewardError(
                f"expected the blend's weights in [0, 1] and 1 together, got rule {self.rule}, model {self.model}, "
                f"judge {self.judge} (together {fsum(values):g}); change them"
            )

    def of(self, source: Source) -> float:
        """Return a layer's weight."""
        return {Source.RULE: self.rule, Source.MODEL: self.model, Source.JUDGE: self.judge}[source]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What came of the layers' answers.

    Attributes:
        score: the number; None: unscored.
        tier: the layer that was believed; None in a blend, and where nothing was scored.
        tiers: every answer, in the order of the cascade, the abstentions too.
    """

    score: float | None
    tier: Source | None
    tiers: tuple[TierScore, ...]


def is_believed(answer: TierScore, threshold: float) -> bool:
    """Tell whether a layer answered, and is sure enough. One that does not say how sure it is counts as unsure."""
    if answer.raw is None:
        return False
    return answer.tier is Source.RULE or (answer.confidence is not None and answer.confidence >= threshold)


def cascade(
    answers: Sequence[TierScore], thresholds: Thresholds, *, task: str = "", milestone: str | None = None
) -> Routed:
    """Believe the first layer that is sure enough.

    Args:
        answers: what the layers said, at most one of each; those that were not asked are left out.
        thresholds: how sure they must be.
        task: the task's name.
        milestone: the milestone that is scored; None: a step.
    """
    tiers = _in_order(answers)
    for answer in tiers:
        if is_believed(answer, thresholds.of(answer.tier, task=task, milestone=milestone)):
            return Routed(score=answer.raw, tier=answer.tier, tiers=tiers)
    return Routed(score=None, tier=None, tiers=tiers)


def blend(answers: Sequence[TierScore], weights: Weights) -> Routed:
    """Return the weighted mean of the layers that answered: the weights of those that did not go to the others.

    Layers of weight 0 have no say: if no other answered, the step is unscored.
    """
    tiers = _in_order(answers)
    heard = [(weights.of(t.tier), t.raw) for t in tiers if t.raw is not None and weights.of(t.tier) > 0]
    total = fsum(weight for weight, _ in heard)
    score = fsum(weight * raw for weight, raw in heard) / total if heard else None
    return Routed(score=score, tier=None, tiers=tiers)


def only(answers: Sequence[TierScore], source: Source) -> Routed:
    """Return what one layer said, however sure it is."""
    tiers = _in_order(answers)
    for answer in tiers:
        if answer.tier is source and answer.raw is not None:
            return Routed(score=answer.raw, tier=source, tiers=tiers)
    return Routed(score=None, tier=None, tiers=tiers)


def _in_order(answers: Sequence[TierScore]) -> tuple[TierScore, ...]:
    found = {answer.tier: answer for answer in answers}
    if len(found) < len(answers):
        raise RewardError(
            f"expected at most one answer of each layer, got {', '.join(a.tier for a in answers)}; leave one out"
        )
    return tuple(found[source] for source in ORDER if source in found)


__all__ = [
    "ORDER",
    "Mode",
    "Routed",
    "Thresholds",
    "Unscored",
    "Weights",
    "blend",
    "cascade",
    "is_believed",
    "only",
]
