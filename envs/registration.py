"""Which tasks exist, and their ids in Gymnasium: "milepost/<name>-v<version>".

Tasks that come with milepost or with an installed package (see `plugins`) are listed by reading only the name and
version of their files, so that importing milepost stays cheap and a broken task file breaks only itself; a file is read
in full when its task is first asked for.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

from ..sandbox.errors import PluginWarning, TaskError
from .miniwob.pages import miniwob_task_names

if TYPE_CHECKING:
    from .task import Task

Value = TypeVar("Value")

NAMESPACE = "milepost"
BUNDLED_TASKS = Path(__file__).parent / "tasks"
TASK_FILES = (".yaml", ".yml", ".py")

_ID = re.compile(rf"(?:{NAMESPACE}/)?(?P<name>[A-Za-z0-9][A-Za-z0-9_-]*?)(?:-v(?P<version>\d+))?")
_KEY = re.compile(r"^(name|version):\s*[\"']?([A-Za-z0-9_.-]+)[\"']?\s*(?:#.*)?$", re.MULTILINE)
_NEXT_DOCUMENT = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)

_tasks: dict[str, Callable[[], Task]] = {}
_plugins: dict[str, str] = {}
"""Ids of tasks that installed packages bring, and of which package each is."""


@overload
def register_task(task: Task) -> str: ...
@overload
def register_task(task: type) -> Task: ...
def register_task(task: Task | type) -> str | Task:
    """Register a task; a task of the same name and version is replaced.

    Args:
        task: the task; or, as a decorator, a class that describes one (see `python_tasks`).

    Returns:
        Its id, ready for `gymnasium.make`; of a class the task, which then stands under the class's name.

    Raises:
        TaskError: the class describes no task; the message names file and line.
    """
    if not isinstance(task, type):
        register_lazily(env_id_of(task.name, task.version), lambda: task)
        return env_id_of(task.name, task.version)
    from .python_tasks import task_from_class

    made = task_from_class(task)
    register_task(made)
    return made


def register_tasks(path_or_glob: str | Path) -> list[str]:
    """Register every task of a file (YAML or Python), of a folder, or of the files that a pattern matches.

    Returns:
        Their ids, in the order of the files.

    Raises:
        TaskError: a file is missing or wrong; none of its tasks is registered.
    """
    return [register_task(task) for task in tasks_in(path_or_glob)]


def tasks_in(path_or_glob: str | Path) -> list[Task]:
    """Return the tasks of a file (YAML or Python), of a folder, or of the files that a pattern matches.

    Raises:
        TaskError: a file is missing or wrong.
    """
    if str(path_or_glob).endswith(".py"):
        return _tasks_of_python(Path(path_or_glob).absolute())
    from .task import load_tasks

    return load_tasks(path_or_glob)


def register_lazily(env_id: str, load: Callable[[], Task]) -> None:
    """Register an id whose task is made when it is first asked for; what had this id is replaced.

    Args:
        env_id: "milepost/<name>-v<version>", see `env_id_of`.
        load: makes the task. It is called each time the task is asked for, so it should remember it.
    """
    from gymnasium.envs.registration import register, registry

    _tasks[env_id] = load
    _plugins.pop(env_id, None)
    registry.pop(env_id, None)  # registering an id twice warns; here the later one is meant
    register(
        id=env_id,
        entry_point="milepost.envs.env:MilepostEnv",
        vector_entry_point="milepost.envs.vector:MilepostVectorEnv",
        kwargs={"task": env_id},
    )


def register_bundled_tasks() -> None:
    """Register the tasks that come with milepost. Calling it again changes nothing."""
    for path in sorted(BUNDLED_TASKS.rglob("*.yaml")):
        for env_id in listed_ids(path):
            if env_id not in _tasks:
                register_lazily(env_id, partial(_load_listed, path, env_id))
    for name in miniwob_task_names():
        if (env_id := env_id_of(name, 0)) not in _tasks:
            register_lazily(env_id, partial(_load_miniwob, name))


def register_plugin_tasks() -> None:
    """Register the tasks that installed packages bring (entry points of the group "milepost.tasks").

    None of these packages is imported. What is wrong with one is a PluginWarning that names it, and costs only its own
    tasks. Calling it again changes nothing.
    """
    from .plugins import plugin_tasks

    for found in plugin_tasks():
        if found.env_id in _tasks:
            if _plugins.get(found.env_id) != found.source:
                warnings.warn(
                    f"{found.source} brings the task {found.env_id}, and there is one already; the one that was there "
                    "first stays. Rename one, or uninstall a package",
                    PluginWarning,
                    stacklevel=2,
                )
            continue
        if found.path is not None:
            register_lazily(found.env_id, partial(_load_listed, found.path, found.env_id))
        elif found.load is not None:
            register_lazily(found.env_id, found.load)
        _plugins[found.env_id] = found.source


def task_for(name_or_id: str) -> Task:
    """Return a registered task, or that of a file.

    Args:
        name_or_id: "milepost/expense-form-v0", "expense-form-v0", "expense-form" for its newest version, or the path of
            a file that holds one task ("my_tasks/claim-lunch.yaml"), which is then registered.

    Raises:
        TaskError: it is not registered; the message names close ones. Or the file is missing, wrong, or holds several.
    """
    env_id = resolve_id(name_or_id)
    try:
        return _tasks[env_id]()
    except TaskError as error:
        if env_id in _plugins:
            raise TaskError(f"{_plugins[env_id]} brings a broken task: {error}") from error
        raise


def resolve_id(name_or_id: str) -> str:
    """Return the full id of a task; takes and raises what `task_for` does."""
    if name_or_id.endswith(TASK_FILES):
        return _id_of_file(name_or_id)
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
    cure = (
        f"did you mean {' or '.join(close)}?" if close else f"`milepost tasks list` shows the {len(_tasks)} that are."
    )
    raise TaskError(f"no task {name_or_id!r} is registered; {cure} Your own: milepost.register_tasks('path/*.yaml')")


def registered_ids() -> tuple[str, ...]:
    """Return the ids of all registered tasks, sorted."""
    return tuple(sorted(_tasks))


def registered_tasks() -> Mapping[str, Task]:
    """Return all registered tasks by id, sorted; what is broken in an installed package is warned of and left out.

    Raises:
        TaskError: another task's file is wrong.
    """
    found = {}
    for env_id in registered_ids():
        try:
            found[env_id] = task_for(env_id)
        except TaskError as error:
            if env_id not in _plugins:
                raise
            warnings.warn(str(error), PluginWarning, stacklevel=2)
    return found


def source_of(env_id: str) -> str | None:
    """Return the installed package that brings a task, in words, or None if it is another's."""
    return _plugins.get(env_id)


def env_id_of(name: str, version: int) -> str:
    """Return the Gymnasium id of a task's name and version."""
    return f"{NAMESPACE}/{name}-v{version}"


def listed_ids(path: Path) -> Iterator[str]:
    """Yield the ids of a task file's tasks, by their names and versions alone."""
    for document in _NEXT_DOCUMENT.split(path.read_text(encoding="utf-8")):
        keys = dict(_KEY.findall(document))
        if "name" in keys and keys.get("version", "0").isdigit():
            yield env_id_of(keys["name"], int(keys.get("version", 0)))


@contextmanager
def isolated_registry() -> Iterator[None]:
    """Undo, at the end of the block, every registration made within it. For tests."""
    from gymnasium.envs.registration import registry

    with _restored(_tasks), _restored(_plugins), _restored(registry):
        yield


@contextmanager
def _restored(live: MutableMapping[str, Value]) -> Iterator[None]:
    kept = dict(live)
    try:
        yield
    finally:
        live.clear()
        live.update(kept)


def _id_of_file(path: str) -> str:
    tasks = tasks_in(path)
    if len(tasks) != 1:
        names = ", ".join(task.name for task in tasks) or "none"
        raise TaskError(
            f"expected one task in {path}, got {len(tasks)} ({names}); register them with "
            f"milepost.register_tasks({path!r}) and name one"
        )
    return register_task(tasks[0])


def _load_listed(path: Path, env_id: str) -> Task:
    from .task import load_tasks

    for task in load_tasks(path):
        if env_id_of(task.name, task.version) == env_id:
            _tasks[env_id] = partial(_the, task)
            return task
    raise TaskError(f"{path} was registered as {env_id} but holds no such task; restart Python if the file was changed")


def _the(task: Task) -> Task:
    return task


def _tasks_of_python(path: Path) -> list[Task]:
    """Return the tasks that a Python file registers when it is run; it is run once per process."""
    from .python_files import load_module
    from .task import Task

    module = load_module(str(path), str(path))
    found = [value for value in vars(module).values() if isinstance(value, Task)]
    if not found:
        raise TaskError(
            f"expected tasks in {path}, found none; put @milepost.register_task above a class, or bind a Task to a name"
        )
    return found


def _load_miniwob(name: str) -> Task:
    from .miniwob.tasks import miniwob_task

    return miniwob_task(name)


def _split(env_id: str) -> tuple[str, int]:
    name, _, version = env_id.partition("/")[2].rpartition("-v")
    return name, int(version)


__all__ = [
    "BUNDLED_TASKS",
    "NAMESPACE",
    "TASK_FILES",
    "env_id_of",
    "isolated_registry",
    "listed_ids",
    "register_bundled_tasks",
    "register_lazily",
    "register_plugin_tasks",
    "register_task",
    "register_tasks",
    "registered_ids",
    "registered_tasks",
    "resolve_id",
    "source_of",
    "task_for",
    "tasks_in",
]
