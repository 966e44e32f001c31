"""The pages of one Chromium of a fleet: lent to episodes, cleared and kept warm, and retired with their browser."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .app_server import AppServer
from .browser_process_guard import ProcessGuard
from .devtools import DevTools, DevToolsError
from .errors import BrowserCrashedError, SandboxError
from .fleet_browser import FleetBrowser
from .fleet_driver import FleetDriver
from .page import VIEWPORT, PageSession

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

OPEN_DEADLINE_S = 20.0
ANSWER_DEADLINE_S = 4.0
CLEAR_DEADLINE_S = 10.0
CLOSE_DEADLINE_S = 4.0
WEIGH_EVERY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLimits:
    """When a fleet starts another Chromium, and when it replaces what it has, so that nothing grows without end.

    Attributes:
        contexts_per_browser: most pages, lent and warm, of one Chromium, >= 1.
        episodes_per_context: a page is replaced after so many, >= 1.
        episodes_per_browser: a Chromium is retired after so many, >= 1.
        age_s: a page is replaced, and a Chromium retired, after so many seconds. The clock of a page's process is sent
            `settle.WARM_MS` ahead when it starts, and must stay ahead of the real one.
        memory_bytes: a Chromium is retired when all its processes together take more.
    """

    contexts_per_browser: int = 16
    episodes_per_context: int = 50
    episodes_per_browser: int = 5_000
    age_s: float = 2 * 3_600.0
    memory_bytes: int = 3 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserInfo:
    """One Chromium of a fleet, as reported by `Fleet.browsers`.

    Attributes:
        pid: the process that leads its process group, or None where the system does not say.
        episodes: how many it has begun.
        lent: pages that episodes have.
        warm: pages that wait for one.
        retiring: why it takes no new episodes, or None.
    """

    pid: int | None
    episodes: int
    lent: int
    warm: int
    retiring: str | None


class BrowserShard:
    """A Chromium and up to `contexts_per_browser` pages in it, a browser context each.

    Lives on the browser thread's loop. Made and used by `Fleet`, which reserves a place before each `lend`.

    Attributes:
        browser: the Chromium, starting or started.
        reserved: episodes that are getting their page.
        lent: pages that episodes have.
        episodes: how many have begun.
        retiring: why it takes no new episodes, or None.
    """

    def __init__(self, driver: FleetDriver, guard: ProcessGuard, limits: FleetLimits) -> None:
        self.reserved = 0
        self.lent: set[PageSession] = set()
        self.episodes = 0
        self.retiring: str | None = None
        self._limits = limits
        self._idle: deque[tuple[PageSession, asyncio.Task[None]]] = deque()
        self._background: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()  # a new context is told from the others by there being one more
        self._born = self._weighed = time.monotonic()
        self.browser = FleetBrowser(driver, guard, self._idle.clear)

    @property
    def load(self) -> int:
        """Episodes that have a page or are getting one."""
        return len(self.lent) + self.reserved

    @property
    def warm(self) -> int:
        """Pages that wait for an episode."""
        return len(self._idle)

    @property
    def has_room(self) -> bool:
        """Whether another page may be opened."""
        return self.load + self.warm < self._limits.contexts_per_browser

    def takes_episodes(self) -> bool:
        """Say whether an episode may begin here; a Chromium that is due for it is retired by asking."""
        if self.browser.dead is None and self.retiring is None:
            if self.episodes >= self._limits.episodes_per_browser:
                self.retire(f"it has served {self.episodes} episodes")
            elif time.monotonic() - self._born > self._limits.age_s:
                self.retire(f"it is older than {self._limits.age_s:g} s")
        return self.browser.dead is None and self.retiring is None

    def describe(self) -> BrowserInfo:
        """Return what it is doing."""
        return BrowserInfo(
            pid=self.browser.pid,
            episodes=self.episodes,
            lent=len(self.lent),
            warm=self.warm,
            retiring=self.retiring,
        )

    async def lend(self) -> PageSession:
        """Return a clean page that answers: a warm one, or a new one.

        Raises:
            BrowserCrashedError: the browser is dead, or cannot open a page.
        """
        session = await self._warm_page() or await self._open_page()
        self.episodes += 1
        self.lent.add(session)
        return session

    def take_back(self, session: PageSession) -> None:
        """Clear a page in the background and keep it warm, or close it if it is spent."""
        self.lent.discard(session)
        if self.takes_episodes() and session.broken is None and not self._is_old(session):
            self._keep(session)
            self._weigh_now_and_then()
        else:
            self._discard(session)
        self.close_if_done()

    def retire(self, reason: str) -> None:
        """Begin no more episodes here, and close when the last one ends."""
        if self.retiring is None:
            self.retiring = reason
            while self._idle:
                self._discard(self._idle.popleft()[0])
            self.close_if_done()

    def close_if_done(self) -> None:
        """Close a retired browser whose last episode has ended."""
        if self.retiring is not None and self.browser.dead is None and self.load == 0:
            self._in_background(self.browser.close())

    async def close(self) -> None:
        """End the browser and everything in it."""
        self.retiring = self.retiring or "it was closed"
        self._idle.clear()
        await self.browser.close()

    async def _warm_page(self) -> PageSession | None:
        """Return a warm page that answers, or None if there is none."""
        while self._idle:
            # One that is already cleared, if there is one.
            entry = next((entry for entry in self._idle if entry[1].done()), self._idle[0])
            self._idle.remove(entry)
            session, cleared = entry
            try:
                await asyncio.wait({cleared})
                if session.broken is None and not self._is_old(session):
                    async with asyncio.timeout(ANSWER_DEADLINE_S):
                        if await session.answers():
                            return session
            except TimeoutError:
                session.broken = "it did not answer between two episodes"
            except BaseException:
                self._discard(session)
                raise
            self._discard(session)
            if session.broken is not None and not await self.browser.check():
                raise BrowserCrashedError(f"the browser cannot be used any more: {self.browser.dead}")
        return None

    async def _open_page(self) -> PageSession:
        """Return a new page; one that nobody waits for any more when it comes is kept warm."""
        opening = asyncio.ensure_future(self._new_session())
        try:
            async with asyncio.timeout(OPEN_DEADLINE_S):
                return await asyncio.shield(opening)
        except TimeoutError as error:
            opening.cancel()
            raise BrowserCrashedError(f"the browser did not open a page within {OPEN_DEADLINE_S:g} s") from error
        except asyncio.CancelledError:
            opening.add_done_callback(self._adopt)
            raise

    async def _new_session(self) -> PageSession:
        from playwright.async_api import Error

        browser, devtools = await self.browser.ready()
        context: BrowserContext | None = None
        try:
            async with self._opening:
                known = await _context_ids(devtools)
                context = await browser.new_context(
                    viewport={"width": VIEWPORT[0], "height": VIEWPORT[1]},
                    device_scale_factor=1,
                    locale="en-US",
                    timezone_id="UTC",
                    color_scheme="light",
                    reduced_motion="reduce",
                    service_workers="block",
                    accept_downloads=True,
                )
                (context_id,) = await _context_ids(devtools) - known
            return await PageSession.create(context, context_id, devtools, AppServer.shared().warm_url)
        except BaseException as error:
            if context is not None:
                self._in_background(_close_context(context))
            if isinstance(error, (Error, ConnectionError, DevToolsError)):
                raise BrowserCrashedError(f"the browser could not open a page: {str(error).splitlines()[0]}") from error
            raise

    def _adopt(self, opening: asyncio.Task[PageSession]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            if self.takes_episodes():
                self._idle.append((opening.result(), asyncio.ensure_future(asyncio.sleep(0))))
            else:
                self._discard(opening.result())

    def _keep(self, session: PageSession) -> None:
        cleared = asyncio.ensure_future(self._clear(session))
        entry = (session, cleared)
        self._idle.append(entry)

        def drop_if_broken(_: asyncio.Task[None]) -> None:
            if session.broken is not None and entry in self._idle:
                self._idle.remove(entry)
                self._discard(session)  # now, not when the next episode finds it: its script may be in a loop

        cleared.add_done_callback(drop_if_broken)

    async def _clear(self, session: PageSession) -> None:
        try:
            await asyncio.wait_for(session.clear(), CLEAR_DEADLINE_S)
        except (SandboxError, TimeoutError) as error:
            session.broken = session.broken or str(error) or "it could not be cleared"

    def _discard(self, session: PageSession) -> None:
        """Close a page, which ends its process; if that was for a failure, ask whether the browser has failed."""
        self._in_background(self._end_page(session, failed=session.broken is not None))

    async def _end_page(self, session: PageSession, *, failed: bool) -> None:
        if self.browser.dead is None:
            closing = asyncio.ensure_future(session.close())
            if failed:
                await self.browser.check()
            await asyncio.wait({closing})

    def _is_old(self, session: PageSession) -> bool:
        return (
            session.episodes >= self._limits.episodes_per_context
            or time.monotonic() - session.born > self._limits.age_s
        )

    def _weigh_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._weighed >= WEIGH_EVERY_S:
            self._weighed = now
            self._in_background(self._weigh())

    async def _weigh(self) -> None:
        taken_bytes = await asyncio.to_thread(self.browser.memory_bytes)
        if taken_bytes is not None and taken_bytes > self._limits.memory_bytes:
            self.retire(f"it takes {taken_bytes / 1e6:.0f} MB")

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _context_ids(devtools: DevTools) -> set[str]:
    return set((await devtools.start("Target.getBrowserContexts"))["browserContextIds"])


async def _close_context(context: BrowserContext) -> None:
    from playwright.async_api import Error

    with contextlib.suppress(Error, TimeoutError):
        await asyncio.wait_for(context.close(), CLOSE_DEADLINE_S)


__all__ = ["BrowserInfo", "BrowserShard", "FleetLimits"]
