"""What earlier looks of an episode leave behind for detectors: the reset, and what modal dialogs have covered since.

While a modal dialog is open, only what is in it is reported: the page behind it has neither changed nor gone, it is not
seen. What a detector compares the page with, once the dialog has closed, is therefore the last look before it opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..sandbox.snapshot import Snapshot
from .page_view import covering, same_document
from .types import Moment


class Looks:
    """Remembers one episode's looks; give it every moment once, in order."""

    def __init__(self) -> None:
        self._reset: Snapshot | None = None
        self._behind: tuple[Snapshot, ...] = ()

    def recall(self, moment: Moment) -> Moment:
        """Return the moment with `reset` and `behind` filled in."""
        recalled = replace(moment, reset=self._reset, behind=self._behind)
        self._behind = _left_behind(recalled)
        if self._reset is None:
            self._reset = moment.snapshot
        return recalled


def earlier_looks(moment: Moment) -> Iterator[Snapshot]:
    """Yield the looks that together show the page as it was a step ago: the last one, and what lay behind it."""
    if moment.previous is not None:
        yield moment.previous
        yield from reversed(moment.behind)


def _left_behind(moment: Moment) -> tuple[Snapshot, ...]:
    """Return what lies behind the modal dialogs of the page now: what `behind` must be at the next moment."""
    cover = covering(moment.snapshot)
    if cover is None or moment.previous is None or not same_document(moment):
        return ()
    looks = (*moment.behind, moment.previous)
    for depth, look in enumerate(looks):
        earlier_cover = covering(look)
        if earlier_cover is not None and earlier_cover.ref == cover.ref:
            return looks[:depth]
    return looks


__all__ = ["Looks", "earlier_looks"]
