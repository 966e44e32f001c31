"""One watchdog observer per process, and the fence that proves that it has caught up.

All workspaces of a process lie in one folder, watched recursively by one inotify instance. To fence, a sentinel file
is created in a hidden folder beside them and its event awaited: inotify keeps order, so every earlier event has then
arrived too.

watchdog registers a folder twice (and warns, which under `-W error` ends its thread) if it is made inside another that
it is just learning about. So whole trees are moved in from outside, and a fence stands before each folder made within.
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

from .browser_process_guard import ProcessGuard
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
        guard = ProcessGuard.shared()  # removes both folders if this process is killed
        self.folder, self._staging = guard.make_folder("workspaces"), guard.make_folder("staging")
        self._fence_folder = self.folder / FENCE_FOLDER
        self._fence_folder.mkdir()
        self._prefix = str(self.folder) + os.sep
        self._observer = Observer()
        try:
            self._observer.schedule(Handler(), str(self.folder), recursive=True)
            self._observer.start()
        except OSError as error:
            self._remove_folders()
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

    def make_folder(self, fixture: Path | None) -> Path:
        """Make one workspace's folder, holding a copy of `fixture` if given (symbolic links are copied as links).

        Raises:
            WorkspaceError: the disk refuses, or the fixture is no folder.
        """
        try:
            staging = Path(tempfile.mkdtemp(dir=self._staging, prefix="new-"))
        except OSError as error:
            raise WorkspaceError(f"cannot make a workspace in {self._staging}: {error}") from error
        try:
            if fixture is not None:
                shutil.copytree(fixture, staging, symlinks=True, dirs_exist_ok=True)
            return staging.rename(self.folder / staging.name)
        except (OSError, shutil.Error) as error:
            shutil.rmtree(staging, ignore_errors=True)
            what = f"cannot make a workspace in {self.folder}" + (f" from {fixture}" if fixture else "")
            raise WorkspaceError(f"{what}: {error}") from error

    def fence(self, *, timeout_s: float = FENCE_DEADLINE_S) -> None:
        """Block until every change made in any workspace before this call has been recorded.

        Raises:
            WorkspaceError: the sentinel's event did not come within `timeout_s` seconds, or the disk refuses.
        """
        sentinel, arrived = self._plant()
        try:
            if not arrived.wait(timeout_s):
                raise WorkspaceError(self._late(timeout_s))
        finally:
            self._pull(sentinel)

    async def fence_async(self, *, timeout_s: float = FENCE_DEADLINE_S) -> None:
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

        sentinel, _ = self._plant(Arrival())
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
        self._remove_folders()
        atexit.unregister(self.close)

    def _remove_folders(self) -> None:
        for folder in (self.folder, self._staging):
            shutil.rmtree(folder, ignore_errors=True)

    def _plant(self, arrived: threading.Event | None = None) -> tuple[str, threading.Event]:
        if self._closed or not self._observer.is_alive():
            raise WorkspaceError("the file watcher has stopped; make a new workspace")
        arrived = arrived or threading.Event()
        sentinel = str(self._fence_folder / str(next(self._numbers)))
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
                if relative == path or not inside or name == FENCE_FOLDER:
                    continue
                folder = self._prefix + name
                self._dirty.add(folder)
                if path == destination and source.startswith(folder + os.sep):
                    self._moves.setdefault(folder, {})[destination] = source


__all__ = ["Watcher"]
