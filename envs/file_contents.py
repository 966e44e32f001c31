"""Records what the files hold that an episode's detectors look into: bounded, and each content once.

A detector judges only what was recorded, so that a ledger re-scores to the same numbers. What is too large is recorded
without its content, and then meets no condition about it.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterable

from ..rewards.templates import glob_regex
from ..sandbox.errors import ActionError
from ..sandbox.events import FileContent
from ..sandbox.snapshot import FileInfo
from ..sandbox.workspace import Workspace

MAX_FILE_BYTES = 256 * 1024
MAX_TOTAL_BYTES = 1024 * 1024


class FileContents:
    """The contents recorded in one episode.

    Args:
        globs: paths of the files whose content is wanted.
        max_file_bytes: the largest file that is recorded.
        max_total_bytes: the most that is recorded in the episode.
    """

    def __init__(
        self, globs: Iterable[str], *, max_file_bytes: int = MAX_FILE_BYTES, max_total_bytes: int = MAX_TOTAL_BYTES
    ) -> None:
        self._patterns = [glob_regex(glob) for glob in globs]
        self._max_file_bytes = max_file_bytes
        self._left_bytes = max_total_bytes
        self._known: set[str] = set()

    def new(self, workspace: Workspace, files: Iterable[FileInfo], step: int) -> list[FileContent]:
        """Return the contents that have not been recorded yet.

        Args:
            workspace: where the files are.
            files: the files as they were looked at just now.
            step: the step to report.

        Raises:
            WorkspaceError: the disk refuses.
        """
        if not self._patterns:
            return []
        events = []
        for file in files:
            if file.sha256 in self._known or not any(pattern.fullmatch(file.path) for pattern in self._patterns):
                continue
            content: bytes | None = None
            if file.size_bytes <= min(self._max_file_bytes, self._left_bytes):
                content = _read(workspace, file)
                if content is None:
                    continue
                self._left_bytes -= len(content)
            self._known.add(file.sha256)
            data, is_base64 = _written(content)
            events.append(
                FileContent(
                    step=step,
                    t=time.monotonic(),
                    origin="files",
                    path=file.path,
                    sha256=file.sha256,
                    size_bytes=file.size_bytes,
                    data=data,
                    is_base64=is_base64,
                )
            )
        return events


def _read(workspace: Workspace, file: FileInfo) -> bytes | None:
    """Return the content that was looked at; None if something changed it since: the next look will see that."""
    try:
        content = workspace.read_bytes(file.path, limit_bytes=max(file.size_bytes, 1))
    except ActionError:
        return None
    return content if hashlib.sha256(content).hexdigest() == file.sha256 else None


def _written(content: bytes | None) -> tuple[str | None, bool]:
    if content is None:
        return None, False
    try:
        return content.decode("utf-8"), False
    except UnicodeDecodeError:
        return base64.b64encode(content).decode("ascii"), True


__all__ = ["MAX_FILE_BYTES", "MAX_TOTAL_BYTES", "FileContents"]
