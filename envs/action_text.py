"""Reads one call such as `fill("Name", text="Ada")` from text: a verb, literal texts and plain numbers, nothing else.

Parsed by hand, in one pass, and never evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..sandbox.errors import ActionError

_VERB = re.compile(r"\s*([A-Za-z_]+)\s*\(")
_KEYWORD = re.compile(r"\s*([A-Za-z_]+)\s*=")
_NUMBER = re.compile(r"\s*(\d{1,9})(\.\d{1,6})?(?![\w.])")
_NEGATIVE = re.compile(r"\s*[-\u2212]\s*[\d.]")
_FENCE = re.compile(r"```[A-Za-z]*$")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
_TRAILING = ("", ".", ";")

Value = int | float | str
"""What an argument can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as written: its verb, its arguments by position and by keyword, and what follows it on the line."""

    verb: str
    positional: tuple[Value, ...]
    keywords: dict[str, Value]


def first_line(text: str) -> str:
    """Return the line that counts: the first that is not blank, after an opening code fence, without backticks."""
    lines = [stripped for raw in re.split(r"[\r\n]+", text) if (stripped := raw.strip())]
    if lines and _FENCE.match(lines[0]):
        lines = lines[1:]
    return lines[0].strip("`").strip() if lines else ""


def read_verb(line: str) -> tuple[str, int] | None:
    """Return a call's verb and where its arguments begin, or None if the line does not begin with a call."""
    match = _VERB.match(line)
    return None if match is None else (match[1], match.end())


def read_arguments(line: str, verb: str, at: int) -> Call:
    """Read a call's arguments up to its closing parenthesis, after which nothing may follow but a full stop.

    Args:
        line: the line.
        verb: the call's verb.
        at: where its arguments begin.

    Raises:
        ActionError: what is wrong, in a few words.
    """
    positional: list[Value] = []
    keywords: dict[str, Value] = {}
    at = _skip_spaces(line, at)
    while not line.startswith(")", at):
        if at >= len(line):
            raise ActionError("the closing parenthesis is missing")
        if positional or keywords:
            if line[at] != ",":
                raise ActionError(f"expected a comma at {shown(line[at:])}")
            at += 1
        keyword = _KEYWORD.match(line, at)
        if keyword is None:
            if keywords:
                raise ActionError("an argument without a name follows one with a name")
            value, at = _read_literal(line, at)
            positional.append(value)
        else:
            if keyword[1] in keywords:
                raise ActionError(f"{keyword[1]} is given twice")
            keywords[keyword[1]], at = _read_literal(line, keyword.end())
        at = _skip_spaces(line, at)
    rest = line[at + 1 :].strip().strip("`").strip()
    if rest not in _TRAILING:
        raise ActionError(f"unexpected {shown(rest)} after the closing parenthesis; one action a line")
    return Call(verb=verb, positional=tuple(positional), keywords=keywords)


def literal(value: Value) -> str:
    """Return a text or a number as a call writes it, on one line; a number has at most six decimals."""
    if isinstance(value, int | float):
        return str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return '"' + "".join(c if c.isprintable() or ord(c) > 0xFFFF else f"\\u{ord(c):04x}" for c in escaped) + '"'


def shown(text: str) -> str:
    """Return text quoted for an error message: at most 40 characters, all printable."""
    cut = text if len(text) <= 40 else text[:37] + "..."
    return '"' + "".join(c if c.isprintable() else "?" for c in cut) + '"'


def _read_literal(line: str, at: int) -> tuple[Value, int]:
    at = _skip_spaces(line, at)
    number = _NUMBER.match(line, at)
    if number is not None:
        return (float(number[1] + number[2]) if number[2] else int(number[1])), number.end()
    if _NEGATIVE.match(line, at):
        raise ActionError(f"numbers are zero or more, came {shown(line[at:])}")
    if at >= len(line) or line[at] not in "\"'":
        raise ActionError(f"expected a quoted text or a number, came {shown(line[at:])}")
    out: list[str] = []
    quote, at = line[at], at + 1
    while at < len(line):
        char = line[at]
        if char == quote:
            return "".join(out), at + 1
        following, code = line[at + 1 : at + 2], line[at + 2 : at + 6]
        if char == "\\" and following in _ESCAPES:
            out.append(_ESCAPES[following])
            at += 2
        elif char == "\\" and following == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", code):
            out.append(chr(int(code, 16)))
            at += 6
        else:
            out.append(char)
            at += 1
    raise ActionError(f"a text is not closed by {quote}")


def _skip_spaces(line: str, at: int) -> int:
    while at < len(line) and line[at].isspace():
        at += 1
    return at


__all__ = ["Call", "Value", "first_line", "literal", "read_arguments", "read_verb", "shown"]
