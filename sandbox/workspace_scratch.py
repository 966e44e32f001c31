"""The process's temporary folder: its workspaces, and beside them, unwatched, what is being made or kept for them.

A process that is killed cannot remove its folder. So each holds a lock on its own, and the next process that starts
removes those whose lock nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

from .workspace_scan import remove_tree

PREFIX = "milepost-files-"
_LOCK = "files.lock"


class Scratch:
    """A temporary folder, ours alone, on one file system.

    Attributes:
        folder: it.
        watched: workspaces, one folder each.
        new: files and folders in the making; they are renamed into a workspace when they are whole.
        store: contents that snapshots keep.
        run: folders that commands work in. Others may pass through it, not list it: a command may be another user's.
    """

    def __init__(self) -> None:
        remove_abandoned()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = _take(self.folder)
        self.watched = self.folder / "milepost-workspaces"
        self.new, self.store, self.run = self.folder / "new", self.folder / "store", self.folder / "run"
        for folder, mode in ((self.watched, 0o700), (self.new, 0o700), (self.store, 0o700), (self.run, 0o711)):
            folder.mkdir(mode=mode)
        self.folder.chmod(0o711)

    def close(self) -> None:
        """Remove it; idempotent."""
        with contextlib.suppress(OSError):
            remove_tree(str(self.folder))
        with contextlib.suppress(OSError):
            os.close(self._lock)
            self._lock = -1


def remove_abandoned() -> int:
    """Remove the folders of processes of this user that were killed, and return how many there were."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            fd = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(str(folder))
                removed += 1
            finally:
                os.close(fd)
    return removed


def _take(folder: Path) -> int:
    fd = os.open(folder / f"{_LOCK}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.rename(folder / f"{_LOCK}.new", folder / _LOCK)  # nobody ever sees it unlocked while we live
    return fd


__all__ = ["Scratch", "remove_abandoned"]
