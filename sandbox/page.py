"""One page of one episode: what the agent can do to it, and what it can see of it.

Choices worth knowing:
1. The viewport is 1280 x 720 CSS pixels at scale 1, locale en-US, UTC, reduced motion; Date starts at
   2026-01-15T09:00:00Z.
2. `fill` clicks the field, selects its content and inserts the text as one trusted input. The change event comes when
   focus leaves, as with a person. Date, time, colour and range fields take no inserted text: they are set, with
   synthetic events.
3. `select` sets the option with synthetic input and change events, because arrow keys would pass through other
   options and fire for each. What 2 and 3 set without trusted input is journalled as an Input whose origin is
   "agent".
4. There is one tab. A link or script that opens another is followed in this one.
5. Dialogs are accepted at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

import orjson

from .channel import Channel, ContextGoneError
from .errors import ActionError, BrowserCrashedError, PageHungError, SandboxError
from .events import Event
from .frames import Frames
from .page_journal import BINDING, PageJournal
from .page_scripts import isolated_world_script
from .settle import MAX_ROUNDS, WORLD, PageClock
from .snapshot import Element

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

    from .devtools import DevTools
    from .workspace import Workspace

VIEWPORT = (1280, 720)
START_MS = 1_768_467_600_000  # 2026-01-15T09:00:00Z
SETTLE_MS = 50.0
MAX_ELEMENTS = 1_000
INPUT_DEADLINE_S = 10.0
SET_TYPES = frozenset({"date", "time", "month", "week", "datetime-local", "color", "range"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """What one look at the page returns; fields as in `Snapshot`."""

    url: str
    title: str
    focused: int | None
    elements: tuple[Element, ...]
    elements_omitted: int


@cache
def _script(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


class PageSession:
    """A page in a pooled browser context: from `Fleet.acquire`, through `open`, back by `Fleet.release`.

    All coroutines run on the browser thread's loop. After a SandboxError the session is spent: release it.

    Attributes:
        born: `time.monotonic()` seconds when it was made.
        episodes: how many episodes it has served.
        broken: why it must not be used again, or None.
    """

    def __init__(
        self, context: BrowserContext, page: Page, channel: Channel, frame_id: str, frame_lock: asyncio.Lock
    ) -> None:
        self.born = time.monotonic()
        self.episodes = 0
        self.broken: str | None = None
        self._context = context
        self._page = page
        self._channel = channel
        self._frames = Frames(channel, frame_lock)
        self._clock = PageClock(channel, frame_id, self._frames)
        self._journal = PageJournal(channel, page, frame_id, lambda context_id: context_id in self._contexts)
        self._contexts: set[int] = set()
        self._allowed: frozenset[str] = frozenset()
        self._world_script: str | None = None
        self._popup: str | None = None
        self._scrolled = False
        self._closing: asyncio.Task[None] | None = None
        channel.on("Runtime.executionContextCreated", self._on_context)
        channel.on("Page.windowOpen", self._on_window_open)
        page.on("crash", lambda _: channel.kill("the page's process crashed"))
        page.on("close", lambda _: channel.kill("the page was closed or its browser died"))

    @classmethod
    async def create(cls, context: BrowserContext, context_id: str, devtools: DevTools, warm_url: str) -> PageSession:
        """Make the one page of a fresh context and its process (called by the fleet).

        Args:
            context: an empty context.
            context_id: what DevTools calls it.
            devtools: the connection to its browser.
            warm_url: an address of the site that the episodes will be on, so that they find its process running.
        """
        async with context.expect_page() as adopted:
            target = await devtools.start(
                "Target.createTarget",
                {
                    "url": "about:blank", "browserContextId": context_id, "enableBeginFrameControl": True,
                    "width": VIEWPORT[0], "height": VIEWPORT[1],
                },
            )  # fmt: skip
        page = await adopted.value
        channel = Channel(await devtools.attach(target["targetId"]))
        tree = await channel.send("Page.getFrameTree")
        session = cls(context, page, channel, tree["frameTree"]["frame"]["id"], devtools.frames)
        context.on("page", session._on_page)
        await asyncio.gather(
            channel.send("Page.enable"),
            channel.send("Network.enable"),
            channel.send("Runtime.addBinding", name=BINDING, executionContextName=WORLD),
            channel.send("Page.addScriptToEvaluateOnNewDocument", source=isolated_world_script(), worldName=WORLD),
            channel.send("Runtime.enable"),
            channel.send("Emulation.setVirtualTimePolicy", policy="pause"),
        )
        with session._typed():
            await session._navigate(warm_url)
            await session._clock.warm()
        await session.clear()
        return session

    async def open(
        self, *, url: str, allowed_hosts: Sequence[str], seed: int, downloads: Workspace | None = None
    ) -> None:
        """Start an episode at `url`, with Math.random seeded, the clock at its start, no history; load it and settle.

        Args:
            url: where to begin; http(s), on an allowed host.
            allowed_hosts: hosts, each with its port if it has one ("x.localhost:8000"), that the page may be on.
            seed: seeds Math.random; 0 <= seed < 2**53.
            downloads: where downloads are saved, in its folder `downloads`; None cancels them.

        Raises:
            SandboxError: the page cannot be reached, or the browser failed.
        """
        self._allowed = frozenset(allowed_hosts)
        self.episodes += 1
        with self._typed():
            await self._set_world(seed, None)
            self._journal.begin(downloads)
            await self._navigate(self._checked(url))
            if self._journal.unreachable is not None:
                raise SandboxError(f"the episode's first page {url} cannot be reached; is its server up?")
            born = await self._clock.evaluate("milepostPage.born")
            await asyncio.gather(
                self._set_world(seed, START_MS - born), self._channel.send("Page.resetNavigationHistory")
            )

    async def click(self, ref: int, *, button: Literal["left", "right", "middle"] = "left", count: int = 1) -> None:
        """Click an element with the mouse; it is scrolled into view first.

        Raises:
            ActionError: no such element, or it is disabled, invisible or covered (the message says by what).
        """
        with self._typed():
            spot = await self._ask(f"aim({int(ref)}, 'click')")
            await self._click_at(spot["x"], spot["y"], button, count)

    async def fill(self, ref: int, text: str) -> None:
        """Replace a field's content.

        Raises:
            ActionError: as `click`, or the element takes no text, or not this one.
        """
        with self._typed():
            spot = await self._ask(f"aim({int(ref)}, 'fill')")
            if spot["type"] in SET_TYPES:
                self._journal.acted(await self._ask(f"put({int(ref)}, {_json(text)})"))
                return
            await self._click_at(spot["x"], spot["y"], "left", 1)
            field = await self._ask(f"grip({int(ref)})")
            if text:
                await self._channel.send("Input.insertText", text=text)
            elif not field["empty"]:
                await self._key("Delete")

    async def select(self, ref: int, option: str) -> None:
        """Choose a select's option by its label (or its value, or its label in another case).

        Raises:
            ActionError: as `click`, or it is no select, or has no such option.
        """
        with self._typed():
            await self._ask(f"aim({int(ref)}, 'select')")
            self._journal.acted(await self._ask(f"choose({int(ref)}, {_json(option)})"))

    async def press(self, keys: str) -> None:
        """Press a key or a chord where the focus is: "Enter", "Tab", "Control+A", "x".

        Raises:
            ActionError: no such key.
        """
        with self._typed():
            await self._ask("arm()")
            await self._key(keys)

    async def goto(self, url: str) -> None:
        """Load an address, absolute or relative to the present one.

        Raises:
            ActionError: it is not http(s), not on an allowed host, or cannot be loaded.
        """
        with self._typed():
            await self._navigate(self._checked(urljoin(self._journal.url, url.strip())))
            await self._confine()

    async def back(self) -> None:
        """Go one page back in the episode's history.

        Raises:
            ActionError: there is none.
        """
        with self._typed():
            history = await self._channel.send("Page.getNavigationHistory")
            index = history["currentIndex"]
            if index <= 0:
                raise ActionError("there is no page to go back to")
            self._clock.expect_navigation()
            entry, present = history["entries"][index - 1], history["entries"][index]
            if entry["url"].partition("#")[0] == present["url"].partition("#")[0]:
                self._clock.navigating = False  # a step within the document loads nothing
            await self._channel.send("Page.navigateToHistoryEntry", entryId=entry["id"])

    async def scroll(self, direction: Literal["up", "down"]) -> None:
        """Scroll what lies under the middle of the viewport by four fifths of its height.

        Raises:
            ActionError: nothing is left to scroll.
        """
        with self._typed():
            await self._ask(f"scroll({_json(direction)})")
            self._scrolled = True  # scroll events and what hangs on them come with the next frame

    async def settle(self, budget_ms: float = SETTLE_MS) -> None:
        """Let the page react: grant it virtual time, finish loads and downloads that the action began.

        Args:
            budget_ms: virtual milliseconds, >= 1.

        Raises:
            ActionError: the page went where it must not; it was brought back. Or a download could not be saved.
            SandboxError: the page hung or its browser died.
        """
        with self._typed():
            moved, self._scrolled = self._scrolled, False
            await self._hear()
            await self._clock.settle(budget_ms, frames=moved)
            for _ in range(MAX_ROUNDS):
                await self._journal.requests_done()
                if not self._journal.take_fetched():
                    break
                await self._clock.settle(budget_ms)  # what the page does with the answers
            await self._journal.downloads_done()
            if self._popup is not None:
                url, self._popup = self._popup, None
                await self._navigate(self._checked(url))
            await self._confine()
        refusals = self._journal.take_refusals()
        if refusals:
            raise ActionError("; ".join(refusals))

    async def look(self) -> PageView:
        """Return the page as it stands: address, title, focus and accessible elements.

        Raises:
            SandboxError: the page hung or its browser died.
        """
        with self._typed():
            seen = await self._look()
        self._journal.saw_title(seen["title"])
        return PageView(
            url=seen["url"],
            title=seen["title"],
            focused=seen["focused"],
            elements=tuple(_element(row) for row in seen["elements"]),
            elements_omitted=seen["omitted"],
        )

    def drain_events(self, step: int) -> list[Event]:
        """Return the events since the last drain, in order, stamped with `step`."""
        return self._journal.drain(step)

    async def screenshot(self) -> bytes:
        """Return the viewport as PNG."""
        with self._typed():
            return await self._frames.picture()

    async def clear(self) -> None:
        """End the episode: an empty page, no cookies, no window name, no history (called by the fleet).

        Raises:
            SandboxError: the page does not answer; it must be closed.
        """
        with self._typed():
            self._journal.begin(None)
            self._allowed = frozenset()
            self._popup = None
            await self._channel.send("Network.clearBrowserCookies")
            self._clock.expect_navigation()
            await self._channel.send("Page.navigate", url="about:blank")
            await self._clock.load()
            await self._clock.evaluate("window.name = ''")  # a window keeps its name whatever it shows
            await self._channel.send("Page.resetNavigationHistory")

    async def answers(self) -> bool:
        """Return whether the page's process is there and answers (called by the fleet)."""
        try:
            with self._typed():
                await self._clock.evaluate("0")
        except (SandboxError, ActionError):
            return False
        return True

    async def close(self) -> None:
        """Close the page and its context; never raises, never outlasts its deadline."""
        from playwright.async_api import Error

        self.broken = self.broken or "it was closed"
        self._journal.abandon_downloads()
        with contextlib.suppress(Error, TimeoutError):
            await asyncio.wait_for(self._context.close(), INPUT_DEADLINE_S)

    # ------------------------------------------------------------------ inside

    @contextlib.contextmanager
    def _typed(self) -> Any:
        """Remember that a SandboxError spends the session, and let nothing of Playwright's out."""
        from playwright.async_api import Error

        try:
            if self.broken is not None:
                raise BrowserCrashedError(f"the page cannot be used any more: {self.broken}")
            yield
        except ContextGoneError as error:
            raise ActionError("the page was replaced while the action ran; look at it again") from error
        except Error as error:
            self.broken = str(error).splitlines()[0]
            raise BrowserCrashedError(f"the browser died: {self.broken}") from error
        except SandboxError as error:
            self.broken = self.broken or str(error)
            raise

    def _checked(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise ActionError(f"{url!r} is refused: only http and https addresses can be loaded")
        if parts.netloc not in self._allowed:
            raise ActionError(f"{url!r} is refused: its host is not one of this task's")
        return url

    async def _navigate(self, url: str) -> None:
        self._clock.expect_navigation()
        call = self._channel.start("Page.navigate", url=url)
        answer = await self._channel.finish(call, "Page.navigate", timeout_s=15.0)
        if "loaderId" not in answer and "errorText" not in answer:
            self._clock.navigating = False  # within the document: nothing loads
        await self._clock.settle(SETTLE_MS)

    async def _confine(self) -> None:
        """Bring the page back from an address where it must not be."""
        unreachable, url = self._journal.unreachable, self._journal.url
        parts = urlsplit(url)
        if unreachable is None and parts.scheme in ("http", "https") and parts.netloc in self._allowed:
            return
        history = await self._channel.send("Page.getNavigationHistory")
        index = history["currentIndex"]
        if index <= 0:
            raise SandboxError(f"the page left for {unreachable or url} and there is no page to bring it back to")
        self._clock.expect_navigation()
        await self._channel.send("Page.navigateToHistoryEntry", entryId=history["entries"][index - 1]["id"])
        await self._clock.settle(SETTLE_MS)
        raise ActionError(
            f"{unreachable!r} could not be loaded"
            if unreachable
            else f"{url!r} is refused: it is not one of this task's"
        )

    async def _hear(self) -> None:
        """Close the window of trusted input; what the action has set off in the page is reported by then."""
        if self._clock.context_id is not None:
            with contextlib.suppress(ContextGoneError):
                await self._clock.evaluate("milepostPage.disarm()")

    async def _look(self) -> dict[str, Any]:
        for attempt in (0, 1, 2):
            try:
                text = await self._clock.evaluate(f"JSON.stringify(milepostPage.look({MAX_ELEMENTS}))")
                return dict(orjson.loads(text))
            except ContextGoneError:
                if attempt == 2:
                    raise PageHungError("the page replaces itself without end") from None
                await self._clock.settle(SETTLE_MS)
        raise AssertionError("unreachable")

    async def _ask(self, call: str) -> dict[str, Any]:
        answer = await self._clock.evaluate(f"milepostPage.{call}")
        if "error" in answer:
            raise ActionError(answer["error"])
        self._scrolled |= answer.get("moved", False)
        return dict(answer)

    async def _click_at(self, x: float, y: float, button: str, count: int) -> None:
        calls = [self._mouse("mouseMoved", x, y, "none", 0)]
        for number in range(1, count + 1):
            calls += [self._mouse(kind, x, y, button, number) for kind in ("mousePressed", "mouseReleased")]
        for call in calls:
            await self._channel.finish(call, "a click", timeout_s=INPUT_DEADLINE_S)

    def _mouse(self, kind: str, x: float, y: float, button: str, count: int) -> asyncio.Future[dict[str, Any]]:
        return self._channel.start("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=count)

    async def _key(self, keys: str) -> None:
        from playwright.async_api import Error

        pressing = asyncio.ensure_future(self._page.keyboard.press(keys))
        await self._channel.until(pressing, what=f"the key {keys}", timeout_s=INPUT_DEADLINE_S)
        try:
            pressing.result()
        except Error as error:
            if "Unknown key" in str(error):
                raise ActionError(
                    f'there is no key {keys!r}; write "Enter", "Tab", "ArrowDown", "Control+A" or one character'
                ) from error
            raise

    async def _set_world(self, seed: int, move_ms: float | None) -> None:
        settings = _json({"startMs": START_MS, "moveMs": move_ms, "seed": seed})
        source = _script("page_world.js").replace("MILEPOST_SETTINGS", settings)
        old, self._world_script = self._world_script, None
        adding = self._channel.start("Page.addScriptToEvaluateOnNewDocument", source=source)
        if old is not None:
            await self._channel.send("Page.removeScriptToEvaluateOnNewDocument", identifier=old)
        self._world_script = (await self._channel.finish(adding, "a script"))["identifier"]

    def _on_context(self, event: dict[str, Any]) -> None:
        if event["context"]["name"] == WORLD:
            self._contexts.add(event["context"]["id"])

    def _on_window_open(self, event: dict[str, Any]) -> None:
        self._popup = event["url"] or None

    def _on_page(self, page: Page) -> None:
        if page is not self._page:
            self._closing = asyncio.ensure_future(_close_page(page))


async def _close_page(page: Page) -> None:
    from playwright.async_api import Error

    with contextlib.suppress(Error):
        await page.close()


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _element(row: list[Any]) -> Element:
    ref, role, name, value, states, options, depth, box, in_viewport, interactive, frame = row
    return Element(
        ref=ref,
        role=role,
        name=name,
        value=value,
        states=tuple(states),
        options=tuple(options),
        depth=depth,
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        in_viewport=in_viewport,
        interactive=interactive,
        frame=frame,
    )


__all__ = ["PageSession", "PageView"]
