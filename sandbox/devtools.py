"""A direct DevTools connection to one browser: what a step needs goes past Playwright's driver.

Playwright starts the browser and makes its contexts and pages. Its driver is a process of its own, through which every
command and every event of every page passes; a step that talks to the browser itself takes a third of the time.
Messages are sent in the order in which they were started. Nothing here has a deadline: see `Channel`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from .errors import BrowserCrashedError
from .page_json import read_json

CONNECT_DEADLINE_S = 10.0
Handler = Callable[[dict[str, Any]], None]


class DevToolsError(Exception):
    """The browser answered a command with an error; internal to the sandbox."""


class DevToolsSession:
    """One attached target, such as a page.

    Attributes:
        target_id: the target's id.
        lost: resolved with the reason once the target or the connection is gone.
    """

    def __init__(self, connection: DevTools, session_id: str, target_id: str) -> None:
        self.target_id = target_id
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._id = session_id
        self._handlers: dict[str, list[Handler]] = {}

    def on(self, event: str, handler: Handler) -> None:
        """Call `handler` with the parameters of each `event` of this target."""
        self._handlers.setdefault(event, []).append(handler)

    def off(self, event: str, handler: Handler) -> None:
        """End an `on`."""
        self._handlers[event].remove(handler)

    def start(self, method: str, parameters: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        """Send a command; the future holds its result, DevToolsError, or ConnectionError."""
        return self._connection.start(method, parameters, session_id=self._id)

    def handle(self, method: str, parameters: dict[str, Any]) -> None:
        """Give an event to its handlers."""
        for handler in tuple(self._handlers.get(method, ())):
            handler(parameters)

    def lose(self, reason: str) -> None:
        """Say that nothing will come from this target any more."""
        if not self.lost.done():
            self.lost.set_result(reason)


class DevTools(asyncio.Protocol):
    """The connection; made by `connect`.

    Attributes:
        frames: held while a frame is drawn. Frames drawn at once for two pages bring Chromium down.
        clipboard: held while the browser's one clipboard is used.
    """

    def __init__(self, url: str) -> None:
        self.frames = asyncio.Lock()
        self.clipboard = asyncio.Lock()
        self._websocket = ClientProtocol(parse_uri(url), max_size=None)
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._sessions: dict[str, DevToolsSession] = {}
        self._handlers: dict[str, list[Handler]] = {}
        self._fragments: list[bytes] = []
        self._last_id = 0
        self._lost: str | None = None

    @classmethod
    async def connect(cls, url: str) -> DevTools:
        """Connect to a browser.

        Args:
            url: its address, "ws://127.0.0.1:<port>/devtools/browser/<id>".

        Raises:
            BrowserCrashedError: it does not answer.
        """
        parts = urlsplit(url)
        connection = cls(url)
        try:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, parts.hostname or "127.0.0.1", parts.port or 9222
                )
                await connection._opened
        except (OSError, TimeoutError) as error:
            connection.close()
            raise BrowserCrashedError(f"the browser's DevTools at {url} do not answer: {error}") from error
        return connection

    def on(self, event: str, handler: Handler) -> None:
        """Call `handler` with the parameters of each `event` of the browser itself."""
        self._handlers.setdefault(event, []).append(handler)

    def start(
        self, method: str, parameters: dict[str, Any] | None = None, *, session_id: str = ""
    ) -> asyncio.Future[dict[str, Any]]:
        """Send a command; the future holds its result, DevToolsError, or ConnectionError."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if self._lost is not None:
            _fail(future, ConnectionError(self._lost))
            return future
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": parameters or {}}
        if session_id:
            message["sessionId"] = session_id
        self._pending[self._last_id] = future
        self._websocket.send_text(orjson.dumps(message))
        self._flush()
        return future

    async def attach(self, target_id: str) -> DevToolsSession:
        """Attach to a target.

        Raises:
            DevToolsError: there is no such target.
            ConnectionError: the browser is gone.
        """
        answer = await self.start("Target.attachToTarget", {"targetId": target_id, "flatten": True})
        session = self._sessions.get(answer["sessionId"])
        return session or self._adopt(answer["sessionId"], target_id)

    def close(self) -> None:
        """Close the connection; idempotent."""
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade to a web socket."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._websocket.send_request(self._websocket.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take bytes in and handle the messages that they complete."""
        self._websocket.receive_data(data)
        self._flush()
        for event in self._websocket.events_received():
            if isinstance(event, Frame):
                if event.opcode in (Opcode.TEXT, Opcode.CONT):
                    self._take(event)
            elif not self._opened.done():
                refused = self._websocket.handshake_exc
                if refused is None:
                    self._opened.set_result(None)
                else:
                    _fail(self._opened, ConnectionError(str(refused)))

    def connection_lost(self, error: Exception | None) -> None:
        """Fail what is waiting."""
        self._lost = "the connection to the browser was lost"
        if not self._opened.done():
            _fail(self._opened, ConnectionError(self._lost))
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                _fail(future, ConnectionError(self._lost))
        for session in list(self._sessions.values()):
            session.lose("the browser died")
        self._sessions.clear()

    # ------------------------------------------------------------------ inside

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._websocket.data_to_send():
            if self._transport.is_closing():  # the browser was killed a moment ago; `connection_lost` says so next
                continue
            if data:
                self._transport.write(data)
            else:
                self._transport.write_eof()

    def _take(self, frame: Frame) -> None:
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            data = self._fragments[0] if len(self._fragments) == 1 else b"".join(self._fragments)
            self._fragments = []
            self._handle(read_json(data))

    def _handle(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        if number is not None:
            future = self._pending.pop(number, None)
            if future is None or future.done():
                return
            if "error" in message:
                _fail(future, DevToolsError(message["error"].get("message", str(message["error"]))))
            else:
                future.set_result(message["result"])
            return
        method, parameters = message["method"], message["params"]
        if method == "Target.attachedToTarget":
            self._adopt(parameters["sessionId"], parameters["targetInfo"]["targetId"])
        elif method == "Target.detachedFromTarget":
            session = self._sessions.pop(parameters["sessionId"], None)
            if session is not None:
                session.lose("the page was closed or its process died")
        session_id = message.get("sessionId")
        if session_id is None:
            for handler in self._handlers.get(method, ()):
                handler(parameters)
        elif (session := self._sessions.get(session_id)) is not None:
            session.handle(method, parameters)

    def _adopt(self, session_id: str, target_id: str) -> DevToolsSession:
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = DevToolsSession(self, session_id, target_id)
        return session


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    """Give an awaited answer its error; that nobody waits for it any more is no cause to complain."""
    future.set_exception(error)
    future.exception()


__all__ = ["DevTools", "DevToolsError", "DevToolsSession"]
