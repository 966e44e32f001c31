"""Snapshots of a workspace: its folders and files by content, kept where no agent reaches them.

Contents are stored once, under their hash, for all snapshots of the process; a content goes when the last snapshot
that holds it is forgotten.
"""

from __future__ import annotations

import collections
import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from .errors import ActionError, WorkspaceError
from .snapshot import FileInfo
from .workspace_scan import CHUNK_BYTES, Entry


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class WorkspaceSnapshot:
    """What a workspace held at one moment. Nothing changes it; it lives as long as it is referred to.

    Attributes:
        files: every regular file, sorted by path.
        folders: every folder's path, sorted.
        store: where the contents lie.
    """

    files: tuple[FileInfo, ...]
    folders: tuple[str, ...]
    store: ContentStore

    def read_bytes(self, path: str) -> bytes:
        """Return a file's content.

        Raises:
            KeyError: the snapshot holds no such file. WorkspaceError: its content was lost or damaged.
        """
        for file in self.files:
            if file.path == path:
                return self.store.read(file.sha256)
        raise KeyError(path)


Opener = Callable[[str], AbstractContextManager[tuple[int, os.stat_result]]]


def take_snapshot(entries: Mapping[str, Entry], store: ContentStore, opened: Opener) -> WorkspaceSnapshot:
    """Store what the entries of a scan hold and return it as a snapshot.

    Args:
        entries: folders and files by path.
        store: where to keep the contents.
        opened: opens a file by its path.

    Raises:
        WorkspaceError: a file changed meanwhile, or the disk refuses.
    """
    files = tuple(
        FileInfo(path=path, size_bytes=entry.size_bytes, sha256=entry.sha256)
        for path, entry in sorted(entries.items())
        if entry.sha256 is not None
    )
    held: list[str] = []
    try:
        for file in files:
            with opened(file.path) as (fd, _):
                store.add(fd, file.sha256, file.size_bytes)
            held.append(file.sha256)
    except ActionError as error:
        store.release(tuple(held))
        raise WorkspaceError(f"a file changed while the snapshot was taken: {error}") from error
    except WorkspaceError:
        store.release(tuple(held))
        raise
    folders = tuple(sorted(path for path, entry in entries.items() if entry.sha256 is None))
    snapshot = WorkspaceSnapshot(files=files, folders=folders, store=store)
    weakref.finalize(snapshot, store.release, tuple(held)).atexit = False
    return snapshot


class ContentStore:
    """Contents by their SHA-256 in one folder, counted by the snapshots that hold them. Safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()  # a snapshot may be collected while another is taken
        self._holders: collections.Counter[str] = collections.Counter()

    def add(self, source: int, sha256: str, size_bytes: int) -> None:
        """Store what an open file holds and hold it once more.

        Raises:
            WorkspaceError: it is not what `sha256` says (it changed in the meantime), or the disk refuses.
        """
        with self._lock:
            self._holders[sha256] += 1
            if self._holders[sha256] == 1:
                try:
                    self._write(source, sha256, size_bytes)
                except WorkspaceError:
                    del self._holders[sha256]
                    raise

    def release(self, hashes: tuple[str, ...]) -> None:
        """Hold each of these contents once less."""
        with self._lock:
            for sha256 in hashes:
                self._holders[sha256] -= 1
                if self._holders[sha256] <= 0:
                    del self._holders[sha256]
                    (self._folder / sha256).unlink(missing_ok=True)

    def read(self, sha256: str) -> bytes:
        """Return a content.

        Raises:
            WorkspaceError: it was lost or damaged.
        """
        try:
            data = (self._folder / sha256).read_bytes()
        except OSError as error:
            raise WorkspaceError(f"a snapshot's content cannot be read: {error}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise WorkspaceError(f"a snapshot's content {sha256} was changed in {self._folder}")
        return data

    def _write(self, source: int, sha256: str, size_bytes: int) -> None:
        target, digest = self._folder / sha256, hashlib.sha256()
        try:
            with open(target, "xb", opener=lambda path, flags: os.open(path, flags, 0o400)) as file:
                left = size_bytes
                while left and (chunk := os.read(source, min(left, CHUNK_BYTES))):
                    digest.update(chunk)
                    file.write(chunk)
                    left -= len(chunk)
        except OSError as error:
            target.unlink(missing_ok=True)
            raise WorkspaceError(f"the snapshot cannot be stored: {error}") from error
        if digest.hexdigest() != sha256:
            target.unlink(missing_ok=True)
            raise WorkspaceError("a file changed while the snapshot was taken; take it when nothing writes")


__all__ = ["ContentStore", "WorkspaceSnapshot", "take_snapshot"]
