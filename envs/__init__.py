"""Environments: tasks, actions, observations, and the Gymnasium classes that put them on a real browser.

Names are loaded on first use; importing this package loads neither torch nor a browser.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actions import Action, format_action, parse_action
    from .concurrent import areset_many, astep_many, reset_many, step_many
    from .env import MilepostEnv
    from .outcome import StepTimings, StopReason
    from .registration import register_bundled_tasks, register_task, register_tasks, task_for
    from .task import Task, TaskInstance, load_tasks
    from .vector import MilepostVectorEnv

_HOMES = {
    "Action": "actions",
    "MilepostEnv": "env",
    "MilepostVectorEnv": "vector",
    "StepTimings": "outcome",
    "StopReason": "outcome",
    "Task": "task",
    "TaskInstance": "task",
    "areset_many": "concurrent",
    "astep_many": "concurrent",
    "format_action": "actions",
    "load_tasks": "task",
    "parse_action": "actions",
    "register_bundled_tasks": "registration",
    "register_task": "registration",
    "register_tasks": "registration",
    "reset_many": "concurrent",
    "step_many": "concurrent",
    "task_for": "registration",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Action",
    "MilepostEnv",
    "MilepostVectorEnv",
    "StepTimings",
    "StopReason",
    "Task",
    "TaskInstance",
    "areset_many",
    "astep_many",
    "format_action",
    "load_tasks",
    "parse_action",
    "register_bundled_tasks",
    "register_task",
    "register_tasks",
    "reset_many",
    "step_many",
    "task_for",
]
