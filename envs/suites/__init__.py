"""Suites: named lists of tasks to train on and to be measured on.

A suite file is YAML:

    name: core
    description: Six applications, twelve tasks each.
    tasks: [expense-form, report-download]      # templates to train on
    held_out: [mail-attach]                     # templates that training never sees
    files: [my_tasks/*.yaml]                    # where tasks of your own are, seen from this file

Wherever a command or a configuration takes the name of a task it takes that of a suite: `core` is all of it,
`core:train` its `tasks`, `core:held_out` the rest; `core:mail` and `core:mail:held_out` are the same of one family.
The other split, by seed, holds for every task: evaluation draws its seeds where training never does
(`milepost.agents.evaluate.HELD_OUT_SEED`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ...sandbox.errors import TaskError
from ..miniwob.pages import miniwob_task_names
from ..registration import TASK_FILES, register_tasks, resolve_id, task_for
from ..task_file import Document, matching_files, read_documents

BUNDLED_SUITES = Path(__file__).parent

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]


class Split(StrEnum):
    """Which part of a suite is meant."""

    ALL = "all"
    TRAIN = "train"
    HELD_OUT = "held_out"


class Suite(BaseModel):
    """A list of tasks with a split by template.

    Attributes:
        name: lower-case letters, digits and hyphens.
        description: one line for people.
        tasks: names or ids of the tasks that training may use.
        held_out: those that are only measured.
        files: task files to register with the suite: paths and patterns, seen from the suite file's folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Name
    description: str = ""
    tasks: tuple[str, ...] = Field(min_length=1)
    held_out: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Suite:
        seen: set[str] = set()
        for task in (*self.tasks, *self.held_out):
            if task in seen:
                raise ValueError(f"{task!r} is listed twice; a task is trained on or held out, and listed once")
            seen.add(task)
        return self

    def ids(self, split: Split | str = Split.ALL) -> tuple[str, ...]:
        """Return the full ids of a split's tasks, in the order of the file.

        Args:
            split: "all", "train" or "held_out".

        Raises:
            ValueError: there is no such split.
            TaskError: one of them is not registered, or nothing is held out and that was asked for.
        """
        names = {
            Split.ALL: (*self.tasks, *self.held_out),
            Split.TRAIN: self.tasks,
            Split.HELD_OUT: self.held_out,
        }[Split(split)]
        if not names:
            raise TaskError(f"the suite {self.name!r} holds no task out; take {self.name!r} or '{self.name}:train'")
        try:
            return tuple(resolve_id(name) for name in names)
        except TaskError as error:
            raise TaskError(f"the suite {self.name!r}: {error}") from error

    def split_of(self, task_id: str) -> Split:
        """Return the split that a task, by full id, is in.

        Raises:
            TaskError: it is in neither.
        """
        for split in (Split.TRAIN, Split.HELD_OUT):
            if (split is Split.TRAIN or self.held_out) and task_id in self.ids(split):
                return split
        raise TaskError(f"{task_id!r} is not in the suite {self.name!r}")


_suites: dict[str, Callable[[], Suite]] = {}


def register_suite(suite: Suite | Path | str) -> list[str]:
    """Make suites known by their names; one of the same name is replaced.

    Args:
        suite: a suite, or a suite file (a folder, a pattern).

    Returns:
        The names.

    Raises:
        TaskError: a file is missing or wrong; the message names file and line. None of its suites is registered.
    """
    if isinstance(suite, Suite):
        _suites[suite.name] = lambda: suite
        return [suite.name]
    read = [_read(document) for path in matching_files(suite) for document in read_documents(path)]
    return [name for one in read for name in register_suite(one)]


def register_lazy_suite(name: str, make: Callable[[], Suite]) -> None:
    """Make a suite known that is costly to list: `make` is called when it is first asked for."""
    _suites[name] = make


def load_suite(name_or_file: str | Path) -> Suite:
    """Return a suite by its name, or that of a file, which is registered as well.

    Raises:
        TaskError: there is none of this name (the message names close ones), or the file is wrong or holds several.
    """
    if isinstance(name_or_file, Path) or name_or_file.endswith((".yaml", ".yml")):
        names = register_suite(name_or_file)
        if len(names) != 1:
            raise TaskError(
                f"expected one suite in {name_or_file}, got {', '.join(names)}; register_suite takes them all"
            )
        return load_suite(names[0])
    _register_bundled()
    if name_or_file not in _suites:
        known = suite_names()
        close = difflib.get_close_matches(name_or_file, known, n=2, cutoff=0.5)
        cure = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}."
        raise TaskError(f"no suite {name_or_file!r}; {cure} Your own: milepost.register_suite('my_suite.yaml')")
    suite = _suites[name_or_file]()
    _suites[name_or_file] = lambda: suite
    return suite


def suite_names() -> tuple[str, ...]:
    """Return the names of all suites, sorted."""
    _register_bundled()
    return tuple(sorted(_suites))


def expand(names: Iterable[str], *, bare: Split = Split.ALL) -> tuple[str, ...]:
    """Return the ids of tasks and of suites' tasks, each once, in order of first mention.

    Args:
        names: names or ids of registered tasks, and of suites: "core", "core:train", "core:held_out", "core:mail",
            "core:mail:held_out"; or files of tasks or of one suite, which are registered.
        bare: the part that is meant where neither `train` nor `held_out` is said.

    Raises:
        TaskError: a name is neither a task's nor a suite's; the message names close ones of both.
    """
    return tuple(dict.fromkeys(task_id for name in names for task_id in _ids_of(name, bare)))


def _ids_of(name: str, bare: Split) -> tuple[str, ...]:
    if name.endswith(TASK_FILES):
        if not name.endswith(".py") and is_suite_file(name):
            return load_suite(name).ids(bare)
        return tuple(register_tasks(name))
    base, colon, part = name.partition(":")
    if colon or base in suite_names():
        return _part_of(load_suite(base), part, bare) if part else load_suite(base).ids(bare)
    try:
        return (resolve_id(name),)
    except TaskError as error:
        close = difflib.get_close_matches(name, suite_names(), n=1, cutoff=0.6)
        if not close:
            raise
        raise TaskError(f"{error} There is also the suite {close[0]!r}.") from error


def _part_of(suite: Suite, part: str, bare: Split) -> tuple[str, ...]:
    """Return the ids of a part: `train`, `held_out`, a family, or a family and one of the two after a colon."""
    splits = (Split.TRAIN, Split.HELD_OUT)
    if part in splits:
        return suite.ids(part)
    family, colon, split = part.partition(":")
    of_family = tuple(i for i in suite.ids() if task_for(i).family == family)
    if not of_family or (colon and split not in splits):
        families = dict.fromkeys(task_for(i).family for i in suite.ids())
        raise TaskError(
            f"expected {suite.name}:train or {suite.name}:held_out, got '{suite.name}:{part}'; its families are "
            f"{', '.join(f'{suite.name}:{name}' for name in families)}, and a family has the same two parts "
            f"({suite.name}:{next(iter(families))}:train); for all its tasks write {suite.name!r}"
        )
    wanted = suite.ids(split or bare)
    if not (found := tuple(i for i in of_family if i in wanted)):
        raise TaskError(f"the suite {suite.name!r} has no task of the family {family!r} in {split or bare}")
    return found


def _register_bundled() -> None:
    for path in BUNDLED_SUITES.glob("*.yaml"):
        if path.stem not in _suites:
            _suites[path.stem] = lambda path=path: _read(read_documents(path)[0])  # type: ignore[misc]
    if "miniwob" not in _suites:
        register_lazy_suite("miniwob", _miniwob)


def _miniwob() -> Suite:
    """Return the suite of the MiniWoB++ pages, every fourth of them, by name, held out."""
    names = sorted(miniwob_task_names())
    held_out = names[3::4]
    return Suite(
        name="miniwob",
        description="The MiniWoB++ pages, one task each; see docs/miniwob.md.",
        tasks=tuple(name for name in names if name not in held_out),
        held_out=tuple(held_out),
    )


def _read(document: Document) -> Suite:
    if not isinstance(document.data, dict):
        found = type(document.data).__name__
        raise TaskError(f"{document.path}:1: expected a suite (name:, tasks:), got {found}; see docs/suites.md")
    try:
        suite = Suite.model_validate(document.data)
    except ValidationError as error:
        problem = error.errors()[0]
    else:
        for pattern in suite.files:
            register_tasks(document.path.parent / pattern)
        return suite
    where = ".".join(map(str, problem["loc"])) or "the suite"
    raise TaskError(f"{document.path}:{document.line_of(problem['loc'])}: {where}: {_said(problem)}")


def _said(problem: Any) -> str:
    match problem["type"]:
        case "extra_forbidden":
            known = list(Suite.model_fields)
            close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            return f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; expected {', '.join(known)}"
        case "missing":
            return "it is missing; add it"
        case "value_error":
            return str(problem["ctx"]["error"])
        case _:
            return f"{problem['msg'][:1].lower()}{problem['msg'][1:]}, got {problem['input']!r:.80}; change it"


def is_suite_file(path: Path | str) -> bool:
    """Tell whether a YAML file holds a suite rather than tasks; raises like `read_documents`."""
    return all(
        isinstance(d.data, dict) and "tasks" in d.data for path in matching_files(path) for d in read_documents(path)
    )


__all__ = [
    "BUNDLED_SUITES",
    "Split",
    "Suite",
    "expand",
    "is_suite_file",
    "load_suite",
    "register_lazy_suite",
    "register_suite",
    "suite_names",
]
