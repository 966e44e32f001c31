"""Writes a new task with all that belongs to it: pages or server or files, an oracle, near misses and a test.

What it writes is sound: `milepost tasks check` finds nothing wrong with it. It is meant to be changed a little at a
time, checking in between.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...sandbox.errors import TaskError
from ..task_schema import SCHEMA_FILE, schema_text

Kind = Literal["site", "app", "files"]
KINDS: tuple[Kind, ...] = get_args(Kind)
IN_WORDS: dict[Kind, str] = {
    "site": "pages in a folder of HTML files",
    "app": "a server of your own, in Python",
    "files": "files only, no pages",
}

_HERE = Path(__file__).parent
_FILES: dict[Kind, dict[str, str]] = {
    "site": {
        "site/task.yaml.j2": "{name}.yaml",
        "site/index.html.j2": "{name}/index.html",
        "site/ordered.html.j2": "{name}/ordered.html",
    },
    "app": {"app/task.yaml.j2": "{name}.yaml", "app/server.py.j2": "{module}_server.py"},
    "files": {"files/task.yaml.j2": "{name}.yaml", "files/about.txt.j2": "{name}/inbox/about.txt"},
}
"""Template -> path of what is made of it, the task first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """What was written.

    Attributes:
        task: the task's file.
        others: what belongs to it, in the order in which one would read it.
    """

    task: Path
    others: tuple[Path, ...]


def write_task(name: str, kind: Kind, folder: Path, *, description: str = "", family: str = "") -> NewTask:
    """Write a new task into a folder, which is made if need be.

    Args:
        name: lower-case words joined by hyphens.
        kind: what it runs on, see `IN_WORDS`.
        folder: where.
        description: one line for people; the example's own if empty.
        family: what kind of task it is, for reports; the example's own if empty.

    Raises:
        TaskError: the name is none, or a file is there already; nothing is written then.
    """
    from ..task import NAME_PATTERN

    if NAME_PATTERN.fullmatch(name) is None:
        raise TaskError(
            f"expected a task's name of lower-case words joined by hyphens, got {name!r}; write claim-lunch"
        )
    values = {
        "name": name,
        "module": name.replace("-", "_"),
        "title": name.replace("-", " ").capitalize(),
        "description": " ".join(description.split()),
        "family": " ".join(family.split()),
        "schema": SCHEMA_FILE,
    }
    templates = {**_FILES[kind], "test.py.j2": "test_{module}.py"}
    paths = {template: folder / path.format_map(values) for template, path in templates.items()}
    for path in paths.values():
        if path.exists():
            raise TaskError(f"{path} is there already; choose another name or folder, or remove it")
    environment = Environment(loader=FileSystemLoader(_HERE), undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["quoted"] = partial(json.dumps, ensure_ascii=False)
    texts = {paths[template]: environment.get_template(template).render(values) for template in templates}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
    task, *others = texts
    return NewTask(task=task, others=tuple(others))


__all__ = ["IN_WORDS", "KINDS", "Kind", "NewTask", "write_task"]
