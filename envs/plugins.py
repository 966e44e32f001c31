"""Tasks that installed packages bring, found by the entry-point group "milepost.tasks" without importing any of them.

    [project.entry-points."milepost.tasks"]
    office = "office_tasks.tasks"                          # every *.yaml in this folder of the package
    claim-lunch-v0 = "office_tasks.lunch:ClaimLunch"       # one task written in Python; the name is its id

A folder's tasks are listed by the names and versions in their files. One in Python is imported when it is asked for,
so its name must say what it is. Whatever is wrong is a PluginWarning that names the package.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from ..sandbox.errors import MilepostError, PluginWarning, TaskError

if TYPE_CHECKING:
    from .task import Task

GROUP = "milepost.tasks"

_NAMED = re.compile(r"(?P<name>[a-z][a-z0-9]*(-[a-z0-9]+)*)-v(?P<version>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginTask:
    """One task of an installed package.

    Attributes:
        env_id: its id.
        source: what brings it, in words for messages.
        path: its file; None if it is written in Python.
        load: makes it, if it is written in Python; None if not.
    """

    env_id: str
    source: str
    path: Path | None = None
    load: Callable[[], Task] | None = None


def plugin_tasks() -> Iterator[PluginTask]:
    """Yield the tasks that installed packages bring; what is wrong is warned of and left out."""
    for point in entry_points(group=GROUP):
        source = _source(point)
        try:
            yield from _tasks_of(point, source)
        except (MilepostError, OSError, UnicodeDecodeError, ValueError, ImportError) as error:
            warnings.warn(f"{source} brings no tasks: {error}", PluginWarning, stacklevel=3)


def _source(point: EntryPoint) -> str:
    package = "an installed package" if point.dist is None else f"the package {point.dist.name} {point.dist.version}"
    return f"{package} (entry point {point.name} = {point.value!r})"


def _tasks_of(point: EntryPoint, source: str) -> Iterator[PluginTask]:
    from .registration import env_id_of, listed_ids

    if point.attr:
        match = _NAMED.fullmatch(point.name)
        if match is None:
            raise TaskError(
                f"expected the entry point of a task in Python to be named as its id, such as claim-lunch-v0, got "
                f"{point.name!r}; rename it"
            )
        env_id = env_id_of(match["name"], int(match["version"]))
        yield PluginTask(env_id=env_id, source=source, load=lru_cache(partial(_load, point, env_id)))
        return
    folder = _folder_of(point.module)
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not files:
        raise TaskError(f"expected task files (*.yaml) in {folder}, found none; are they in the package's data?")
    for path in files:
        ids = list(listed_ids(path))
        if not ids:
            warnings.warn(
                f"{source}: {path} names no task; it needs `name:` at the beginning of a line", PluginWarning, 3
            )
        for env_id in ids:
            yield PluginTask(env_id=env_id, source=source, path=path)


def _folder_of(module: str) -> Path:
    """Return the folder of a package, without importing it.

    Raises:
        TaskError: there is none.
    """
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise TaskError(f"the package {top!r}, which it names, is not installed; install it again")
    for location in spec.submodule_search_locations or ():
        folder = Path(location, *rest)
        if folder.is_dir():
            return folder
    raise TaskError(
        f"expected {module!r} to be a package's folder of task files, or package.module:attribute; write one of these"
    )


def _load(point: EntryPoint, env_id: str) -> Task:
    from .registration import env_id_of
    from .task import Task

    try:
        found = point.load()
        made = found() if callable(found) and not isinstance(found, Task) else found
    except MilepostError:
        raise
    except Exception as error:  # the package's code
        raise TaskError(f"{point.value!r} raises {type(error).__name__}: {error}; mend it") from error
    if not isinstance(made, Task):
        raise TaskError(
            f"expected a task at {point.value!r}, got {type(made).__name__}; put @milepost.register_task above it"
        )
    if env_id_of(made.name, made.version) != env_id:
        raise TaskError(
            f"expected {env_id} at {point.value!r}, as the entry point is named, got "
            f"{env_id_of(made.name, made.version)}; rename one"
        )
    return made


__all__ = ["GROUP", "PluginTask", "plugin_tasks"]
