"""What this process holds on the machine, and the watchdog that clears it away however this process ends.

A process that uses the sandbox has one folder, `<temporary folder>/milepost_<random>`, for everything that it puts on
disk, and one watchdog: a small Python process of its own session that waits for the end of this one (a signal, an
exception, `os._exit`, kill -9), then kills its browsers and removes its folder. What the watchdog needs to know stands
in a file in that folder, not in its memory; so if the watchdog is killed too, the next process that starts one here
clears away in its place. A lock on the folder says that its owner lives.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from typing import ClassVar

from . import browser_process
from .browser_process import FOLDER_PREFIX, HELD_FILE, LOCK_FILE, OWNER_SWITCH, QUIT, Process
from .errors import SandboxError

CLOSE_DEADLINE_S = 10.0


class ProcessGuard:
    """The folder and the watchdog of this process; `shared()` returns its one. A forked child gets its own.

    Attributes:
        folder: where this process puts what must not outlive it.
        switch: the argument by which its browsers are known; Chromium ignores it.
    """

    _shared: ClassVar[ProcessGuard | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._closed = False
        self._numbers = 0
        self._lock = threading.Lock()
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
            self._locked = _lock_new(self.folder / LOCK_FILE)
        except OSError as error:
            raise SandboxError(
                f"no folder can be made for this process in {tempfile.gettempdir()}: {error}; "
                "make room there, or set TMPDIR to a folder that can be written"
            ) from error
        self.switch = OWNER_SWITCH + self.folder.name
        self._watchdog = self._watch()

    @classmethod
    def shared(cls) -> ProcessGuard:
        """Return this process's guard, starting it if there is none. It ends when the interpreter does.

        Raises:
            SandboxError: the temporary folder cannot be written.
        """
        if cls._shared is not None and cls._shared._pid != os.getpid():
            cls._shared._disown()
            cls._shared_lock, cls._shared = threading.Lock(), None  # the parent's may have been held while it forked
        with cls._shared_lock:
            if cls._shared is None or cls._shared._closed:
                cls._shared = cls()
                atexit.register(cls._shared.close)
            return cls._shared

    def make_folder(self, purpose: str) -> Path:
        """Make and return a new folder that is removed with this process at the latest.

        Raises:
            SandboxError: the disk refuses, or the guard is closed.
        """
        with self._lock:
            self._numbers += 1
            path = self.folder / f"{purpose}-{self._numbers}"
        try:
            path.mkdir(mode=0o700)
        except OSError as error:
            raise SandboxError(f"the folder {path} cannot be made: {error}") from error
        return path

    def hold_folder(self, path: Path) -> None:
        """Have a folder that others made for this process removed with it."""
        self._write(f"folder {path}")

    def hold_browser(self, leader: Process) -> None:
        """Have a browser killed with this process, with its process group."""
        self._write(f"browser {leader.pid} {leader.started}")

    def hold_driver(self, driver: Process) -> None:
        """Have a driver killed with this process; it is first given the time to end by itself."""
        self._write(f"driver {driver.pid} {driver.started}")

    def close(self) -> None:
        """Have everything cleared away now, and wait for it; idempotent."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        if self._watchdog is not None and self._watchdog.stdin is not None:
            with contextlib.suppress(OSError):
                self._watchdog.stdin.write(QUIT)
                self._watchdog.stdin.close()
            try:
                self._watchdog.wait(CLOSE_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._watchdog.kill()
                self._watchdog.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._locked)
        atexit.unregister(self.close)

    def _disown(self) -> None:
        """Let go, in a forked child, of what is the parent's."""
        os.close(self._locked)
        if self._watchdog is not None and self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
            self._watchdog.returncode = 0  # not this process's child: nothing to wait for

    def _write(self, line: str) -> None:
        with contextlib.suppress(FileNotFoundError), (self.folder / HELD_FILE).open("a", errors="surrogateescape") as f:
            f.write(line + "\n")

    def _watch(self) -> subprocess.Popen[bytes] | None:
        # Isolated and without site packages: it starts in some 20 ms, and nothing of this process' surroundings that
        # may break can break it.
        command = [sys.executable, "-I", "-S", browser_process.__file__, str(os.getpid()), str(self.folder)]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            warnings.warn(
                f"the watchdog {command[0]!r} does not start ({error}); "
                "browsers may linger if this process is killed, until another one clears them away",
                RuntimeWarning,
                stacklevel=3,
            )
            return None


def _lock_new(path: Path) -> int:
    """Make a file that appears under its name when this process has locked it, and return its descriptor."""
    early = path.with_suffix(".new")
    descriptor = os.open(early, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    early.rename(path)
    return descriptor


__all__ = ["ProcessGuard"]
