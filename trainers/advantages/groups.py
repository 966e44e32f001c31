"""Groups of a batch, and the two ways to compare a member with its group.

A group is the episodes of one task and seed. Masked episodes (infrastructure failure) belong to none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence

from ...agents.records import Trajectory

StepAdvantages = list[list[float | None]]
"""For each episode, for each step, its advantage; None is masked."""
Place = tuple[int, int]
"""An episode's index in the batch and a step's in the episode."""
EPSILON = 1e-6
"""Added to a standard deviation before it divides; advantages smaller than this count as zero."""


def groups_of(batch: Sequence[Trajectory]) -> dict[tuple[str, int], list[int]]:
    """Return the indices of each group's episodes, by (task, seed), in the batch's order."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, trajectory in enumerate(batch):
        if trajectory.failure is None:
            groups[trajectory.task, trajectory.seed].append(i)
    return groups


def masked(batch: Sequence[Trajectory]) -> StepAdvantages:
    """Return a place for every step's advantage, each of them still None."""
    return [[None] * len(t.steps) for t in batch]


def spread(batch: Sequence[Trajectory], episode_scores: Mapping[int, float]) -> StepAdvantages:
    """Give every scored step the score of its episode; episodes without one stay masked."""
    out = masked(batch)
    for i, value in episode_scores.items():
        out[i] = [None if s.reward is None else value for s in batch[i].steps]
    return out


def standardised(values: Sequence[float]) -> list[float]:
    """Return the values less their mean, over their population standard deviation; zeros if they are all equal."""
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
    if std < EPSILON:
        return [0.0] * len(values)
    return [(v - mean) / (std + EPSILON) for v in values]


def leave_one_out(values: Mapping[Place, float], key: Callable[[Place], Hashable]) -> dict[Place, float | None]:
    """For each place, the mean of the other values with the same key; None where it is alone."""
    totals: dict[Hashable, float] = defaultdict(float)
    counts: dict[Hashable, int] = defaultdict(int)
    for place, value in values.items():
        totals[key(place)] += value
        counts[key(place)] += 1
    return {
        place: (totals[key(place)] - value) / (counts[key(place)] - 1) if counts[key(place)] > 1 else None
        for place, value in values.items()
    }


__all__ = [
    "EPSILON",
    "Place",
    "StepAdvantages",
    "groups_of",
    "leave_one_out",
    "masked",
    "spread",
    "standardised",
]
