"""What an oracle reads: the goal and the page's text, as any agent is shown them.

An oracle is a generator: it yields an action, is sent the page that came of it, and ends when it has done its part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...envs.action_text import Value, literal

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_ELEMENT = re.compile(rf"(?:\[(?P<ref>\d+)\] )?(?P<role>[a-z]+)(?: {_QUOTED})?(?: {_QUOTED})?(?P<rest>.*)")
_OPTIONS = re.compile(r"^ \((.*)\)")
_ESCAPED = re.compile(r"\\(.)")
_VALUED = frozenset({"textbox", "searchbox", "combobox", "listbox", "spinbutton", "slider", "date", "time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the page's text.

    Attributes:
        ref: the number by which it can be acted on; None where it only says something.
        role: its role; "text" of plain text.
        name: its name, or what the text says.
        value: what a field holds, else None.
        options: what a list offers.
        states: such as "checked", "selected", "disabled".
    """

    ref: int | None
    role: str
    name: str
    value: str | None = None
    options: tuple[str, ...] = ()
    states: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One observation.

    Attributes:
        goal: what is asked for.
        lines: the page's lines, in their order.
        error: why the last action could not be done, or "".
        html: the page's pruned HTML; "" where it was not observed.
        boxes: where each element that can be acted on stands, by its reference: x, y, width, height in pixels; empty
            where that was not observed.
    """

    goal: str
    lines: tuple[Line, ...]
    error: str = ""
    html: str = ""
    boxes: Mapping[int, tuple[float, float, float, float]] = field(default_factory=dict)

    def told(self, pattern: str) -> tuple[str, ...]:
        """Return the groups of a regular expression found in the goal; ValueError if it is not there."""
        found = re.search(pattern, self.goal)
        if found is None:
            raise ValueError(f"the goal {self.goal!r} does not have {pattern!r}")
        return found.groups(default="")

    def of(self, *roles: str) -> list[Line]:
        """Return the lines that can be acted on, of these roles or of any."""
        return [line for line in self.lines if line.ref is not None and (not roles or line.role in roles)]

    def named(self, name: str, *roles: str) -> list[Line]:
        """Return the lines of that name that can be acted on, of these roles or of any."""
        return [line for line in self.of(*roles) if line.name == name]

    def one(self, name: str, *roles: str) -> Line:
        """Return the first of `named`; ValueError if there is none."""
        found = self.named(name, *roles)
        if not found:
            raise ValueError(f"nothing on the page is named {name!r}")
        return found[0]

    @property
    def texts(self) -> list[str]:
        """What the page says where nothing can be acted on, line by line."""
        return [line.name for line in self.lines if line.ref is None]


Script = Generator[str, Look, None]
"""An oracle at work: yields actions, is sent what came of each."""
Part = Generator[str, Look, Look]
"""A part of one; returns the page as its last action left it."""
Oracle = Callable[[Look], Script]
"""Begins one, with the page as it stands at the reset."""


def read(observation: Mapping[str, Any]) -> Look:
    """Return an observation as an oracle reads it."""
    rows = observation["boxes"].tolist() if "boxes" in observation else []
    return Look(
        goal=observation["goal"],
        lines=tuple(_line(text) for text in observation["page"].splitlines()),
        error=observation["last_action_error"],
        html=observation.get("html", ""),
        boxes={int(ref): (x, y, width, height) for ref, x, y, width, height in rows if ref > 0},
    )


def act(verb: str, *arguments: Value | Line | None, **named: Value) -> str:
    """Return an action's text; a line stands for its reference.

    Raises:
        ValueError: a line cannot be acted on.
    """
    shown = [literal(_value(argument)) for argument in arguments if argument is not None]
    return f"{verb}({', '.join([*shown, *(f'{name}={literal(value)}' for name, value in named.items())])})"


def click(line: Line) -> str:
    """Return a click on a line."""
    return act("click", line)


def fill(line: Line, text: str) -> str:
    """Return the action that puts a text into a field."""
    return act("fill", line, text)


def _value(argument: Value | Line) -> Value:
    if not isinstance(argument, Line):
        return argument
    if argument.ref is None:
        raise ValueError(f"{argument.name!r} cannot be acted on")
    return argument.ref


def _line(text: str) -> Line:
    found = _ELEMENT.fullmatch(text)
    if found is None or (found["ref"] is None and found[3] is None):
        return Line(ref=None, role="text", name=text)
    first, second = (None if part is None else _ESCAPED.sub(r"\1", part) for part in (found[3], found[4]))
    role, rest = found["role"], found["rest"]
    if role in _VALUED and second is None:
        first, second = "", first
    options = _OPTIONS.match(rest)
    states = rest[options.end() :] if options else rest
    return Line(
        ref=None if found["ref"] is None else int(found["ref"]),
        role=role,
        name=first or "",
        value=second,
        options=tuple(options[1].split(", ")) if options else (),
        states=frozenset(states.split()),
    )


__all__ = ["Line", "Look", "Oracle", "Part", "Script", "act", "click", "fill", "read"]
