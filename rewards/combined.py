"""What detectors made of others have in common, and which of them are absences.

**What holds.** Every detector, alone or as a part, is in one of two families (`Spec.lasts`). A state holds while it is
so: its detector fired (or the reset had it), and its condition was met at the end of every step since then. An event
holds from its first firing on. A value that a page script wrote into a field never fired, so it does not hold either.

**Step 0 fires nothing.** What the reset had holds from step 0, so it can be a condition, but a detector all of whose
parts held there is barred like any other.

**Absence.** What did not happen is no achievement: a milestone that pays for it would pay an agent that does nothing.
So a `not` is only ever a guard beside something that does happen; all else is refused when the task is loaded.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .needs import Needs, united
from .spec import Spec
from .trace import Trace, remembered
from .types import Evidence, Moment

MAX_PARTS = 16


class Combined(Spec):
    """A detector made of others; its answer follows from their traces."""

    @abstractmethod
    def parts(self) -> tuple[Spec, ...]:
        """Return the detectors that it is made of, in the order of their traces."""

    @abstractmethod
    def follow(self, past: Trace, parts: tuple[Trace, ...], moment: Moment) -> Trace:
        """Return the trace at this moment.

        Args:
            past: its trace at the end of the step before; an empty one at the reset.
            parts: the traces of its parts at this moment.
            moment: the moment.
        """

    def unseen(self) -> str:
        """Return what is said of it where it holds without having fired."""
        return f"{kind_of(self)} held from the start"

    def remembers(self) -> bool:
        """Tell True."""
        return True

    def needs(self) -> Needs:
        """Return what the parts need, together."""
        return united(part.needs() for part in self.parts())

    def trace(self, moment: Moment) -> Trace:
        """Return its trace at this moment, its parts' traces included."""
        past = remembered(moment)
        return self.follow(past, trace_parts(self.parts(), past, moment), moment)

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if it fires at this moment."""
        return self.trace(moment).now(moment.step)


def trace_parts(parts: Sequence[Spec], past: Trace, moment: Moment) -> tuple[Trace, ...]:
    """Return the parts' traces at a moment."""
    if moment.step == 0:
        return tuple(part.trace(replace(moment, past=None)) for part in parts)
    return tuple(part.trace(replace(moment, past=was)) for part, was in zip(parts, past.parts, strict=True))


def kind_of(spec: Spec) -> str:
    """Return what a task file calls the detector."""
    return str(type(spec).model_fields["kind"].default)


def seen(part: Spec, trace: Trace) -> dict[str, Any]:
    """Return a part's share in the evidence: when it was seen, and what; JSON-ready."""
    if trace.evidence is None:
        said = part.unseen() if isinstance(part, Combined) else f"{kind_of(part)} held from the start"
        return {"detector": kind_of(part), "step": trace.since, "summary": said, "facts": {}}
    facts = dict(trace.evidence.facts)
    return {"detector": kind_of(part), "step": trace.last, "summary": trace.evidence.summary, "facts": facts}


__all__ = ["MAX_PARTS", "Combined", "kind_of", "seen", "trace_parts"]
