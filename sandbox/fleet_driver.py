"""Playwright's driver: the Node.js process through which every browser of a fleet is reached."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from .browser_process import KILL_DEADLINE_S, POLL_S, Process, command_line, kill_family, process_table, read_process
from .browser_process_guard import ProcessGuard
from .errors import BrowserCrashedError

if TYPE_CHECKING:
    from playwright.async_api import Playwright

START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 2.0


class FleetDriver:
    """Starts the driver when it is first needed, and again when it has died or was given up."""

    def __init__(self, guard: ProcessGuard) -> None:
        self._guard = guard
        self._playwright: Playwright | None = None
        self._process: Process | None = None
        self._starting = asyncio.Lock()

    async def playwright(self) -> Playwright:
        """Return Playwright, with a driver that runs.

        Raises:
            BrowserCrashedError: the driver does not start.
        """
        async with self._starting:
            if self._playwright is None or self._died():
                await self._start()
            assert self._playwright is not None
            return self._playwright

    async def give_up(self, playwright: Playwright) -> None:
        """Kill the driver behind `playwright`, which does not answer; its browsers die with it. The next is fresh."""
        async with self._starting:
            if playwright is self._playwright:
                await self._stop(deadline_s=0.0)

    async def stop(self) -> None:
        """End the driver, by force if it does not go; idempotent."""
        async with self._starting:
            await self._stop(deadline_s=STOP_DEADLINE_S)

    async def _start(self) -> None:
        from playwright.async_api import Error, async_playwright

        before = set(_drivers())
        try:
            self._playwright = await asyncio.wait_for(async_playwright().start(), START_DEADLINE_S)
        except (Error, OSError, TimeoutError) as error:
            raise BrowserCrashedError(
                f"Playwright's driver does not start ({str(error) or 'no answer'}); is the package whole? "
                "`python -m playwright --version` runs it alone"
            ) from error
        started = {pid: p for pid, p in _drivers().items() if pid not in before}
        self._process = started[max(started)] if started else None
        if self._process is not None:
            self._guard.hold_driver(self._process)

    async def _stop(self, *, deadline_s: float) -> None:
        from playwright.async_api import Error

        playwright, self._playwright = self._playwright, None
        process, self._process = self._process, None
        try:
            if playwright is not None and deadline_s > 0:
                # It ends when its input does; but a forked child may hold that open, and a hung driver reads nothing.
                with contextlib.suppress(Error, TimeoutError):
                    await asyncio.wait_for(playwright.stop(), deadline_s)
        finally:
            if process is not None:
                await end(process)

    def _died(self) -> bool:
        if self._process is None:
            return False
        now = read_process(self._process.pid)
        return now is None or now.ended or now.started != self._process.started


async def end(leader: Process) -> None:
    """Kill a process group and its descendants and wait until they are gone, for KILL_DEADLINE_S seconds at most."""
    # Not in a thread: when the interpreter exits there are none to be had, and this is asked for then.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILL_DEADLINE_S):
            while not kill_family(leader):
                await asyncio.sleep(POLL_S)


def _drivers() -> dict[int, Process]:
    """Return the drivers that this process has started."""
    own = os.getpid()
    children = {pid: process for pid, process in process_table().items() if process.parent == own}
    return {pid: process for pid, process in children.items() if "run-driver" in command_line(pid)}


__all__ = ["FleetDriver", "end"]
