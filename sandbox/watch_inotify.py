"""An emitter for watchdog on Linux: tells what was created and what was moved, and survives what folders go through.

watchdog's own holds back everything behind a half-seen move for half a second, does not tell that the kernel's queue
overflowed, and its thread ends when folders are made, moved and removed faster than it looks. This one pairs moves at
once, reports all that is there as created after an overflow, and takes a folder that is gone for gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from watchdog.events import DirCreatedEvent, DirMovedEvent, FileCreatedEvent, FileMovedEvent
from watchdog.observers.api import BaseObserver, EventEmitter

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE = 0x40, 0x80, 0x100
IN_OVERFLOW, IN_IGNORED, IN_ISDIR = 0x4000, 0x8000, 0x40000000
IN_ONLYDIR, IN_DONT_FOLLOW = 0x01000000, 0x02000000
_MASK = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR | IN_DONT_FOLLOW
_HEAD = struct.Struct("iIII")
_READ_BYTES = 1 << 18
_MAX_PENDING = 1_000


class InotifyEmitter(EventEmitter):
    """Emits created and moved events of all beneath one folder; a moved folder is one event, for it alone.

    Attributes:
        overflows: how often the kernel's queue was full, and events were lost.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.overflows = 0
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), "inotify")
        self._wake_read, self._wake_write = os.pipe()
        self._root = os.fsencode(self.watch.path)
        self._folders: dict[int, bytes] = {}
        self._sources: dict[int, bytes] = {}
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    def on_thread_start(self) -> None:
        """Watch what is there."""
        if not self._add(self._root):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), self._root)
        for _ in self._learn(self._root):
            pass

    def on_thread_stop(self) -> None:
        """Wake the thread, so that it sees that it is to end."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"!")

    def run(self) -> None:
        """Emit until stopped."""
        try:
            super().run()
        finally:
            for fd in (self._fd, self._wake_read, self._wake_write):
                with contextlib.suppress(OSError):
                    os.close(fd)

    def queue_events(self, timeout: float) -> None:
        """Wait for events and emit them."""
        if all(fd != self._fd for fd, _ in self._poll.poll(timeout * 1000)):
            return
        data, place = os.read(self._fd, _READ_BYTES), 0
        while place < len(data):
            watch, mask, cookie, size = _HEAD.unpack_from(data, place)
            name = data[place + _HEAD.size : place + _HEAD.size + size].rstrip(b"\0")
            place += _HEAD.size + size
            for event in self._events(watch, mask, cookie, name):
                self.queue_event(event)

    def _events(self, watch: int, mask: int, cookie: int, name: bytes) -> Iterator[FileSystemEvent]:
        if mask & IN_OVERFLOW:
            self.overflows += 1
            self._sources.clear()
            self._folders.clear()
            self._add(self._root)
            yield from self._learn(self._root)
            return
        if mask & IN_IGNORED:
            self._folders.pop(watch, None)
            return
        folder = self._folders.get(watch)
        if folder is None:
            return
        path, is_folder = os.path.join(folder, name), bool(mask & IN_ISDIR)
        if mask & IN_MOVED_FROM:
            if len(self._sources) >= _MAX_PENDING:  # those whose other half is out of sight
                self._sources.clear()
            self._sources[cookie] = path
        elif mask & IN_MOVED_TO and (source := self._sources.pop(cookie, None)) is not None:
            if is_folder:
                self._follow(source, path)
            yield (DirMovedEvent if is_folder else FileMovedEvent)(os.fsdecode(source), os.fsdecode(path))
        else:
            yield (DirCreatedEvent if is_folder else FileCreatedEvent)(os.fsdecode(path))
        if is_folder and not mask & IN_MOVED_FROM and self._add(path):
            yield from self._learn(path)

    def _add(self, path: bytes) -> bool:
        """Watch a folder; say whether it was not watched yet, and so may hold what was not heard of."""
        watch = self._libc.inotify_add_watch(self._fd, path, ctypes.c_uint32(_MASK))
        if watch < 0 or self._folders.get(watch) == path:
            return False
        self._folders[watch] = path
        return True

    def _learn(self, top: bytes) -> Iterator[FileSystemEvent]:
        """Watch the folders beneath one and tell what is there: it may have come before the watch did."""
        pending = [top]
        while pending:
            folder = pending.pop()
            with contextlib.suppress(OSError), os.scandir(folder) as found:  # it may be gone
                for each in found:
                    if not each.is_dir(follow_symlinks=False):
                        yield FileCreatedEvent(os.fsdecode(each.path))
                    elif self._add(each.path):
                        pending.append(each.path)
                        yield DirCreatedEvent(os.fsdecode(each.path))

    def _follow(self, source: bytes, target: bytes) -> None:
        for watch, path in self._folders.items():
            if path == source or path.startswith(source + b"/"):
                self._folders[watch] = target + path[len(source) :]


class InotifyObserver(BaseObserver):
    """A watchdog observer that listens with `InotifyEmitter`."""

    def __init__(self) -> None:
        super().__init__(InotifyEmitter)


__all__ = ["InotifyEmitter", "InotifyObserver"]
