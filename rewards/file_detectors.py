"""Detectors of the workspace: files created or changed, folders updated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..sandbox.events import Download, Event, FileChange
from ..sandbox.snapshot import FileInfo
from .page_view import path_matches
from .spec import Glob, Spec
from .templates import Style
from .types import Evidence, Moment


class FileCreated(Spec):
    """A file whose path matches was created in this step and is there at its end.

    Attributes:
        path: glob over the path relative to the workspace.
        min_bytes: how large it must at least be.
        max_bytes: how large it may be.
        download_only: only a browser's download counts, not a file that the agent wrote itself.
    """

    kind: Literal["file_created"] = "file_created"
    path: Glob
    min_bytes: int = Field(default=1, ge=0)
    max_bytes: int | None = Field(default=None, ge=0)
    download_only: bool = False

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a file was created or downloaded in this step."""
        there = {file.path: file for file in moment.snapshot.files}
        old = {file.path for file in moment.previous.files} if moment.previous is not None else set[str]()
        for event in moment.events:
            if isinstance(event, Download):
                by = "downloaded"
            elif (
                isinstance(event, FileChange)
                and event.change in ("created", "moved")
                and not (event.is_directory or self.download_only or event.path in old)
                and not _was_there_at_first(event.path, moment)
            ):
                by = "created"
            else:
                continue
            file = there.get(event.path)
            if (
                file is not None
                and size_fits(file, self.min_bytes, self.max_bytes)
                and path_matches(file.path, self.path)
            ):
                facts = {"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}
                return Evidence(summary=f"{file.path} {by} ({file.size_bytes} bytes)", facts=facts)
        return None


def size_fits(file: FileInfo, min_bytes: int | None, max_bytes: int | None) -> bool:
    """Tell whether a file is neither smaller nor larger than given; None: no limit."""
    return (min_bytes is None or file.size_bytes >= min_bytes) and (max_bytes is None or file.size_bytes <= max_bytes)


def made_by_agent(path: str, history: Sequence[Event]) -> bool:
    """Tell whether the agent made the file that was last at a path, rather than found or downloaded it."""
    downloads = {(event.step, event.path) for event in history if isinstance(event, Download)}
    for event in reversed(history):
        if not isinstance(event, FileChange) or event.path != path:
            continue
        if event.change == "moved" and event.previous_path is not None:
            path = event.previous_path
        elif event.change in ("created", "moved"):
            return (event.step, path) not in downloads
    return False


def _was_there_at_first(path: str, moment: Moment) -> bool:
    """Tell whether the episode began with a file at this path: its first recorded change is not a creation."""
    for event in moment.history:
        if isinstance(event, Download | FileChange) and event.path == path:
            return isinstance(event, FileChange) and event.change in ("deleted", "modified")
    return False


class FileChanged(Spec):
    """A file was created, modified, deleted or moved in this step, and stands so at its end.

    To write a given file anew after deleting it creates nothing, and to take away a file that the agent made itself
    deletes nothing.

    Attributes:
        path: glob over the path relative to the workspace; of a moved file, the new one.
        change: what must have happened to it; any of the four if absent.
        moved_from: glob over the path from which it must have been moved.
        min_bytes: how large it must at least be afterwards.
        max_bytes: how large it may be.
    """

    kind: Literal["file_changed"] = "file_changed"
    path: Glob
    change: Literal["created", "modified", "deleted", "moved"] | None = None
    moved_from: Glob | None = None
    min_bytes: int | None = Field(default=None, ge=0)
    max_bytes: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.moved_from is not None and self.change not in (None, "moved"):
            raise ValueError(f"expected `change: moved` beside moved_from, got {self.change}; change one of them")
        if self.change == "deleted" and (self.min_bytes is not None or self.max_bytes is not None):
            raise ValueError("expected no size of a file that is deleted, got one; take it out")
        return self

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a change is among the step's events."""
        if moment.previous is None:
            return None
        now = {file.path: file for file in moment.snapshot.files}
        old = {file.path: file for file in moment.previous.files}
        for event in moment.events:
            if not isinstance(event, FileChange) or event.is_directory or not path_matches(event.path, self.path):
                continue
            if self.change not in (None, event.change) or not self._right_origin(event):
                continue
            file, was = now.get(event.path), old.get(event.path)
            if event.change == "deleted":
                stands = file is None and was is not None and not made_by_agent(event.path, moment.history)
            else:
                stands = file is not None and size_fits(file, self.min_bytes, self.max_bytes)
                if event.change == "modified":
                    stands = stands and was is not None and file is not None and was.sha256 != file.sha256
                else:
                    stands = stands and was is None and not _was_there_at_first(event.path, moment)
            if stands:
                facts = {"path": event.path, "change": event.change, "sha256": event.sha256}
                where = ""
                if event.previous_path is not None:
                    facts["from"], where = event.previous_path, f" from {event.previous_path}"
                return Evidence(summary=f"{event.path} {event.change}{where}", facts=facts)
        return None

    def _right_origin(self, event: FileChange) -> bool:
        if self.moved_from is None:
            return True
        return event.previous_path is not None and path_matches(event.previous_path, self.moved_from)


class DirectoryUpdated(Spec):
    """Files below a folder were created, modified or moved in this step, and none below it was lost.

    Attributes:
        path: folder relative to the workspace, "" for its root.
    """

    kind: Literal["directory_updated"] = "directory_updated"
    path: Annotated[str, Style.PLAIN] = ""

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the folder was updated in this step."""
        if moment.previous is None:
            return None
        folder = self.path.strip("/")
        prefix = folder + "/" if folder else ""
        now = {file.path: file.sha256 for file in moment.snapshot.files if file.path.startswith(prefix)}
        earlier = {file.path: file.sha256 for file in moment.previous.files if file.path.startswith(prefix)}
        changes = [e for e in moment.events if isinstance(e, FileChange | Download) and e.path.startswith(prefix)]
        moved = sum(isinstance(e, FileChange) and e.change == "moved" and not e.is_directory for e in changes)
        lost = earlier.keys() - now.keys()
        if not changes or now == earlier or len(lost) > moved:
            return None
        updated = sorted(path for path, digest in now.items() if earlier.get(path) != digest)
        if not updated:
            return None
        return Evidence(summary=f"{folder or 'the workspace'} updated: {', '.join(updated)}", facts={"paths": updated})
