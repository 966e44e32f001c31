"""Headless Chromiums serving many episodes at once, each in a browser context of its own, kept warm in between.

Episodes are packed: one goes to the fullest Chromium that has a warm page, or else room for another; only when all are
full is another started. What has grown old, heavy or has served long is retired: it takes no new episodes and closes
when its last one ends. A Chromium that dies or hangs costs its own episodes, and nobody else's; the next one that needs
a page finds another.
"""

from __future__ import annotations

import asyncio
import os
from typing import ClassVar

from .browser_process_guard import ProcessGuard
from .browser_thread import BrowserThread
from .errors import BrowserCrashedError, SandboxError
from .fleet_driver import FleetDriver
from .fleet_shard import BrowserInfo, BrowserShard, FleetLimits
from .page import PageSession

ACQUIRE_TRIES = 3


class Fleet:
    """Browsers and their pools of warm pages. Lives on the browser thread's loop; `shared()` is the process's one.

    Attributes:
        launches: how many browsers it has started.
        limits: when it starts another browser, and when it replaces one.
    """

    _shared: ClassVar[Fleet | None] = None
    _shared_limits: ClassVar[FleetLimits] = FleetLimits()

    def __init__(self, limits: FleetLimits | None = None) -> None:
        self.limits = limits or FleetLimits()
        self.launches = 0
        self._guard = ProcessGuard.shared()
        self._driver = FleetDriver(self._guard)
        self._shards: list[BrowserShard] = []
        self._lent: dict[PageSession, BrowserShard] = {}
        self._closed = False
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()

    @classmethod
    def shared(cls) -> Fleet:
        """Return the browser thread's fleet. Must be called on that thread.

        Raises:
            SandboxError: called elsewhere.
        """
        thread = BrowserThread.get()
        if not thread.on_thread():
            raise SandboxError(
                "the fleet lives on the browser thread; call this inside a coroutine given to BrowserThread.run"
            )
        fleet = cls._shared
        if fleet is None or fleet._pid != os.getpid() or fleet._loop is not thread.loop:
            fleet = cls._shared = cls(cls._shared_limits)
            thread.on_close(fleet.close)
        return fleet

    @classmethod
    def configure(cls, limits: FleetLimits) -> None:
        """Set the limits of this process's fleet, before it is first used; a fleet that is there keeps its own."""
        cls._shared_limits = limits

    async def acquire(self) -> PageSession:
        """Return a clean page, a warm one if there is one. A browser that has died or hangs is replaced.

        Raises:
            BrowserNotFoundError: there is no Chromium on this machine.
            BrowserCrashedError: it does not start, or the pages that it opens die.
        """
        tries = ACQUIRE_TRIES + len(self._shards)  # each browser may turn out to be dead only when it is asked
        for last_try in (False,) * (tries - 1) + (True,):
            shard = self._place()
            shard.reserved += 1
            try:
                await shard.browser.ready()
                session = await shard.lend()
            except BrowserCrashedError:
                if last_try or shard.browser.failed_to_start:
                    raise
                # Killed a moment ago it passes for alive; but one page that fails must not cost the others theirs.
                await shard.browser.check()
            else:
                self._lent[session] = shard
                return session
            finally:
                shard.reserved -= 1
                shard.close_if_done()
        raise AssertionError("unreachable")

    async def release(self, session: PageSession) -> None:
        """Give a page back; it is cleared in the background and reused, or closed if it is spent. Twice is once."""
        shard = self._lent.pop(session, None)
        if shard is not None:
            shard.take_back(session)

    def browsers(self) -> tuple[BrowserInfo, ...]:
        """Return what each living browser is doing, the oldest first."""
        return tuple(shard.describe() for shard in self._shards if shard.browser.dead is None)

    async def memory_bytes(self) -> int | None:
        """Return what all browsers take together, shared memory counted once; None where the system does not say."""
        found = [await asyncio.to_thread(shard.browser.memory_bytes) for shard in self._shards]
        known = [size for size in found if size is not None]
        return sum(known) if known else None

    async def close(self) -> None:
        """End every browser and the driver, by force if they do not go; idempotent. No page can be had afterwards."""
        self._closed = True
        shards, self._shards = self._shards, []
        try:
            await asyncio.gather(*(shard.close() for shard in shards), return_exceptions=True)
        finally:
            await self._driver.stop()

    def _place(self) -> BrowserShard:
        """Return the browser that the next episode goes to; another one if all are full."""
        if self._closed:
            raise SandboxError("the fleet is closed; Fleet.shared() gives a new one once its thread is started again")
        self._shards = [shard for shard in self._shards if not shard.browser.gone]
        open_to_all = [shard for shard in self._shards if shard.takes_episodes()]
        for fit in ([s for s in open_to_all if s.warm], [s for s in open_to_all if s.has_room]):
            if fit:
                return max(fit, key=lambda shard: shard.load)
        self.launches += 1
        self._shards.append(BrowserShard(self._driver, self._guard, self.limits))
        return self._shards[-1]


__all__ = ["BrowserInfo", "Fleet", "FleetLimits"]
