"""A program of the task's author that serves HTTP on a port, behind each episode's own origin.

Without `reset` every episode starts the program anew: clean, and as slow as the program's start. With `reset` a program
is kept and used again: before each episode that path is sent, by POST, `{"seed": ..., "parameters": {...}}` as JSON.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import numpy as np

from ...sandbox.app_server import Served
from ...sandbox.errors import AppServerError
from ...sandbox.http_process import HttpProcess
from ...sandbox.request_gate import headers_of
from .closed_paths import closed_to_pages
from .forward import Forwarder
from .state_answer import read_state
from .stateless import StatelessApp

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope

RESET_TIMEOUT_S = 10.0
MAX_KEPT = 16


class CommandApp(StatelessApp):
    """A command that serves HTTP.

    Args:
        command: its arguments; `{port}` in them is the port.
        folder: where it runs.
        state: path at which it answers with its server-side state as JSON; pages cannot reach it.
        reset: path at which it begins anew; pages cannot reach it. None: it is started for each episode.
    """

    name = "app"
    starts_slowly: ClassVar[bool] = True

    def __init__(self, command: Sequence[str], folder: Path, *, state: str | None, reset: str | None) -> None:
        self._command = tuple(command)
        self._folder = folder
        self._state = state
        self.has_state = state is not None
        self._reset = reset
        self._kept: list[HttpProcess] = []
        self._lock = threading.Lock()

    def asgi(self) -> ASGIApp:
        """Return nothing that is used: every episode has its own way."""
        return _nothing

    def serve(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> Served | None:
        """Start the program, or begin anew with one that runs.

        Raises:
            AppServerError: it does not come to serve, or its reset fails.
        """
        seed, values = int(rng.integers(2**31)), json.dumps(dict(parameters))
        running = self._kept_process(seed, values)
        if running is None:
            environment = {"MILEPOST_SEED": str(seed), "MILEPOST_PARAMETERS": values}
            running = HttpProcess(self._command, folder=self._folder, environment=environment)
            try:
                self._begin_anew(running, seed, values)
            except BaseException:
                running.close()
                raise
        upstream = f"http://127.0.0.1:{running.port}"

        def names(scope: Scope) -> dict[str, str]:
            return {upstream: f"http://{headers_of(scope).get(b'host', b'').decode('latin-1')}"}

        way = Forwarder(upstream, names=names, problem=running.failure)

        async def read() -> dict[str, Any]:
            if self._state is None:
                return {}
            status, _, body = await way.fetch("GET", self._state.encode())
            return read_state(f"{self._command[0]!r} at {self._state}", status, body)

        def close() -> None:
            way.close()
            self._give_back(running)

        return Served(asgi=closed_to_pages(way, [self._state, self._reset]), state=read, close=close)

    def _kept_process(self, seed: int, values: str) -> HttpProcess | None:
        """Return a running program that has begun anew, or None; one that fails to is ended."""
        while True:
            with self._lock:
                if not self._kept:
                    return None
                process = self._kept.pop()
            try:
                self._begin_anew(process, seed, values)
            except AppServerError:
                process.close()
            else:
                return process

    def _begin_anew(self, process: HttpProcess, seed: int, values: str) -> None:
        if self._reset is None:
            return
        try:
            answer = httpx.post(
                f"http://127.0.0.1:{process.port}{self._reset}",
                content=f'{{"seed": {seed}, "parameters": {values}}}',
                headers={"content-type": "application/json"},
                timeout=RESET_TIMEOUT_S,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise process.failure(f"could not be reset at {self._reset}: {error or type(error).__name__}") from error
        if not answer.is_success:
            raise process.failure(
                f"answered its reset, POST {self._reset}, with status {answer.status_code}; answer it with 200 or 204 "
                "once the episode's content is there"
            )

    def _give_back(self, process: HttpProcess) -> None:
        with self._lock:
            if self._reset is not None and process.alive and len(self._kept) < MAX_KEPT:
                self._kept.append(process)
                return
        process.close()


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AppServerError("this application is started for each episode")


__all__ = ["CommandApp"]
