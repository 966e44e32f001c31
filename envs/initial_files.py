r"""The files that a task puts into the workspace before its episode begins, and that are there at step 0.

    files:
      "notes/{person}.txt": "Call {person} on Friday.\n"

Paths and texts are templates. Paths are relative to the workspace and held to its rules; what they say is checked when
the task is read, and again once the parameters are in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..rewards.templates import fill, placeholders
from ..sandbox.errors import ActionError, TaskError
from ..sandbox.workspace import QUOTA_BYTES, QUOTA_FILES
from ..sandbox.workspace_paths import check_new_names, split_path

MAX_INITIAL_FILES = 100
"""Most files that a task may begin with."""


def path_problem(template: str) -> str | None:
    """Return what is wrong with a path, whatever its parameters are filled with; None if nothing is."""
    try:
        _parts_of(fill(template, dict.fromkeys(placeholders(template), "x")))
    except ActionError as error:
        return f"expected a path within the workspace, such as 'notes.txt'; {error}"
    return None


def fill_files(files: Mapping[str, str], parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of one instance: path -> text, every template filled.

    Args:
        files: path template -> text template.
        parameters: the instance's drawn values.

    Raises:
        TaskError: a path leads out of the workspace, two files fall on one path, one lies below another, a text
            is no UTF-8, or they exceed the workspace's quota.
    """
    filled: dict[str, str] = {}
    folders: set[str] = set()
    size_bytes = 0
    for template, text in files.items():
        try:
            parts = _parts_of(fill(template, parameters))
        except ActionError as error:
            raise TaskError(f"files: {template!r} is no path within the workspace: {error}; change it") from error
        path = "/".join(parts)
        if path in filled:
            raise TaskError(f"files: expected each path once, but {template!r} is {path!r}, as another is; rename one")
        filled[path] = fill(text, parameters)
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
        try:
            size_bytes += len(filled[path].encode())
        except UnicodeEncodeError as error:
            raise TaskError(f"files: the text of {path!r} cannot be written as UTF-8: {error.reason}") from error
    if clash := sorted(folders & filled.keys()):
        path = clash[0]
        raise TaskError(f"files: {path!r} is a file and a folder that holds another file; rename one")
    if size_bytes > QUOTA_BYTES or len(filled) + len(folders) > QUOTA_FILES:
        raise TaskError(
            f"files: expected at most {QUOTA_BYTES} bytes and {QUOTA_FILES} files and folders, the workspace's quota, "
            f"got {size_bytes} bytes and {len(filled) + len(folders)} files and folders; take some away"
        )
    return filled


def _parts_of(path: str) -> tuple[str, ...]:
    parts = split_path(path)
    check_new_names(path, parts)
    return parts


__all__ = ["MAX_INITIAL_FILES", "fill_files", "path_problem"]
