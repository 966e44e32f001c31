"""Who is let in, and how much is read of them.

Every page in a browser of this machine can reach 127.0.0.1, and whoever can reach the port can make the server start
pages. So:

1. The Host header must be a number, "localhost", or a name that was allowed: a name that was pointed at this machine
   (DNS rebinding) is refused.
2. What a browser says comes from another site (Origin, Sec-Fetch-Site) is refused. WebSockets need this most: no
   browser holds them to their own origin.
3. Where a token is set, it must be in the Authorization header, but for /health.
4. A body is JSON, of at most MAX_MESSAGE_BYTES, and comes within BODY_DEADLINE_S.

Not kept out: programs of this machine, if no token is set.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Collection
from typing import TYPE_CHECKING

from ...sandbox.whole_body import read_body, replay
from .messages import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_DEADLINE_S = 10.0
ANY_HOST = "*"
_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class ServeGate:
    """An ASGI application that lets through to another one what it should see.

    Args:
        app: the other.
        hosts: names that the Host header may hold besides numbers and "localhost"; "*" allows any.
        token: what must follow "Bearer " in the Authorization header; None asks for nothing.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] = (), token: str | None = None) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            refused = self.refusal(scope)
            if refused is None:
                await self._app(scope, receive, send)
            else:
                await receive()  # its "connect"
                await _plain(send, *refused, kind="websocket.http.response")
            return
        if scope["type"] != "http":  # the server's own start and end
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        refused = self.refusal(scope)
        body: bytes | None = b""
        if refused is None and scope["method"] == "POST":
            try:
                async with asyncio.timeout(BODY_DEADLINE_S):
                    body = await read_body(receive, MAX_MESSAGE_BYTES)
            except TimeoutError:
                refused = 408, f"the body did not come within {BODY_DEADLINE_S:g} s"
            if body is None:
                refused = 413, f"at most {MAX_MESSAGE_BYTES} bytes are read"
        if refused is not None:
            await _plain(marked, *refused)
            return
        await self._app(scope, replay(body or b"", receive), marked)

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return why a request is turned away, as (status, reason), or None to let it pass."""
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value.decode("latin-1"))
        host = headers.get(b"host", [])
        if len(host) != 1 or not self._may_be(_name_of(host[0])):
            return 421, "this Host is not served here; `milepost serve --allow-host NAME` allows a name"
        if any(site not in ("none", "same-origin") for site in headers.get(b"sec-fetch-site", [])):
            return 403, "a browser says that another site asks for this"
        if any(origin.partition("://")[2] != host[0] for origin in headers.get(b"origin", [])):
            return 403, "a browser says that another site asks for this"
        if self._token is not None and scope["path"] != "/health":
            given = headers.get(b"authorization", [])
            if len(given) != 1 or not secrets.compare_digest(given[0].encode(), f"Bearer {self._token}".encode()):
                return 401, "expected the header `Authorization: Bearer TOKEN` with the server's token"
        if scope["type"] == "websocket" or scope["method"] in ("GET", "HEAD", "DELETE"):
            return None
        if scope["method"] != "POST":
            return 405, "expected GET or POST"
        kind = headers.get(b"content-type", [])
        if len(kind) != 1 or kind[0].partition(";")[0].strip().lower() != "application/json":
            return 415, "expected JSON (Content-Type: application/json)"
        return None

    def _may_be(self, name: str) -> bool:
        if ANY_HOST in self._hosts or name == "localhost" or name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _name_of(host: str) -> str:
    """Return a Host header's name without its port, and an address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


async def _plain(send: Send, status: int, reason: str, *, kind: str = "http.response") -> None:
    body = f"{status}: {reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


__all__ = ["ANY_HOST", "BODY_DEADLINE_S", "ServeGate"]
