"""One page's DevTools session: every call has a deadline, and every failure is one of ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .devtools import DevToolsError
from .errors import BrowserCrashedError, MilepostError, PageHungError, SandboxError

if TYPE_CHECKING:
    from .devtools import DevToolsSession, Handler

CALL_DEADLINE_S = 10.0
GONE = ("Target crashed", "Session with given id not found", "Target closed")
REPLACED = ("Inspected target navigated", "Cannot find context", "context was destroyed", "uniqueContextId not found")


class ContextGoneError(MilepostError):
    """The document that a call was meant for has been replaced; internal to the sandbox, never seen outside."""


class DialogOpenError(MilepostError):
    """A dialog has opened, and the page stands still until it is answered; internal to the sandbox."""


class Channel:
    """Sends DevTools commands to one page.

    Attributes:
        dead: resolved with the reason once the page or its browser has died; no call outlasts it.
    """

    def __init__(self, session: DevToolsSession) -> None:
        self._session = session
        self.dead = session.lost
        self._held: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on(self, event: str, handler: Handler) -> None:
        """Call `handler` with the parameters of each `event`."""
        self._session.on(event, handler)

    def off(self, event: str, handler: Handler) -> None:
        """End an `on`."""
        self._session.off(event, handler)

    def kill(self, reason: str) -> None:
        """Mark the page as dead and fail what is waiting on it."""
        self._session.lose(reason)

    def hold(self) -> None:
        """Give up what is waiting, with DialogOpenError: the page answers nothing until `release`."""
        if not self._held.done():
            self._held.set_result(None)

    def release(self) -> None:
        """End a `hold`."""
        self._held = asyncio.get_running_loop().create_future()

    def start(self, method: str, **parameters: Any) -> asyncio.Future[dict[str, Any]]:
        """Send a command without waiting; commands started in a row reach the page in that order."""
        return self._session.start(method, parameters)

    async def finish(
        self, call: asyncio.Future[dict[str, Any]], method: str, *, timeout_s: float = CALL_DEADLINE_S
    ) -> dict[str, Any]:
        """Wait for a started command.

        Raises:
            PageHungError: no answer within `timeout_s` seconds.
            BrowserCrashedError: the page or its browser died.
            ContextGoneError: the document was replaced while the command ran.
            DialogOpenError: a dialog holds the page.
            SandboxError: the browser refused the command.
        """
        await self.until(call, what=method, timeout_s=timeout_s)
        try:
            return call.result()
        except ConnectionError as error:
            raise BrowserCrashedError(f"the browser died while answering {method}: {error}") from error
        except DevToolsError as error:
            text = str(error)
            if any(mark in text for mark in GONE):
                raise BrowserCrashedError(f"the page died while answering {method}: {text}") from error
            if any(mark in text for mark in REPLACED):
                raise ContextGoneError(text) from error
            raise SandboxError(f"the browser refused {method}: {text}") from error

    async def send(self, method: str, *, timeout_s: float = CALL_DEADLINE_S, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; raises like `finish`."""
        return await self.finish(self.start(method, **parameters), method, timeout_s=timeout_s)

    async def within(self, future: asyncio.Future[Any], timeout_s: float) -> bool:
        """Tell whether `future` is done within `timeout_s` seconds; it goes on if not, and nothing is raised."""
        if not future.done():
            awaited = (future, self.dead, self._held)
            await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return future.done()

    async def until(self, future: asyncio.Future[Any], *, what: str, timeout_s: float) -> None:
        """Wait until `future` is done; on failure it is cancelled.

        Raises:
            PageHungError: it was not done within `timeout_s` seconds.
            BrowserCrashedError: the page or its browser died first.
            DialogOpenError: a dialog holds the page.
        """
        if await self.within(future, timeout_s):
            return
        if self._held.done() and not self.dead.done():
            raise DialogOpenError("a dialog is open")
        future.cancel()
        if self.dead.done():
            raise BrowserCrashedError(f"{self.dead.result()} (during {what})")
        raise PageHungError(
            f"the page did not answer {what} within {timeout_s:g} s; a script of it may be in an endless loop"
        )


__all__ = ["CALL_DEADLINE_S", "Channel", "ContextGoneError", "DialogOpenError"]
