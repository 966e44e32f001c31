"""Detectors of what is seen of the browser: how a part of the page looks, and which tabs there are."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..sandbox.snapshot import BLANK_URL, VIEWPORT, Snapshot, TabInfo
from .needs import Needs, Region, region_key
from .page_view import acted, new_document, path_matches, path_of, repeats_the_agent, same_address, same_document
from .spec import Glob, Pattern, Spec, Text, text_matches
from .types import Evidence, Moment

_CHANNELS = 3
_LEVELS = 8  # of 255: what a mean colour may differ by and still look the same

Pixels = Annotated[int, Field(ge=0)]


class RegionChanged(Spec):
    """A part of the viewport looks different: a canvas, a chart, a picture, what no element tells of.

    What is compared is the mean colour of 16 x 16 equal cells of the region, so choose it tightly. A picture says
    nothing about who changed it, or into what: prefer a detector of elements where there are elements. A step that
    scrolled the page, or moved most of what is on it, does not count, nor one that led to another document. While a
    dialog of the browser holds the page, it looks as it did before. Needs Pillow.

    Attributes:
        region: left, top, width and height in CSS pixels of the viewport, which is 1280 x 720.
        percent: how much of the region must look different, in percent of its area.
        since: compared with the end of the step before ("step"), or with the page at the reset ("reset").
        same_document: false lets the same address count when it was loaded again.
        after_input: a trusted click, input or submission in the same step is required.
    """

    kind: Literal["region_changed"] = "region_changed"
    region: tuple[Pixels, Pixels, Pixels, Pixels]
    percent: float = Field(default=5.0, gt=0, le=100)
    since: Literal["step", "reset"] = "step"
    same_document: bool = True
    after_input: bool = False

    @field_validator("region")
    @classmethod
    def _lies_within(cls, region: Region) -> Region:
        left, top, width, height = region
        if width < 1 or height < 1 or left + width > VIEWPORT[0] or top + height > VIEWPORT[1]:
            raise ValueError(
                f"expected left, top, width and height of a part of the viewport of {VIEWPORT[0]} x {VIEWPORT[1]} "
                f"pixels, got {list(region)}; change them"
            )
        return region

    def needs(self) -> Needs:
        """Return that the region's picture is needed."""
        return Needs(regions=frozenset({self.region}))

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the region came to look different in this step."""
        earlier = moment.previous
        if earlier is None or (self.after_input and not acted(moment.events)) or _scrolled(earlier, moment.snapshot):
            return None
        if not (same_document(moment) if self.same_document else same_address(moment)):
            return None
        base = earlier
        if self.since == "reset":
            if moment.reset is None or (self.same_document and self._has_left(moment)):
                return None
            base = moment.reset
            if self._difference(base, earlier) >= self.percent:
                return None  # it looked different already
        percent = self._difference(base, moment.snapshot)
        if percent < self.percent:
            return None
        facts = {"region": list(self.region), "percent": percent, "since": self.since}
        return Evidence(summary=f"{percent:.0f} % of the region {region_key(self.region)} looks different", facts=facts)

    def _has_left(self, moment: Moment) -> bool:
        """Tell whether another document was opened since the reset."""
        return new_document([event for event in moment.history if event.step > 0]) is not None

    def _difference(self, one: Snapshot, other: Snapshot) -> float:
        """Return how much of the region looks different in two looks, in percent; 0 where it was not pictured."""
        key = region_key(self.region)
        if key not in one.regions or key not in other.regions:
            return 0.0
        a, b = base64.b64decode(one.regions[key]), base64.b64decode(other.regions[key])
        cells = min(len(a), len(b)) // _CHANNELS
        different = sum(
            any(abs(a[at] - b[at]) > _LEVELS for at in range(cell * _CHANNELS, (cell + 1) * _CHANNELS))
            for cell in range(cells)
        )
        return 100 * different / cells if cells else 0.0


class TabOpened(Spec):
    """A tab with a path or title came to be, whether the page opened it or the agent did.

    A tab that was opened empty counts when it first shows a page. A present tab that goes there is no new one, and a
    title that the agent has itself written into a field tells nothing.

    Attributes:
        path: glob over the decoded path of its address.
        title: its document's title (`title_contains`, `title_pattern`).
        after_input: a trusted click, input or submission in the same step is required, as when a link opens it.
    """

    kind: Literal["tab_opened"] = "tab_opened"
    path: Glob | None = None
    title: Text | None = None
    title_contains: Text | None = None
    title_pattern: Pattern | None = None
    after_input: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not (self.path or self.title or self.title_contains or self.title_pattern):
            raise ValueError("expected path, title, title_contains or title_pattern, got none; say which tab")
        return self

    def _fits(self, tab: TabInfo) -> bool:
        return (self.path is None or path_matches(path_of(tab.url), self.path)) and text_matches(
            tab.title, *self._words()
        )

    def _words(self) -> tuple[str | None, str | None, str | None]:
        return self.title, self.title_contains, self.title_pattern

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a tab was opened in this step."""
        if moment.previous is None or (self.after_input and not acted(moment.events)):
            return None
        old, now = moment.previous.tabs, moment.snapshot.tabs
        if len(now) < len(old):
            return None  # the places of those after the closed one have shifted
        for place, tab in enumerate(now):
            is_new = place >= len(old) or (old[place].url == BLANK_URL and tab.url != BLANK_URL)
            if is_new and tab.url != BLANK_URL and self._fits(tab):
                if repeats_the_agent(moment.history, *self._words(), addresses=False):
                    return None
                facts = {"index": tab.index, "url": tab.url, "title": tab.title}
                return Evidence(summary=f'tab {tab.index} "{tab.title}" opened at {path_of(tab.url)}', facts=facts)
        return None


def _scrolled(earlier: Snapshot, now: Snapshot) -> bool:
    """Tell whether the page was scrolled: of the elements that are in both looks, most have moved by one distance."""
    boxes = {element.ref: element.box for element in earlier.elements if element.box is not None}
    moves: Counter[tuple[float, float]] = Counter()
    for element in now.elements:
        box = boxes.get(element.ref)
        if box is not None and element.box is not None:
            moves[round(element.box[0] - box[0], 1), round(element.box[1] - box[1], 1)] += 1
    return bool(moves) and moves.most_common(1)[0][0] != (0.0, 0.0)


__all__ = ["RegionChanged", "TabOpened"]
