"""The watcher's temporary folder: its workspaces, and beside them, unwatched, what is being made or kept for them.

It lies in the process's folder, which is removed however the process ends: see `browser_process_guard.py`.
"""

from __future__ import annotations

import contextlib

from .browser_process_guard import ProcessGuard
from .workspace_scan import remove_tree


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
        self.folder = ProcessGuard.shared().make_folder("workspaces")
        self.watched, self.new = self.folder / "watched", self.folder / "new"
        self.store, self.run = self.folder / "store", self.folder / "run"
        for folder, mode in ((self.watched, 0o700), (self.new, 0o700), (self.store, 0o700), (self.run, 0o711)):
            folder.mkdir(mode=mode)
        self.folder.chmod(0o711)
        self.folder.parent.chmod(0o711)

    def close(self) -> None:
        """Remove it; idempotent."""
        with contextlib.suppress(OSError):
            remove_tree(str(self.folder))


__all__ = ["Scratch"]
