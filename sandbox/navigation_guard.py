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
MOST_LOADS = 20  # of the main frame in a step; a page that submits or reloads itself would never be done


class NavigationGuard:
    """Holds one page's documents, those of its frames and the redirects on their way included, to an allow-list.

    Attributes:
        allowed: hosts, each with its port if it has one, between episodes none; None lets everything pass.
    """

    def __init__(self, channel: Channel, frame_id: str) -> None:
        self.allowed: frozenset[str] | None = None
        self._channel = channel
        self._frame_id = frame_id
        self._loads = 0
        self._refused: list[str] = []
        channel.on("Fetch.requestPaused", self._on_paused)

    async def start(self) -> None:
        """Begin to watch; once, when the page is made.

        Raises:
            SandboxError: the browser refused.
        """
        await self._channel.send("Fetch.enable", patterns=list(PATTERNS))

    def count_anew(self) -> None:
        """Let the page load as much again: a step begins."""
        self._loads = 0

    def take_refused(self) -> list[str]:
        """Return, and forget, what has been refused since the last call, and why."""
        refused, self._refused = self._refused, []
        return refused

    def _on_paused(self, event: dict[str, Any]) -> None:
        request_id, url = event["requestId"], event["request"]["url"]
        refusal = self._refusal(url)
        if refusal is None and event["frameId"] == self._frame_id and "redirectedRequestId" not in event:
            self._loads += 1
            if self._loads > MOST_LOADS:
                refusal = f"{url!r} is not loaded: the page has loaded one address after another, {MOST_LOADS} by now"
        if refusal is None:
            self._channel.start("Fetch.continueRequest", requestId=request_id)
            return
        self._refused.append(refusal)
        self._channel.start("Fetch.failRequest", requestId=request_id, errorReason="Aborted")

    def _refusal(self, url: str) -> str | None:
        parts = urlsplit(url)
        if self.allowed is None or parts.scheme not in ("http", "https") or parts.netloc in self.allowed:
            return None
        return f"{url!r} is refused: it is not one of this task's"


__all__ = ["NavigationGuard"]
