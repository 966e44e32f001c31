"""Bring a workspace to a wanted state: remove, make and replace, each path at once and nothing half-written.

Files are made outside the workspace and renamed into it, so a reader sees the old content or the new, a full disk
leaves the old, and a hard link is replaced, not written through.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .workspace_paths import open_folder
from .workspace_scan import CHUNK_BYTES, remove_tree

if TYPE_CHECKING:
    from .watch import Watcher

Writer = Callable[[int], None]
FILE_MODE = 0o644


@contextlib.contextmanager
def staged_file(folder: Path, write: Writer) -> Iterator[str]:
    """Yield the path of a new file with the written content, to be renamed; it is removed if it still is there."""
    fd, path = tempfile.mkstemp(dir=folder)
    try:
        try:
            write(fd)
            os.fchmod(fd, FILE_MODE)
        finally:
            os.close(fd)
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data` to an open file."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def copy_bytes(source: int, target: int, size_bytes: int) -> None:
    """Copy at most `size_bytes` from one open file to another, from where each stands."""
    while size_bytes > 0 and (chunk := os.read(source, min(size_bytes, CHUNK_BYTES))):
        write_all(target, chunk)
        size_bytes -= len(chunk)


def make_folders(root: int, parts: tuple[str, ...], watcher: Watcher) -> int:
    """Return a descriptor of a folder beneath `root`, made with its parents if it is not there.

    Raises:
        OSError: something on the way is no folder, or the disk refuses. WorkspaceError: the watcher failed.
    """
    with contextlib.suppress(FileNotFoundError):
        return open_folder(root, parts)
    for depth, name in enumerate(parts):
        parent = open_folder(root, parts[:depth])
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=parent)
        finally:
            os.close(parent)
    watcher.fence()  # it must know a folder to tell what is moved into it
    return open_folder(root, parts)


def apply(
    root: int, watcher: Watcher, *, remove: Collection[str], folders: Collection[str], files: Mapping[str, Writer]
) -> None:
    """Remove the paths of `remove` (folders with all in them), make `folders`, and write `files`, parents included.

    What stands in the way, such as a file where a folder is to be, is removed.

    Raises:
        OSError: the disk refuses. WorkspaceError: the watcher failed.
    """
    for path in sorted(remove):
        remove_path(root, path)
    wanted = {*folders, *files}
    for path in tuple(wanted):
        wanted.update("/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1))
    for path in sorted(wanted, key=lambda each: each.split("/")):
        if path in files:
            _replace_file(root, path, files[path], watcher.scratch.new)
        elif not _is_folder(root, path):
            remove_path(root, path)
            os.close(make_folders(root, tuple(path.split("/")), watcher))


def remove_path(root: int, path: str) -> None:
    """Remove what is at a path, a folder with all in it; nothing happens if there is nothing."""
    *parents, name = path.split("/")
    try:
        fd = open_folder(root, parents)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            remove_tree(name, dir_fd=fd)
        else:
            os.unlink(name, dir_fd=fd)
    except FileNotFoundError:
        pass
    finally:
        os.close(fd)


def _is_folder(root: int, path: str) -> bool:
    try:
        os.close(open_folder(root, path.split("/")))
    except OSError:
        return False
    return True


def _replace_file(root: int, path: str, write: Writer, new: Path) -> None:
    *parents, name = path.split("/")
    fd = open_folder(root, parents)
    try:
        with staged_file(new, write) as staged:
            try:
                os.rename(staged, name, dst_dir_fd=fd)
            except IsADirectoryError:
                remove_tree(name, dir_fd=fd)
                os.rename(staged, name, dst_dir_fd=fd)
    finally:
        os.close(fd)


__all__ = [
    "FILE_MODE",
    "Writer",
    "apply",
    "copy_bytes",
    "make_folders",
    "remove_path",
    "staged_file",
    "write_all",
]
