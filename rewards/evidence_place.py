"""Where and when evidence was seen, said in the same words whatever the detector.

Detectors say what they saw, in `facts`. The tracker completes that with `where`, drawn from those facts and the
moment, so that no detector need repeat it:

    step    the step at whose end it was seen
    url     address of the page: the one in the facts, else that of the active tab
    tab     the active tab's place, from 1, where the tabs were recorded
    ref, frame   the element, and the frame that it is in, where the facts name an element
    path    the workspace file (the first of several)
    query   the question to the application's state
    event   index, among the step's events, of the last one about the same file, element, text or address; absent where
            the evidence is a state of the page and no event is about it

What is not known is absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..sandbox.events import Event, Load, Navigation
from ..sandbox.snapshot import Snapshot
from .types import Evidence, Moment


def located(evidence: Evidence, moment: Moment) -> Evidence:
    """Return the evidence with `where` completed; what its detector said of the place stays."""
    facts, page = evidence.facts, moment.snapshot
    where: dict[str, Any] = {"step": moment.step, "url": facts.get("url", page.url)}
    if (tab := next((tab.index for tab in page.tabs if tab.active), None)) is not None:
        where["tab"] = tab
    where |= _element(facts, page)
    path = facts.get("path") or next(iter(facts.get("paths") or ()), None)
    if path is not None:
        where["path"] = path
    if "query" in facts:
        where["query"] = facts["query"]
    if (event := _event(facts, path, moment.events)) is not None:
        where["event"] = event
    return replace(evidence, where={**where, **evidence.where})


def _element(facts: Mapping[str, Any], page: Snapshot) -> dict[str, Any]:
    """Return the element that the facts name; the same ref may occur in another frame, then role and name decide."""
    if "ref" not in facts:
        return {}
    ref, role, name = facts["ref"], facts.get("role"), facts.get("name")
    there = [e for e in page.elements if e.ref == ref and role in (None, e.role) and name in (None, e.name)]
    return {"ref": ref} if not there else {"ref": ref, "frame": there[0].frame}


def _event(facts: Mapping[str, Any], path: str | None, events: Sequence[Event]) -> int | None:
    def is_about(event: Event) -> bool:
        if path is not None:
            return getattr(event, "path", None) == path
        if "ref" in facts:
            return getattr(event, "ref", None) == facts["ref"] and facts.get("role") in (
                None,
                getattr(event, "role", None),
            )
        if "text" in facts:
            return facts["text"] in (getattr(event, "text", None), getattr(event, "message", None))
        return "url" in facts and isinstance(event, Load | Navigation) and event.url == facts["url"]

    return next((i for i in range(len(events) - 1, -1, -1) if is_about(events[i])), None)


__all__ = ["located"]
