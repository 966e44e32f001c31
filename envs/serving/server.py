"""A server on a socket of its own, run in the foreground or on a thread.

with EnvServer(Sessions(Catalogue.of("expense-form", held_out_seed=1_000_000), most=16, idle_s=1800)) as server:
    print(server.url)
    server.run()  # until Ctrl-C
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ipaddress
import socket
import threading
from collections.abc import Collection
from types import TracebackType
from typing import Self

from ...sandbox.errors import RunError
from ...sandbox.http_deadline import http_server
from .app import serve_app
from .gate import ServeGate
from .messages import MAX_MESSAGE_BYTES
from .sessions import Sessions

START_DEADLINE_S = 10.0
CLOSE_DEADLINE_S = 30.0


class EnvServer:
    """Serves tasks by the OpenEnv protocol.

    Args:
        sessions: what its clients have.
        host: the address to listen on.
        port: 0 takes a free one.
        hosts: names that clients may call it by, besides numbers and "localhost"; "*": any.
        token: what clients must send as `Authorization: Bearer TOKEN`; None: nothing.

    Raises:
        RunError: the address cannot be had.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        hosts: Collection[str] = (),
        token: str | None = None,
    ) -> None:
        self.sessions = sessions
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            raise RunError(
                f"cannot listen on {host}:{port}: {error.strerror or error}. Choose another --host or --port; "
                "--port 0 takes a free one."
            ) from error
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._server = http_server(
            ServeGate(serve_app(sessions), hosts=hosts, token=token),
            lifespan="on",  # whose end closes the sessions
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE_BYTES,
            server_header=False,
            limit_concurrency=2 * sessions.most + 64,
            timeout_graceful_shutdown=5,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address for clients on this machine."""
        host = self.host
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return f"http://{host}:{self.port}"
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def run(self) -> None:
        """Serve until the process is told to stop; an interrupt is raised again when all sessions are closed."""
        asyncio.run(self._serve())

    def start(self) -> None:
        """Serve on a thread of its own.

        Raises:
            RunError: it does not start.
        """
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="milepost-serve", daemon=True
        )
        self._thread.start()
        try:
            started.result(START_DEADLINE_S)
        except TimeoutError as error:
            raise RunError(
                f"the server did not start within {START_DEADLINE_S:g} s on port {self.port}. Is the machine very "
                "busy? Try again."
            ) from error

    def close(self) -> None:
        """Stop; idempotent."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(CLOSE_DEADLINE_S)
        self._socket.close()

    async def _serve(self, started: concurrent.futures.Future[None] | None = None) -> None:
        if started is not None:
            asyncio.get_running_loop().call_soon(started.set_result, None)
        await self._server.serve(sockets=[self._socket])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["EnvServer"]
