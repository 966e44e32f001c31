"""How many clients there are at once, and when one that nobody uses ends."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from ...sandbox.errors import SandboxError
from .catalogue import Catalogue
from .messages import ErrorCode, ServeError
from .session import Session

ANONYMOUS = ""
"""The key of the one episode of plain HTTP that goes by no id."""


class Sessions:
    """Opens and closes sessions; one that is closing still counts until its page is free.

    Args:
        catalogue: what they may ask for.
        most: most sessions at once, by WebSocket and plain HTTP together.
        idle_s: seconds without a request after which a session ends.
        screenshots: whether observations carry a picture.
    """

    def __init__(self, catalogue: Catalogue, *, most: int, idle_s: float, screenshots: bool = False) -> None:
        self.catalogue = catalogue
        self.most = most
        self.idle_s = idle_s
        self._screenshots = screenshots
        self._open: set[Session] = set()
        self._by_id: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._open)

    def open(self) -> Session:
        """Return a new session.

        Raises:
            ServeError: there are as many as there may be.
        """
        if len(self._open) >= self.most:
            raise ServeError(
                f"all {self.most} sessions are taken; close one, wait, or serve with a higher --max-sessions",
                ErrorCode.CAPACITY_REACHED,
                status=503,
            )
        session = Session(self.catalogue, screenshots=self._screenshots)
        self._open.add(session)
        return session

    async def close(self, session: Session) -> None:
        """End a session, whatever becomes of its page."""
        try:
            with suppress(SandboxError):  # a page that cannot be closed is the fleet's to discard
                await session.close()
        finally:
            self._open.discard(session)

    def named(self, episode_id: str | None) -> Session:
        """Return plain HTTP's session of an episode, opening it if it is new; raises like `open`."""
        key = ANONYMOUS if episode_id is None else episode_id
        session = self._by_id.get(key)
        if session is None:
            session = self._by_id[key] = self.open()
            task = asyncio.ensure_future(self._end_when_idle(key, session))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return session

    def known(self, episode_id: str | None) -> Session | None:
        """Return plain HTTP's session of an episode, if there is one."""
        return self._by_id.get(ANONYMOUS if episode_id is None else episode_id)

    async def forget(self, episode_id: str | None) -> None:
        """End plain HTTP's session of an episode, if there is one."""
        session = self._by_id.pop(ANONYMOUS if episode_id is None else episode_id, None)
        if session is not None:
            await self.close(session)

    async def close_all(self) -> None:
        """End every session."""
        for task in self._tasks:
            task.cancel()
        self._by_id.clear()
        await asyncio.gather(*(self.close(session) for session in list(self._open)))

    async def _end_when_idle(self, key: str, session: Session) -> None:
        while (left_s := session.used_s + self.idle_s - time.monotonic()) > 0:
            await asyncio.sleep(left_s)
        if self._by_id.get(key) is session:
            del self._by_id[key]
            await self.close(session)


__all__ = ["ANONYMOUS", "Sessions"]
