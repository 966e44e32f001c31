"""Milestones of meaning: what no event shows, and the learned model or the judge answers for.

They are declared like any other (`source: judge` or `source: model`), but nothing fires them while the episode runs:
they are settled when it is over, from what the agent did and saw. Whoever settles them says how sure they are; where
nobody is sure, the milestone is unscored, which is not the same as missed.
"""

from __future__ import annotations

from typing import Literal

from .spec import Spec, Text
from .types import Evidence, Moment


class Rubric(Spec):
    """Something to be judged when the episode is over.

    Attributes:
        rubric: what must be true of the episode, as a judge is told.
        truth: what the judge may know and the agent must find out, such as the expected answer.
    """

    kind: Literal["rubric"] = "rubric"
    rubric: Text
    truth: Text | None = None

    def detect(self, moment: Moment) -> Evidence | None:
        """Return None: no rule can tell."""
        return None


__all__ = ["Rubric"]
