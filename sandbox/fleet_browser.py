"""One Chromium of a fleet as a process: started, asked whether it lives, weighed, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import browser_process
from .app_server import AppServer
from .browser_flags import UNWANTED_DEFAULTS, browser_arguments
from .browser_process import Process, family, find_leaders, user_data_folder
from .browser_process_guard import ProcessGuard
from .chromium import find_chromium
from .devtools import DevTools
from .errors import BrowserCrashedError, SandboxError
from .fleet_driver import FleetDriver, end

if TYPE_CHECKING:
    from playwright.async_api import Browser, CDPSession

LAUNCH_DEADLINE_S = 30.0
CHECK_DEADLINE_S = 3.0
CHECK_TRIES = 2  # a caller that blocks the loop can make one answer seem late, but hardly two
CLOSE_DEADLINE_S = 3.0
PORT_DEADLINE_S = 5.0


class FleetBrowser:
    """A Chromium with a process group and a profile of its own. Starts when it is made; lives on the browser thread.

    Attributes:
        dead: why it cannot be used, or None.
    """

    def __init__(self, driver: FleetDriver, guard: ProcessGuard, on_death: Callable[[], None]) -> None:
        self.dead: str | None = None
        self._driver = driver
        self._guard = guard
        self._on_death = on_death
        self._browser: Browser | None = None
        self._session: CDPSession | None = None
        self._devtools: DevTools | None = None
        self._leader: Process | None = None
        self._folders: list[Path] = []
        self._checking: asyncio.Task[bool] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._started = asyncio.ensure_future(self._start())
        self._started.add_done_callback(_heard)

    @property
    def pid(self) -> int | None:
        """The process that leads its group, or None where the system does not say."""
        return None if self._leader is None else self._leader.pid

    @property
    def failed_to_start(self) -> bool:
        """Whether it never came up: another try would hardly fare better."""
        return self._started.done() and self._browser is None

    @property
    def gone(self) -> bool:
        """Whether it is dead and its processes and folders have been seen to."""
        return self.dead is not None and self._started.done() and (self._ending is None or self._ending.done())

    async def ready(self) -> tuple[Browser, DevTools]:
        """Wait until it has started, and return it with our own connection to it.

        Raises:
            BrowserNotFoundError: there is no Chromium on this machine.
            BrowserCrashedError: it does not start, or is dead.
        """
        try:
            await asyncio.shield(self._started)
        except SandboxError as error:  # one error for each who waits: they are raised in different places
            raise type(error)(str(error)) from error
        except asyncio.CancelledError:
            if self._started.cancelled():
                raise BrowserCrashedError("the browser was closed while it started") from None
            raise
        if self._browser is None or self._devtools is None or self.dead is not None:
            raise BrowserCrashedError(f"the browser cannot be used any more: {self.dead}")
        return self._browser, self._devtools

    async def check(self) -> bool:
        """Return whether the browser process itself answers; if not it is killed, and what is shown in it fails."""
        if self.dead is None and self._session is not None:
            if self._checking is None or self._checking.done():
                self._checking = asyncio.ensure_future(self._answers(self._session))
            if not await asyncio.shield(self._checking):
                self.kill("the browser process does not answer")
        return self.dead is None

    def kill(self, reason: str) -> None:
        """End its processes now; idempotent."""
        if self.dead is None:
            self.dead = reason
            self._on_death()
            self._ending = asyncio.ensure_future(self._end())

    async def close(self) -> None:
        """End it, kindly if it answers and by force if not; idempotent, and never longer than its deadlines."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    def memory_bytes(self) -> int | None:
        """Return what all its processes take together, or None where the system does not say. Blocks."""
        return None if self._leader is None else browser_process.memory_bytes(family(self._leader))

    async def _start(self) -> None:
        mark = f"--milepost-shard={secrets.token_hex(8)}"
        try:
            self._browser = await asyncio.wait_for(self._launch(mark), LAUNCH_DEADLINE_S + CLOSE_DEADLINE_S)
            self._browser.on("disconnected", lambda _: self.kill("the browser died"))
            self._session = await asyncio.wait_for(self._browser.new_browser_cdp_session(), CHECK_DEADLINE_S)
            self._devtools = await asyncio.wait_for(_connect(self._session), PORT_DEADLINE_S)
        except BaseException as error:
            self.dead = str(error).partition("\n")[0] or "it did not start"
            await self._know(mark)
            await self._end()
            if isinstance(error, (SandboxError, asyncio.CancelledError)):
                raise
            late = isinstance(error, TimeoutError)
            raise BrowserCrashedError(
                f"Chromium did not start within {LAUNCH_DEADLINE_S:g} s"
                if late
                else f"Chromium started and died: {self.dead}"
            ) from error
        await self._know(mark)

    async def _know(self, mark: str) -> None:
        """Find its processes and its profile, and have them cleared away if this process dies."""
        leaders = find_leaders(mark)
        if leaders:
            self._leader = leaders[0]
            self._guard.hold_browser(self._leader)
            profile = user_data_folder(self._leader.pid)
            if profile is not None:
                self._guard.hold_folder(profile)
                self._folders.append(profile)

    async def _launch(self, mark: str) -> Browser:
        from playwright.async_api import Error

        chromium = find_chromium()
        folder = self._guard.make_folder("browser")
        self._folders.append(folder)
        for last_try in (False, True):
            playwright = await self._driver.playwright()
            launch = playwright.chromium.launch
            # Newer drivers let us say where downloads and the like go; older ones remove their folder themselves.
            takes_folder = "artifacts_dir" in inspect.signature(launch).parameters
            options: dict[str, Any] = {"artifacts_dir": folder} if takes_folder else {}
            try:
                return await launch(
                    executable_path=chromium.path,
                    headless=True,
                    ignore_default_args=list(UNWANTED_DEFAULTS),
                    args=[*browser_arguments(AppServer.shared().port), self._guard.switch, mark],
                    env={**os.environ, "TMPDIR": str(folder)},
                    chromium_sandbox=os.geteuid() != 0 and os.environ.get("MILEPOST_CHROMIUM_SANDBOX") != "0",
                    timeout=1e3 * LAUNCH_DEADLINE_S,
                    # Ctrl-C belongs to whoever runs the episodes: they close the browser when they have finished.
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                    **options,
                )
            except Error as error:
                if "Connection closed" in str(error) and not last_try:
                    await self._driver.give_up(playwright)  # it died with the last browser
                    continue
                raise BrowserCrashedError(
                    f"Chromium at {chromium.path} does not start: {str(error).splitlines()[0]}. "
                    "Run it once by hand to see why; "
                    "inside containers without user namespaces set MILEPOST_CHROMIUM_SANDBOX=0"
                ) from error
        raise AssertionError("unreachable")

    async def _close(self) -> None:
        from playwright.async_api import Error

        if not self._started.done():
            self._started.cancel()
            await asyncio.wait({self._started}, timeout=CLOSE_DEADLINE_S)
        try:
            if self._browser is not None and self.dead is None:
                with contextlib.suppress(Error, TimeoutError):
                    await asyncio.wait_for(self._browser.close(), CLOSE_DEADLINE_S)
        finally:
            self.kill("it was closed")
            if self._ending is not None:
                await asyncio.wait({self._ending})

    async def _end(self) -> None:
        if self._devtools is not None:
            self._devtools.close()
        if self._leader is not None:
            await end(self._leader)
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    async def _answers(self, session: CDPSession) -> bool:
        from playwright.async_api import Error

        for _ in range(CHECK_TRIES):
            try:
                await asyncio.wait_for(session.send("Browser.getVersion"), CHECK_DEADLINE_S)
            except TimeoutError:
                continue
            except Error:
                return False
            return True
        return False


async def _connect(session: CDPSession) -> DevTools:
    """Find a browser's DevTools by the file that it leaves in its profile, and connect."""
    arguments = (await session.send("Browser.getBrowserCommandLine"))["arguments"]
    profile = next(a.partition("=")[2] for a in arguments if a.startswith("--user-data-dir="))
    file = Path(profile) / "DevToolsActivePort"
    while not file.is_file() or len(lines := file.read_text().split()) < 2:
        await asyncio.sleep(0.02)
    return await DevTools.connect(f"ws://127.0.0.1:{lines[0]}{lines[1]}")


def _heard(starting: asyncio.Task[None]) -> None:
    if not starting.cancelled():
        starting.exception()  # those who wait hear it; if nobody does, nothing is lost


__all__ = ["FleetBrowser"]
