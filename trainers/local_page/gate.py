"""What keeps others out of a page of this machine: other websites in the same browser, and whoever lacks its address.

The server listens on 127.0.0.1, which every page in the browser and every user of the machine can reach. So:

1. The address holds a random token; without it nothing is answered but 404.
2. The Host header must be the server's own, so that a name that was pointed at 127.0.0.1 (DNS rebinding) is refused.
3. What the browser says comes from another site is refused, and what changes something must come from the page itself
   (Origin) as JSON, which no form can send.
4. The page may load nothing but its own files, run no script but its own, and make no HTML out of text.

Not kept out: programs of the same user, who can read the file and the terminal anyway.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ...sandbox.whole_body import read_body, replay

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 16 * 1024
HOSTS = ("127.0.0.1", "localhost")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]


class Gate:
    """An ASGI application that lets only the page's own requests through to another one.

    Args:
        app: sees paths without the token.
        token: the first part of every path.
        port: the server's.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {f"{host}:{port}".encode() for host in HOSTS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # the server is set up to offer nothing else
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        refused = self.refusal(scope)
        if refused is not None:
            await _plain(guarded, *refused)
            return
        body = None
        if scope["method"] == "POST":
            body = await read_body(receive, MAX_BODY_BYTES)
            if body is None:
                await _plain(guarded, 413, f"at most {MAX_BODY_BYTES} bytes can be sent")
                return
        _, _, rest = scope["path"].removeprefix("/").partition("/")
        inner = {**scope, "path": "/" + rest, "raw_path": ("/" + rest).encode("utf-8", "surrogateescape")}
        await self._app(inner, receive if body is None else replay(body, receive), guarded)

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return why a request is turned away, as (status, reason), or None to let it pass."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        host = headers.get(b"host", [])
        if len(host) != 1 or host[0] not in self._hosts:
            return 421, "open the address that was printed, as it was printed"
        first, slash, _ = scope["path"].removeprefix("/").partition("/")
        if not secrets.compare_digest(first.encode("utf-8", "surrogateescape"), self._token) or not slash:
            return 404, "there is nothing here; open the address that was printed"
        if any(site not in (b"none", b"same-origin") for site in headers.get(b"sec-fetch-site", [])):
            return 403, "another site asked for this; open the address that was printed"
        origins = headers.get(b"origin", [])
        own = b"http://" + host[0]
        if scope["method"] in ("GET", "HEAD"):
            return None if not origins or origins == [own] else (403, "another site asked for this")
        if scope["method"] != "POST":
            return 405, "expected GET or POST"
        if origins != [own]:
            return 403, "changes are taken from the page itself only"
        kind = headers.get(b"content-type", [])
        if len(kind) != 1 or kind[0].split(b";")[0].strip().lower() != b"application/json":
            return 415, "expected JSON"
        return None


async def _plain(send: Send, status: int, reason: str) -> None:
    body = f"{status}: {reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


__all__ = ["CONTENT_POLICY", "HOSTS", "MAX_BODY_BYTES", "Gate"]
