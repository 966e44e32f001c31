"""What training has seen of each instance: which are solved, which lead nowhere, and which are within reach.

An instance (a task's seed) teaches where its episodes fare differently: comparing them is all that a group can do. It
is dropped after several visits in a row on which all its episodes succeeded, or on none of which anything was reached.

Source: sampling by the variance of success, p (1 - p), is Florensa et al. 2018 ("Automatic Goal Generation", GOALS of
intermediate difficulty, 1705.06366) and Foster et al. 2025 ("Learning to Reason at the Frontier of Learnability",
2502.12272). Ours is that milestones count too: episodes that all fail, but get differently far, teach as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

VISITS = 2
"""After so many visits in a row that taught nothing an instance is dropped."""
MOST = 512
"""Instances of a task that are remembered; the longest unseen are forgotten, which lets them be drawn again."""
_SLIGHT = 0.05
"""Weight of an instance within reach whose last visit showed no difference."""


def closeness(outcomes: Sequence[tuple[bool, float]]) -> float:
    """Return how close to the frontier of ability a group was, 0 to 1.

    It is 4 p (1 - p) for the share p of successes or four times the variance of the progress, whichever is more: 0 if
    all episodes fared alike, 1 if half of them succeeded, or half of them got all the way and half nowhere.

    Args:
        outcomes: of each episode, whether it succeeded, and its progress, 0 to 1.
    """
    if not outcomes:
        return 0.0
    p = sum(success for success, _ in outcomes) / len(outcomes)
    mean = sum(progress for _, progress in outcomes) / len(outcomes)
    variance = sum((progress - mean) ** 2 for _, progress in outcomes) / len(outcomes)
    return min(1.0, 4.0 * max(p * (1.0 - p), variance))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is remembered of an instance.

    Attributes:
        closeness: of its last visit.
        solved: visits in a row, up to the last, on which all episodes succeeded.
        stuck: likewise, on which nothing was reached.
    """

    closeness: float = 1.0
    solved: int = 0
    stuck: int = 0

    @property
    def dropped(self) -> bool:
        """Whether it is left out for now."""
        return max(self.solved, self.stuck) >= VISITS

    def after(self, outcomes: Sequence[tuple[bool, float]]) -> Seen:
        """Return what is remembered after another visit with these outcomes (at least one)."""
        solved = all(success for success, _ in outcomes)
        stuck = not any(success or progress > 0 for success, progress in outcomes)
        return Seen(
            closeness=closeness(outcomes),
            solved=self.solved + 1 if solved else 0,
            stuck=self.stuck + 1 if stuck else 0,
        )


class SeedMemory:
    """Of one task: its instances by seed, the longest unseen first."""

    def __init__(self) -> None:
        self.seen: dict[int, Seen] = {}

    def visit(self, seed: int, outcomes: Sequence[tuple[bool, float]]) -> None:
        """Take in how a group of this instance went; no outcomes say nothing."""
        if not outcomes:
            return
        self.seen[seed] = self.seen.pop(seed, Seen()).after(outcomes)
        while len(self.seen) > MOST:
            del self.seen[next(iter(self.seen))]

    def choose(self, rng: np.random.Generator, *, dropped: bool, without: set[int]) -> int | None:
        """Return a known instance; None if there is none.

        Args:
            rng: draws it: of those within reach by their closeness, of the dropped ones evenly.
            dropped: one of those that were dropped, or one of the others.
            without: seeds that must not be returned.
        """
        pool = [seed for seed, seen in self.seen.items() if seen.dropped == dropped and seed not in without]
        if not pool:
            return None
        weights = np.array([1.0 if dropped else _SLIGHT + self.seen[seed].closeness for seed in pool])
        return pool[int(rng.choice(len(pool), p=weights / weights.sum()))]

    def state(self) -> dict[str, Any]:
        """Return what resuming needs, JSON-ready, in the order of last visits."""
        return {str(seed): asdict(seen) for seed, seen in self.seen.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state returned by `state`."""
        self.seen = {int(seed): Seen(**seen) for seed, seen in state.items()}


__all__ = ["MOST", "VISITS", "SeedMemory", "Seen", "closeness"]
