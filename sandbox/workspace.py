"""The episode's files: a jailed folder with quotas, watched from outside.

Paths are resolved beneath the root by the kernel, so no "..", absolute path or link leads out, whoever made it and
whenever (workspace_paths). What an agent does wrong raises ActionError; what the machine does wrong raises
WorkspaceError. All methods may be called from any thread, one at a time each.

Only regular files with one name count as files. Symbolic links, devices, pipes and hard links (whose content another
name may change, or may be somebody else's) are neither listed nor read nor written; they can be deleted.

What this does not protect against: another process of the same user that writes into the folder directly. Such writes
are seen (and reported as changes) but not held to the quota.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from .errors import ActionError, WorkspaceError
from .events import FileChange
from .snapshot import FileInfo
from .watch import Watcher
from .workspace_apply import copy_bytes, staged_file, write_all
from .workspace_changes import changes_between, may_be_moves
from .workspace_folder import JailedFolder
from .workspace_paths import (
    MAX_DEPTH,
    MAX_PATH_BYTES,
    check_new_names,
    fits,
    rename_new,
    safe_name,
    split_path,
)
from .workspace_scan import Entry, check_regular
from .workspace_snapshot import WorkspaceSnapshot, take_snapshot

QUOTA_BYTES = 64 * 1024 * 1024
QUOTA_FILES = 1_000
MAX_READ_BYTES = 1024 * 1024
MAX_SHOWN = 5


class Workspace(JailedFolder):
    """A folder for one episode. Make it with `create`, end it with `close`.

    Attributes:
        root: the folder that the agent's paths are relative to.
        quota_bytes: most bytes in all files together.
        quota_files: most files and folders.
    """

    def __init__(self, folder: Path, watcher: Watcher, quota_bytes: int, quota_files: int) -> None:
        super().__init__(folder, watcher, quota_bytes, quota_files)
        self._reported: dict[str, Entry] = {}

    @classmethod
    def create(
        cls,
        *,
        fixture: Path | None = None,
        files: Mapping[str, str] | None = None,
        quota_bytes: int = QUOTA_BYTES,
        quota_files: int = QUOTA_FILES,
    ) -> Workspace:
        """Make a workspace. What it begins with is not reported as a change.

        Args:
            fixture: a folder whose copy it begins with.
            files: path -> text of files that it begins with, written after the fixture.
            quota_bytes: most bytes in all files together.
            quota_files: most files and folders.

        Raises:
            WorkspaceError: the disk refuses, the fixture is not a folder, a path of `files` is none of a workspace, or
            the quota is exceeded.
        """
        watcher = Watcher.shared()
        workspace = cls(watcher.make_folder(fixture), watcher, quota_bytes, quota_files)
        try:
            sizes = workspace._sizes()
            if sum(sizes.values()) > quota_bytes or len(sizes) > quota_files:
                raise WorkspaceError(
                    f"the fixture {fixture} exceeds the quota of {quota_bytes} bytes and {quota_files} files"
                )
            for path, text in (files or {}).items():
                try:
                    workspace.write_text(path, text)
                except ActionError as error:
                    raise WorkspaceError(f"the workspace cannot begin with {path!r}: {error}") from error
            workspace._reported = workspace.entries()
            watcher.fence()  # from here on it knows what is moved
        except WorkspaceError:
            workspace.close()
            raise
        return workspace

    def files(self) -> tuple[FileInfo, ...]:
        """Return the workspace's files, sorted by path."""
        return _listed(self.entries())

    def find(self, pattern: str) -> tuple[str, ...]:
        """Return the paths of the files that match a pattern, sorted.

        Args:
            pattern: of the whole path, as in `*.csv` or `reports/2024-??.txt`; `*` also stands for slashes, `?` for one
            character, `[abc]` for one of these. Case matters.

        Raises:
            ActionError: the pattern is empty or too long.
        """
        if not isinstance(pattern, str) or not pattern.strip() or len(pattern) > MAX_PATH_BYTES:
            raise ActionError(f"a pattern of 1 to {MAX_PATH_BYTES} characters is needed, such as '*.txt'")
        pattern = pattern.removeprefix("./")
        return tuple(file.path for file in self.files() if fnmatch.fnmatchcase(file.path, pattern))

    def read_bytes(self, path: str, *, limit_bytes: int = MAX_READ_BYTES) -> bytes:
        """Return a file's content.

        Raises:
            ActionError: the path leads out of the workspace, is missing, is no regular file, or holds more than
            `limit_bytes`.
        """
        with self.opened(path) as (fd, status):
            if status.st_size > limit_bytes:
                raise ActionError(f"{path!r} holds {status.st_size} bytes; at most {limit_bytes} can be read")
            with open(fd, "rb", closefd=False) as file:
                return file.read(limit_bytes + 1)[:limit_bytes]

    def read_text(self, path: str) -> str:
        """Return a file's content as UTF-8 text; raises like `read_bytes`, and ActionError if it is not text."""
        try:
            return self.read_bytes(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ActionError(f"{path!r} is not a UTF-8 text file") from error

    def write_text(self, path: str, text: str) -> None:
        """Write a file as UTF-8; raises like `write_bytes`."""
        self.write_bytes(path, _encoded(path, text))

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file, replacing what was there; missing folders are made. A reader never sees half of it.

        Raises:
            ActionError: the path leads out of the workspace, is too long or deep, is a folder, or the quota would be
            exceeded. WorkspaceError: the disk refuses.
        """
        parts = split_path(path)
        check_new_names(path, parts)
        with self._lock:
            sizes = self._sizes()
            self._check_room(path, parts, sizes, len(data) - sizes.get("/".join(parts), 0))
            with self._parent(path, parts, make=True) as parent:
                with contextlib.suppress(FileNotFoundError):
                    check_regular(path, os.stat(parts[-1], dir_fd=parent, follow_symlinks=False))
                with staged_file(self.scratch.new, functools.partial(write_all, data=data)) as staged:
                    os.rename(staged, parts[-1], dst_dir_fd=parent)

    def append_text(self, path: str, text: str) -> None:
        """Add text, as UTF-8 and as it stands (no line break is put before it), to a file; one that is missing is made.

        Raises:
            ActionError: like `write_bytes`. WorkspaceError: the disk refuses; the file is then as it was.
        """
        data, parts = _encoded(path, text), split_path(path)
        with self._lock:
            sizes = self._sizes()
            if "/".join(parts) not in sizes:
                check_new_names(path, parts)
                self._check_room(path, parts, sizes, len(data))
                self._make_file(path, parts, functools.partial(write_all, data=data))
                return
            self._check_room(path, parts, sizes, len(data))
            with self.opened(path, os.O_WRONLY | os.O_APPEND) as (fd, status):
                try:
                    write_all(fd, data)
                except OSError:
                    os.ftruncate(fd, status.st_size)
                    raise

    def copy(self, source: str, target: str) -> None:
        """Copy a file; missing folders are made, nothing is replaced.

        Raises:
            ActionError: the source is no file, the target exists, or like `write_bytes`.
            WorkspaceError: the disk refuses.
        """
        parts = split_path(target)
        check_new_names(target, parts)
        with self._lock, self.opened(source) as (fd, status):
            self._check_room(target, parts, self._sizes(), status.st_size)
            self._make_file(target, parts, functools.partial(copy_bytes, fd, size_bytes=status.st_size))

    def move(self, source: str, target: str) -> None:
        """Move or rename a file or folder; missing folders are made, nothing is replaced.

        Raises:
            ActionError: the source is missing, the target exists or lies within the source, or like `write_bytes`.
            WorkspaceError: the disk refuses.
        """
        old, parts = split_path(source), split_path(target)
        check_new_names(target, parts)
        if parts[: len(old)] == old and len(parts) > len(old):
            raise ActionError(f"{source!r} cannot be moved into itself, to {target!r}")
        with self._lock, self._parent(source, old) as origin:
            status = os.stat(old[-1], dir_fd=origin, follow_symlinks=False)
            sizes = self._sizes()
            if stat.S_ISDIR(status.st_mode):
                prefix = "/".join(old) + "/"
                tails = [path.removeprefix(prefix).split("/") for path in sizes if path.startswith(prefix)]
                if not all(fits((*parts, *tail)) for tail in tails):
                    raise ActionError(f"{target!r} would hold folders more than {MAX_DEPTH} deep, or paths too long")
            else:
                check_regular(source, status)
            self._check_room(target, parts[:-1], sizes, 0)
            with self._parent(target, parts, make=True) as parent:
                rename_new(old[-1], parts[-1], source_fd=origin, target_fd=parent)

    def delete(self, path: str) -> None:
        """Delete a file, a link or an empty folder.

        Raises:
            ActionError: it is missing, or a folder that is not empty. WorkspaceError: the disk refuses.
        """
        parts = split_path(path)
        with self._lock, self._parent(path, parts) as parent:
            if not stat.S_ISDIR(os.stat(parts[-1], dir_fd=parent, follow_symlinks=False).st_mode):
                os.unlink(parts[-1], dir_fd=parent)
                return
            prefix = "/".join(parts) + "/"
            held = sorted(p for p in self._sizes() if p.startswith(prefix) and "/" not in p.removeprefix(prefix))
            if held:
                shown = ", ".join(repr(p) for p in held[:MAX_SHOWN]) + (", …" if len(held) > MAX_SHOWN else "")
                raise ActionError(f"the folder {path!r} is not empty; delete or move first what it holds: {shown}")
            os.rmdir(parts[-1], dir_fd=parent)

    def make_folder(self, path: str) -> None:
        """Make a folder, with the folders that it is in.

        Raises:
            ActionError: something is there already, or like `write_bytes`. WorkspaceError: the disk refuses.
        """
        parts = split_path(path)
        check_new_names(path, parts)
        with self._lock:
            sizes = self._sizes()
            if "/".join(parts) in sizes:
                raise ActionError(f"{path!r} exists already")
            self._check_room(path, parts, sizes, 0)
            with self._parent(f"{path}/", (*parts, ""), make=True):  # what is in the folder needs the folder
                pass

    def save_download(self, suggested_name: str, data: bytes) -> str:
        """Write a download into `downloads/` under a safe, unused form of its suggested name and return its path.

        Raises:
            ActionError: the quota would be exceeded.
        """
        stem, suffix = safe_name(suggested_name, otherwise="download")
        with self._lock:
            taken = self._sizes()
            path, number = f"downloads/{stem}{suffix}", 0
            while path in taken:
                number += 1
                path = f"downloads/{stem} ({number}){suffix}"
            self.write_bytes(path, data)
        return path

    async def fence(self) -> None:
        """Return once every change made before this call has been seen by the watcher (about a millisecond).

        Raises:
            WorkspaceError: the watcher did not answer within its deadline.
        """
        await self._watcher.fence_async()

    async def look(self, step: int) -> tuple[tuple[FileInfo, ...], list[FileChange]]:
        """Return the files and what changed since the last look or drain, both as of one moment, sorted by path.

        The files are read themselves, so every change made before this call is seen. The watcher is asked, and
        waited for, only where it has something to add: what may have been moved, and from where.

        Raises:
            WorkspaceError: the disk or the watcher failed.
        """
        entries = self.entries()
        if may_be_moves(self._reported, entries):
            await self.fence()
            entries = self.entries()
        return _listed(entries), self._report(entries, step)

    def drain_events(self, step: int) -> list[FileChange]:
        """Return what changed since the last look or drain, as it stands now, sorted by path.

        Call `fence` before, or what was moved may be told as deleted and created. A file that came and went, or was
        rewritten with the same content, has not changed.
        """
        return self._report(self.entries(), step)

    def snapshot(self) -> WorkspaceSnapshot:
        """Return what the workspace holds now: folders and files. It outlives the workspace.

        Raises:
            WorkspaceError: the disk refuses, or something writes meanwhile.
        """
        with self._lock:
            return take_snapshot(self.entries(), self._watcher.store, self.opened)

    def restore(self, snapshot: WorkspaceSnapshot) -> None:
        """Bring the workspace back to what a snapshot holds, exactly: whatever else is there is removed.

        The snapshot may be another workspace's. What differs is reported once, as changes of the step.

        Raises:
            WorkspaceError: it exceeds this workspace's quota, a content was lost, or the disk or the watcher fails.
        """
        wanted = {file.path: file for file in snapshot.files}
        with self._lock:
            there = self.entries()
            stale = [f for p, f in wanted.items() if p not in there or there[p].sha256 != f.sha256]
            keep = {*snapshot.folders, *wanted} - {file.path for file in stale}
            files = {f.path: functools.partial(write_all, data=snapshot.store.read(f.sha256)) for f in stale}
            try:
                self.apply(
                    remove=self._sizes().keys() - keep,
                    folders=snapshot.folders,
                    files={path: (writer, wanted[path].size_bytes) for path, writer in files.items()},
                )
            except ActionError as error:
                raise WorkspaceError(f"the snapshot does not fit into this workspace: {error}") from error

    def _report(self, entries: dict[str, Entry], step: int) -> list[FileChange]:
        before, self._reported = self._reported, entries
        return changes_between(before, entries, self._watcher.drain_moves(self.root), step=step)


def _listed(entries: Mapping[str, Entry]) -> tuple[FileInfo, ...]:
    return tuple(
        FileInfo(path=path, size_bytes=entry.size_bytes, sha256=entry.sha256)
        for path, entry in sorted(entries.items())
        if entry.sha256 is not None
    )


def _encoded(path: str, text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ActionError(f"the text for {path!r} cannot be written as UTF-8: {error.reason}") from error


__all__ = ["Workspace"]
