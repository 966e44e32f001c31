"""What task authors are told about milestones, made from the classes themselves: docs/milestones.md.

python -m milepost.envs.milestone_help docs/milestones.md      writes the page again after a change
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from ..rewards.catalogue import CATALOGUE
from ..rewards.detectors import DETECTORS
from ..rewards.spec import Spec, Templated
from ..rewards.templates import Style
from .explain import explain
from .milestone_spec import MilestoneSpec
from .registration import BUNDLED_TASKS
from .task import load_tasks

SHOWN_TASKS = ("expense-form", "report-download", "search-open")
"""Bundled tasks whose files the page shows."""

_INTRODUCTION = """\
# Milestones

<!-- Made from the classes and task files by `python -m milepost.envs.milestone_help docs/milestones.md`. -->

A milestone is something that verifiably happened: a page loaded, a field was filled, a file arrived, the server holds a
row. It pays once in an episode, and the evidence is recorded beside it. What already holds when the episode begins pays
nothing. What an agent or a page merely says pays nothing.

A task file lists its milestones. Each takes its detector and its reward from the catalogue (`catalogue: NAME`), or
names a detector and a reward itself (`detector: KIND`, `reward: NUMBER`). The detector's own fields stand beside these
keys. A text may hold `{parameter}`: the value that the episode drew for it.

`milepost tasks explain TASK` puts any task's rewards into words, as below the three tasks at the end of this page.
`milepost tasks check FILE` finds what is wrong with a task.
"""

_PATTERNS = """\
A *path pattern* is a path with `*` for anything within a folder's name and `**` for anything across folders. A *regular
expression* must fit the whole text. A *query* is JMESPath over the application's server-side state; parameters bring
their own quotes there: `[?name == {name}]`. Texts are compared with white space collapsed, upper and lower case told
apart.
"""

_USUAL = {
    "role": "the element's ARIA role; any if left out",
    "name": "the element's accessible name",
    "text": "what it says, all of it",
    "title": "the title, all of it",
}
"""Fields that many detectors have and few docstrings repeat."""


def milestones_markdown() -> str:
    """Return the text of docs/milestones.md."""
    parts = [
        _INTRODUCTION,
        "## Keys of every milestone\n",
        *_keys_of_milestones(),
        "\n## The catalogue\n",
        *_catalogue(),
    ]
    parts += ["\n## Detectors\n", _PATTERNS]
    parts += [line for kind in DETECTORS for line in _detector(kind)]
    parts.append("## Three tasks, and what they pay for\n")
    parts += [line for name in SHOWN_TASKS for line in _task(name)]
    return "\n".join(parts)


def _keys_of_milestones() -> Iterator[str]:
    words = attributes_of(MilestoneSpec)
    for name, info in MilestoneSpec.model_fields.items():
        if name == "spec":
            continue
        yield item_line(name, kind_of_value(info.annotation), words.get(name, ""), info.is_required(), info.default)
    yield "- `detector` (text): the detector's kind; the catalogue's first if left out beside `catalogue`"


def _catalogue() -> Iterator[str]:
    yield "| name | family | it is reached when | reward | detector | preset |"
    yield "|---|---|---|---|---|---|"
    for name, entry in CATALOGUE.items():
        kinds = " or ".join(f"`{kind}`" for kind in entry.kinds)
        presets = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in entry.presets.items())
        yield f"| `{name}` | {entry.category} | {entry.description} | {entry.reward:.2f} | {kinds} | {presets} |"


def _detector(kind: str) -> Iterator[str]:
    cls = DETECTORS[kind]
    yield f"### `{kind}`\n"
    yield f"{prose_of(cls)}\n"
    yield from _fields(cls)
    ready = [name for name, entry in CATALOGUE.items() if kind in entry.kinds]
    if ready:
        yield f"\nReady-made: {', '.join(f'`{name}`' for name in ready)}."
    yield ""


def _fields(cls: type[Templated]) -> Iterator[str]:
    """Yield a line for each field, and below a field that has fields of its own a line for each of those."""
    words = documented(cls)
    for name, info in cls.model_fields.items():
        if name == "kind":
            continue
        about = words.get(name) or _usual(name)
        default = info.get_default(call_default_factory=True)
        yield item_line(name, _value_of(cls, name), about, info.is_required(), default)
        if inspect.isclass(info.annotation) and issubclass(info.annotation, Templated) and info.annotation is not Spec:
            yield from (f"  {line}" for line in _fields(info.annotation))


def _task(name: str) -> Iterator[str]:
    path = BUNDLED_TASKS / f"{name}.yaml"
    (task,) = load_tasks(path)
    yield f"### `{path.name}`\n"
    yield "```yaml"
    yield path.read_text(encoding="utf-8").rstrip("\n")
    yield "```\n"
    explanation = explain(task)
    yield f"In words (`milepost tasks explain {name}`):\n"
    yield "```text"
    yield from (row.sentence for row in explanation.milestones)
    yield from explanation.rules
    yield "```\n"


def item_line(name: str, kind: str, about: str, required: bool, default: Any) -> str:
    need = ", required" if required else ""
    shown = "" if required or default in (None, "", (), [], {}) else f"; `{_written(default)}` if left out"
    return f"- `{name}` ({kind}{need})" + (f": {about}" if about else "") + shown


def _written(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False, default=str)


def _usual(name: str) -> str:
    for ending, words in (("_contains", "a part of"), ("_pattern", "a regular expression for all of")):
        if name.endswith(ending):
            return f"{words} `{name.removesuffix(ending)}`"
    return _USUAL.get(name, "")


def _value_of(cls: type[Templated], name: str) -> str:
    """Return in a word or two what a detector's field holds."""
    match cls.style_of(name):
        case Style.REGEX:
            return "regular expression"
        case Style.GLOB:
            return "path pattern"
        case Style.JMESPATH:
            return "query"
        case _:
            return kind_of_value(cls.model_fields[name].annotation)


def kind_of_value(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        kinds = dict.fromkeys(kind_of_value(each) for each in inner if each is not type(None))
        return " or ".join(kinds)
    if origin is Literal:
        return " or ".join(f"`{value.value if isinstance(value, Enum) else value}`" for value in inner)
    if origin in (tuple, list, Sequence):
        counted = [each for each in inner if each is not Ellipsis]
        return f"list: {kind_of_value(counted[0])}" if counted else "list"
    if origin in (dict, Mapping):
        return f"mapping: {kind_of_value(inner[0])} to {kind_of_value(inner[1])}"
    if inner:  # Annotated
        return kind_of_value(inner[0])
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return " or ".join(f"`{each.value}`" for each in annotation)
    if inspect.isclass(annotation) and issubclass(annotation, Spec):
        return "detector"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "mapping"
    return {str: "text", bool: "true or false", int: "whole number", float: "number"}.get(annotation, "value")


def prose_of(cls: type[BaseModel]) -> str:
    """Return the docstring before its list of attributes, as Markdown paragraphs."""
    text = inspect.cleandoc(cls.__doc__ or "").partition("\nAttributes:")[0]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def documented(cls: type[Templated]) -> dict[str, str]:
    """Return what a detector's docstring, and those of its bases, say of each of its fields."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if inspect.isclass(each) and issubclass(each, Templated):
            found |= attributes_of(each)
    return found


def attributes_of(cls: type[BaseModel]) -> dict[str, str]:
    """Return what a class's docstring says of each of its attributes."""
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(cls.__doc__ or "").partition("\nAttributes:\n")[2].splitlines():
        entry = re.match(r"    ([a-z_][a-z_0-9, ]*): (.*)", line)
        if entry:
            name = entry[1]
            found[name] = entry[2].strip()
        elif name and line.startswith("        "):
            found[name] += " " + line.strip()
    return {each.strip(): text.rstrip(".") for names, text in found.items() for each in names.split(",")}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(milestones_markdown(), encoding="utf-8")


__all__ = ["SHOWN_TASKS", "attributes_of", "documented", "milestones_markdown"]
