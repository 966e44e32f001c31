"""Passes requests on to an HTTP server and its answers back: one forwarder per episode.

The browser cannot reach that server itself, so what the application server promises (an origin per episode, no way out,
bounds, deadlines) holds in front of it too. Redirects are not followed here: the browser does that, and is held to the
task's hosts. Cookies are the browser's. Answers are read whole before they are passed on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from ...sandbox.errors import AppServerError
from ...sandbox.request_gate import MAX_ANSWER_BYTES
from .answers import Header, answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 9.0
"""Less than the deadline of a request, so that the reason can be told."""

_NOT_PASSED_ON = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade "
    b"host content-length accept-encoding".split()
)
_NOT_PASSED_BACK = frozenset(
    b"connection keep-alive proxy-authenticate trailer transfer-encoding upgrade content-encoding content-length "
    b"alt-svc strict-transport-security content-security-policy content-security-policy-report-only "
    b"cross-origin-opener-policy cross-origin-embedder-policy cross-origin-resource-policy "
    b"nel report-to reporting-endpoints link permissions-policy x-frame-options date server".split()
)
"""What is about the connection, what would bind the browser to the real host, and what our own rules replace."""
_TEXTUAL = re.compile(
    rb"text/|application/(?:json|javascript|x-javascript|xml|xhtml\+xml|manifest\+json)|image/svg\+xml"
)
_COOKIE_DOMAIN = re.compile(rb";\s*domain=[^;]*", re.IGNORECASE)


class Forwarder:
    """One episode's way to a server.

    Args:
        upstream: "http://127.0.0.1:8000" or "https://example.org", no path.
        names: says of a request as what real addresses appear to the browser: "http://example.org" -> the episode's
            origin. None: texts are passed on as they are.
        trust_env: whether proxies named in the environment are used.
        problem: makes the error from a sentence about what went wrong.
    """

    def __init__(
        self,
        upstream: str,
        *,
        names: Callable[[Scope], Mapping[str, str]] | None = None,
        trust_env: bool = False,
        problem: Callable[[str], AppServerError] = AppServerError,
    ) -> None:
        self._upstream = upstream
        self._names = names
        self._trust_env = trust_env
        self._problem = problem
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            AppServerError: the server cannot be reached, does not answer in time, or answers without end.
        """
        names = _Names({} if self._names is None else self._names(scope))
        body = await _body(receive)
        target = scope.get("raw_path") or scope["path"].encode()
        if scope.get("query_string"):
            target += b"?" + scope["query_string"]
        headers = [(name, names.out(value)) for name, value in scope["headers"] if name not in _NOT_PASSED_ON]
        status, came, content = await self.fetch(scope["method"], target, headers=headers, body=body)
        kind = next((value for name, value in came if name == b"content-type"), b"")
        back = [(name, _bound(name, value, names)) for name, value in came if name not in _NOT_PASSED_BACK]
        if names and _TEXTUAL.match(kind):
            content = names.back(content)
        await answer(send, status, content, back, head_only=scope["method"] == "HEAD")

    async def fetch(
        self, method: str, target: bytes, *, headers: Sequence[Header] = (), body: bytes = b""
    ) -> tuple[int, list[Header], bytes]:
        """Ask the server.

        Args:
            method: as in HTTP.
            target: path and query, percent-encoded.
            headers: of the request, names in lower case; Host and lengths are added.
            body: of the request.

        Returns:
            Status, headers (names in lower case) and the whole body, unpacked.

        Raises:
            AppServerError: see `__call__`.
        """
        client = self._connected()
        url = httpx.URL(self._upstream).copy_with(raw_path=target)
        try:
            async with client.stream(method, url, headers=list(headers), content=body or None) as response:
                parts, size_bytes = [], 0
                async for part in response.aiter_bytes():
                    size_bytes += len(part)
                    if size_bytes > MAX_ANSWER_BYTES:
                        raise self._problem(f"answered {method} {url.path} with more than {MAX_ANSWER_BYTES} bytes")
                    parts.append(part)
                came = [(name.lower(), value) for name, value in response.headers.raw]
                return response.status_code, came, b"".join(parts)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise self._problem(f"could not be asked for {method} {url.path}: {reason}") from error

    def close(self) -> None:
        """Close its connections, in the background; idempotent."""
        client, self._client = self._client, None
        if client is not None and self._loop is not None:
            closing = client.aclose()
            try:
                asyncio.run_coroutine_threadsafe(closing, self._loop)
            except RuntimeError:  # the loop is closed, and its connections with it
                closing.close()

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            self._loop = asyncio.get_running_loop()
            self._client = httpx.AsyncClient(
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
                timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                trust_env=self._trust_env,
            )
        return self._client


class _Names:
    """Real addresses and how they appear to the browser, both ways."""

    def __init__(self, shown: Mapping[str, str]) -> None:
        self._out = {inner.encode(): real.encode() for real, inner in shown.items()}
        self._by_host = {real.partition("://")[2].encode(): inner.encode() for real, inner in shown.items()}
        hosts = b"|".join(re.escape(host) for host in sorted(self._by_host, key=len, reverse=True))
        # As texts write them: with either scheme, with none, and with JSON's escaped slashes; not within a longer name.
        self._pattern = re.compile(
            rb"(?P<scheme>https?:)?(?P<slashes>//|\\/\\/)(?P<host>" + hosts + rb")(?![\w.:-]*[\w:])"
        )

    def __bool__(self) -> bool:
        return bool(self._by_host)

    def out(self, value: bytes) -> bytes:
        """Return what a request says with the browser's addresses replaced by the real ones."""
        for inner, real in self._out.items():
            value = value.replace(inner, real)
        return value

    def back(self, text: bytes) -> bytes:
        """Return what an answer says with the real addresses replaced by the browser's."""
        if not self._by_host:
            return text
        return self._pattern.sub(self._inner, text)

    def _inner(self, match: re.Match[bytes]) -> bytes:
        scheme, _, host = self._by_host[match["host"]].partition(b"//")
        return (scheme if match["scheme"] else b"") + match["slashes"] + host


def _bound(name: bytes, value: bytes, names: _Names) -> bytes:
    if name == b"set-cookie":
        return _COOKIE_DOMAIN.sub(b"", value)
    return names.back(value)


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


__all__ = ["Forwarder"]
