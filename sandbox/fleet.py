"""One headless Chromium serving many episodes at once, each in a browser context of its own, kept warm in between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .app_server import AppServer
from .browser_thread import BrowserThread
from .chromium import find_chromium
from .devtools import DevTools, DevToolsError
from .errors import BrowserCrashedError, SandboxError
from .page import VIEWPORT, PageSession

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright

LAUNCH_DEADLINE_S = 30.0
CLEAR_DEADLINE_S = 10.0
CLOSE_DEADLINE_S = 4.0
MAX_EPISODES = 200
"""A context is replaced after this many episodes, so that what a page leaves behind cannot grow without end."""
MAX_AGE_S = 2 * 3_600
"""And after this long: the clock of its process was sent WARM_MS ahead, and must stay ahead of the real one."""

DISABLED_FEATURES = (
    # After a click, timers would wait for the next frame, which is due in real time: no two runs would be alike.
    "DeferRendererTasksAfterInput",
    # The rest switches off what needs the network, or draws late; Chromium heeds only the last such list, so
    # Playwright's own choices are repeated here.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
    "Translate",
)
ARGUMENTS = (
    # Every name but *.localhost fails to resolve, so no page reaches anything but this machine; what the browser does
    # on its own account is switched off as well.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE *.localhost",
    "--disable-features=" + ",".join(DISABLED_FEATURES),
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-pings",
    "--no-first-run",
    "--block-new-web-contents",
    "--mute-audio",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--disable-lcd-text",
    "--disable-gpu",
    "--enable-automation",
    "--remote-debugging-port=0",
    "--run-all-compositor-stages-before-draw",
    "--disable-new-content-rendering-timeout",
    # WebRTC opens sockets of its own, past the resolver.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
)


class Fleet:
    """A browser and its pool of warm pages. Lives on the browser thread's loop; `shared()` is the process's one."""

    _shared: ClassVar[Fleet | None] = None

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._starting = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._devtools: DevTools | None = None
        self._idle: deque[tuple[PageSession, asyncio.Task[None]]] = deque()
        self._lent: set[PageSession] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()
        self.launches = 0

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
            fleet = cls._shared = cls()
            thread.on_close(fleet.close)
        return fleet

    async def acquire(self) -> PageSession:
        """Return a clean page, from the pool if one is there. A browser that has died is started again.

        Raises:
            BrowserNotFoundError: there is no Chromium on this machine.
            BrowserCrashedError: it does not start.
        """
        for last_try in (False, True):
            browser = await self._ensure_browser()
            try:
                session = await self._idle_session() or await self._new_session(browser)
            except BrowserCrashedError:
                if last_try:
                    raise
                if not await _is_alive(browser):  # killed a moment ago, it still passes for connected
                    self._drop(browser)
            else:
                self._lent.add(session)
                return session
        raise AssertionError("unreachable")

    async def _idle_session(self) -> PageSession | None:
        """Return a clean page from the pool that answers, or None if there is none."""
        while self._idle:
            session, cleared = self._idle.popleft()
            await asyncio.wait({cleared})
            if session.broken is None and not self._is_old(session) and await session.answers():
                return session
            self._discard(session)
        return None

    async def _new_session(self, browser: Browser) -> PageSession:
        from playwright.async_api import Error

        try:
            async with self._opening:
                known = await self._context_ids()
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
                (context_id,) = await self._context_ids() - known
                assert self._devtools is not None
            return await PageSession.create(context, context_id, self._devtools, AppServer.shared().warm_url)
        except (Error, ConnectionError, DevToolsError) as error:
            raise BrowserCrashedError(f"the browser could not open a page: {str(error).splitlines()[0]}") from error

    async def _context_ids(self) -> set[str]:
        assert self._devtools is not None
        return set((await self._devtools.start("Target.getBrowserContexts"))["browserContextIds"])

    async def release(self, session: PageSession) -> None:
        """Give a page back; it is cleared in the background and reused, or closed if it is spent. Twice is once."""
        if session not in self._lent:
            return
        self._lent.discard(session)
        if session.broken is not None or self._is_old(session):
            self._discard(session)
            return
        self._idle.append((session, asyncio.ensure_future(self._clear(session))))

    async def close(self) -> None:
        """Close every page, the browser and its driver; idempotent."""
        from playwright.async_api import Error

        for _, cleared in self._idle:
            cleared.cancel()
        self._idle.clear()
        browser, self._browser = self._browser, None
        playwright, self._playwright = self._playwright, None
        if browser is not None:
            await _close_browser(browser)
        with contextlib.suppress(Error, TimeoutError):
            if playwright is not None:
                await asyncio.wait_for(playwright.stop(), CLOSE_DEADLINE_S)

    async def _ensure_browser(self) -> Browser:
        async with self._starting:
            if self._browser is None or not self._browser.is_connected():
                self._idle.clear()
                try:
                    self._browser = await asyncio.wait_for(self._launch(), LAUNCH_DEADLINE_S)
                    self._devtools = await _connect(self._browser)
                except TimeoutError as error:
                    raise BrowserCrashedError(f"Chromium did not start within {LAUNCH_DEADLINE_S:g} s") from error
                self.launches += 1
            return self._browser

    async def _launch(self) -> Browser:
        from playwright.async_api import Error, async_playwright

        chromium = find_chromium()
        for fresh_driver in (False, True):
            if self._playwright is None or fresh_driver:
                self._playwright = await async_playwright().start()
            try:
                return await self._playwright.chromium.launch(
                    executable_path=chromium.path,
                    headless=True,
                    args=list(ARGUMENTS),
                    chromium_sandbox=os.geteuid() != 0 and os.environ.get("MILEPOST_CHROMIUM_SANDBOX") != "0",
                    # Ctrl-C belongs to whoever runs the episodes: they close the browser when they have finished.
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                )
            except Error as error:
                if "Connection closed" in str(error) and not fresh_driver:
                    continue  # the driver died with the last browser
                raise BrowserCrashedError(
                    f"Chromium at {chromium.path} does not start: {str(error).splitlines()[0]}. "
                    "Run it once by hand to see why; "
                    "inside containers without user namespaces set MILEPOST_CHROMIUM_SANDBOX=0"
                ) from error
        raise AssertionError("unreachable")

    def _is_old(self, session: PageSession) -> bool:
        return session.episodes >= MAX_EPISODES or time.monotonic() - session.born > MAX_AGE_S

    async def _clear(self, session: PageSession) -> None:
        try:
            await asyncio.wait_for(session.clear(), CLEAR_DEADLINE_S)
        except (SandboxError, TimeoutError) as error:
            session.broken = session.broken or str(error) or "it could not be cleared"

    def _drop(self, browser: Browser) -> None:
        """Let the next `_ensure_browser` start another; pages that are lent find out for themselves."""
        if browser is self._browser:
            self._browser = None
            self._in_background(_close_browser(browser))

    def _discard(self, session: PageSession) -> None:
        self._in_background(session.close())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _connect(browser: Browser) -> DevTools:
    """Find a browser's DevTools in the file that it leaves in its profile, and connect."""
    session = await browser.new_browser_cdp_session()
    arguments = (await session.send("Browser.getBrowserCommandLine"))["arguments"]
    profile = next(a.partition("=")[2] for a in arguments if a.startswith("--user-data-dir="))
    port, path = (Path(profile) / "DevToolsActivePort").read_text().split()
    await session.detach()
    return await DevTools.connect(f"ws://127.0.0.1:{port}{path}")


async def _is_alive(browser: Browser) -> bool:
    """Ask the browser itself: a page that fails to open must not cost the others theirs."""
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(CLOSE_DEADLINE_S):
            session = await browser.new_browser_cdp_session()
            await session.send("Browser.getVersion")
            await session.detach()
    except (Error, TimeoutError):
        return False
    return True


async def _close_browser(browser: Browser) -> None:
    from playwright.async_api import Error

    with contextlib.suppress(Error, TimeoutError):
        if browser.is_connected():
            await asyncio.wait_for(browser.close(), CLOSE_DEADLINE_S)


__all__ = ["Fleet"]
