"""What goes over the wire, as models that also make the schemas.

A client sends `{"type": "reset" | "step" | "state" | "close", "data": {...}}` and gets
`{"type": "observation" | "state" | "error", "data": {...}}`. The protocol has one flag for the end of an episode
(`done`) and one number (`reward`). What it has no place for is in the observation's `metadata`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...sandbox.errors import FailureKind
from ..action_base import MAX_ACTION_CHARS

MAX_MESSAGE_BYTES = 64 * 1024
"""Longest message or request body that is read."""
MAX_ID_CHARS = 255
MAX_SEED = 2**53 - 1
"""The greatest whole number that every JSON reader keeps."""


class ErrorCode(StrEnum):
    """The protocol's codes for what went wrong."""

    INVALID_JSON = "INVALID_JSON"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    EXECUTION_ERROR = "EXECUTION_ERROR"
    CAPACITY_REACHED = "CAPACITY_REACHED"
    SESSION_ERROR = "SESSION_ERROR"


class ServeError(Exception):
    """A request that cannot be met; becomes the protocol's error.

    Args:
        message: expected, came, cure.
        code: the protocol's.
        status: the same for plain HTTP.
        failure: what the machine did wrong, where it was the machine.
    """

    def __init__(self, message: str, code: ErrorCode, *, status: int, failure: FailureKind | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.failure = failure

    def to_json(self) -> dict[str, Any]:
        """Return the error's data."""
        data: dict[str, Any] = {"message": str(self), "code": self.code.value}
        return data if self.failure is None else {**data, "failure": self.failure.value}


class Reset(BaseModel):
    """What a reset may ask for; what else comes with it (columns of a data set) is not looked at.

    Attributes:
        seed: of the episode; drawn if left out.
        episode_id: a name for the episode; drawn if left out.
        task: the name or id of a served task; drawn by the seed if left out.
        split: with `index`: the item of a split, instead of task and seed.
        index: see `split`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    episode_id: str | None = Field(default=None, min_length=1, max_length=MAX_ID_CHARS)
    task: str | None = Field(default=None, max_length=MAX_ID_CHARS)
    split: str | None = Field(default=None, max_length=MAX_ID_CHARS)
    index: int | None = Field(default=None, ge=0, le=MAX_SEED)


class ServedAction(BaseModel):
    """One action.

    Attributes:
        action: one line of text, such as click("Save"); see docs/actions.md.
        metadata: not looked at; the protocol's clients may send it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: str = Field(max_length=MAX_ACTION_CHARS, description='One line of text, such as click("Save").')
    metadata: dict[str, Any] = Field(default_factory=dict)


class Step(BaseModel):
    """The body of a step by plain HTTP."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    action: ServedAction
    timeout_s: float | None = Field(default=None, gt=0, le=3600, allow_inf_nan=False)
    episode_id: str | None = Field(default=None, min_length=1, max_length=MAX_ID_CHARS)


class Facts(BaseModel):
    """What the protocol has no place for, as an observation's `metadata`.

    Attributes:
        task: the task's id.
        seed: the instance's.
        episode_id: the episode's.
        progress: share of the milestones reached, 0 to 1.
        milestones: ids of those reached so far, sorted.
        success: whether the episode ended in success.
        terminated: whether the task ended it.
        truncated: whether a limit or the machine cut it short.
        stop_reason: why it ended; null while it goes on.
        failure: what the machine did wrong. Such a step has no reward (null), and must not count as one of zero.
        failure_message: the same for people.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    seed: int
    episode_id: str
    progress: float
    milestones: list[str]
    success: bool
    terminated: bool
    truncated: bool
    stop_reason: str | None
    failure: str | None
    failure_message: str


class ServedObservation(BaseModel):
    """An observation as `/schema` describes it.

    Attributes:
        done: whether the episode is over, for whatever reason: see `metadata`.
        reward: the step's; null at a reset, and where the machine failed.
        metadata: further facts.
        goal: the task, in words.
        url: the page's.
        title: likewise.
        focused: the element that has the focus.
        page: the page, one line for each element.
        files: the workspace's files, one a line.
        last_action: the action that led here.
        last_action_result: what it changed, or its output.
        last_action_error: why it could not be done, "" if it was.
        screenshot: the page as PNG in base64, where the server was told to send it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    done: bool
    reward: float | None
    metadata: Facts
    goal: str
    url: str
    title: str
    focused: str
    page: str
    files: str
    last_action: str
    last_action_result: str
    last_action_error: str
    screenshot: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return it as the protocol wraps observations."""
        observation = self.model_dump(exclude={"done", "reward"})
        return {
            "observation": observation,
            "reward": self.reward,
            "done": self.done,
            "metadata": observation["metadata"],
        }


class ServedState(BaseModel):
    """Where a session is.

    Attributes:
        episode_id: the episode's; null before the first.
        step_count: actions taken in it.
        task: the task's id.
        seed: the instance's.
        done: whether the episode is over.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    episode_id: str | None = None
    step_count: int = Field(default=0, ge=0)
    task: str | None = None
    seed: int | None = None
    done: bool = False


def invalid(error: ValidationError, what: str) -> ServeError:
    """Return the protocol's error for data that does not fit."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or what
    return ServeError(f"{what}: {where}: {first['msg']}", ErrorCode.VALIDATION_ERROR, status=422)


__all__ = [
    "MAX_ID_CHARS",
    "MAX_MESSAGE_BYTES",
    "MAX_SEED",
    "ErrorCode",
    "Facts",
    "Reset",
    "ServeError",
    "ServedAction",
    "ServedObservation",
    "ServedState",
    "Step",
    "invalid",
]
