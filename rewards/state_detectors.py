"""Detectors of the application's state and of the agent's answer."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, WithJsonSchema, model_validator

from ..sandbox.events import Answer as AnswerEvent
from .spec import Query, Spec, StateSpec, Text, ask, collapse
from .types import Evidence, Moment


class ServerState(StateSpec):
    """A question to the application's server-side state comes to have the expected answer.

    Attributes:
        query: JMESPath over the state.
        equals: the expected answer; numbers equal the numeric strings that mean them. If absent, anything truthy
            will do.
    """

    kind: Literal["server_state"] = "server_state"
    query: Query
    equals: Annotated[JsonValue, WithJsonSchema({})] = None

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if the state answers as expected."""
        found = ask(self.query, moment.snapshot.app_state)
        if not (bool(found) if self.equals is None else same_value(found, self.equals)):
            return None
        return Evidence(summary=f"{self.query} is {found!r}", facts={"query": self.query, "found": found})


class Answer(Spec):
    """The agent's `done(text)` equals an answer key; only then do its words count.

    Attributes:
        text: the exact answer, white space collapsed.
        number: the number that the answer must be: plain digits, with a currency sign or thousands separators.
        tolerance: how far the number may be off.
        answer_from: JMESPath over the application's state that gives the answer, text or number.
        ignore_case: whether the text's case does not matter.
    """

    kind: Literal["answer"] = "answer"
    text: Text | None = None
    number: float | Text | None = None
    tolerance: float = Field(default=0.0, ge=0)
    answer_from: Query | None = None
    ignore_case: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if sum(x is not None for x in (self.text, self.number, self.answer_from)) != 1:
            raise ValueError("expected exactly one of text, number, answer_from; say which answer is right")
        return self

    def _right(self, said: str, state: Mapping[str, Any]) -> bool:
        wanted = next(x for x in (self.text, self.number, None) if x is not None or x is self.number)
        if self.answer_from is not None:
            wanted = ask(self.answer_from, state)
        if wanted is None or wanted == "":
            return False
        if self.number is not None or isinstance(wanted, int | float):
            given, key = number_in(said), number_in(str(wanted))
            return given is not None and key is not None and abs(given - key) <= Decimal(str(self.tolerance))
        given_text, key_text = collapse(said), collapse(str(wanted))
        return given_text.casefold() == key_text.casefold() if self.ignore_case else given_text == key_text

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the answer given in this step is right."""
        for event in moment.events:
            if isinstance(event, AnswerEvent) and self._right(event.text, moment.snapshot.app_state):
                return Evidence(summary=f'answered "{event.text}"', facts={"text": event.text})
        return None


def number_in(text: str) -> Decimal | None:
    """Return the number that a text is, currency, percent and thousands signs aside; None if it is not one."""
    plain = text.strip().strip("$€£%").strip().replace(",", "").replace("\u00a0", "").replace(" ", "")
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def same_value(found: Any, expected: Any) -> bool:
    """Tell whether two JSON-like values are equal; a number equals the numeric string that means it."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, int | float) or isinstance(expected, int | float):
        try:
            return Decimal(str(found)) == Decimal(str(expected))
        except InvalidOperation:
            return False
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        return found.keys() == expected.keys() and all(same_value(found[key], expected[key]) for key in found)
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same_value, found, expected))
    return bool(found == expected)
