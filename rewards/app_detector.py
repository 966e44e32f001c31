"""A detector that looks at one application only, in a task that runs on several.

    - {id: claimed, app: claims, detector: server_state, query: "length(new_claims)", equals: 1, reward: 1.0}

is short for `{detector: in_app, app: claims, of: {detector: server_state, ...}}`.

What one application's pages show or do is then nothing to it: events of other pages are left out, another
application's page counts as none, and a query is asked of this application's state alone. Files, commands and the
agent's answer belong to no application and are seen as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import model_validator

from ..sandbox.events import (
    AppState,
    Dialog,
    ElementDelta,
    Event,
    Focus,
    Load,
    Navigation,
    Title,
)
from ..sandbox.snapshot import BLANK_URL, Snapshot
from .combinators import refuse_absence
from .needs import Needs
from .parts import Part
from .spec import Spec, Text
from .trace import Trace
from .types import Evidence, Moment

_NAMELESS = (Dialog, ElementDelta, Focus, Title)
"""Events of a page that do not tell its address: they belong to the page that was there when they were recorded."""


def shown_origin(app: str) -> str:
    """Return the origin under which an application's pages are shown, the same in every episode."""
    return f"http://{app}.local"


def is_at(url: str, app: str) -> bool:
    """Tell whether an address is one of an application's pages."""
    origin, url = shown_origin(app), url.removeprefix("blob:")
    return url == origin or url.startswith((f"{origin}/", f"{origin}?", f"{origin}#"))


class InApp(Spec):
    """Another detector, which sees one of the task's applications only.

    In a task with `apps`, any milestone may say `app: NAME` instead. An event counts if it happened on a page of that
    application, an element if such a page shows it; a query is asked of that application's state. Without it, a
    milestone sees all pages, and a query finds each application's state under its name.

    Attributes:
        app: the application's name, one of the task's `apps`.
        of: the detector.
    """

    kind: Literal["in_app"] = "in_app"
    app: Text
    of: Part

    @model_validator(mode="after")
    def _happens(self) -> Self:
        refuse_absence("in_app", self.of)
        return self

    def parts(self) -> tuple[Spec, ...]:
        """Return the one part."""
        return (self.of,)

    def lasts(self) -> bool:
        """Tell what the part tells."""
        return self.of.lasts()

    def remembers(self) -> bool:
        """Tell what the part tells."""
        return self.of.remembers()

    def needs(self) -> Needs:
        """Return what the part needs."""
        return self.of.needs()

    def detect(self, moment: Moment) -> Evidence | None:
        """Return what the part sees of the application."""
        return self.of.detect(of_app(moment, self.app))

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether the part held at the reset, on that application."""
        return self.of.held_at_reset(of_app(moment, self.app))

    def trace(self, moment: Moment) -> Trace:
        """Return the part's trace."""
        return self.of.trace(of_app(moment, self.app))


def of_app(moment: Moment, app: str) -> Moment:
    """Return what of a moment concerns one application."""
    history = tuple(_events_of(moment.history, app))
    return replace(
        moment,
        events=tuple(event for event in history if event.step == moment.step),
        history=history,
        snapshot=_snapshot_of(moment.snapshot, app),
        previous=None if moment.previous is None else _snapshot_of(moment.previous, app),
        reset=None if moment.reset is None else _snapshot_of(moment.reset, app),
        behind=tuple(_snapshot_of(snapshot, app) for snapshot in moment.behind),
    )


def _snapshot_of(snapshot: Snapshot, app: str) -> Snapshot:
    state: Any = snapshot.app_state.get(app)
    seen = replace(
        snapshot,
        tabs=tuple(tab for tab in snapshot.tabs if is_at(tab.url, app)),
        app_state=state if isinstance(state, Mapping) else {},
    )
    if is_at(snapshot.url, app):
        return seen
    return replace(
        seen, url=BLANK_URL, title="", focused=None, elements=(), elements_omitted=0, dialog=None, regions={}
    )


def _events_of(events: Iterable[Event], app: str) -> Iterator[Event]:
    """Yield the events of an application's pages, and those of no page."""
    here = False  # whether the page that was loaded last is one of the application's
    for event in events:
        if isinstance(event, Navigation | Load):
            here = is_at(event.url, app)
        if isinstance(event, AppState):
            if app in event.changed:
                yield event
        elif isinstance(event, _NAMELESS):
            if here:
                yield event
        elif (url := getattr(event, "url", None)) is None or is_at(url, app):
            yield event


__all__ = ["InApp", "is_at", "of_app", "shown_origin"]
