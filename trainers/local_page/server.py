"""A small server for a page that one person opens on this machine.

with LocalServer(app) as server:
    print(server.url)
    server.run()  # until Ctrl-C
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import secrets
import socket
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ...sandbox.errors import RunError
from ...sandbox.http_deadline import http_server
from .gate import Gate

if TYPE_CHECKING:
    from starlette.types import ASGIApp

START_DEADLINE_S = 10.0


class LocalServer:
    """Serves a page on 127.0.0.1 under a random address, behind a `Gate`.

    Args:
        app: the page, without its gate.
        port: where to listen; 0 takes a free one.

    Raises:
        RunError: the port cannot be had.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
            self._socket.listen()  # who is told the address may come before the server is up, and is answered then
        except OSError as error:
            self._socket.close()
            raise RunError(
                f"cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another --port, or leave it out to take "
                "a free one."
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        self._server = http_server(
            Gate(app, token=self.token, port=self.port),
            server_header=False,
            timeout_graceful_shutdown=1,  # a page that waits for pictures would hold it up for longer
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def run(self) -> None:
        """Serve until the process is told to stop; an interrupt is raised again when the server has stopped."""
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Serve on a thread of its own.

        Raises:
            RunError: it does not start.
        """
        started: concurrent.futures.Future[None] = concurrent.futures.Future()

        async def serve() -> None:
            asyncio.get_running_loop().call_soon(started.set_result, None)
            await self._server.serve(sockets=[self._socket])

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), name="milepost-page", daemon=True)
        self._thread.start()
        try:
            started.result(START_DEADLINE_S)
        except TimeoutError as error:
            raise RunError(
                f"the server did not start within {START_DEADLINE_S:g} s on port {self.port}. Is the machine "
                "very busy? Try again, or choose another --port."
            ) from error

    def close(self) -> None:
        """Stop; idempotent."""
        self._server.should_exit = self._server.force_exit = True
        if self._thread is not None:
            self._thread.join(START_DEADLINE_S)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["LocalServer"]
