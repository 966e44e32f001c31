"""A folder that an agent's paths stay within: what is there, opening it, and how much room is left."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from .errors import ActionError, WorkspaceError
from .watch import Watcher
from .workspace_apply import Writer, apply, make_folders, staged_file
from .workspace_paths import FOLDER_FLAGS, open_folder, refusal, rename_new, split_path
from .workspace_scan import Entry, check_regular, scan, walk
from .workspace_scratch import Scratch

MIN_WALK = 10_000  # entries that are looked at, and counted, whoever made them


class JailedFolder:
    """A watched folder with a quota.

    Attributes:
        root: the folder.
        quota_bytes: most bytes in all files together.
        quota_files: most files and folders.
    """

    def __init__(self, folder: Path, watcher: Watcher, quota_bytes: int, quota_files: int) -> None:
        self.root = folder
        self.quota_bytes = quota_bytes
        self.quota_files = quota_files
        self._limit = max(MIN_WALK, 10 * quota_files)
        self._watcher = watcher
        self._fd = os.open(folder, FOLDER_FLAGS)
        self._lock = threading.RLock()  # from looking whether there is room until the room is taken
        self._seen: dict[str, Entry] = {}
        self._closed = False

    def entries(self) -> dict[str, Entry]:
        """Return the folders and files by path, each file with its hash.

        Raises:
            WorkspaceError: the workspace is closed or gone, holds far too much, or the disk refuses.
        """
        with self._lock:
            self._check_open()
            self._seen = scan(self._fd, known=self._seen, limit=self._limit)
            return dict(self._seen)

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


__all__ = ["JailedFolder"]
