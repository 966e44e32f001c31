"""Typed, verifiable events of one episode's computer, and the append-only log that holds them.

Every event is made outside the page's own JavaScript world: by the browser (navigation, load, dialog, download,
request), by trusted input seen from an isolated world (click, input, focus, submit), by the file watcher, or by the
application's server-side state. Nothing a page script does can add one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, cast

from .errors import RewardError

MAX_BODY_CHARS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One verifiable thing that happened.

    Attributes:
        step: index of the agent's step during which it happened; 0 is the reset.
        t: `time.monotonic()` seconds when it was recorded. For people and profiles only: no reward reads it, and two
            events that differ in nothing else are equal.
        origin: who vouches for it: "browser", "input" (trusted input), "files", "app" or "agent".
    """

    kind: ClassVar[str] = "event"
    step: int
    t: float = field(compare=False)
    origin: Literal["browser", "input", "files", "app", "agent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation(Event):
    """The main frame committed a navigation (also a same-document one).

    `asked`: the agent's own action asked for it (goto, back, forward, reload, a new tab); no element led there.
    """

    kind: ClassVar[str] = "navigation"
    url: str
    previous_url: str | None
    same_document: bool = False
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Event):
    """The main frame reached a load state; `url` is the address that its document came from."""

    kind: ClassVar[str] = "load"
    url: str
    state: Literal["domcontentloaded", "load"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog(Event):
    """A JavaScript dialog (alert, confirm, prompt, beforeunload) opened and was answered."""

    kind: ClassVar[str] = "dialog"
    dialog_type: str
    message: str
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Click(Event):
    """A trusted click landed on an element."""

    kind: ClassVar[str] = "click"
    ref: int
    role: str
    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Event):
    """A trusted input changed a field; `value` is the field's value afterwards. An answered prompt is one of ref 0."""

    kind: ClassVar[str] = "input"
    ref: int
    role: str
    name: str
    value: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit(Event):
    """A form was submitted by a trusted action."""

    kind: ClassVar[str] = "submit"
    ref: int
    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Focus(Event):
    """Focus moved to an element."""

    kind: ClassVar[str] = "focus"
    ref: int
    role: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Title(Event):
    """The document's title changed."""

    kind: ClassVar[str] = "title"
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementDelta(Event):
    """An element appeared, disappeared or changed between two snapshots."""

    kind: ClassVar[str] = "element"
    change: Literal["appeared", "disappeared", "changed"]
    ref: int
    role: str
    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Event):
    """The page sent a request and it ended; `status` is None when it failed.

    `body` is what it carried, as text, at most MAX_BODY_CHARS characters of it: None where it carried nothing, only
    files, or where nobody asked for bodies. The random part of a multipart boundary is left out.
    """

    kind: ClassVar[str] = "request"
    method: str
    url: str
    status: int | None
    body: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Download(Event):
    """A download ended and lies in the workspace at `path` (relative, POSIX)."""

    kind: ClassVar[str] = "download"
    url: str
    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange(Event):
    """A file of the workspace changed, read at the end of the step.

    `path` is relative, POSIX; `sha256` is None if it is gone; `previous_path` is where a moved one was before.
    """

    kind: ClassVar[str] = "file"
    change: Literal["created", "modified", "deleted", "moved"]
    path: str
    is_directory: bool
    size_bytes: int | None
    sha256: str | None
    previous_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent(Event):
    """What a file held that a detector wants to look into; recorded once for each content, when it is first seen.

    Attributes:
        path: where it was first seen.
        sha256: hex digest of the content, as `FileInfo` has it.
        size_bytes: its length.
        data: the content: as text if it is UTF-8, else in base64; None if there was too much of it.
        is_base64: which of the two.
    """

    kind: ClassVar[str] = "file_content"
    path: str
    sha256: str
    size_bytes: int
    data: str | None
    is_base64: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRead(Event):
    """The agent read a file by `read_file`; `text` is what it was shown of it."""

    kind: ClassVar[str] = "file_read"
    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Process(Event):
    """A command of the agent ran in the sandbox and ended; `exit_code` is None if it was stopped at a limit."""

    kind: ClassVar[str] = "process"
    command: str
    exit_code: int | None
    timed_out: bool = False
    output_sha256: str | None = None
    duration_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState(Event):
    """The application's server-side state changed; `changed` names its top-level keys."""

    kind: ClassVar[str] = "app_state"
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Event):
    """The agent ended its episode with `done(text)`. Its words, so no rule pays for them except an exact answer key."""

    kind: ClassVar[str] = "answer"
    text: str


EVENT_TYPES: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        Navigation, Load, Dialog, Click, Input, Submit, Focus, Title, ElementDelta, Request, Download, FileChange,
        FileContent, FileRead, Process, AppState, Answer,
    )
}  # fmt: skip


def event_to_json(event: Event) -> dict[str, Any]:
    """Return the event as JSON-ready plain data, its kind under "kind"."""
    return {"kind": event.kind, **{f.name: getattr(event, f.name) for f in fields(event)}}


def event_from_json(data: dict[str, Any]) -> Event:
    """Rebuild an event from `event_to_json`.

    Raises:
        RewardError: the kind is unknown or a field is missing or unexpected.
    """
    values = dict(data)
    kind = values.pop("kind", None)
    cls = EVENT_TYPES.get(cast(str, kind))
    if cls is None:
        raise RewardError(f"unknown event kind {kind!r}; expected one of {', '.join(sorted(EVENT_TYPES))}")
    for f in fields(cls):
        if isinstance(values.get(f.name), list):
            values[f.name] = tuple(values[f.name])
    try:
        return cls(**values)
    except TypeError as error:
        raise RewardError(f"a recorded {kind!r} event does not fit its type: {error}") from error


class EventLog:
    """Append-only list of an episode's events, in the order in which they were recorded."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def append(self, event: Event) -> None:
        """Add one event; steps never go back."""
        if self._events and event.step < self._events[-1].step:
            raise RewardError(f"event of step {event.step} appended after one of step {self._events[-1].step}")
        self._events.append(event)

    def of_step(self, step: int) -> tuple[Event, ...]:
        """Return the events recorded during one step."""
        return tuple(e for e in self._events if e.step == step)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)
