"""Detectors of forms: fields, clicks, confirmation dialogs and toggles. All rest on trusted input events."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ..sandbox.events import Click, Dialog, Event, Input, Submit
from ..sandbox.snapshot import Element
from .page_view import element_text, on_this_document, repeats_the_agent
from .spec import Pattern, Spec, StateSpec, Text, before, text_matches
from .types import Evidence, Moment

_QUERY_ROLES = frozenset({"searchbox", "textbox", "combobox"})


def _typed_into(element: Element, moment: Moment) -> bool:
    """Tell whether trusted input brought a field's present value about.

    A field that was shown a step ago may have been typed into at any time since its document was opened (a page
    may complete what was typed a little later). One that only now came to be shown must have been typed into in this
    step, or a field that was merely hidden, behind a dialog say, would be paid for when it shows again.
    """
    key = (element.role, element.name)
    shown_before = moment.previous is not None and any((e.role, e.name) == key for e in moment.previous.elements)
    events = on_this_document(moment.history)
    return any(
        isinstance(event, Input)
        and (event.ref == element.ref or (event.role, event.name) == key)
        and (shown_before or event.step == moment.step)
        for event in events
    )


class FieldFilled(StateSpec):
    """A field shows a value, and trusted input into that field brought it about.

    Attributes:
        role: the field's ARIA role; any if absent.
        name: its accessible name (`name_contains`, `name_pattern`).
        value: what it must show (`value_pattern`: a regular expression for all of it).
    """

    kind: Literal["field_filled"] = "field_filled"
    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None
    value: Text | None = None
    value_pattern: Pattern | None = None

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.value is None and self.value_pattern is None:
            raise ValueError("expected value or value_pattern, got neither; say what the field must hold")
        return self

    def _candidates(self, moment: Moment) -> list[Element]:
        return [
            element
            for element in moment.snapshot.elements
            if element.value is not None
            and self._role_fits(element.role)
            and text_matches(element.name, self.name, self.name_contains, self.name_pattern)
            and text_matches(element.value, self.value, None, self.value_pattern)
        ]

    def _role_fits(self, role: str) -> bool:
        return self.role in (None, role)

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if the field shows the value, whoever put it there."""
        for element in self._candidates(moment):
            facts = {"ref": element.ref, "role": element.role, "name": element.name, "value": element.value}
            return Evidence(summary=f'{element.role} "{element.name}" holds "{element.value}"', facts=facts)
        return None

    def entered(self, moment: Moment) -> Evidence | None:
        """Return evidence if the field shows the value and trusted input brought it about, in this step or before."""
        typed = any(_typed_into(element, moment) for element in self._candidates(moment))
        return self.holds(moment) if typed else None

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the value came to be there in this step and trusted input reached the field."""
        evidence = super().detect(moment)
        if evidence is None or not any(_typed_into(element, moment) for element in self._candidates(moment)):
            return None
        return evidence


class QueryFilled(FieldFilled):
    """A search field holds the right term; like `FieldFilled`, for the roles that search fields have."""

    kind: Literal["query_filled"] = "query_filled"  # type: ignore[assignment]

    def _role_fits(self, role: str) -> bool:
        return role in _QUERY_ROLES if self.role is None else role == self.role


class FieldsFilled(Spec):
    """Several fields show their values at once, each by trusted input: an editor with recipient and subject, say.

    Attributes:
        fields: accessible name -> value.
    """

    kind: Literal["fields_filled"] = "fields_filled"
    fields: dict[str, str] = Field(min_length=1)

    def _parts(self) -> tuple[FieldFilled, ...]:
        return tuple(FieldFilled.model_construct(name=name, value=value) for name, value in self.fields.items())

    def _all_hold(self, moment: Moment) -> bool:
        return all(part.holds(moment) is not None for part in self._parts())

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the last of the fields came to hold its value in this step."""
        earlier = before(moment)
        if earlier is None or not self._all_hold(moment) or self._all_hold(earlier):
            return None
        typed = all(any(_typed_into(e, moment) for e in part._candidates(moment)) for part in self._parts())
        return (
            Evidence(summary=f"{', '.join(self.fields)} filled", facts={"fields": dict(self.fields)}) if typed else None
        )

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether all fields show their values at the reset."""
        return self._all_hold(moment)


class Clicked(Spec):
    """A trusted click landed on an element of that role and name."""

    kind: Literal["clicked"] = "clicked"
    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not (self.role or self.name or self.name_contains or self.name_pattern):
            raise ValueError("expected a role or a name, got neither; say what is to be clicked")
        return self

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a click is among the step's events."""
        for event in moment.events:
            if (
                isinstance(event, Click)
                and self.role in (None, event.role)
                and text_matches(event.name, self.name, self.name_contains, self.name_pattern)
            ):
                return Evidence(
                    summary=f'clicked {event.role} "{event.name}"',
                    facts={"ref": event.ref, "role": event.role, "name": event.name, "url": event.url},
                )
        return None


class SubmitDialog(StateSpec):
    """After a trusted submit (in this step or an earlier one) a dialog appears.

    The dialog is an element of role dialog or alertdialog that was not there before, or a JavaScript dialog of this
    step. One that is recognised by words which the agent has itself written into a field or an address is no evidence.

    Attributes:
        submit_name: name of the button that submits; if absent, any submitted form or clicked button will do.
        text: what the dialog says (`text_contains`, `text_pattern`).
    """

    kind: Literal["submit_dialog"] = "submit_dialog"
    submit_name: Text | None = None
    submit_name_contains: Text | None = None
    submit_name_pattern: Pattern | None = None
    text: Text | None = None
    text_contains: Text | None = None
    text_pattern: Pattern | None = None

    def _submitted(self, history: tuple[Event, ...]) -> bool:
        named = bool(self.submit_name or self.submit_name_contains or self.submit_name_pattern)
        for event in history:
            if not named and (isinstance(event, Submit) or (isinstance(event, Click) and event.role == "button")):
                return True
            if (
                named
                and isinstance(event, Submit | Click)
                and text_matches(event.name, self.submit_name, self.submit_name_contains, self.submit_name_pattern)
            ):
                return True
        return False

    def _says(self, said: str) -> bool:
        return text_matches(said, self.text, self.text_contains, self.text_pattern)

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a dialog is open on the page."""
        page = moment.snapshot
        for index, element in enumerate(page.elements):
            if element.role in ("dialog", "alertdialog"):
                said = element_text(page, index)
                if self._says(said) or self._says(element.name):
                    return Evidence(
                        summary=f'{element.role} "{said}" opened',
                        facts={"ref": element.ref, "role": element.role, "text": said},
                    )
        return None

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if a dialog appeared in this step and something was submitted before it."""
        if moment.previous is None or not self._submitted(tuple(moment.history)):
            return None
        evidence = self._opened(moment)
        words = (self.text, self.text_contains, self.text_pattern)
        return None if evidence is None or repeats_the_agent(moment.history, *words) else evidence

    def _opened(self, moment: Moment) -> Evidence | None:
        for event in moment.events:
            if isinstance(event, Dialog) and self._says(event.message):
                return Evidence(
                    summary=f'{event.dialog_type} "{event.message}" opened',
                    facts={"dialog_type": event.dialog_type, "text": event.message},
                )
        return super().detect(moment)


class ToggleChanged(StateSpec):
    """A checkbox, switch or radio button was brought to a state by trusted input.

    Attributes:
        checked: the state it must have afterwards.
    """

    kind: Literal["toggle_changed"] = "toggle_changed"
    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None
    checked: bool = True

    def _candidates(self, moment: Moment) -> list[Element]:
        roles = ("checkbox", "switch", "radio", "menuitemcheckbox", "menuitemradio", "button")
        return [
            element
            for element in moment.snapshot.elements
            if (element.role in roles if self.role is None else element.role == self.role)
            and text_matches(element.name, self.name, self.name_contains, self.name_pattern)
            and ("checked" in element.states or "pressed" in element.states) == self.checked
        ]

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if the toggle is in the wanted state, whoever put it there."""
        for element in self._candidates(moment):
            facts = {"ref": element.ref, "role": element.role, "name": element.name, "checked": self.checked}
            return Evidence(
                summary=f'{element.role} "{element.name}" is {"on" if self.checked else "off"}', facts=facts
            )
        return None

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if trusted input of this step brought a toggle from the other state to this one."""
        if moment.previous is None:
            return None
        opposite = self.model_copy(update={"checked": not self.checked})
        earlier = before(moment)
        assert earlier is not None
        was = {(element.role, element.name) for element in opposite._candidates(earlier)}
        touched = {(e.role, e.name) for e in moment.events if isinstance(e, Click | Input)}
        for element in self._candidates(moment):
            key = (element.role, element.name)
            if key in was and key in touched:
                facts = {"ref": element.ref, "role": element.role, "name": element.name, "checked": self.checked}
                return Evidence(
                    summary=f'{element.role} "{element.name}" switched {"on" if self.checked else "off"}', facts=facts
                )
        return None
