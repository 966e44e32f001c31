"""uvicorn as our servers run it: HTTP/1.1, silent, and with a deadline for the head of a request.

Without the deadline a half-sent request would hold its connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import h11
    from starlette.types import ASGIApp

HEAD_DEADLINE_S = 10.0


class DeadlineProtocol(H11Protocol):
    """Closes a connection whose next request's head is not complete HEAD_DEADLINE_S seconds after its first byte.

    The first head's time runs from the connection on. uvicorn's keep-alive time covers the rest between two requests,
    and the application server's deadline for a request covers its body.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the first head's time."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_DEADLINE_S, transport.close)

    def data_received(self, data: bytes) -> None:
        """Stop the time when a head is complete, start it when one begins."""
        super().data_received(data)
        if self._upgraded or (self.cycle is not None and not self.cycle.response_complete):
            self._stop()
        else:
            self._start()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the WebSocket's protocol, which has deadlines of its own."""
        self._upgraded = True
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Start the time of a head that came with the request before."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:  # part of the next request came with the last one
            self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(HEAD_DEADLINE_S, self.transport.close)

    def _stop(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def http_server(app: ASGIApp, **settings: Any) -> uvicorn.Server:
    """Return a server for an application: no log, and unless `settings` say otherwise no WebSockets and no lifespan.

    Args:
        app: the application.
        settings: further ones of `uvicorn.Config`.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            interface="asgi3",
            http=DeadlineProtocol,
            access_log=False,
            log_config=None,
            log_level="critical",
            **({"lifespan": "off", "ws": "none"} | settings),
        )
    )


__all__ = ["HEAD_DEADLINE_S", "DeadlineProtocol", "http_server"]
