"""What a learned reward model answers, and the contract that the router relies on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..step_view import EpisodeView


@dataclass(frozen=True, slots=True, kw_only=True)
class StepScore:
    """A learned score of one step.

    Attributes:
        value: the score, centred: summed over an episode it is the episode's, and demonstrations average 0.
        raw: the ensemble's mean before centring, log-odds: an episode with this step is preferred by so much to one
            without it, so a step that changes nothing has 0.
        spread: standard deviation of the ensemble's raw scores.
        confidence: calibrated probability, 0.5 to 1, that the step is on its side of the line halfway between doing
            nothing and an average step of a demonstration.
        version: of the model, such as "v003".
    """

    value: float
    raw: float
    spread: float
    confidence: float
    version: str


class RewardModel(Protocol):
    """R_phi(o_t, a_t, o_t+1) for every step of a batch of episodes."""

    @property
    def version(self) -> str:
        """The version that answers, such as "v003"."""
        ...

    def score(self, episodes: Sequence[EpisodeView]) -> list[list[StepScore]]:
        """Return a score for each step of each episode, in order.

        The episodes start at their first step but need not be finished: a step's score depends on nothing that comes
        after what it led to.
        """
        ...


__all__ = ["RewardModel", "StepScore"]
