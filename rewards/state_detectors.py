"""Detectors of the application's state and of the agent's answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, WithJsonSchema, model_validator

from ..sandbox.events import Answer as AnswerEvent
from .spec import Query, Spec, StateSpec, Text, ask, collapse
from .types import Evidence, Moment

_MAX_ANSWER_CHARS = 10_000
_MAX_DIGITS = 1_000  # before or after the point; arithmetic with far larger exponents overflows


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

    A key that is a number is met by the number in any of its forms: plain digits, with a currency sign or thousands
    separators. Any other is met by the same text, white space collapsed.

    Attributes:
        text: the exact answer.
        number: the number that the answer must be.
        any_of: several answers, each of which is right.
        items: a list that the answer must hold whole and without anything else, its parts set off by line breaks (with
            or without bullets and numbers), semicolons, bars, commas or "and".
        answer_from: JMESPath over the application's state that gives the answer: text, number, or a list like `items`.
        tolerance: how far a number may be off.
        relative_tolerance: how far it may be off as a share of the right one; the larger of the two counts.
        ordered: a list must be in the given order.
        ignore_case: whether a text's case does not matter.
    """

    kind: Literal["answer"] = "answer"
    text: Text | None = None
    number: float | Text | None = None
    any_of: tuple[float | Text, ...] = ()
    items: tuple[float | Text, ...] = ()
    answer_from: Query | None = None
    tolerance: float = Field(default=0.0, ge=0)
    relative_tolerance: float = Field(default=0.0, ge=0, lt=1)
    ordered: bool = False
    ignore_case: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        keys = (self.text, self.number, self.any_of, self.items, self.answer_from)
        if sum(key is not None and key != () for key in keys) != 1:
            raise ValueError(
                "expected exactly one of text, number, any_of, items, answer_from; say which answer is right"
            )
        return self

    def _right(self, said: str, state: Mapping[str, Any]) -> bool:
        if self.any_of:
            return any(self._same(said, key) for key in self.any_of)
        wanted: Any = self.items or self.text
        if self.number is not None:
            return self._same_number(said, str(self.number))
        if self.answer_from is not None:
            wanted = ask(self.answer_from, state)
        if isinstance(wanted, list | tuple):
            return bool(wanted) and any(self._same_list(parts, wanted) for parts in listings(said))
        return self._same(said, wanted)

    def _same_list(self, said: Sequence[str], wanted: Sequence[Any]) -> bool:
        if len(said) != len(wanted):
            return False
        if self.ordered:
            return all(map(self._same, said, wanted))
        fits = [[i for i, text in enumerate(said) if self._same(text, key)] for key in wanted]
        taken: dict[int, int] = {}

        def place(key: int, tried: set[int]) -> bool:
            """Give a key a part of the answer of its own, moving other keys to other parts that fit them too."""
            for part in fits[key]:
                if part not in tried:
                    tried.add(part)
                    if part not in taken or place(taken[part], tried):
                        taken[part] = key
                        return True
            return False

        return all(place(key, set()) for key in range(len(wanted)))

    def _same(self, said: str, key: Any) -> bool:
        if key is None or key == "" or isinstance(key, bool | list | dict):
            return False
        if isinstance(key, int | float):
            return self._same_number(said, str(key))
        given, wanted = collapse(said), collapse(str(key))
        return given.casefold() == wanted.casefold() if self.ignore_case else given == wanted

    def _same_number(self, said: str, key: str) -> bool:
        given, wanted = number_in(said), number_in(key)
        if given is None or wanted is None:
            return False
        return abs(given - wanted) <= max(
            Decimal(str(self.tolerance)), Decimal(str(self.relative_tolerance)) * abs(wanted)
        )

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the answer given in this step is right."""
        for event in moment.events:
            if isinstance(event, AnswerEvent) and self._right(event.text, moment.snapshot.app_state):
                return Evidence(summary=f'answered "{event.text}"', facts={"text": event.text})
        return None


_SEPARATORS = (r"\n", ";", r"\|", ",", r"[,;]|\s(?:and|&)\s")
_BULLET = re.compile(r"\s*(?:[-*\u2022]|\d{1,3}[.)])\s+")


def listings(text: str) -> list[list[str]]:
    """Return the lists that a text may be, by each way in which its parts may be set off; at most 1000 parts each."""
    found = []
    for separator in _SEPARATORS:
        parts = re.split(separator, text[:_MAX_ANSWER_CHARS], maxsplit=1000)
        bare = [_BULLET.sub("", part, count=1).strip() if separator == r"\n" else part.strip() for part in parts]
        bare = [re.sub(r"^and\s+", "", part) if i else part for i, part in enumerate(bare)]
        found.append([part for part in bare if part])
    return found


def number_in(text: str) -> Decimal | None:
    """Return the number that a text is, currency, percent and thousands signs aside; None if it is not one."""
    plain = text.strip().strip("$€£%").strip().replace(",", "").replace("\u00a0", "").replace(" ", "")
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _MAX_DIGITS else None


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
