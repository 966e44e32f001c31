"""Environments: tasks, actions, observations, and the Gymnasium classes that put them on a real browser.

Names are loaded on first use; importing this package loads neither torch nor a browser.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .action_help import action_help
    from .action_tools import parse_tool_call, tool_schemas
    from .actions import Action, format_action, parse_action
    from .concurrent import areset_many, astep_many, reset_many, step_many
    from .env import MilepostEnv
    from .outcome import StepTimings, StopReason
    from .python_tasks import milestone
    from .registration import (
        register_bundled_tasks,
        register_lazily,
        register_plugin_tasks,
        register_task,
        register_tasks,
        task_for,
    )
    from .setup import Setup
    from .task import Task, TaskInstance, load_tasks
    from .vector import MilepostVectorEnv

_HOMES = {
    "Action": "actions",
    "MilepostEnv": "env",
    "MilepostVectorEnv": "vector",
    "Setup": "setup",
    "StepTimings": "outcome",
    "StopReason": "outcome",
    "Task": "task",
    "TaskInstance": "task",
    "action_help": "action_help",
    "areset_many": "concurrent",
    "astep_many": "concurrent",
    "format_action": "actions",
    "load_tasks": "task",
    "milestone": "python_tasks",
    "parse_action": "actions",
    "parse_tool_call": "action_tools",
    "register_bundled_tasks": "registration",
    "register_lazily": "registration",
    "register_plugin_tasks": "registration",
    "register_task": "registration",
    "register_tasks": "registration",
    "reset_many": "concurrent",
    "step_many": "concurrent",
    "task_for": "registration",
    "tool_schemas": "action_tools",
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
    "Setup",
    "StepTimings",
    "StopReason",
    "Task",
    "TaskInstance",
    "action_help",
    "areset_many",
    "astep_many",
    "format_action",
    "load_tasks",
    "milestone",
    "parse_action",
    "parse_tool_call",
    "register_bundled_tasks",
    "register_lazily",
    "register_plugin_tasks",
    "register_task",
    "register_tasks",
    "reset_many",
    "step_many",
    "task_for",
    "tool_schemas",
]
