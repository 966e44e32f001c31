"""What a ledger holds, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..sandbox.events import Event
from ..sandbox.snapshot import Snapshot
from .scorer import RewardScheme
from .types import Milestone, StepReward

FORMAT = 2
"""The format that is written: sealed lines, snapshots as differences. Format 1, unsealed and whole, is still read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHeader:
    """What an episode was about and how it paid; `milestones` is None where a detector was not written as data."""

    task: str
    version: int
    seed: int
    parameters: Mapping[str, Any]
    milestones: tuple[Milestone, ...] | None
    scheme: RewardScheme


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStep:
    """One recorded step: the action, what happened, the computer at its end, and what was paid."""

    step: int
    action: str
    error: str
    events: tuple[Event, ...]
    snapshot: Snapshot
    reward: StepReward


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFooter:
    """How the episode ended; `total` is the sum of its scored steps."""

    stop_reason: str | None
    total: float
    success: bool
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A whole ledger.

    Attributes:
        header: what the episode was about.
        steps: its steps, the reset first.
        footer: how it ended; None where the process died, or lines were cut off the end.
        torn: whether a last line that was cut short was passed over.
        format: 1 or 2.
        head: the hash of the last whole line; None in format 1, which is not sealed.
    """

    header: LedgerHeader
    steps: tuple[LedgerStep, ...]
    footer: LedgerFooter | None
    torn: bool
    format: int = FORMAT
    head: str | None = None

    @property
    def sealed(self) -> bool:
        """Whether every line is in a hash chain and the chain was found whole."""
        return self.head is not None


__all__ = ["FORMAT", "Ledger", "LedgerFooter", "LedgerHeader", "LedgerStep"]
