"""A program of somebody's that serves HTTP on a port: started, waited for, and ended with all that it started.

It runs with the rights of this process and is not boxed: it is the task author's own code. It leads a process group of
its own, which the process guard kills when this process ends, however that happens.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .browser_process import Process, end_family, read_process
from .browser_process_guard import ProcessGuard
from .errors import AppServerError

START_DEADLINE_S = 20.0
POLL_S = 0.02
SHOWN_CHARS = 400


class HttpProcess:
    """A started program.

    Args:
        command: its arguments; `{port}` in them is replaced by the port that it is to serve on.
        folder: where it runs.
        environment: variables besides this process's own; PORT is added.
        deadline_s: so long it may take until its port answers, seconds.

    Attributes:
        port: where it serves, on 127.0.0.1.

    Raises:
        AppServerError: it cannot be started, or its port does not answer in time; the message ends with its output.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        deadline_s: float = START_DEADLINE_S,
    ) -> None:
        self.port = _free_port()
        self._command = [argument.replace("{port}", str(self.port)) for argument in command]
        self._log = ProcessGuard.shared().make_folder("server") / "output"
        self._closed = False
        variables = {**os.environ, **(environment or {}), "PORT": str(self.port)}
        try:
            with self._log.open("wb") as output:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=folder,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise AppServerError(f"the command {self._shown} cannot be started in {folder}: {error}") from error
        self._leader: Process | None = read_process(self._process.pid)
        if self._leader is not None:
            ProcessGuard.shared().hold_browser(self._leader)  # a group to be killed, like a browser's
        try:
            self._wait(deadline_s)
        except BaseException:
            self._end()
            raise

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return not self._closed and self._process.poll() is None

    def failure(self, what: str) -> AppServerError:
        """Return an error about it, with what it wrote last."""
        code = self._process.poll()
        ended = "" if code is None else f" (it has ended with {code})"
        output = self._output()
        wrote = f"; it wrote last: {output}" if output else ""
        return AppServerError(f"the command {self._shown}{ended} {what}{wrote}")

    def close(self) -> None:
        """End it, in the background; idempotent."""
        if not self._closed:
            self._closed = True
            threading.Thread(target=self._end, name="milepost-server-end", daemon=True).start()

    @property
    def _shown(self) -> str:
        return repr(" ".join(self._command))

    def _end(self) -> None:
        if self._leader is not None:
            end_family(self._leader)
        else:
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        with contextlib.suppress(OSError):
            self._log.unlink()
            self._log.parent.rmdir()

    def _wait(self, deadline_s: float) -> None:
        deadline = time.monotonic() + deadline_s
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            if self._process.poll() is not None:
                raise self.failure(
                    f"did not come to serve on port {self.port}; it must take the port from $PORT or {{port}} and "
                    "keep running"
                )
            if time.monotonic() > deadline:
                raise self.failure(
                    f"does not answer on port {self.port} within {deadline_s:g} s; it must take the port from $PORT or "
                    "{port} in its arguments"
                )
            time.sleep(POLL_S)

    def _output(self) -> str:
        try:
            text = self._log.read_bytes()[-4 * SHOWN_CHARS :].decode(errors="replace")
        except OSError:
            return ""
        return " ".join(text.split())[-SHOWN_CHARS:]


def _free_port() -> int:
    """Return a port that nobody listens on now. Another program may take it first; then ours says so and ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


__all__ = ["START_DEADLINE_S", "HttpProcess"]
