"""The two ways in which MiniWoB++ episodes are scored, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STRICT, COMPATIBLE, FAILED = "solved", "compatible", "failed"
"""Ids of the milestones that every task has; the second pays nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How an episode has been scored so far.

    Attributes:
        strict: the page gave its full reward: raw = 1. This is the success of the task.
        compatible: it gave any: raw > 0, as BrowserGym counts. Pages that grade give some for little, or for nothing.
    """

    strict: bool
    compatible: bool


def scores_of(info: Mapping[str, Any]) -> Scores:
    """Return the scores that the `info` of a reset or step tells, of an episode of any MiniWoB++ task."""
    return Scores(strict=STRICT in info["milestones"], compatible=COMPATIBLE in info["milestones"])


__all__ = ["COMPATIBLE", "FAILED", "STRICT", "Scores", "scores_of"]
