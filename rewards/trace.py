"""What a detector remembers of an episode: when it fired, and since when its condition stands.

A trace is a value. That of a step is computed from the one of the step before and the moment alone, so it is never
stored: whoever gives a detector an episode's moments in order gets the same traces again, live or from a ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..sandbox.errors import RewardError

if TYPE_CHECKING:
    from .types import Evidence, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What is remembered of one detector at the end of a step.

    Attributes:
        times: at how many steps it fired; the reset does not count.
        last: the latest of these steps; None if it never fired.
        since: the first step of those, up to now, at whose ends its condition held without a break; None if it does
            not hold now. What is an event holds from its first firing on.
        evidence: what was seen when it fired last.
        parts: the traces of the detectors that it is made of.
        memo: what else the detector keeps for itself.
    """

    times: int = 0
    last: int | None = None
    since: int | None = None
    evidence: Evidence | None = None
    parts: tuple[Trace, ...] = ()
    memo: Any = None

    def after(
        self,
        step: int,
        fired: Evidence | None,
        *,
        stands: bool,
        parts: tuple[Trace, ...] = (),
        memo: Any = None,
    ) -> Trace:
        """Return the trace one step on. At step 0 nothing fires, whatever is given."""
        counts = fired is not None and step > 0
        return Trace(
            times=self.times + counts,
            last=step if counts else self.last,
            since=(step if self.since is None else self.since) if stands else None,
            evidence=fired if counts else self.evidence,
            parts=parts,
            memo=memo,
        )

    def now(self, step: int) -> Evidence | None:
        """Return the evidence if the detector fired at this very step, else None."""
        return self.evidence if self.last == step else None


class Remembering(Protocol):
    """A detector that may have to see every step of an episode, also those at which nobody asks it."""

    def remembers(self) -> bool:
        """Tell whether it has to."""
        ...

    def trace(self, moment: Moment) -> Trace:
        """Return its trace at this moment, given that of the step before as `moment.past`."""
        ...


def remembered(moment: Moment) -> Trace:
    """Return what was remembered at the step before; an empty trace at the reset.

    Raises:
        RewardError: it is not there, because the steps before were not shown to the detector.
    """
    if moment.past is not None:
        return moment.past
    if moment.step > 0:
        raise RewardError(
            f"a detector that looks at several steps was given step {moment.step} without what it remembers of those "
            "before; give every moment in order to a Tracker, or to milepost.rewards.detections"
        )
    return Trace()


__all__ = ["Remembering", "Trace", "remembered"]
