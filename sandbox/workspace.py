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
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from .errors import ActionError, WorkspaceError
from .events import FileChange
from .snapshot import FileInfo
from .watch import Watcher
from .workspace_apply import Writer, apply, copy_bytes, make_folders, staged_file, write_all
from .workspace_changes import changes_between, may_be_moves
from .workspace_paths import (
    MAX_DEPTH,
    MAX_PATH_BYTES,
    check_new_names,
    fits,
    open_folder,
    refusal,
    rename_new,
    safe_name,
    split_path,
)
from .workspace_scan import Entry, check_regular, scan, walk
from .workspace_scratch import Scratch
from .workspace_snapshot import WorkspaceSnapshot, take_snapshot

QUOTA_BYTES = 64 * 1024 * 1024
QUOTA_FILES = 1_000
MAX_READ_BYTES = 1024 * 1024
MAX_SHOWN = 5
MIN_WALK = 10_000  # entries that are looked at, and counted, whoever made them


class Workspace:
    """A folder for one episode. Make it with `create`, end it with `close`.

    Attributes:
        root: the folder that the agent's paths are relative to.
        quota_bytes: most bytes in all files together.
        quota_files: most files and folders.
    """

    def __init__(self, folder: Path, watcher: Watcher, quota_bytes: int, quota_files: int) -> None:
        self.root = folder
        self.quota_bytes = quota_bytes
        self.quota_files = quota_files
        self._limit = max(MIN_WALK, 10 * quota_files)
        self._watcher = watcher
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._lock = threading.RLock()  # from looking whether there is room until the room is taken
        self._seen: dict[str, Entry] = {}
        self._reported: dict[str, Entry] = {}
        self._closed = False

    @classmethod
    def create(
        cls, *, fixture: Path | None = None, quota_bytes: int = QUOTA_BYTES, quota_files: int = QUOTA_FILES
    ) -> Workspace:
        """Make a workspace, holding a copy of `fixture` (a folder) if given. The copy is not reported as a change.

        Raises:
            WorkspaceError: the disk refuses, or the fixture is not a folder or exceeds the quota.
        """
        watcher = Watcher.shared()
        workspace = cls(watcher.make_folder(fixture), watcher, quota_bytes, quota_files)
        try:
            sizes = workspace._sizes()
            if sum(sizes.values()) > quota_bytes or len(sizes) > quota_files:
                raise WorkspaceError(
                    f"the fixture {fixture} exceeds the quota of {quota_bytes} bytes and {quota_files} files"
                )
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
        if may_be_moves(self._reported, self.entries()):
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

    def apply(
        self, *, remove: Collection[str], folders: Collection[str], files: Mapping[str, tuple[Writer, int]]
    ) -> None:
        """Remove paths, with all beneath them, make folders and write files: all of it or (over quota) nothing.

        Args:
            remove: paths as they are on the disk, also of what is not listed.
            folders: paths of folders to be there.
            files: what writes each file's content, and how many bytes it writes.

        Raises:
            ActionError: the quota would be exceeded. WorkspaceError: the disk or the watcher fails.
        """
        with self._lock:
            gone = tuple(path + "/" for path in remove)
            sizes = {p: size for p, size in self._sizes().items() if p not in remove and not p.startswith(gone)}
            sizes.update(dict.fromkeys(folders, 0))
            sizes.update({path: size_bytes for path, (_, size_bytes) in files.items()})
            if sum(sizes.values()) > self.quota_bytes or len(sizes) > self.quota_files:
                raise ActionError(f"the workspace's quota of {self._quota} would be exceeded")
            writers = {path: writer for path, (writer, _) in files.items()}
            try:
                apply(self._fd, self._watcher, remove=remove, folders=folders, files=writers)
            except OSError as error:
                raise WorkspaceError(f"the workspace could not be changed: {error}") from error

    def close(self) -> None:
        """Remove the workspace; idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._fd)
                self._watcher.forget(self.root)

    @contextlib.contextmanager
    def opened(self, path: str, flags: int = os.O_RDONLY) -> Iterator[tuple[int, os.stat_result]]:
        """Open a regular file within a `with` block: its descriptor and status.

        Raises:
            ActionError: like `read_bytes`.
        """
        parts = split_path(path)
        with self._parent(path, parts) as parent:
            check_regular(path, os.stat(parts[-1], dir_fd=parent, follow_symlinks=False))
            fd = os.open(parts[-1], flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            try:
                status = os.fstat(fd)
                check_regular(path, status)  # it may be another file than a moment ago
                yield fd, status
            finally:
                os.close(fd)

    @property
    def scratch(self) -> Scratch:
        """The process's temporary folder, for what belongs to the workspace but not into it."""
        return self._watcher.scratch

    @property
    def _quota(self) -> str:
        return f"{self.quota_bytes} bytes, {self.quota_files} files and folders"

    @contextlib.contextmanager
    def _parent(self, path: str, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """Yield a descriptor of the folder that holds the last part; an OSError within becomes a typed error."""
        self._check_open()
        try:
            fd = make_folders(self._fd, parts[:-1], self._watcher) if make else open_folder(self._fd, parts[:-1])
            try:
                yield fd
            finally:
                os.close(fd)
        except OSError as error:
            raise refusal(path, error) from error

    def _make_file(self, path: str, parts: tuple[str, ...], write: Writer) -> None:
        """Make a file where nothing is."""
        with self._parent(path, parts, make=True) as parent, staged_file(self.scratch.new, write) as staged:
            rename_new(staged, parts[-1], source_fd=parent, target_fd=parent)  # the staged path is absolute

    def _check_open(self) -> None:
        if self._closed:
            raise WorkspaceError("the workspace is closed")
        if not os.fstat(self._fd).st_nlink:
            raise WorkspaceError(f"the workspace's folder {self.root} is gone; something else removed it")

    def _check_room(self, path: str, parts: tuple[str, ...], sizes: Mapping[str, int], more_bytes: int) -> None:
        """Refuse what would exceed the quota: so many bytes more, and the parts of the path that are not there yet."""
        if sum(sizes.values()) + more_bytes > self.quota_bytes:
            raise ActionError(f"writing {path!r} would exceed the workspace's quota of {self.quota_bytes} bytes")
        new = sum("/".join(parts[: depth + 1]) not in sizes for depth in range(len(parts)))
        if new and len(sizes) + new > self.quota_files:
            raise ActionError(
                f"writing {path!r} would exceed the workspace's quota of {self.quota_files} files and folders"
            )

    def _sizes(self) -> dict[str, int]:
        """Return the bytes of all that is there, by path, listed or not."""
        self._check_open()
        return {
            found.path: found.status.st_size if stat.S_ISREG(found.status.st_mode) else 0
            for found in walk(self._fd, limit=self._limit)
        }

    def entries(self) -> dict[str, Entry]:
        """Return the folders and files by path, each file with its hash.

        Raises:
            WorkspaceError: the workspace is closed or gone, holds far too much, or the disk refuses.
        """
        with self._lock:
            self._check_open()
            self._seen = scan(self._fd, known=self._seen, limit=self._limit)
            return dict(self._seen)

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
