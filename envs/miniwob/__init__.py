"""MiniWoB++ as a suite: the pages of the PyPI package `miniwob`, each a task of one page.

Needs the extra: `pip install 'milepost[miniwob]'`. Nothing here imports that package; its pages are read as files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .pages import miniwob_task_names

if TYPE_CHECKING:
    from .scores import Scores, scores_of
    from .tasks import MiniwobTask, miniwob_task

_HOMES = {"MiniwobTask": "tasks", "Scores": "scores", "miniwob_task": "tasks", "scores_of": "scores"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


__all__ = ["MiniwobTask", "Scores", "miniwob_task", "miniwob_task_names", "scores_of"]
