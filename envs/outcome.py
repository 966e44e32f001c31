"""Records of one step's outcome besides its reward: why an episode stopped, and where the time went."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class StopReason(StrEnum):
    """Why an episode ended, as reported in `info["stop_reason"]`."""

    SUCCESS = "success"
    DONE = "done"
    MILESTONE = "milestone"
    """A milestone that ends the episode was reached without success, such as a forbidden act."""
    STEP_LIMIT = "step_limit"
    IDLE_LIMIT = "idle_limit"
    """The agent did nothing that changed anything for as long as the task allows (`max_idle_steps`)."""
    FAILURE = "failure"
    """The machine failed; `info["failure"]` says how. Masked or retried, never scored as zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimings:
    """Milliseconds of real time one step or reset took, by part; every two timings compare equal.

    Attributes:
        act: parsing the action and doing it (at a reset: getting a page, an app instance and a workspace).
        settle: granting the page its budget of virtual time.
        look: reading the page, the files and the application's state.
        score: milestones, reward and ledger.
        total: all of it, from the call to the observation.
    """

    act: float = field(default=0.0, compare=False)
    settle: float = field(default=0.0, compare=False)
    look: float = field(default=0.0, compare=False)
    score: float = field(default=0.0, compare=False)
    total: float = field(default=0.0, compare=False)


__all__ = ["StepTimings", "StopReason"]
