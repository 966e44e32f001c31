"""Stops a navigation that leads off the task's hosts before its request is sent, wherever it starts.

Chromium pauses the requests for documents, and only those: a step that loads no document costs nothing, one that does
costs a message each way. What is not allowed is aborted rather than failed, so the page stays as it was, with all that
has been typed into it, instead of giving way to an error page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .channel import Channel

PATTERNS = ({"urlPattern": "*", "resourceType": "Document"},)


class NavigationGuard:
    """Holds one page's documents, those of its frames and the redirects on their way included, to an allow-list.

    Attributes:
        allowed: hosts, each with its port if it has one; empty lets everything pass, between episodes.
    """

    def __init__(self, channel: Channel) -> None:
        self.allowed: frozenset[str] = frozenset()
        self._channel = channel
        self._refused: list[str] = []
        channel.on("Fetch.requestPaused", self._on_paused)

    async def start(self) -> None:
        """Begin to watch; once, when the page is made.

        Raises:
            SandboxError: the browser refused.
        """
        await self._channel.send("Fetch.enable", patterns=list(PATTERNS))

    def take_refused(self) -> list[str]:
        """Return, and forget, the addresses that have been refused since the last call."""
        refused, self._refused = self._refused, []
        return refused

    def _on_paused(self, event: dict[str, Any]) -> None:
        request_id, url = event["requestId"], event["request"]["url"]
        parts = urlsplit(url)
        if not self.allowed or parts.scheme not in ("http", "https") or parts.netloc in self.allowed:
            self._channel.start("Fetch.continueRequest", requestId=request_id)
            return
        self._refused.append(url)
        self._channel.start("Fetch.failRequest", requestId=request_id, errorReason="Aborted")


__all__ = ["NavigationGuard"]
