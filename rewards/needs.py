"""What detectors need recorded besides events and the usual snapshot, so that only what is asked for is taken.

A detector stays a pure function of what was recorded. One that looks into files, at pixels or at what a request carried
says so by `Spec.needs`; the episode unites the needs of its milestones and records just that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from .types import Milestone

Region = tuple[int, int, int, int]
"""Left, top, width, height in CSS pixels of the viewport."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What is to be recorded.

    Attributes:
        files: globs of workspace paths whose content is needed.
        regions: parts of the viewport whose picture is needed.
        request_bodies: whether what requests carry is needed.
    """

    files: frozenset[str] = frozenset()
    regions: frozenset[Region] = frozenset()
    request_bodies: bool = False

    def __or__(self, other: Needs) -> Needs:
        """Return both."""
        return Needs(
            files=self.files | other.files,
            regions=self.regions | other.regions,
            request_bodies=self.request_bodies or other.request_bodies,
        )


@runtime_checkable
class _Needy(Protocol):
    """A detector that can say what must be recorded for it."""

    def needs(self) -> Needs: ...


def region_key(region: Region) -> str:
    """Return the name under which a region's picture lies in a snapshot: "left,top,width,height"."""
    return ",".join(map(str, region))


def united(needs: Iterable[Needs]) -> Needs:
    """Return all of them."""
    result = Needs()
    for each in needs:
        result |= each
    return result


def needs_of(milestones: Iterable[Milestone]) -> Needs:
    """Return what the detectors of these milestones need; one that is code may say so by a method `needs`."""
    return united(m.detector.needs() for m in milestones if isinstance(m.detector, _Needy))


__all__ = ["Needs", "Region", "needs_of", "region_key", "united"]
