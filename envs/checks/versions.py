"""The rule that a task which changes gets a new version number; see `task_versions`."""

from __future__ import annotations

from ...sandbox.errors import TaskError
from ..task_versions import LOCK_FILE, changed
from .findings import Findings, Subject


def version_kept(subject: Subject) -> Findings:
    """What was recorded for a version must not change under its name."""
    if subject.document is None:
        return
    task, folder = subject.task, subject.document.path.parent
    try:
        if not changed(task, folder):
            return
    except TaskError as error:
        yield subject.error("version", str(error), "version")
        return
    yield subject.error(
        "version",
        f"{task.name!r} has changed since version {task.version} was recorded in {folder / LOCK_FILE}; raise `version` "
        f"to {task.version + 1}, and record it with `milepost tasks lock {subject.document.path}` (with --force, if "
        "nobody has measured with it, under the old number)",
        "version",
    )


RULES = (version_kept,)

__all__ = ["RULES"]
