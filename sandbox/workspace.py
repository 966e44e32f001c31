"""The episode's files: a jailed folder with quotas, watched from outside.

Paths are resolved part by part with `dir_fd` and O_NOFOLLOW, so no "..", absolute path or symbolic link leads out,
whoever made it and whenever. What an agent does wrong raises ActionError; what the machine does wrong raises
WorkspaceError.

What this does not protect against: another process of the same user that writes into the folder directly. Such writes
are seen (and reported as changes) but not held to the quota.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import ActionError, WorkspaceError
from .events import FileChange
from .snapshot import FileInfo
from .watch import Watcher

QUOTA_BYTES = 64 * 1024 * 1024
QUOTA_FILES = 1_000
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 1_024
MAX_DEPTH = 16
MAX_READ_BYTES = 1024 * 1024

Change = Literal["created", "modified", "deleted", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was on a path when it was last looked at; `sha256` is None for a directory."""

    signature: tuple[int, int, int, int]
    size_bytes: int
    sha256: str | None


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
        self._watcher = watcher
        self._seen: dict[str, _Seen] = {}
        self._reported: dict[str, _Seen] = {}
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
            workspace._reported = workspace._scan()
            size_bytes = sum(seen.size_bytes for seen in workspace._reported.values())
            if size_bytes > quota_bytes or len(workspace._reported) > quota_files:
                raise WorkspaceError(
                    f"the fixture {fixture} exceeds the quota of {quota_bytes} bytes and {quota_files} files"
                )
        except WorkspaceError:
            watcher.forget(workspace.root)
            raise
        return workspace

    def files(self) -> tuple[FileInfo, ...]:
        """Return the workspace's regular files, sorted by path; symbolic links and special files are left out."""
        scan = self._scan()
        return tuple(
            FileInfo(path=path, size_bytes=seen.size_bytes, sha256=seen.sha256)
            for path, seen in sorted(scan.items())
            if seen.sha256 is not None
        )

    def read_bytes(self, path: str, *, limit_bytes: int = MAX_READ_BYTES) -> bytes:
        """Return a file's content.

        Raises:
            ActionError: the path leads out of the workspace, is missing, is no regular file, or holds more than
            `limit_bytes`.
        """
        parts = self._parts(path)
        with self._parent(path, parts) as parent:
            try:
                fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
            except OSError as error:
                raise self._refusal(path, error) from error
            with os.fdopen(fd, "rb") as file:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode):
                    raise ActionError(f"{path!r} is not a file")
                if status.st_size > limit_bytes:
                    raise ActionError(f"{path!r} holds {status.st_size} bytes; at most {limit_bytes} can be read")
                return file.read(limit_bytes + 1)[:limit_bytes]

    def read_text(self, path: str) -> str:
        """Return a file's content as UTF-8 text; raises like `read_bytes`, and ActionError if it is not text."""
        try:
            return self.read_bytes(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ActionError(f"{path!r} is not a UTF-8 text file") from error

    def write_text(self, path: str, text: str) -> None:
        """Write a file as UTF-8; raises like `write_bytes`."""
        try:
            data = text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ActionError(f"the text for {path!r} cannot be written as UTF-8: {error.reason}") from error
        self.write_bytes(path, data)

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file, replacing what was there; missing folders are made.

        Raises:
            ActionError: the path leads out of the workspace, is too long or deep, is a folder, or the quota would be
            exceeded. WorkspaceError: the disk refuses.
        """
        parts = self._parts(path)
        self._check_quota(path, parts, len(data))
        with self._parent(path, parts, make=True) as parent:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
                fd = os.open(parts[-1], flags, 0o644, dir_fd=parent)
            except OSError as error:
                raise self._refusal(path, error) from error
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(data)
            except OSError as error:
                raise WorkspaceError(f"writing {path!r} failed: {error}") from error

    def save_download(self, suggested_name: str, data: bytes) -> str:
        """Write a download into `downloads/` under a safe, unused form of its suggested name and return its path.

        Raises:
            ActionError: the quota would be exceeded.
        """
        name = (
            "".join(c for c in suggested_name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())
            .lstrip(".")
            .strip()
        )
        stem, dot, suffix = (name or "download").rpartition(".")
        stem, suffix = (stem, dot + suffix) if stem else (suffix, "")
        stem, suffix = stem.encode()[:180].decode(errors="ignore"), suffix.encode()[:40].decode(errors="ignore")
        taken = self._scan()
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

    def drain_events(self, step: int) -> list[FileChange]:
        """Return what changed since the last drain, as it stands now, sorted by path.

        Call `fence` before. A file that came and went, or was rewritten with the same content, has not changed.
        """
        dirty, moves = self._watcher.drain(self.root)
        if not dirty:
            return []
        before, after = self._reported, self._scan()
        self._reported = after
        prefix = str(self.root) + os.sep
        changed = sorted(p for p in before.keys() | after.keys() if not _same(before.get(p), after.get(p)))
        sources = {d.removeprefix(prefix): s.removeprefix(prefix) for d, s in moves.items()}
        changes = [(p, _kind(p, before, after, sources)) for p in changed]
        moved_away = {sources[p] for p, kind in changes if kind == "moved"}
        now = time.monotonic()
        events = []
        for path, kind in changes:
            if kind == "deleted" and path in moved_away:
                continue
            seen = after.get(path)
            old = seen or before[path]
            events.append(
                FileChange(
                    step=step,
                    t=now,
                    origin="files",
                    change=kind,
                    path=path,
                    is_directory=old.sha256 is None,
                    size_bytes=None if seen is None or seen.sha256 is None else seen.size_bytes,
                    sha256=None if seen is None else seen.sha256,
                )
            )
        return events

    def close(self) -> None:
        """Remove the workspace; idempotent."""
        if not self._closed:
            self._closed = True
            self._watcher.forget(self.root)

    def _parts(self, path: str) -> tuple[str, ...]:
        if not isinstance(path, str) or not path.strip():
            raise ActionError("a file path is needed, such as 'notes.txt'")
        if "\0" in path or not path.isprintable():
            raise ActionError(f"{path!r} holds characters that a file name must not have")
        if path.startswith(("/", "~")) or "\\" in path:
            raise ActionError(f"{path!r} must be relative to the workspace, with forward slashes")
        parts = tuple(part for part in path.split("/") if part not in ("", "."))
        if ".." in parts or not parts:
            raise ActionError(f"{path!r} leads out of the workspace")
        try:
            longest, total = max(len(os.fsencode(p)) for p in parts), len(os.fsencode(path))
        except UnicodeEncodeError as error:
            raise ActionError(f"{path!r} holds characters that a file name must not have") from error
        if longest > MAX_NAME_BYTES or total > MAX_PATH_BYTES or len(parts) > MAX_DEPTH:
            raise ActionError(
                f"the path is too long: at most {MAX_NAME_BYTES} bytes a name, {MAX_PATH_BYTES} in all, "
                f"{MAX_DEPTH} folders deep"
            )
        return parts

    @contextlib.contextmanager
    def _parent(self, path: str, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """Yield a descriptor of the folder that holds the last part, walked from the root without following links."""
        if self._closed:
            raise WorkspaceError("the workspace is closed")
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            fd = os.open(self.root, flags)
        except OSError as error:
            raise WorkspaceError(f"the workspace's root is gone: {error}") from error
        try:
            for part in parts[:-1]:
                try:
                    if make:
                        self._make_folder(part, fd)
                    inner = os.open(part, flags, dir_fd=fd)
                except OSError as error:
                    raise self._refusal(path, error) from error
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)

    def _make_folder(self, name: str, parent: int) -> None:
        try:
            os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            self._watcher.fence()  # the watcher must know the parent before it hears of the child
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=parent)

    def _refusal(self, path: str, error: OSError) -> ActionError | WorkspaceError:
        reasons = {
            errno.ENOENT: "does not exist",
            errno.ENOTDIR: "goes through something that is not a folder",
            errno.EISDIR: "is a folder",
            errno.ELOOP: "goes through a symbolic link",
            errno.ENXIO: "is not a file",
            errno.EACCES: "may not be opened",
            errno.ENAMETOOLONG: "is too long",
        }
        reason = reasons.get(error.errno or 0)
        if reason is None:
            return WorkspaceError(f"the disk refused {path!r}: {error}")
        return ActionError(f"{path!r} {reason}")

    def _check_quota(self, path: str, parts: tuple[str, ...], size_bytes: int) -> None:
        scan = self._scan()
        old = scan.get("/".join(parts))
        used_bytes = sum(seen.size_bytes for seen in scan.values()) - (old.size_bytes if old else 0)
        if used_bytes + size_bytes > self.quota_bytes:
            raise ActionError(f"writing {path!r} would exceed the workspace's quota of {self.quota_bytes} bytes")
        new = sum("/".join(parts[: i + 1]) not in scan for i in range(len(parts)))
        if len(scan) + new > self.quota_files:
            raise ActionError(
                f"writing {path!r} would exceed the workspace's quota of {self.quota_files} files and folders"
            )

    def _scan(self) -> dict[str, _Seen]:
        """Return every file and folder by relative path, hashing only what has changed since the last scan."""
        if self._closed:
            raise WorkspaceError("the workspace is closed")
        found: dict[str, _Seen] = {}
        try:
            for folder, subfolders, names, fd in os.fwalk(self.root, follow_symlinks=False, onerror=_raise):
                base = os.path.relpath(folder, self.root)
                base = "" if base == "." else base + "/"
                for name in sorted(subfolders):
                    if not stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                        found[base + name] = _Seen(signature=(0, 0, 0, 0), size_bytes=0, sha256=None)
                for name in names:
                    seen = self._look(base + name, name, fd)
                    if seen is not None:
                        found[base + name] = seen
        except OSError as error:
            raise WorkspaceError(f"the workspace cannot be read: {error}") from error
        self._seen = found
        return dict(found)

    def _look(self, path: str, name: str, dir_fd: int) -> _Seen | None:
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return None
        signature = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = self._seen.get(path)
        if known is not None and known.signature == signature:
            return known
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=dir_fd)
        with os.fdopen(fd, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return _Seen(signature=signature, size_bytes=status.st_size, sha256=digest)


def _raise(error: OSError) -> None:
    raise error


def _same(a: _Seen | None, b: _Seen | None) -> bool:
    return a is not None and b is not None and (a.sha256, a.size_bytes) == (b.sha256, b.size_bytes)


def _kind(path: str, before: dict[str, _Seen], after: dict[str, _Seen], sources: dict[str, str]) -> Change:
    if path not in after:
        return "deleted"
    if path in before:
        return "modified"
    source = sources.get(path)
    if source is not None and source in before and source not in after:
        return "moved"
    return "created"


__all__ = ["Workspace"]
