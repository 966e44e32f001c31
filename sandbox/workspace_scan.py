"""What lies in a folder: a bounded walk that follows no link, sizes for the quota, and hashes that are not stale.

A file is hashed again only if its signature (inode, size, times) has changed since. That is safe only once the clock
that stamps files has moved on: a file changed less than `SETTLING_NS` before it was hashed could be rewritten within
the same tick, to the same size, without a trace. Its hash is used, but not trusted for the next scan; nor is that of a
file which changed while it was being read.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .errors import ActionError, WorkspaceError
from .workspace_paths import FOLDER_FLAGS, MAX_DEPTH, fits, is_shown, open_folder

SETTLING_NS = 40_000_000  # four ticks of the slowest kernel clock (100 Hz)
CHUNK_BYTES = 1 << 20
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class TooManyFilesError(WorkspaceError):
    """A folder holds more than can be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or folder as it was when it was looked at.

    Attributes:
        signature: inode, size in bytes, and the nanoseconds of its last modification and last change.
        size_bytes: of the content that was hashed; 0 for a folder.
        sha256: hex digest of the content; None for a folder.
        trusted: whether the same signature proves the same content.
    """

    signature: tuple[int, int, int, int]
    size_bytes: int
    sha256: str | None
    trusted: bool = True

    def same_as(self, other: Entry) -> bool:
        """Tell whether both are folders, or files of one content."""
        return (self.sha256, self.size_bytes) == (other.sha256, other.size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing met on a walk; `folder` is an open descriptor of what holds it, until the next one is asked for."""

    path: str
    name: str
    folder: int
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_shown(self) -> bool:
        """Whether its path can be shown to an agent, and asked for."""
        parts = self.path.split("/")
        return all(is_shown(part) for part in parts) and fits(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a folder holds: bytes of all its files by their length, and files, folders, links and all else together."""

    size_bytes: int
    files: int
    is_too_deep: bool = False


def walk(root: int, *, limit: int) -> Iterator[Found]:
    """Yield all that lies beneath an open folder, each folder before its content, at most `MAX_DEPTH` deep.

    What vanishes, or becomes a link, while it is being walked is left out.

    Raises:
        TooManyFilesError: it holds more than `limit` entries. WorkspaceError: the disk refuses.
    """
    pending: list[tuple[str, ...]] = [()]
    count = 0
    while pending:
        parts = pending.pop()
        try:
            fd = open_folder(root, parts)
        except OSError as error:
            if parts and error.errno in _GONE:
                continue
            raise WorkspaceError(f"the workspace's folder {'/'.join(parts)!r} cannot be read: {error}") from error
        try:
            with os.scandir(fd) as found:
                names = [each.name for each in found]
            count += len(names)
            if count > limit:
                raise TooManyFilesError(f"the workspace holds more than {limit} files and folders")
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode) and len(parts) < MAX_DEPTH:
                        _unlock(name, fd, 0o700, status)
                        pending.append((*parts, name))
                    yield Found(path="/".join((*parts, name)), name=name, folder=fd, status=status)
        except OSError as error:
            raise WorkspaceError(f"the workspace cannot be read: {error}") from error
        finally:
            os.close(fd)


def check_regular(path: str, status: os.stat_result) -> None:
    """Refuse what is no regular file of its own.

    Raises:
        ActionError: it is a folder, a link, a special file, or a hard link: its content is another path's too.
    """
    if stat.S_ISDIR(status.st_mode):
        raise ActionError(f"{path!r} is a folder")
    if stat.S_ISLNK(status.st_mode):
        raise ActionError(f"{path!r} is a symbolic link; links are not followed")
    if not stat.S_ISREG(status.st_mode):
        raise ActionError(f"{path!r} is not a file")
    if status.st_nlink != 1:
        raise ActionError(f"{path!r} is a hard link: it shares its content with another path, so it is left alone")


def measure(root: int, *, limit: int) -> Usage:
    """Return what a folder holds, whatever its names and kinds; raises like `walk`."""
    size_bytes = files = 0
    is_too_deep = False
    for found in walk(root, limit=limit):
        files += 1
        is_too_deep = is_too_deep or found.path.count("/") >= MAX_DEPTH
        if stat.S_ISREG(found.status.st_mode):
            size_bytes += found.status.st_size
    return Usage(size_bytes=size_bytes, files=files, is_too_deep=is_too_deep)


def scan(root: int, *, known: Mapping[str, Entry], limit: int, hard_links: bool = False) -> dict[str, Entry]:
    """Return the folders and regular files beneath an open folder, by path; raises like `walk`.

    Left out: links, hard links, special files, and whatever has a name that cannot be shown.

    Args:
        root: open descriptor of the folder.
        known: the last scan's result; what has not changed since is not read again.
        limit: most entries.
        hard_links: whether files with several names are files here.
    """
    entries: dict[str, Entry] = {}
    for found in walk(root, limit=limit):
        if not found.is_shown:
            continue
        if found.is_folder:
            entries[found.path] = Entry(signature=_signature(found.status), size_bytes=0, sha256=None)
        elif _is_file(found.status, hard_links):
            seen = known.get(found.path)
            if seen is not None and seen.trusted and seen.signature == _signature(found.status):
                entries[found.path] = seen
            elif (entry := _read(found, hard_links)) is not None:
                entries[found.path] = entry
    return entries


def _is_file(status: os.stat_result, hard_links: bool) -> bool:
    return stat.S_ISREG(status.st_mode) and (hard_links or status.st_nlink == 1)


def _read(found: Found, hard_links: bool) -> Entry | None:
    _unlock(found.name, found.folder, 0o400, found.status)
    try:
        fd = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=found.folder)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    try:
        began_ns = time.time_ns()
        before = os.fstat(fd)
        if not _is_file(before, hard_links):
            return None
        digest, size_bytes = hashlib.sha256(), 0
        while size_bytes < before.st_size:  # what grows for ever is not read for ever
            chunk = os.read(fd, min(CHUNK_BYTES, before.st_size - size_bytes))
            if not chunk:
                break
            digest.update(chunk)
            size_bytes += len(chunk)
        signature = _signature(before)
        is_still = signature == _signature(os.fstat(fd))
    finally:
        os.close(fd)
    is_settled = 0 <= before.st_ctime_ns < began_ns - SETTLING_NS
    return Entry(signature=signature, size_bytes=size_bytes, sha256=digest.hexdigest(), trusted=is_still and is_settled)


def remove_tree(name: str, *, dir_fd: int | None = None) -> None:
    """Remove a folder and all in it, following no link, however deep it is and whatever its modes are.

    shutil's removal gives up at Python's recursion limit, which a few lines of shell reach. Here sub-folders are
    lifted to the top, so that two descriptors and no recursion are enough.

    Raises:
        OSError: the disk refuses.
    """
    _unlock(name, dir_fd, 0o700)
    top = os.open(name, FOLDER_FLAGS, dir_fd=dir_fd)
    try:
        pending = _clear(top, None, 0)
        lifted = len(pending)
        while pending:
            inner = pending.pop()
            _unlock(inner, top, 0o700)
            fd = os.open(inner, FOLDER_FLAGS, dir_fd=top)
            try:
                more = _clear(fd, top, lifted)
            finally:
                os.close(fd)
            lifted += len(more)
            pending += more
            os.rmdir(inner, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=dir_fd)


def _clear(fd: int, top: int | None, lifted: int) -> list[str]:
    """Remove the files of a folder, lift its non-empty sub-folders into `top`, and return the names they have there."""
    with os.scandir(fd) as found:
        entries = [(each.name, each.is_dir(follow_symlinks=False)) for each in found]
    left: list[str] = []
    for name, is_folder in entries:
        if not is_folder:
            os.unlink(name, dir_fd=fd)
            continue
        try:
            os.rmdir(name, dir_fd=fd)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if top is None:
                left.append(name)
                continue
            _unlock(name, fd, 0o700)  # a folder must be writable for its ".." to change
            free = f"{lifted + len(left)}.{os.urandom(8).hex()}"
            os.rename(name, free, src_dir_fd=fd, dst_dir_fd=top)
            left.append(free)
    return left


def _unlock(name: str, dir_fd: int | None, rights: int, status: os.stat_result | None = None) -> None:
    """Give the owner of a file or folder the rights that were taken from it; what is not ours stays as it is."""
    status = status or os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    if status.st_mode & rights == rights or stat.S_ISLNK(status.st_mode):
        return
    mode = stat.S_IMODE(status.st_mode) | rights
    with contextlib.suppress(PermissionError, FileNotFoundError):
        if not hasattr(os, "O_PATH"):  # chmod that does not follow links exists elsewhere, but not on Linux
            os.chmod(name, mode, dir_fd=dir_fd, follow_symlinks=False)
            return
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            if stat.S_IFMT(os.fstat(fd).st_mode) == stat.S_IFMT(status.st_mode):
                os.chmod(f"/proc/self/fd/{fd}", mode)
        finally:
            os.close(fd)


def _signature(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


__all__ = ["Entry", "Found", "TooManyFilesError", "Usage", "check_regular", "measure", "remove_tree", "scan", "walk"]
