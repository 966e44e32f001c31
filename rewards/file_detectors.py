"""Detectors of the workspace: files created, files as expected, folders updated."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ..sandbox.events import Download, FileChange
from .page_view import path_matches
from .spec import Glob, Query, Spec, StateSpec, Text, ask
from .templates import Style
from .types import Evidence, Moment


class FileCreated(Spec):
    """A file whose path matches was created in this step and is there at its end.

    Attributes:
        path: glob over the path relative to the workspace.
        min_bytes: how large it must at least be.
        download_only: only a browser's download counts, not a file that the agent wrote itself.
    """

    kind: Literal["file_created"] = "file_created"
    path: Glob
    min_bytes: int = Field(default=1, ge=0)
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
            if file is not None and file.size_bytes >= self.min_bytes and path_matches(file.path, self.path):
                facts = {"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}
                return Evidence(summary=f"{file.path} {by} ({file.size_bytes} bytes)", facts=facts)
        return None


def _was_there_at_first(path: str, moment: Moment) -> bool:
    """Tell whether the episode began with a file at this path: its first recorded change is not a creation."""
    for event in moment.history:
        if isinstance(event, Download | FileChange) and event.path == path:
            return isinstance(event, FileChange) and event.change in ("deleted", "modified")
    return False


class FileMatches(StateSpec):
    """A file with the expected extension and content comes to be there.

    Attributes:
        path: glob over the path relative to the workspace.
        extension: what the name must end in, without or with the dot; case does not matter.
            Without a hash an empty file does not count.
        sha256: hex digest of the content.
        sha256_from: JMESPath over the application's state that gives the digest (or a list of acceptable ones).
    """

    kind: Literal["file_matches"] = "file_matches"
    path: Glob = "**"
    extension: Text | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-fA-F]{64}|\{\w+\})$"), Style.PLAIN] | None = None
    sha256_from: Query | None = None

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.extension is None and self.sha256 is None and self.sha256_from is None:
            raise ValueError("expected extension, sha256 or sha256_from, got none; say what the file must be")
        return self

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a file is there."""
        wanted: set[str] | None = None
        if self.sha256_from is not None:
            found = ask(self.sha256_from, moment.snapshot.app_state)
            wanted = {str(digest).lower() for digest in (found if isinstance(found, list) else [found]) if digest}
        if self.sha256 is not None:
            wanted = {self.sha256.lower()} if wanted is None else wanted & {self.sha256.lower()}
        ending = None if self.extension is None else "." + self.extension.lower().lstrip(".")
        for file in moment.snapshot.files:
            if (
                path_matches(file.path, self.path)
                and (ending is None or file.path.lower().endswith(ending))
                and (file.size_bytes > 0 if wanted is None else file.sha256.lower() in wanted)
            ):
                facts = {"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}
                return Evidence(summary=f"{file.path} is as expected", facts=facts)
        return None


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
