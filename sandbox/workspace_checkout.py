"""A copy of a workspace for a command to work in, and the way back.

A command may do to its copy what it likes: exceed the quota, nest folders a thousand deep, plant links. Only what it
left there, within the quota, as regular files with names that can be shown, is taken over into the workspace, and only
once all its processes are gone.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .errors import ActionError, WorkspaceError
from .workspace import Workspace
from .workspace_apply import FILE_MODE, copy_bytes
from .workspace_paths import FOLDER_FLAGS, MAX_DEPTH, open_folder
from .workspace_scan import TooManyFilesError, measure, remove_tree, scan, walk


@dataclass(slots=True, kw_only=True)
class Checkout:
    """A folder with a copy of a workspace's files. Made by `check_out`, ended by `remove`.

    Attributes:
        folder: it.
        fd: it, opened.
        before: what was copied: the hash of each file by path, None for a folder.
    """

    workspace: Workspace
    folder: Path
    fd: int
    before: dict[str, str | None]
    _removed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def excess(self) -> str:
        """Return what the copy holds too much of for the workspace's quota, "" if nothing.

        Raises:
            WorkspaceError: the disk refuses.
        """
        quota_bytes, quota_files = self.workspace.quota_bytes, self.workspace.quota_files
        with self._lock:  # a look that came too late must not use a descriptor that is another's by now
            if self._removed:
                return ""
            os.fchmod(self.fd, 0o700)  # a command may have locked it
            try:
                usage = measure(self.fd, limit=quota_files)
            except TooManyFilesError:
                return f"more than {quota_files} files and folders"
        if usage.is_too_deep:
            return f"folders nested more than {MAX_DEPTH} deep"
        return f"more than {quota_bytes} bytes" if usage.size_bytes > quota_bytes else ""

    def check_in(self) -> int:
        """Take over into the workspace what was changed in the copy: all of it, or (over quota) nothing.

        Contents are copied, so what were hard links become files of their own. Files' modes and times are not kept.

        Returns:
            how many things were left out: links, special files, and names that cannot be shown.

        Raises:
            ActionError: the quota would be exceeded. WorkspaceError: the disk or the watcher fails.
        """
        if excess := self.excess():
            raise ActionError(f"the command left {excess}")
        workspace, before, limit = self.workspace, self.before, self.workspace.quota_files
        after = scan(self.fd, known={}, limit=limit, hard_links=True)
        left_out = sum(1 for _ in walk(self.fd, limit=limit)) - len(after)
        changed = {p: e for p, e in after.items() if e.sha256 is not None and before.get(p) != e.sha256}
        arrived = workspace.entries().keys() - before.keys()  # meanwhile, from elsewhere: a download
        gone = {p for p in before.keys() - after.keys() if not any(each.startswith(p + "/") for each in arrived)}
        workspace.apply(
            remove=gone,
            folders=[p for p, e in after.items() if e.sha256 is None and p not in before],
            files={p: (partial(_copy_out, self.fd, p, e.size_bytes), e.size_bytes) for p, e in changed.items()},
        )
        return left_out

    def remove(self) -> None:
        """Remove the copy; idempotent. What cannot be removed now goes with the process's temporary folder."""
        with self._lock:
            if self._removed:
                return
            self._removed = True
            os.close(self.fd)
        with contextlib.suppress(OSError):
            remove_tree(str(self.folder))


def check_out(workspace: Workspace, *, owner: int | None = None) -> Checkout:
    """Copy a workspace's folders and files to a new folder.

    Args:
        workspace: what to copy.
        owner: the user and group to give the copy to; None keeps it ours.

    Raises:
        WorkspaceError: the disk refuses.
    """
    entries = workspace.entries()
    try:
        folder = Path(tempfile.mkdtemp(dir=workspace.scratch.run))
        try:
            for path, entry in sorted(entries.items()):
                target = folder / path
                if entry.sha256 is None:
                    target.mkdir(parents=True, exist_ok=True)
                else:
                    with contextlib.suppress(ActionError), workspace.opened(path) as (source, status):
                        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
                        try:
                            copy_bytes(source, fd, status.st_size)
                        finally:
                            os.close(fd)
            if owner is not None:
                for place, _, names in os.walk(folder):
                    for each in (place, *(os.path.join(place, name) for name in names)):
                        os.chown(each, owner, owner, follow_symlinks=False)
            root = os.open(folder, FOLDER_FLAGS)
        except BaseException:
            with contextlib.suppress(OSError):
                remove_tree(str(folder))
            raise
    except OSError as error:
        raise WorkspaceError(f"the workspace cannot be copied for a command: {error}") from error
    return Checkout(workspace=workspace, folder=folder, fd=root, before={path: e.sha256 for path, e in entries.items()})


def _copy_out(root: int, path: str, size_bytes: int, target: int) -> None:
    *parents, name = path.split("/")
    parent = open_folder(root, parents)
    try:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        copy_bytes(source, target, size_bytes)
    finally:
        os.close(source)


__all__ = ["Checkout", "check_out"]
