"""uvicorn's HTTP protocol with a deadline for the head of a request, so that no half-sent one holds a connection."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_DEADLINE_S = 10.0


class DeadlineProtocol(H11Protocol):
    """Closes a connection whose next request's head is not complete HEAD_DEADLINE_S seconds after its first byte.

    The first head's time runs from the connection on. uvicorn's keep-alive time covers the rest between two requests,
    and the application server's deadline for a request covers its body.
    """

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the first head's time."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_DEADLINE_S, transport.close)

    def data_received(self, data: bytes) -> None:
        """Stop the time when a request has begun, start it when a head has begun."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        else:
            self._start()

    def on_response_complete(self) -> None:
        """Start the time of a head whose beginning came with the last request."""
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


__all__ = ["HEAD_DEADLINE_S", "DeadlineProtocol"]
