"""Every error that milepost raises, where people look for it; `milepost.sandbox.errors` draws the tree."""

from .sandbox.errors import (
    ActionError,
    AppServerError,
    BrowserCrashedError,
    BrowserNotFoundError,
    EngineError,
    FailureKind,
    MilepostError,
    MilepostWarning,
    PageHungError,
    PluginWarning,
    RewardError,
    RunError,
    SandboxError,
    TaskError,
    WeightOrderWarning,
    WorkspaceError,
)

__all__ = [
    "ActionError",
    "AppServerError",
    "BrowserCrashedError",
    "BrowserNotFoundError",
    "EngineError",
    "FailureKind",
    "MilepostError",
    "MilepostWarning",
    "PageHungError",
    "PluginWarning",
    "RewardError",
    "RunError",
    "SandboxError",
    "TaskError",
    "WeightOrderWarning",
    "WorkspaceError",
]
