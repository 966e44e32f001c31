"""One watchdog observer per process, and the fence that proves that it has caught up.

All workspaces of a process lie in one folder, watched recursively by one inotify instance. To fence, a sentinel file
is created in a hidden folder beside the workspace's root and its event awaited: inotify keeps order, so every earlier
event has then arrived too.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from .errors import WorkspaceError

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

FENCE_DEADLINE_S = 5.0
FENCE_FOLDER = ".fence"
IGNORED_EVENTS = frozenset({"opened", "closed", "closed_no_write"})


class Watcher:
    """Watches the process's workspaces; `shared()` returns the process's instance.

    Attributes:
        folder: where workspaces are made, one sub-folder each.
    """

    _shared: ClassVar[Watcher | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer

        watcher = self

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                watcher._record(event)

        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._dirty: set[str] = set()
        self._moves: dict[str, dict[str, str]] = {}
        self._fences: dict[str, threading.Event] = {}
        self._numbers = itertools.count(1)
        self._closed = False
        self.folder = Path(tempfile.mkdtemp(prefix="milepost-"))
        self._prefix = str(self.folder) + os.sep
        self._observer = Observer()
        try:
            self._observer.schedule(Handler(), str(self.folder), recursive=True)
            self._observer.start()
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise WorkspaceError(
                f"the file watcher could not start ({error}); "
                "raise fs.inotify.max_user_watches or max_user_instances, or end other watchers"
            ) from error

    @classmethod
    def shared(cls) -> Watcher:
        """Return this process's watcher, starting it if there is none."""
        if cls._shared is not None and cls._shared._pid != os.getpid():
            cls._shared_lock, cls._shared = threading.Lock(), None
        with cls._shared_lock:
            if cls._shared is None or cls._shared._closed:
                cls._shared = cls()
                atexit.register(cls._shared.close)
            return cls._shared

    def make_folder(self) -> Path:
        """Make one workspace's folder, with its hidden fence folder inside.

        Raises:
            WorkspaceError: the disk refuses.
        """
        try:
            folder = Path(tempfile.mkdtemp(dir=self.folder))
            (folder / FENCE_FOLDER).mkdir()
        except OSError as error:
            raise WorkspaceError(f"cannot make a workspace in {self.folder}: {error}") from error
        return folder

    def fence(self, folder: Path, *, timeout_s: float = FENCE_DEADLINE_S) -> None:
        """Block until every change made in `folder` before this call has been recorded.

        Raises:
            WorkspaceError: the sentinel's event did not come within `timeout_s` seconds, or the disk refuses.
        """
        sentinel, arrived = self._plant(folder)
        try:
            if not arrived.wait(timeout_s):
                raise WorkspaceError(self._late(timeout_s))
        finally:
            self._pull(sentinel)

    async def fence_async(self, folder: Path, *, timeout_s: float = FENCE_DEADLINE_S) -> None:
        """`fence` without blocking the event loop."""
        loop = asyncio.get_running_loop()
        awaited: asyncio.Future[None] = loop.create_future()

        def finish() -> None:
            if not awaited.done():
                awaited.set_result(None)

        class Arrival(threading.Event):
            def set(self) -> None:
                super().set()
                loop.call_soon_threadsafe(finish)

        sentinel, _ = self._plant(folder, Arrival())
        try:
            await asyncio.wait_for(awaited, timeout_s)
        except TimeoutError as error:
            raise WorkspaceError(self._late(timeout_s)) from error
        finally:
            self._pull(sentinel)

    def drain(self, folder: Path) -> tuple[bool, dict[str, str]]:
        """Return, and forget, whether anything changed in `folder` since the last drain, and its moves.

        Returns:
            whether there was any event, and the moves as {absolute destination: absolute source}.
        """
        with self._lock:
            dirty = str(folder) in self._dirty
            self._dirty.discard(str(folder))
            return dirty, self._moves.pop(str(folder), {})

    def forget(self, folder: Path) -> None:
        """Remove a workspace's folder and its records."""
        shutil.rmtree(folder, ignore_errors=True)
        self.drain(folder)

    def close(self) -> None:
        """Stop watching and remove the process's workspaces; idempotent."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        self._observer.stop()
        self._observer.join(FENCE_DEADLINE_S)
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def _plant(self, folder: Path, arrived: threading.Event | None = None) -> tuple[str, threading.Event]:
        if self._closed or not self._observer.is_alive():
            raise WorkspaceError("the file watcher has stopped; make a new workspace")
        arrived = arrived or threading.Event()
        sentinel = str(folder / FENCE_FOLDER / str(next(self._numbers)))
        self._fences[sentinel] = arrived
        try:
            os.close(os.open(sentinel, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            del self._fences[sentinel]
            raise WorkspaceError(f"the workspace's fence cannot be written: {error}") from error
        return sentinel, arrived

    def _pull(self, sentinel: str) -> None:
        self._fences.pop(sentinel, None)
        Path(sentinel).unlink(missing_ok=True)

    def _late(self, timeout_s: float) -> str:
        return f"the file watcher did not report its sentinel within {timeout_s:g} s: overloaded, or dead"

    def _record(self, event: FileSystemEvent) -> None:
        if event.event_type in IGNORED_EVENTS:
            return
        source, destination = os.fsdecode(event.src_path), os.fsdecode(event.dest_path or "")
        arrived = self._fences.get(source)
        if arrived is not None:
            arrived.set()
            return
        with self._lock:
            for path in (source, destination):
                relative = path.removeprefix(self._prefix)
                name, _, inside = relative.partition(os.sep)
                if relative == path or not inside or inside.split(os.sep, 1)[0] == FENCE_FOLDER:
                    continue
                folder = self._prefix + name
                self._dirty.add(folder)
                if path == destination and source.startswith(folder + os.sep):
                    self._moves.setdefault(folder, {})[destination] = source


__all__ = ["Watcher"]
