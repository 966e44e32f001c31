"""What the router asks of the layers above the rules, whoever stands behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .step_view import EpisodeView
from .types import TierScore


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something to be judged of an episode that is over.

    Attributes:
        episode: what the agent saw and did.
        rubric: what must be true.
        truth: what is known to be right and the agent was not told; None if nothing is.
        milestone: the milestone that is asked about; None: the episode's goal as a whole.
    """

    episode: EpisodeView
    rubric: str
    truth: str | None = None
    milestone: str | None = None


def goal_rubric(goal: str) -> str:
    """Return what is asked of an episode as a whole, where nobody wrote a rubric: that its goal was reached."""
    return f"The agent reached this goal: {goal}"


class ModelLayer(Protocol):
    """The learned reward model, as the router asks it."""

    def score_steps(self, episodes: Sequence[EpisodeView]) -> list[list[TierScore]]:
        """Return one answer for each step of each episode."""
        ...

    def score(self, questions: Sequence[Question]) -> list[TierScore]:
        """Return one answer for each question, its `raw` in [0, 1] or None: abstained."""
        ...


class JudgeLayer(Protocol):
    """The judge, as the router asks it."""

    def score(self, questions: Sequence[Question]) -> list[TierScore]:
        """Return one answer for each question, its `raw` in [0, 1] or None: abstained, as for any bad answer."""
        ...


__all__ = ["JudgeLayer", "ModelLayer", "Question", "goal_rubric"]
