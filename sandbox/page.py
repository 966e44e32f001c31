"""The browser of one episode: what the agent can do to its tabs, and what it can see of them.

Choices worth knowing:
1. The viewport is 1280 x 720 CSS pixels at scale 1, locale en-US, UTC, reduced motion; Date starts at
   2026-01-15T09:00:00Z.
2. `fill` clicks the field, selects its content and inserts the text as one trusted input. The change event comes when
   focus leaves, as with a person. Date, time, colour and range fields take no inserted text: they are set, with
   synthetic events.
3. `select` sets the option with synthetic input and change events, because arrow keys would pass through other
   options and fire for each. What 2 and 3 set without trusted input is journalled as an Input whose origin is
   "agent".
4. What a link or a script opens in a window of its own becomes a new tab, made by us, so that its clock and frames are
   ours from the start. `window.open` therefore returns null, as with a blocker, and the tab has no opener. Only the
   active tab is given time.
5. Dialogs are accepted at once, unless the episode holds them for the agent.
6. The clipboard is the episode's own. The browser has one for all its pages, so it is filled just before a paste.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from . import tab_input
from .channel import Channel, ContextGoneError, DialogOpenError
from .devtools import DevToolsError
from .errors import ActionError, BrowserCrashedError, SandboxError
from .events import Event
from .page_actions import PageActions
from .page_journal import PageJournal
from .snapshot import BLANK_URL, VIEWPORT, DialogInfo, Element, TabInfo
from .tab import SETTLE_MS, DialogPolicy, Tab, TabView

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from .devtools import DevTools
    from .workspace import Workspace

START_MS = 1_768_467_600_000  # 2026-01-15T09:00:00Z
MAX_TABS = 8
MAX_DOWNLOADS = 4  # Chromium drops what a frame downloads beyond ten in a second, the next episode's included
COLLECT_EVERY = 10  # episodes; without it a page grows by some 3 MB in each
MOST_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """What one look at the browser returns; fields as in `Snapshot`."""

    url: str
    title: str
    focused: int | None
    elements: tuple[Element, ...]
    elements_omitted: int
    tabs: tuple[TabInfo, ...] = ()
    dialog: DialogInfo | None = None


class PageSession(PageActions):
    """The tabs of one episode, in a pooled browser context.

    From `Fleet.acquire`, through `open`, back by `Fleet.release`. All coroutines run on the browser thread's loop.
    After a SandboxError the session is spent: release it. Actions apply to the active tab. An action raises ActionError
    for what the agent did wrong, also while a dialog waits.

    Attributes:
        born: `time.monotonic()` seconds when it was made.
        episodes: how many episodes it has served.
        broken: why it must not be used again, or None.
        clipboard: what was copied last.
    """

    def __init__(self, context: BrowserContext, context_id: str, devtools: DevTools, warm_url: str, tab: Tab) -> None:
        super().__init__(devtools, context_id)
        self.born = time.monotonic()
        self.episodes = 0
        self.broken: str | None = None
        self._context = context
        self._warm_url = warm_url
        self._tabs = [tab]
        self._active = 0
        self._allowed: frozenset[str] = frozenset()
        self._seed = 0
        self._dialogs: DialogPolicy = "accept"
        self._request_bodies = False
        self._workspace: Workspace | None = None
        self._last_view: TabView | None = None
        self._closed_journals: list[PageJournal] = []  # of tabs that were closed since the last drain

    @classmethod
    async def create(cls, context: BrowserContext, context_id: str, devtools: DevTools, warm_url: str) -> PageSession:
        """Make the first tab of a fresh context, and its process (called by the fleet); arguments as `Tab.create`."""
        tab = await Tab.create(context, context_id, devtools, warm_url)
        session = cls(context, context_id, devtools, warm_url, tab)
        await session.clear()
        return session

    async def open(
        self,
        *,
        url: str,
        allowed_hosts: Sequence[str],
        seed: int,
        downloads: Workspace | None = None,
        dialogs: DialogPolicy = "accept",
        request_bodies: bool = False,
    ) -> None:
        """Start an episode at `url`, with Math.random seeded, the clock at its start, no history; load it and settle.

        Args:
            url: where to begin; http(s), on an allowed host.
            allowed_hosts: hosts, each with its port if it has one ("x.localhost:8000"), that the page may be on.
            seed: seeds Math.random; 0 <= seed < 2**53.
            downloads: where downloads are saved, in its folder `downloads`; None cancels them.
            dialogs: "accept" every dialog at once, or "ask": hold the page until `answer_dialog`.
            request_bodies: record what requests carry.

        Raises:
            SandboxError: the page cannot be reached, or the browser failed.
        """
        self._allowed = frozenset(allowed_hosts)
        self._seed, self._workspace, self._dialogs = seed, downloads, dialogs
        self._request_bodies = request_bodies
        self.episodes += 1
        with self._typed():
            tab = self._tab
            url = self._checked(url)
            await tab.begin(
                url,
                allowed=self._allowed,
                start_ms=START_MS,
                seed=seed,
                workspace=downloads,
                dialogs=dialogs,
                request_bodies=request_bodies,
            )
            if tab.journal.unreachable is not None:
                raise SandboxError(f"the episode's first page {url} cannot be reached; is its server up?")

    async def start(
        self, script: str, *, downloads: Workspace | None = None, request_bodies: bool = False, again: bool = False
    ) -> Any:
        """Begin an episode in the page that `open` has loaded, with a script of its application's own, and settle.

        What came before is forgotten: events, references, the clipboard, the history. The clock goes on.

        Args:
            script: evaluated in the page's own world.
            downloads: as for `open`.
            request_bodies: as for `open`.
            again: an episode has been played in the page; what it has set going runs out first. The page must be
                `as_opened`.

        Returns:
            The script's value, as JSON.

        Raises:
            SandboxError: the script failed, the page hung, or the browser failed.
        """
        self._workspace, self._request_bodies = downloads, request_bodies
        self.clipboard, self._last_view = "", None
        self.episodes += again
        self._closed_journals.clear()
        self._forget_uploads()
        with self._typed():
            return await self._tab.start(script, workspace=downloads, request_bodies=request_bodies, again=again)
        raise SandboxError("the page opened a dialog while its episode began")

    @property
    def as_opened(self) -> bool:
        """Whether the document that `open` loaded is still there, with no other tab and no dialog."""
        return self.broken is None and len(self._tabs) == 1 and self._tab.as_begun

    # ------------------------------------------------------------------ addresses and tabs

    async def goto(self, url: str) -> None:
        """Load an address, absolute or relative to the present one.

        Raises:
            ActionError: it is not http(s), not on an allowed host, or cannot be loaded.
        """
        with self._acting() as tab:
            await tab.navigate(self._checked(urljoin(tab.journal.url, url.strip())))
            await self._confine(tab)

    async def back(self) -> None:
        """Go one page back in the tab's history.

        Raises:
            ActionError: there is none.
        """
        with self._acting() as tab:
            await self._travel(tab, -1)

    async def forward(self) -> None:
        """Go one page forward in the tab's history; raises like `back`."""
        with self._acting() as tab:
            await self._travel(tab, 1)

    async def reload(self) -> None:
        """Load the page again."""
        with self._acting() as tab:
            tab.clock.expect_navigation()
            tab.journal.expect_asked()
            await tab.channel.send("Page.reload")

    async def new_tab(self, url: str | None = None) -> None:
        """Open a tab at an address, or empty, and make it the active one.

        Raises:
            ActionError: as `goto`, or there are MAX_TABS already.
        """
        with self._acting() as tab:
            await self._open_tab(None if url is None else self._checked(urljoin(tab.journal.url, url.strip())))

    async def switch_tab(self, index: int) -> None:
        """Make another tab the active one; `index` counts from 1.

        Raises:
            ActionError: there is no such tab.
        """
        with self._acting():
            self._active = self._place(index)

    async def close_tab(self, index: int | None = None) -> None:
        """Close a tab, by default the active one; the one before it becomes active.

        Raises:
            ActionError: there is no such tab, or it is the only one.
        """
        with self._acting():
            place = self._active if index is None else self._place(index)
            if len(self._tabs) == 1:
                raise ActionError("the only tab cannot be closed")
            await self._drop(place)
            if self._active >= place:
                self._active = max(0, self._active - 1)

    async def answer_dialog(self, accept: bool, text: str | None = None) -> None:
        """Answer the dialog that holds the page.

        Args:
            accept: as its OK button, else as its Cancel button.
            text: what a prompt is answered with; None leaves what it is filled with.

        Raises:
            ActionError: no dialog is open.
        """
        with self._typed():
            if self._tab.dialog is None:
                raise ActionError("no dialog is open")
            await self._tab.answer(accept=accept, text=text)

    # ------------------------------------------------------------------ time and looks

    async def wait(self, ms: float) -> None:
        """Grant the page virtual time, in milliseconds, at least 1."""
        with self._acting() as tab:
            await tab.clock.settle(ms)

    async def settle(self, budget_ms: float = SETTLE_MS) -> None:
        """Let the page react: grant it virtual time, finish loads and downloads that the action began.

        Args:
            budget_ms: virtual milliseconds, >= 1.

        Raises:
            ActionError: the page went where it must not; it was brought back. Or a download could not be saved.
            SandboxError: the page hung or its browser died.
        """
        refusals: list[str] = []
        with self._typed():
            if self._tab.dialog is None:
                tab = self._tab
                await tab.settle(budget_ms)
                await self._confine(tab)
                refusals += tab.journal.take_refusals()
                refusals += tab.guard.take_refused()
                tab.guard.count_anew()
                popups, tab.popups = tab.popups, []
                for url in popups:
                    try:
                        await self._open_tab(self._checked(url))
                    except ActionError as error:
                        refusals.append(str(error))
        if refusals:
            more = f"; and {len(refusals) - MOST_TOLD} more" if len(refusals) > MOST_TOLD else ""
            raise ActionError("; ".join(refusals[:MOST_TOLD]) + more)

    async def look(self) -> PageView:
        """Return the active tab as it stands. While a dialog holds it, that is what was seen last.

        Raises:
            SandboxError: the page hung or its browser died.
        """
        with self._typed():
            if self._tab.dialog is None:
                self._last_view = await self._tab.look()
        seen = self._last_view or TabView(url=self._tab.journal.url, title="", focused=None, elements=(),
                                          elements_omitted=0)  # fmt: skip
        return PageView(
            url=seen.url,
            title=seen.title,
            focused=seen.focused,
            elements=seen.elements,
            elements_omitted=seen.elements_omitted,
            tabs=tuple(
                TabInfo(index=i + 1, url=tab.journal.url, title=tab.title, active=i == self._active)
                for i, tab in enumerate(self._tabs)
            ),
            dialog=self._tab.dialog,
        )

    async def html(self, limit_chars: int) -> str:
        """Return the main document's pruned HTML, at most `limit_chars` characters; raises like `look`."""
        with self._acting() as tab:
            return str(await tab.read(f"milepostPage.html({int(limit_chars)})"))
        return ""

    async def screenshot(self) -> bytes:
        """Return the viewport as PNG; raises like `look`."""
        with self._acting() as tab:
            return await tab.frames.picture()
        raise ActionError("a dialog is open; answer it first")

    def drain_events(self, step: int) -> list[Event]:
        """Return the events since the last drain, in order, stamped with `step`."""
        journals = [*self._closed_journals, *(tab.journal for tab in self._tabs)]
        self._closed_journals.clear()
        events = [event for journal in journals for event in journal.drain(step)]
        return sorted(events, key=lambda e: e.t) if len(journals) > 1 else events

    # ------------------------------------------------------------------ the fleet's

    async def clear(self) -> None:
        """End the episode: one empty tab, no cookies, no window name, no history (called by the fleet).

        Raises:
            SandboxError: the page does not answer; it must be closed.
        """
        with self._typed():
            self._allowed = frozenset()
            self.clipboard = ""
            self._last_view = None
            self._closed_journals.clear()
            self._forget_uploads()
            for tab in self._tabs:
                await tab.dismiss()
            while len(self._tabs) > 1:
                await self._drop(len(self._tabs) - 1)
            self._active = 0
            if self._tab.journal.downloads > MAX_DOWNLOADS:
                raise SandboxError("the episode downloaded too much in a row; the page is not used again")
            found = await self._devtools.start("Target.getTargets", {"filter": [{"type": "shared_worker"}]})
            if any(target.get("browserContextId") == self._context_id for target in found["targetInfos"]):
                raise SandboxError("the episode's shared workers may still run; the page is not used again")
            await self._tab.channel.send("Network.clearBrowserCookies")
            await self._tab.clear()
            if self.episodes % COLLECT_EVERY == 0:
                # Its page's process collects garbage when it is idle, and on a standing clock it never is.
                await self._tab.channel.send("HeapProfiler.collectGarbage")

    async def answers(self) -> bool:
        """Return whether the page's process is there and answers (called by the fleet)."""
        try:
            with self._typed():
                await self._tab.clock.evaluate("0")
        except (SandboxError, ActionError):
            return False
        return True

    async def close(self) -> None:
        """Close the tabs and their context; never raises, never outlasts its deadline."""
        from playwright.async_api import Error

        self.broken = self.broken or "it was closed"
        self._forget_uploads()
        for tab in self._tabs:
            tab.journal.abandon_downloads()
        with contextlib.suppress(Error, TimeoutError):
            await asyncio.wait_for(self._context.close(), tab_input.INPUT_DEADLINE_S)

    # ------------------------------------------------------------------ inside

    @property
    def _tab(self) -> Tab:
        return self._tabs[self._active]

    @property
    def _channel(self) -> Channel:
        return self._tab.channel

    @contextlib.contextmanager
    def _typed(self) -> Iterator[None]:
        """Remember that a SandboxError spends the session, and let nothing of the browser's out.

        A dialog that opens meanwhile ends the block early: what was begun goes on once it is answered.
        """
        from playwright.async_api import Error

        try:
            if self.broken is not None:
                raise BrowserCrashedError(f"the page cannot be used any more: {self.broken}")
            yield
        except DialogOpenError:
            return
        except ContextGoneError as error:
            raise ActionError("the page was replaced while the action ran; look at it again") from error
        except (Error, ConnectionError, DevToolsError) as error:
            self.broken = (str(error) or type(error).__name__).splitlines()[0]
            raise BrowserCrashedError(f"the browser died: {self.broken}") from error
        except SandboxError as error:
            self.broken = self.broken or str(error)
            raise

    @contextlib.contextmanager
    def _acting(self) -> Iterator[Tab]:
        """Yield the active tab for an action, unless a dialog holds it."""
        tab = self._tab
        if tab.dialog is not None:
            raise ActionError(
                f'a dialog is open ({tab.dialog.dialog_type} "{tab.dialog.message[:100]}"); accept or dismiss it first'
            )
        with self._typed():
            yield tab

    def _checked(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise ActionError(f"{url!r} is refused: only http and https addresses can be loaded")
        if parts.netloc not in self._allowed:
            raise ActionError(f"{url!r} is refused: its host is not one of this task's")
        return url

    async def _confine(self, tab: Tab) -> None:
        """Bring a tab back from an address where it must not be."""
        unreachable, url = tab.journal.unreachable, tab.journal.url
        parts = urlsplit(url)
        if unreachable is None and parts.scheme in ("http", "https") and parts.netloc in self._allowed:
            tab.home = url
            return
        if unreachable is None and url == BLANK_URL and tab is not self._tabs[0]:
            return
        history = await tab.channel.send("Page.getNavigationHistory")
        index = history["currentIndex"]
        if index > 0:
            tab.clock.expect_navigation()
            await tab.channel.send("Page.navigateToHistoryEntry", entryId=history["entries"][index - 1]["id"])
            await tab.clock.settle(SETTLE_MS)
        elif tab.home is not None:  # it was replaced
            await tab.navigate(tab.home)
        else:
            raise SandboxError(f"the page left for {unreachable or url} and there is no page to bring it back to")
        raise ActionError(
            f"{unreachable!r} could not be loaded"
            if unreachable
            else f"{url!r} is refused: it is not one of this task's"
        )

    async def _travel(self, tab: Tab, by: Literal[-1, 1]) -> None:
        history = await tab.channel.send("Page.getNavigationHistory")
        index, entries = history["currentIndex"], history["entries"]
        if not 0 <= index + by < len(entries):
            raise ActionError(f"there is no page to go {'back' if by < 0 else 'forward'} to")
        tab.clock.expect_navigation()
        tab.journal.expect_asked()
        entry, present = entries[index + by], entries[index]
        if entry["url"].partition("#")[0] == present["url"].partition("#")[0]:
            tab.clock.navigating = False  # a step within the document loads nothing
        await tab.channel.send("Page.navigateToHistoryEntry", entryId=entry["id"])

    def _place(self, index: int) -> int:
        if not 1 <= index <= len(self._tabs):
            raise ActionError(f"there is no tab {index}; the tabs are 1 to {len(self._tabs)}")
        return index - 1

    async def _open_tab(self, url: str | None) -> None:
        if len(self._tabs) >= MAX_TABS:
            raise ActionError(f"there are {MAX_TABS} tabs already; close one first")
        now_ms = await self._tab.now_ms()
        tab = await Tab.create(self._context, self._context_id, self._devtools, self._warm_url)
        self._tabs.append(tab)
        self._active = len(self._tabs) - 1
        await tab.begin(
            url,
            allowed=self._allowed,
            start_ms=now_ms,
            seed=self._seed,
            workspace=self._workspace,
            dialogs=self._dialogs,
            request_bodies=self._request_bodies,
        )

    async def _drop(self, place: int) -> None:
        from playwright.async_api import Error

        tab = self._tabs.pop(place)
        self._closed_journals.append(tab.journal)
        tab.journal.abandon_downloads()
        with contextlib.suppress(Error):
            await asyncio.wait_for(tab.page.close(), tab_input.INPUT_DEADLINE_S)


__all__ = ["SETTLE_MS", "START_MS", "VIEWPORT", "PageSession", "PageView"]
