"""Putting the advantages of a batch on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .groups import EPSILON, StepAdvantages


def whiten(advantages: Sequence[Sequence[float | None]], *, centre: bool = True) -> StepAdvantages:
    """Return the advantages less their mean, over their population standard deviation; None stays None.

    Args:
        advantages: of each step of each episode.
        centre: False: only divide; the mean stays what it was.

    Returns:
        Zeros (or, not centred, the values as they are) where all are equal.
    """
    known = [a for row in advantages for a in row if a is not None]
    mean = math.fsum(known) / max(len(known), 1)
    std = math.sqrt(math.fsum((a - mean) ** 2 for a in known) / max(len(known), 1))
    if std < EPSILON:
        return [[None if a is None else (0.0 if centre else a) for a in row] for row in advantages]
    back = 0.0 if centre else mean
    return [[None if a is None else (a - mean) / (std + EPSILON) + back for a in row] for row in advantages]


def root_mean_square(advantages: Sequence[Sequence[float | None]]) -> float:
    """Return the root mean square of the advantages that are not zero; 1 if there are none."""
    live = [a for row in advantages for a in row if a is not None and abs(a) >= EPSILON]
    return math.sqrt(math.fsum(a * a for a in live) / len(live)) if live else 1.0


__all__ = ["root_mean_square", "whiten"]
