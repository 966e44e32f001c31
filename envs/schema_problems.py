"""What keeps a document from being a task, each with its line and its cure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from .task_file import Document

_SHOWN_CHARS = 120
_CURES = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "callable_type": "a function can only be given in Python, with @milepost.register_task; take it out",
    "dict_type": "write `key: value` lines beneath it, indented",
    "finite_number": "write an ordinary number",
    "float_parsing": "write a number, such as 0.5",
    "float_type": "write a number, such as 0.5",
    "greater_than": "write a larger number",
    "greater_than_equal": "write a larger number",
    "int_from_float": "write a whole number, such as 8",
    "int_parsing": "write a whole number, such as 8",
    "int_type": "write a whole number, such as 8",
    "less_than": "write a smaller number",
    "less_than_equal": "write a smaller number",
    "list_type": "write it as a list: [one, two], or lines that begin with `- `",
    "model_attributes_type": "write `key: value` lines beneath it, indented",
    "model_type": "write `key: value` lines beneath it, indented",
    "string_too_short": "write a text",
    "string_type": 'put it in quotes, as in "7"',
    "too_long": "take some away",
    "too_short": "add one",
    "tuple_type": "write it as a list: [one, two], or lines that begin with `- `",
}
"""What to do about a problem that pydantic names by its type."""
_PATTERN_CURES = {
    "name": "write lower-case words joined by hyphens, such as file-claim",
    "id": "write lower-case words joined by underscores, such as form_sent",
    "start": "begin it with a slash, such as /new",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaProblem:
    """One thing that keeps a document from being a task: the line it is on, and a sentence with the cure."""

    line: int
    message: str


def schema_problems(
    error: ValidationError, document: Document, known_keys: Callable[[tuple[str | int, ...]], Sequence[str]]
) -> tuple[SchemaProblem, ...]:
    """Return everything that is wrong with a document, unknown keys first.

    Args:
        error: what validating it raised.
        document: it.
        known_keys: gives the keys that are allowed where an unknown one was found.
    """
    found = []
    for problem in sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden"):
        location: tuple[str | int, ...] = (*problem["loc"], *problem.get("ctx", {}).get("where", ()))
        if (
            location[:1] in (("reward",), ("app",)) and problem["loc"]
        ):  # next stands the mode, which is no key of the file
            location = (location[0], *location[2:])
        message = _explain(problem, location, document, known_keys)
        found.append(SchemaProblem(line=document.line_of(location), message=message))
    return tuple(found)


def hint(given: str, known: Sequence[str]) -> str:
    """Return the name that was probably meant, or all of them, as a cure."""
    close = get_close_matches(given, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"expected one of: {', '.join(known)}" if known else "take it out"


def _explain(
    problem: Any,
    location: tuple[str | int, ...],
    document: Document,
    known_keys: Callable[[tuple[str | int, ...]], Sequence[str]],
) -> str:
    """Say what a validation problem is, in one sentence with its cure."""
    where = ".".join(map(str, document.place_of(location))) or "the task"
    context = problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            known = context.get("known") or known_keys(location)
            parent = ".".join(map(str, document.place_of(location)[:-1]))
            return f"unknown key {location[-1]!r}{parent and f' in {parent}'}; {hint(str(location[-1]), known)}"
        case "missing":
            return f"{where} is missing; add it"
        case "milestone_key" if len(within := document.place_of(problem["loc"])) > 2:  # a part of a detector
            return f"{'.'.join(map(str, within))}: {problem['msg']}"
        case "milestone_key" | "task_fit":
            return str(problem["msg"])
        case "value_error":
            return f"{where}: {context['error']}"
        case kind:
            message = problem["msg"][:1].lower() + problem["msg"][1:]
            cure = (
                _PATTERN_CURES.get(str(location[-1]) if location else "") if kind.endswith("pattern_mismatch") else None
            )
            cure = cure or _CURES.get(kind, "change it accordingly")
            return f"{where}: {message}, got {_short(problem['input'])}; {cure}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."


__all__ = ["SchemaProblem", "hint", "schema_problems"]
