"""Which tasks exist, and their ids in Gymnasium: "milepost/<name>-v<version>".

The bundled tasks are listed by reading only the name and version of their files, so that importing milepost stays
cheap and a broken task file breaks only itself; a file is read in full when its task is first asked for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..sandbox.errors import TaskError
from .miniwob.pages import miniwob_task_names

if TYPE_CHECKING:
    from .task import Task

NAMESPACE = "milepost"
BUNDLED_TASKS = Path(__file__).parent / "tasks"

_ID = re.compile(rf"(?:{NAMESPACE}/)?(?P<name>[A-Za-z0-9][A-Za-z0-9_-]*?)(?:-v(?P<version>\d+))?")
_KEY = re.compile(r"^(name|version):\s*[\"']?([A-Za-z0-9_.-]+)[\"']?\s*(?:#.*)?$", re.MULTILINE)

_SHOWN = 12

_tasks: dict[str, Callable[[], Task]] = {}


def register_task(task: Task) -> str:
    """Register a task; a task of the same name and version is replaced.

    Args:
        task: the task.

    Returns:
        Its id, ready for `gymnasium.make`.
    """
    env_id = env_id_of(task.name, task.version)
    _register(env_id, lambda: task)
    return env_id


def register_tasks(path_or_glob: str | Path) -> list[str]:
    """Register every task of a file, or of the files that a pattern matches.

    Returns:
        Their ids, in the order of the files.

    Raises:
        TaskError: a file is missing or wrong; none of its tasks is registered.
    """
    from .task import load_tasks

    return [register_task(task) for task in load_tasks(path_or_glob)]


def register_bundled_tasks() -> None:
    """Register the tasks that come with milepost. Calling it again changes nothing."""
    for path in sorted(BUNDLED_TASKS.glob("*.yaml")):
        keys = dict(_KEY.findall(path.read_text(encoding="utf-8")))
        if "name" in keys:
            env_id = env_id_of(keys["name"], int(keys.get("version", 0)))
            if env_id not in _tasks:
                _register(env_id, partial(_load_bundled, path, env_id))
    for name in miniwob_task_names():
        if (env_id := env_id_of(name, 0)) not in _tasks:
            _register(env_id, partial(_load_miniwob, name))


def task_for(name_or_id: str) -> Task:
    """Return a registered task.

    Args:
        name_or_id: "milepost/expense-form-v0", "expense-form-v0", or "expense-form" for its newest version.

    Raises:
        TaskError: it is not registered; the message names close ones.
    """
    return _tasks[resolve_id(name_or_id)]()


def resolve_id(name_or_id: str) -> str:
    """Return the full id of a registered task; raises like `task_for`."""
    match = _ID.fullmatch(name_or_id)
    if match is not None and match["version"] is not None:
        env_id = env_id_of(match["name"], int(match["version"]))
        if env_id in _tasks:
            return env_id
    elif match is not None:
        versions = [v for env_id in _tasks for n, v in [_split(env_id)] if n == match["name"]]
        if versions:
            return env_id_of(match["name"], max(versions))
    names = sorted({_split(env_id)[0] for env_id in _tasks} | set(_tasks))
    wanted = name_or_id if "/" in name_or_id or match is None else match["name"]
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4)
    cure = f"did you mean {' or '.join(close)}?" if close else f"registered are {_some(sorted(_tasks))}"
    raise TaskError(f"no task {name_or_id!r} is registered; {cure} Your own: milepost.register_tasks('path/*.yaml')")


def registered_ids() -> tuple[str, ...]:
    """Return the ids of all registered tasks, sorted."""
    return tuple(sorted(_tasks))


def env_id_of(name: str, version: int) -> str:
    """Return the Gymnasium id of a task's name and version."""
    return f"{NAMESPACE}/{name}-v{version}"


@contextmanager
def isolated_registry() -> Iterator[None]:
    """Undo, at the end of the block, every registration made within it. For tests."""
    from gymnasium.envs.registration import registry

    tasks, specs = dict(_tasks), dict(registry)
    try:
        yield
    finally:
        for live, kept in ((_tasks, tasks), (registry, specs)):
            live.clear()
            live.update(kept)  # type: ignore[arg-type]


def _register(env_id: str, load: Callable[[], Task]) -> None:
    from gymnasium.envs.registration import register, registry

    _tasks[env_id] = load
    registry.pop(env_id, None)  # registering an id twice warns; here the later one is meant
    register(
        id=env_id,
        entry_point="milepost.envs.env:MilepostEnv",
        vector_entry_point="milepost.envs.vector:MilepostVectorEnv",
        kwargs={"task": env_id},
    )


def _load_bundled(path: Path, env_id: str) -> Task:
    from .task import load_tasks

    for task in load_tasks(path):
        if env_id_of(task.name, task.version) == env_id:
            register_task(task)
            return task
    raise TaskError(f"{path} was registered as {env_id} but holds no such task; restart Python if the file was changed")


def _some(ids: list[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more: milepost tasks list" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN]) or 'none'}{more}"


def _load_miniwob(name: str) -> Task:
    from .miniwob.tasks import miniwob_task

    return miniwob_task(name)


def _split(env_id: str) -> tuple[str, int]:
    name, _, version = env_id.partition("/")[2].rpartition("-v")
    return name, int(version)


__all__ = [
    "BUNDLED_TASKS",
    "NAMESPACE",
    "env_id_of",
    "isolated_registry",
    "register_bundled_tasks",
    "register_task",
    "register_tasks",
    "registered_ids",
    "resolve_id",
    "task_for",
]
