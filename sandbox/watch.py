"""The watcher of all workspaces: one watchdog observer per process, and the fence that proves that it has caught up.

All workspaces of a process lie in one folder, watched recursively by one inotify instance. To fence, a sentinel file
is created in a hidden folder beside them and its event awaited: inotify keeps order, so every earlier event has then
arrived too.

The watcher tells what looking at the files cannot: what was moved from where. What is there, and whether it has
changed, is always read from the files themselves, so a watcher that lost events (the kernel's queue is finite) or died
costs no more than that a move is told as a deletion and a creation. One that does not answer is replaced.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from .errors import WorkspaceError
from .workspace_changes import Moves
from .workspace_scan import remove_tree
from .workspace_scratch import Scratch
from .workspace_snapshot import ContentStore

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

FENCE_DEADLINE_S = 10.0
FENCE_PATIENCE_S = 1.0  # a sentinel that is not seen for so long was dropped with others: plant another
FENCE_FOLDER = ".fence"
_LATE = "the file watcher did not report its sentinel"


class Watcher:
    """Watches the process's workspaces; `shared()` returns the process's instance.

    Attributes:
        folder: where workspaces are made, one sub-folder each.
        scratch: the process's temporary folder, which holds it.
        store: the contents that snapshots keep.
    """

    _shared: ClassVar[Watcher | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._moves: dict[str, Moves] = {}
        self._fences: dict[str, Callable[[], None]] = {}
        self._numbers = itertools.count(1)
        self._heard = 0.0
        self._closed = False
        self.scratch = Scratch()
        self.folder = self.scratch.watched
        self.store = ContentStore(self.scratch.store)
        self._fence_folder = self.folder / FENCE_FOLDER
        self._fence_folder.mkdir()
        self._prefix = str(self.folder) + os.sep
        try:
            self._observer = self._start_observer()
        except WorkspaceError:
            self.scratch.close()
            raise

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
            staging = Path(tempfile.mkdtemp(dir=self.scratch.new))
            try:
                if fixture is not None:
                    shutil.copytree(fixture, staging, symlinks=True, dirs_exist_ok=True)
                    staging.chmod(0o700)
                return staging.rename(self.folder / staging.name)
            except BaseException:
                remove_tree(str(staging))
                raise
        except (OSError, shutil.Error) as error:
            what = f"cannot make a workspace in {self.folder}" + (f" from {fixture}" if fixture else "")
            raise WorkspaceError(f"{what}: {error}") from error

    def fence(self, *, timeout_s: float = FENCE_DEADLINE_S) -> None:
        """Block until every change made in any workspace before this call has been recorded.

        Raises:
            WorkspaceError: no sentinel's event came within `timeout_s` seconds, or the disk refuses.
        """
        arrived = threading.Event()
        with contextlib.ExitStack() as sentinels:
            for patience_s in self._attempts(timeout_s, sentinels, arrived.set):
                if arrived.wait(patience_s):
                    return
        raise WorkspaceError(f"{_LATE} within {timeout_s:g} s: overloaded, or dead")

    async def fence_async(self, *, timeout_s: float = FENCE_DEADLINE_S) -> None:
        """`fence` without blocking the event loop."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def arrive() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may have closed meanwhile
                loop.call_soon_threadsafe(arrived.set)

        with contextlib.ExitStack() as sentinels:
            for patience_s in self._attempts(timeout_s, sentinels, arrive):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(arrived.wait(), patience_s)
                    return
        raise WorkspaceError(f"{_LATE} within {timeout_s:g} s: overloaded, or dead")

    def drain_moves(self, folder: Path) -> Moves:
        """Return, and forget, what was moved within `folder` since the last drain."""
        with self._lock:
            return self._moves.pop(str(folder), None) or Moves()

    def forget(self, folder: Path) -> None:
        """Remove a workspace's folder and its records."""
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass
        except (OSError, RecursionError):  # too deep, or its modes were changed
            with contextlib.suppress(OSError):
                remove_tree(str(folder))
        self.drain_moves(folder)

    def close(self) -> None:
        """Stop watching and remove the process's workspaces; idempotent."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        self._observer.stop()
        self._observer.join(FENCE_DEADLINE_S)
        self.scratch.close()
        atexit.unregister(self.close)

    def _start_observer(self) -> BaseObserver:
        from watchdog.events import FileSystemEventHandler

        watcher = self

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                watcher._record(event)

        observer: BaseObserver
        try:
            if sys.platform == "linux":
                from .watch_inotify import InotifyObserver

                observer = InotifyObserver()
            else:
                from watchdog.observers import Observer

                observer = Observer()
            observer.schedule(Handler(), str(self.folder), recursive=True)
            observer.start()
        except OSError as error:
            raise WorkspaceError(
                f"the file watcher could not start ({error}); "
                "raise fs.inotify.max_user_watches or max_user_instances, or end other watchers"
            ) from error
        return observer

    def _attempts(
        self, timeout_s: float, sentinels: contextlib.ExitStack, arrive: Callable[[], None]
    ) -> Iterator[float]:
        """Plant a sentinel and yield how many seconds to wait for any of those planted, until the time is up.

        A busy watcher is waited for; one from which nothing was heard in the meantime is replaced.
        """
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            observer, planted = self._observer, time.monotonic()
            sentinels.enter_context(self._planted(arrive))
            yield min(left_s, FENCE_PATIENCE_S)
            if self._heard < planted:
                self._replace(observer)

    @contextlib.contextmanager
    def _planted(self, arrive: Callable[[], None]) -> Iterator[None]:
        if self._closed:
            raise WorkspaceError("the file watcher has stopped; make a new workspace")
        sentinel = self._fence_folder / str(next(self._numbers))
        self._fences[str(sentinel)] = arrive
        try:
            try:
                os.close(os.open(sentinel, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            except OSError as error:
                raise WorkspaceError(f"the workspace's fence cannot be written: {error}") from error
            yield
        finally:
            self._fences.pop(str(sentinel), None)
            sentinel.unlink(missing_ok=True)

    def _replace(self, observer: BaseObserver) -> None:
        with self._lock:
            if self._observer is not observer or self._closed:
                return
            self._observer = self._start_observer()
        observer.stop()

    def _record(self, event: FileSystemEvent) -> None:
        self._heard = time.monotonic()
        source, destination = os.fsdecode(event.src_path), os.fsdecode(event.dest_path or "")
        arrive = self._fences.get(source)
        if arrive is not None:
            arrive()
        elif destination:
            name, _, inside = destination.removeprefix(self._prefix).partition(os.sep)
            folder = self._prefix + name
            if inside and source.startswith(folder + os.sep):
                with self._lock:
                    moves = self._moves.setdefault(folder, Moves())
                    moves.add(source.removeprefix(folder + os.sep), inside, is_folder=event.is_directory)


__all__ = ["Watcher"]
