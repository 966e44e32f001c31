"""Which content belongs to which version of a task, so that scores of one version stay comparable.

Any change to what is observed, paid or ended raises a task's `version`. `versions.json` beside the task files records a
digest of that part of each version; `milepost tasks check` compares, and `milepost tasks lock` records new versions.

What counts: goal, parameters, files, pages of a `site` and contents of a `workspace`, actions, limits, milestones,
success, reward. What does not: description, family, oracle, near misses. What an application's code does, beyond a
Python file that the task names, is not seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..sandbox.errors import TaskError
from .places import OwnApp
from .registration import env_id_of
from .task import Task

LOCK_FILE = "versions.json"

_FREE = {"name", "version", "family", "description", "oracle", "near_miss", "app", "site", "workspace"}
_DIGITS = 32


def digest_of(task: Task) -> str:
    """Return the digest of what makes a task's scores comparable: 32 hex digits.

    Raises:
        TaskError: a detector is a function of Python, whose meaning no digest can tell.
    """
    if task.setup is not None or not all(milestone.spec.is_data() for milestone in task.milestones):
        raise TaskError(f"the task {task.name!r} has functions of Python; only tasks that are files can be recorded")
    data = task.model_dump(mode="json", by_alias=True, exclude=_FREE)
    for milestone in data["milestones"]:
        milestone.pop("description", None)
    for key, value in _where(task).items():
        data[key] = value
    text = json.dumps(
        {k: v for k, v in data.items() if v not in (None, [], {}, "")}, sort_keys=True, ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _where(task: Task) -> dict[str, Any]:
    """Return where the task runs, with what lies on the disk replaced by digests of it."""
    where: dict[str, Any] = {}
    if isinstance(task.app, OwnApp):
        where["app"] = task.app.model_dump(exclude={"folder", "asgi"}, exclude_none=True)
        if task.app.asgi is not None:
            where["app"]["asgi"] = _code(task.app.asgi)
    elif task.app is not None:
        where["app"] = _code(task.app)
    if task.site is not None:
        where["site"] = _contents(Path(task.site))
    if task.workspace is not None:
        where["workspace"] = _contents(Path(task.workspace))
    return where


def _code(reference: str) -> str:
    path, colon, attribute = reference.rpartition(":")
    return f"{_contents(Path(path))}:{attribute}" if colon and path.endswith(".py") else reference


def _contents(path: Path) -> str:
    """Return the digest of a file, or of a folder's files with their names; hidden ones are left out."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        relative = file.relative_to(path).as_posix() if path.is_dir() else ""
        if any(part.startswith(".") for part in relative.split("/")):
            continue
        digest.update(f"{relative}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()[:_DIGITS]


def recorded(folder: Path) -> dict[str, str]:
    """Return the digests that a folder's `versions.json` has, by id; none if there is no such file.

    Raises:
        TaskError: it is not what `record` writes.
    """
    path = folder / LOCK_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TaskError(f"{path} cannot be read: {error}; restore it, or remove it and record anew") from error
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise TaskError(f"{path}: expected an object of ids and digests, got something else; restore or remove it")
    return data


def changed(task: Task, folder: Path) -> bool:
    """Tell whether a task is not what was recorded for its version; one that was not recorded has not changed."""
    known = recorded(folder).get(env_id_of(task.name, task.version))
    return known is not None and known != digest_of(task)


def record(tasks: Iterable[Task], folder: Path, *, force: bool = False) -> Mapping[str, str]:
    """Record the present content of tasks in a folder's `versions.json`.

    Args:
        tasks: tasks whose files lie in the folder.
        folder: the folder.
        force: also record what has changed without a new version.

    Returns:
        What was added or replaced, by id.

    Raises:
        TaskError: a task has changed and its version has not; nothing is written.
    """
    known, added = recorded(folder), dict[str, str]()
    for task in tasks:
        env_id, digest = env_id_of(task.name, task.version), digest_of(task)
        if env_id in known and known[env_id] != digest and not force:
            raise TaskError(
                f"{env_id} has changed since it was recorded in {folder / LOCK_FILE}; raise its `version` to "
                f"{task.version + 1}, or pass --force if nobody has measured with it"
            )
        if known.get(env_id) != digest:
            added[env_id] = digest
    if added:
        text = json.dumps(dict(sorted({**known, **added}.items())), indent=2) + "\n"
        (folder / LOCK_FILE).write_text(text, encoding="utf-8")
    return added


__all__ = ["LOCK_FILE", "changed", "digest_of", "record", "recorded"]
