"""Every error the package raises, in one tree.

    MilepostError
    ├── SandboxError            the machine failed: ends the episode, truncated, typed, never scored as zero
    │   ├── BrowserNotFoundError    no usable Chromium on this machine
    │   ├── BrowserCrashedError     the browser process or its page died
    │   ├── PageHungError           the page did not answer within its deadline
    │   ├── AppServerError          the application behind the page failed
    │   ├── WorkspaceError          the disk, its quota or its watcher failed
    │   └── PolicyFailedError       what was to choose the action broke down: its server is gone, say
    ├── TaskError               a task file or registration is wrong: the task author's to mend
    ├── ActionError             the agent asked for something impossible: shown to it as `last_action_error`
    ├── RewardError             a detector, tracker or ledger was misused, or a ledger does not re-score
    │   └── LedgerTamperedError     a ledger's hash chain is broken
    ├── EngineError             the model cannot be loaded or cannot sample
    └── RunError                a training or evaluation run cannot be started, written or resumed

Messages say what was expected, what came, and what to do about it. Warnings, which stop nothing:

    MilepostWarning             (a UserWarning)
    ├── PluginWarning           an installed package's tasks are broken, or clash with others
    └── WeightOrderWarning      a task's component weights value the means above the end
"""

from __future__ import annotations

from enum import StrEnum


class FailureKind(StrEnum):
    """What the machine did wrong, as reported in `info["failure"]`."""

    BROWSER_CRASHED = "browser_crashed"
    PAGE_HUNG = "page_hung"
    APP_SERVER = "app_server"
    WORKSPACE = "workspace"
    BROWSER_NOT_FOUND = "browser_not_found"
    SANDBOX = "sandbox"
    POLICY = "policy"


class MilepostError(Exception):
    """Root of every error that milepost raises on purpose."""


class SandboxError(MilepostError):
    """The machine failed, not the agent: the episode is truncated with a typed failure and masked in training."""

    kind: FailureKind = FailureKind.SANDBOX


class BrowserNotFoundError(SandboxError):
    """No usable Chromium was found; the message says how to install one."""

    kind = FailureKind.BROWSER_NOT_FOUND


class BrowserCrashedError(SandboxError):
    """The browser process, its connection or its page died."""

    kind = FailureKind.BROWSER_CRASHED


class PageHungError(SandboxError):
    """The page did not answer within its deadline."""

    kind = FailureKind.PAGE_HUNG


class AppServerError(SandboxError):
    """The application server behind the page failed or does not answer."""

    kind = FailureKind.APP_SERVER


class WorkspaceError(SandboxError):
    """The workspace's disk, quota or watcher failed."""

    kind = FailureKind.WORKSPACE


class PolicyFailedError(SandboxError):
    """What was to choose the action broke down (its server is gone, say): no fault of what it would have chosen."""

    kind = FailureKind.POLICY


class TaskError(MilepostError):
    """A task definition or registration is wrong."""


class ActionError(MilepostError):
    """The agent's action cannot be parsed or carried out; it becomes `last_action_error` and costs a step."""


class RewardError(MilepostError):
    """A detector, tracker or ledger was misused, or a ledger does not re-score to its recorded numbers."""


class LedgerTamperedError(RewardError):
    """A ledger's lines were edited, taken out, put in or moved after they were written; the message names them."""


class EngineError(MilepostError):
    """A language model cannot be found, loaded or sampled."""


class RunError(MilepostError):
    """A run cannot be started, written or resumed."""


class MilepostWarning(UserWarning):
    """Root of every warning that milepost gives on purpose."""


class PluginWarning(MilepostWarning):
    """An installed package brings tasks that cannot be used; the message names it, and everything else goes on."""


class WeightOrderWarning(MilepostWarning):
    """Component weights do not satisfy goal >= file >= ui; they are used as they are."""


__all__ = [
    "ActionError",
    "AppServerError",
    "BrowserCrashedError",
    "BrowserNotFoundError",
    "EngineError",
    "FailureKind",
    "LedgerTamperedError",
    "MilepostError",
    "MilepostWarning",
    "PageHungError",
    "PluginWarning",
    "PolicyFailedError",
    "RewardError",
    "RunError",
    "SandboxError",
    "TaskError",
    "WeightOrderWarning",
    "WorkspaceError",
]
