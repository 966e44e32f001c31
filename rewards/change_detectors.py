"""Detectors of what becomes of elements: gone, changed, dialogs closed, focus moved.

They compare two looks at one document by the elements' references, which belong to the node and not to its name. Only
the main frame's elements are followed: those of inner frames get new references with every document that is loaded
there. While a modal dialog is open, what is behind it is not seen: it is neither gone nor changed; see `looks`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

from pydantic import model_validator

from ..sandbox.events import Click, Dialog, Focus
from ..sandbox.snapshot import Element, Snapshot
from .looks import earlier_looks
from .page_view import (
    DIALOG_ROLES,
    acted,
    covering,
    on_this_document,
    repeats_the_agent,
    same_address,
    same_document,
    says,
)
from .spec import Pattern, Spec, Text, text_matches
from .types import Evidence, Moment

Fits = Callable[[Snapshot, int], bool]


class ElementGone(Spec):
    """An element of a role, name or text was there a step ago, and none is any more.

    What the page no longer shows has disappeared from the page: a filter, another view or a longer list may have hidden
    it too. That something was deleted is proved by `server_state`. An element that is still there under another
    name has not gone, and nothing has gone as long as the page has more elements than are read.

    Attributes:
        role: its ARIA role.
        name: its accessible name (`name_contains`, `name_pattern`).
        text: its name together with everything below it (`text_contains`, `text_pattern`).
        same_document: false lets the same address count when it was loaded again, as after a form that posts.
        after_input: a trusted click, input or submission in the same step is required.
    """

    kind: Literal["element_gone"] = "element_gone"
    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None
    text: Text | None = None
    text_contains: Text | None = None
    text_pattern: Pattern | None = None
    same_document: bool = True
    after_input: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        _require_one(self, "role", "name", "name_contains", "name_pattern", "text", "text_contains", "text_pattern")
        return self

    def _fits(self, page: Snapshot, index: int) -> bool:
        element = page.elements[index]
        return (
            self.role in (None, element.role)
            and text_matches(element.name, self.name, self.name_contains, self.name_pattern)
            and says(page, index, self.text, self.text_contains, self.text_pattern)
        )

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the last such element disappeared in this step."""
        if (self.after_input and not acted(moment.events)) or not same_address(moment):
            return None
        if (element := _vanished(moment, self._fits, reloaded=not self.same_document)) is None:
            return None
        return Evidence(
            summary=f'{element.role} "{element.name}" is gone',
            facts={"ref": element.ref, "role": element.role, "name": element.name, "url": moment.snapshot.url},
        )


class ElementChanged(Spec):
    """An element that was there a step ago is still there, the same one, and has become what is asked.

    Which one is said by what it was; what it must become by the rest, all of it together. A new element in the place of
    the old one is no change of it.

    Attributes:
        role: its ARIA role.
        name: its accessible name before (`name_contains`, `name_pattern`).
        to_text: what it says now, its name or with everything below it (`to_text_contains`, `to_text_pattern`).
        to_value: the value that it shows now (`to_value_pattern`).
        gained: states that must be on now, such as "expanded".
        lost: states that must be off now, such as "disabled".
        after_input: a trusted click, input or submission in the same step is required.
    """

    kind: Literal["element_changed"] = "element_changed"
    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None
    to_text: Text | None = None
    to_text_contains: Text | None = None
    to_text_pattern: Pattern | None = None
    to_value: Text | None = None
    to_value_pattern: Pattern | None = None
    gained: tuple[Text, ...] = ()
    lost: tuple[Text, ...] = ()
    after_input: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        _require_one(self, "role", "name", "name_contains", "name_pattern")
        _require_one(
            self, "to_text", "to_text_contains", "to_text_pattern", "to_value", "to_value_pattern", "gained", "lost"
        )
        return self

    def _selects(self, element: Element) -> bool:
        return (
            element.frame == 0
            and self.role in (None, element.role)
            and text_matches(element.name, self.name, self.name_contains, self.name_pattern)
        )

    def _is_so(self, page: Snapshot, index: int) -> bool:
        element = page.elements[index]
        return (
            says(page, index, self.to_text, self.to_text_contains, self.to_text_pattern)
            and text_matches(element.value, self.to_value, None, self.to_value_pattern)
            and set(self.gained) <= set(element.states)
            and not set(self.lost) & set(element.states)
        )

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if such an element became what is asked in this step."""
        if not same_document(moment) or (self.after_input and not acted(moment.events)):
            return None
        now = moment.snapshot
        places = {element.ref: index for index, element in enumerate(now.elements)}
        for look in earlier_looks(moment):
            for index, was in enumerate(look.elements):
                place = places.get(was.ref)
                if place is None or not self._selects(was) or self._is_so(look, index) or not self._is_so(now, place):
                    continue
                new = now.elements[place]
                facts = {"ref": was.ref, "role": was.role, "was": _told(was), "is": _told(new), "url": now.url}
                return Evidence(summary=f'{was.role} "{was.name}" has changed to {_in_words(new)}', facts=facts)
        return None


class DialogClosed(Spec):
    """A dialog that was open is closed: one of the page is gone, or one of the browser's was answered.

    A dialog of the page is an element of role dialog or alertdialog. Leaving the page closes it too and does not count;
    one that is only covered by another is not closed. A dialog of the browser (alert, confirm, prompt) counts when it
    is answered: by the agent, or, in tasks without the action group `dialogs`, by the browser itself, which accepts.
    One that is recognised by words which the agent has itself written into a field or an address is no evidence.

    Attributes:
        text: what the dialog said (`text_contains`, `text_pattern`); any dialog if absent.
        accepted: how a dialog of the browser must have been answered; given, those of the page do not count.
        button: name of the button that must have been clicked in this step; given, those of the browser do not count.
        same_document: false lets the same address count when it was loaded again.
    """

    kind: Literal["dialog_closed"] = "dialog_closed"
    text: Text | None = None
    text_contains: Text | None = None
    text_pattern: Pattern | None = None
    accepted: bool | None = None
    button: Text | None = None
    same_document: bool = True

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if self.accepted is not None and self.button is not None:
            raise ValueError(
                "expected accepted (for a dialog of the browser) or button (for one of the page), got both; take one "
                "out"
            )
        return self

    def _fits(self, page: Snapshot, index: int) -> bool:
        return page.elements[index].role in DIALOG_ROLES and says(
            page, index, self.text, self.text_contains, self.text_pattern
        )

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a dialog was closed in this step."""
        if moment.previous is None or (evidence := self._closed(moment)) is None:
            return None
        words = (self.text, self.text_contains, self.text_pattern)
        return None if repeats_the_agent(moment.history, *words) else evidence

    def _closed(self, moment: Moment) -> Evidence | None:
        if self.button is None:
            for event in moment.events:
                if (
                    isinstance(event, Dialog)
                    and self.accepted in (None, event.accepted)
                    and text_matches(event.message, self.text, self.text_contains, self.text_pattern)
                ):
                    facts = {"dialog_type": event.dialog_type, "text": event.message, "accepted": event.accepted}
                    answer = "accepted" if event.accepted else "dismissed"
                    return Evidence(summary=f'{event.dialog_type} "{event.message}" {answer}', facts=facts)
        if self.accepted is not None or not self._was_clicked(moment):
            return None
        element = _vanished(moment, self._fits, reloaded=not self.same_document)
        if element is None:
            return None
        facts = {"ref": element.ref, "role": element.role, "name": element.name}
        return Evidence(summary=f'{element.role} "{element.name}" closed', facts=facts)

    def _was_clicked(self, moment: Moment) -> bool:
        return self.button is None or any(
            isinstance(event, Click) and event.role == "button" and text_matches(event.name, self.button)
            for event in moment.events
        )


class Focused(Spec):
    """The agent's input moved the focus to an element, and it is there at the end of the step.

    A page that takes the focus by itself, on loading or later, is not counted. One that moves it in answer to the
    agent's click or key is counted, for which of the two did it cannot be told apart; the detector `clicked` can.

    Attributes:
        role: the element's ARIA role.
        name: its accessible name (`name_contains`, `name_pattern`).
    """

    kind: Literal["focused"] = "focused"
    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        _require_one(self, "role", "name", "name_contains", "name_pattern")
        return self

    def _fits(self, role: str, name: str) -> bool:
        return self.role in (None, role) and text_matches(name, self.name, self.name_contains, self.name_pattern)

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if trusted input of this step put the focus there."""
        for event in on_this_document(moment.events):
            if (
                isinstance(event, Focus)
                and event.origin == "input"
                and event.ref == moment.snapshot.focused
                and self._fits(event.role, event.name)
            ):
                facts = {"ref": event.ref, "role": event.role, "name": event.name}
                return Evidence(summary=f'{event.role} "{event.name}" has the focus', facts=facts)
        return None

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether the focus is there when the episode starts."""
        page = moment.snapshot
        element = None if page.focused is None else page.by_ref(page.focused)
        return element is not None and self._fits(element.role, element.name)


def _vanished(moment: Moment, fits: Fits, *, reloaded: bool) -> Element | None:
    """Return an element that fits, was there a step ago and is gone; None if one that fits is there, or may be.

    Args:
        moment: now.
        fits: tells whether the element at an index of a page is one of those meant.
        reloaded: whether a new document at the same address counts as well.
    """
    now = moment.snapshot
    same = same_document(moment)
    if not (same or (reloaded and same_address(moment))) or now.elements_omitted:
        return None
    if any(fits(now, index) for index in range(len(now.elements))):
        return None
    cover, there = covering(now), {element.ref for element in now.elements} if same else set[int]()
    for look in earlier_looks(moment):
        hidden_by = covering(look)
        if cover is not None and (not same or hidden_by is None or hidden_by.ref != cover.ref):
            continue  # it may lie behind the dialog
        for index, element in enumerate(look.elements):
            if element.frame == 0 and element.ref not in there and fits(look, index):
                return element
    return None


def _told(element: Element) -> dict[str, object]:
    return {"name": element.name, "value": element.value, "states": list(element.states)}


def _in_words(element: Element) -> str:
    value = "" if element.value is None else f' holding "{element.value}"'
    states = f" ({', '.join(element.states)})" if element.states else ""
    return f'"{element.name}"{value}{states}'


def _require_one(spec: Spec, *fields: str) -> None:
    if not any(getattr(spec, field) for field in fields):
        raise ValueError(f"expected at least one of {', '.join(fields)}, got none; add one")


__all__ = ["DialogClosed", "ElementChanged", "ElementGone", "Focused"]
