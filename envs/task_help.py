"""Every key of a task file in words, made from the classes themselves: docs/reference/task_file.md.

python -m milepost.envs.task_help docs/reference/task_file.md      writes the page again after a change
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .milestone_help import attributes_of, item_line, kind_of_value
from .parameters import Parameter, Sample
from .places import OwnApp
from .reward_spec import ComponentReward, MilestoneReward
from .task import NearMiss, Task

_INTRODUCTION = """\
# The task file

<!-- Made from the classes by `python -m milepost.envs.task_help docs/reference/task_file.md`. -->

Every key, as the classes that read the file know it. [Write a task](../tasks.md) explains them with examples;
[task.schema.json](../task.schema.json) is the same for editors. A file is YAML, with one task or several (set apart by
`---`); a key that is not here is refused, and the nearest one is named. A *template* is a text in which `{parameter}`
stands for what the episode drew.
"""

_SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("A task", "", Task),
    ("A parameter", "`parameters: {NAME: {choice: [...]}}`; exactly one of these says how it is drawn.", Parameter),
    ("A sample", "`sample:` of a parameter.", Sample),
    ("An application of your own", "`app:` of a task; a text alone is short for `{asgi: TEXT}`.", OwnApp),
    ("A near miss", "An entry of `near_miss:`.", NearMiss),
    ("How milestones pay", "`reward:` of a task, by default; see [rewards](../rewards.md).", MilestoneReward),
    ("How components pay", "`reward: {mode: components, ...}`.", ComponentReward),
)

_MILESTONES = """\
## A milestone

The keys of an entry of `milestones:` are on [a page of their own](../milestones.md#keys-of-every-milestone), with the
catalogue and every detector's fields.
"""


def task_file_markdown() -> str:
    """Return the text of docs/reference/task_file.md."""
    parts = [_INTRODUCTION]
    for title, words, model in _SECTIONS:
        parts += [f"## {title}\n", *([f"{words}\n"] if words else []), *_keys(model), ""]
    return "\n".join([*parts, _MILESTONES])


def _keys(model: type[BaseModel]) -> Iterator[str]:
    words: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel):
            words |= attributes_of(each)
    for name, info in model.model_fields.items():
        if not info.exclude:
            kind = kind_of_value(info.annotation)
            about = words.get(name, "").replace("<", "&lt;")
            yield item_line(info.alias or name, kind, about, info.is_required(), _default(info))


def _default(info: FieldInfo) -> Any:
    """Return what is worth showing: nothing where the default is made of parts."""
    value = info.get_default(call_default_factory=True)
    parts = value if isinstance(value, tuple) else (value,)
    return None if any(part is PydanticUndefined or isinstance(part, BaseModel) for part in parts) else value


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(task_file_markdown(), encoding="utf-8")


__all__ = ["task_file_markdown"]
