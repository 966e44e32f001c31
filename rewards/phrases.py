"""The phrases that detectors are worded with: elements by their names, conditions on texts, lists, values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .templates import value_text


def listed(parts: Sequence[str], word: str = "and") -> str:
    """Return "a, b and c"; "" for nothing."""
    return ", ".join(parts) if len(parts) < 2 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def plain_value(value: Any) -> str:
    """Return a value of a field as it is shown among words: texts in quotation marks, lists and mappings as JSON."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value_text(value)


def conditions(what: str, exact: str | None, contains: str | None, pattern: str | None) -> list[str]:
    """Return what is asked of a text, such as 'whose name contains "Save"'."""
    found = [] if exact is None else [f'{what} is "{exact}"']
    found += [] if contains is None else [f'{what} contains "{contains}"']
    return found + ([] if pattern is None else [f"{what} fits the pattern {pattern}"])


def texts(spec: Any, prefix: str) -> tuple[str | None, str | None, str | None]:
    """Return the three conditions that a detector has for one text: exact, contained, as a pattern."""
    exact, contains, pattern = (getattr(spec, prefix + ending, None) for ending in ("", "_contains", "_pattern"))
    return exact, contains, pattern


def element(spec: Any, noun: str, prefix: str = "name") -> str:
    """Return an element by role and name: 'the button "Save"', 'a field whose name contains "mail"'."""
    exact, contains, pattern = texts(spec, prefix)
    if exact is not None and contains is None and pattern is None:
        return f'the {noun} "{exact}"'
    asked = conditions("whose name", exact, contains, pattern)
    return f"{article(noun)} {noun}" + (f" {listed(asked)}" if asked else "")


def article(noun: str) -> str:
    """Return "a" or "an"."""
    return "an" if noun[:1] in "aeiou" else "a"


def says(spec: Any, verb: str = "that says", prefix: str = "text") -> str:
    """Return what an element must say: ' that says "Saved"', or nothing."""
    exact, contains, pattern = texts(spec, prefix)
    parts = [] if exact is None else [f'{verb} "{exact}"']
    parts += [] if contains is None else [f'{verb} something with "{contains}" in it']
    parts += [] if pattern is None else [f"{verb} something that fits the pattern {pattern}"]
    return f" {listed(parts)}" if parts else ""


def so_that(what: str, spec: Any, prefix: str) -> str:
    """Return what a text must become: ' so that its text is "Ada"', or nothing."""
    asked = listed(conditions(what, *texts(spec, prefix)))
    return f" so that {asked}" if asked else ""


def size(spec: Any) -> str:
    """Return a file's size: ' of at least 3 bytes', or nothing."""
    parts = [] if not spec.min_bytes else [f"at least {spec.min_bytes}"]
    parts += [] if spec.max_bytes is None else [f"at most {spec.max_bytes}"]
    return f" of {listed(parts)} bytes" if parts else ""


def how(spec: Any) -> str:
    """Return what else a change of the page needs: input of the agent, or only the same address."""
    reloaded = "" if getattr(spec, "same_document", True) else ", be it by loading the page again"
    return reloaded + (", in a step with input by the agent" if getattr(spec, "after_input", False) else "")


def with_query(query: dict[str, str]) -> str:
    """Return the parameters of an address: ' with q=tea and p=2', or nothing."""
    return f" with {listed([f'{key}={value}' for key, value in query.items()])}" if query else ""


def from_state(query: str) -> str:
    """Return where a query's answer comes from."""
    return f"what the server's state gives for {query}"


__all__ = [
    "article",
    "conditions",
    "element",
    "from_state",
    "how",
    "listed",
    "plain_value",
    "says",
    "size",
    "so_that",
    "texts",
    "with_query",
]
