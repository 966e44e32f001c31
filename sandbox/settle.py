"""The page's clock: it stands still between steps and is granted a little virtual time after each action.

Findings behind the shape of this (Chromium 156; see also the tests):
1. Virtual time is per renderer process and outlives the DevTools session; it can be started once, not set back.
2. Under the policy "pause" a committed document never finishes loading. So a load is fed slices of virtual time until
   it has ended.
3. A navigation to another process brings the policy and its budget along, which makes an expiry event that nobody
   asked for. A form posted into a frame does so too. So the time that has passed is read from a page that does not
   answer after the event. A document that comes within a grant begins it anew, so a page that loads itself again
   before its end would have no end: navigation_guard.py holds it.
4. Animation frames are not under virtual time: they are drawn on request (frames.py). At the end of a step a new
   document is given one, and a page that waits for frames FRAMES; any other step draws none. What only observers
   (IntersectionObserver, ResizeObserver) would notice in a page that does not wait for a frame, they notice with the
   next one. (Timers would wait for a frame after each input as well; browser_flags.py switches that off.)
5. A frame's time is the real one, the page's clock is virtual. `warm` sends a fresh process' clock WARM_MS ahead, so
   that frames always lie behind it and endless animations stand still. (Pages do not see it: page_world.js moves their
   dates and stamps.)
"""

from __future__ import annotations

import asyncio
from typing import Any

from .channel import CALL_DEADLINE_S, Channel, ContextGoneError
from .errors import PageHungError
from .frames import Frames
from .page_frames import WORLD, value_of

LOAD_DEADLINE_S = 15.0
FETCH_DEADLINE_S = 5.0
LOAD_SLICE_MS = 0.001
LONGEST_SLICE_MS = 10.0
STALLED_S, LONG_S = 1.0, 3.0  # real time after which slices grow: see `_load`
PACE_S = 0.005  # between two slices, unless something is heard of the load
LEFT_OPEN_MS = 200.0  # of a load in which nothing was under way: about 40 slices
COMMIT_PATIENCE_S = 0.5
EARLY_PATIENCE_S = 0.3  # an expiry that nobody asked for (3) may have come in place of the grant's own
AGAIN_MS = 50.0
FRAMES = 2
WARM_MS = 4 * 3_600_000.0  # costs real time in proportion: a month took a second a page
MAX_ROUNDS = 8  # a page that navigates on and on is looked at as it is then


class PageClock:
    """Grants virtual time to the main frame's document, and knows whether that document is being replaced.

    Attributes:
        context_id: the isolated world of the main frame's present document, None while there is none.
        navigating: a navigation of the main frame has been asked for or is loading.
    """

    def __init__(self, channel: Channel, frame_id: str, frames: Frames) -> None:
        self.context_id: int | None = None
        self.navigating = False
        self._committed = False
        self._begun = False
        self._scheduled = False
        self._fresh = False  # a new document focuses, observes and paints with its first frames: none so far
        self._waits = False
        self._channel = channel
        self._frame_id = frame_id
        self._frames = frames
        self._expired = asyncio.Event()
        self._changed = asyncio.Event()
        channel.on("Emulation.virtualTimeBudgetExpired", lambda _: self._expired.set())
        channel.on("Page.frameScheduledNavigation", self._on_scheduled)
        channel.on("Page.frameClearedScheduledNavigation", self._on_unscheduled)
        channel.on("Page.frameRequestedNavigation", self._on_requested)
        channel.on("Page.frameStartedNavigating", self._on_navigating)
        channel.on("Page.frameStartedLoading", self._on_started)
        channel.on("Page.frameNavigated", self._on_committed)
        channel.on("Page.frameStoppedLoading", self._on_stopped)
        channel.on("Runtime.executionContextCreated", self._on_context)
        channel.on("Runtime.executionContextDestroyed", self._on_context_gone)
        channel.on("Runtime.executionContextsCleared", self._on_contexts_cleared)
        self._heard = asyncio.Event()
        self._heard_s = 0.0
        for event in ("requestWillBeSent", "responseReceived", "dataReceived", "loadingFinished", "loadingFailed"):
            channel.on(f"Network.{event}", self._on_heard)

    async def settle(self, budget_ms: float, *, frames: bool = False) -> None:
        """Grant `budget_ms` of virtual time; a navigation under way is loaded to its end and then granted as much.

        Requests in flight stop the virtual clock until they have ended (for at most FETCH_DEADLINE_S, in real time). If
        the page waits for animation frames (or `frames` says so), FRAMES of them are run. After those, and after a
        navigation that the page has begun in its time, `budget_ms` is granted again, but AGAIN_MS at most: what was to
        be waited for has been waited for.

        Raises:
            PageHungError: the page does not answer, or a load does not end within LOAD_DEADLINE_S seconds.
            BrowserCrashedError: it died.
        """
        if self._scheduled or (self.navigating and not self._committed):
            await self._grant(LOAD_SLICE_MS)  # it begins as a task of the old document, which gets no more time
        waits = False
        again_ms = budget_ms
        if not self.navigating:
            waits = await self._grant_and_ask(budget_ms) or self._waits
            again_ms = min(budget_ms, AGAIN_MS)
        self._waits = False
        for _ in range(MAX_ROUNDS):
            if self.navigating:
                await self._load(asyncio.get_running_loop().time() + LOAD_DEADLINE_S)
                waits = await self._grant_and_ask(again_ms)
                again_ms = min(budget_ms, AGAIN_MS)
            elif waits or frames or self._fresh:
                count = FRAMES if waits or frames else 1
                frames = self._fresh = False
                await self._run_frames(count)
                # Who asks again in its frame gets the next at the next settling: by then nothing new tells of it.
                self._waits, waits = await self._grant_and_ask(again_ms), False
            else:
                return

    async def warm(self) -> None:
        """Send a fresh process' clock ahead of the real one, so that it draws frames when they are due."""
        await self._grant(WARM_MS)

    async def tick(self) -> None:
        """Grant next to nothing: tasks that are due run."""
        await self._grant(LOAD_SLICE_MS)

    async def load(self) -> None:
        """Load the navigation under way to its end, and no more; raises like `settle`."""
        await self._load(asyncio.get_running_loop().time() + LOAD_DEADLINE_S)

    async def _run_frames(self, count: int) -> None:
        for _ in range(count):
            if not self.navigating:
                await self._frames.draw()

    async def _load(self, deadline: float) -> None:
        """Feed the navigation under way until it has ended, with so little time that its clock does not show it.

        How many slices that takes depends on the machine. Requests stop the clock only once it has gone some 10 ms, so
        larger slices would show on it, more of them the busier the machine is. They grow only where the load may be
        waiting for its page's clock: if nothing was heard of it for STALLED_S, or when it has taken LONG_S.
        """
        loop = asyncio.get_running_loop()
        slice_ms = LOAD_SLICE_MS
        granted_ms = 0.0
        committed_s: float | None = None
        patience = 2  # a navigation that was only asked for may have been dropped, for its scheme say
        while self.navigating:
            left_s = deadline - loop.time()
            if left_s <= 0:
                raise PageHungError(f"the page did not finish loading within {LOAD_DEADLINE_S:g} s")
            if self._committed:
                committed_s = committed_s or loop.time()
                self._heard.clear()
                await self._grant(slice_ms)
                granted_ms += slice_ms
                if loop.time() - self._heard_s > STALLED_S or loop.time() - committed_s > LONG_S:
                    slice_ms = min(2 * slice_ms, LONGEST_SLICE_MS)
                else:
                    slice_ms = LOAD_SLICE_MS
                    await self._hear()
                if granted_ms > LEFT_OPEN_MS and self.navigating and await self._left_open():
                    self._set(navigating=False, committed=False)
            else:  # the old document keeps its time while the new one is on its way
                self._changed.clear()
                try:
                    await self._wait(self._changed, "loading", min(left_s, COMMIT_PATIENCE_S))
                except PageHungError:
                    await self._grant(LOAD_SLICE_MS)  # unless it is the one that must still do something
                    patience -= 1
                    if patience <= 0 and not self._begun:
                        self._set(navigating=False, committed=False)

    async def _hear(self) -> None:
        """Wait until something is heard of the load, or its end, for PACE_S at most."""
        if self.navigating:
            heard = asyncio.ensure_future(self._heard.wait())
            await self._channel.within(heard, PACE_S)
            heard.cancel()

    async def _left_open(self) -> bool:
        """Whether the document waits for its own script to close it (it wrote after its end): that ends no load.

        What its parser could be waiting for otherwise is a request, and that stops the clock.
        """
        try:
            return bool(await self.evaluate("document.readyState === 'loading'"))
        except ContextGoneError:
            return False

    async def _grant_and_ask(self, budget_ms: float) -> bool:
        """Grant virtual time and return whether the page waits for animation frames at its end."""
        if self.context_id is None:
            await self._grant(budget_ms)
            return False
        asked = self.start(f"milepostPage.later({budget_ms - 1})")
        await self._grant(budget_ms)
        try:
            for _ in range(MAX_ROUNDS):
                if await self._channel.within(asked, EARLY_PATIENCE_S):
                    break
                left_ms = float(await self.evaluate("milepostPage.left()"))
                if asked.done():
                    break  # the page was only busy: more time would show on its clock
                await self._grant(max(left_ms + 1, LOAD_SLICE_MS))  # its time may have come without its task
            return bool(await self._finish(asked))
        except ContextGoneError:
            return False

    async def evaluate(self, expression: str, *, timeout_s: float = CALL_DEADLINE_S) -> Any:
        """Evaluate in the main frame's isolated world and return the JSON value.

        Raises:
            ContextGoneError: the document is being replaced.
            PageHungError, BrowserCrashedError: as `Channel.finish`.
        """
        return await self._finish(self.start(expression), timeout_s=timeout_s)

    def start(self, expression: str) -> asyncio.Future[dict[str, Any]]:
        """Start an evaluation without waiting for it."""
        if self.context_id is None:
            raise ContextGoneError("the page has no document yet")
        return self._channel.start(
            "Runtime.evaluate",
            expression=expression,
            contextId=self.context_id,
            returnByValue=True,
            awaitPromise=True,
        )

    async def _finish(self, call: asyncio.Future[dict[str, Any]], *, timeout_s: float = CALL_DEADLINE_S) -> Any:
        """Wait for a started evaluation and return its JSON value; raises like `evaluate`."""
        answer = await self._channel.finish(call, "an evaluation", timeout_s=timeout_s)
        return value_of(answer)

    async def _grant(self, budget_ms: float) -> None:
        self._expired.clear()
        await self._channel.send(
            "Emulation.setVirtualTimePolicy", policy="pauseIfNetworkFetchesPending", budget=budget_ms
        )
        try:
            await self._wait(self._expired, "a grant of virtual time", FETCH_DEADLINE_S)
        except PageHungError:
            # A request that never ends holds the clock; a page that still answers is slow, not hung.
            await self._channel.send("Emulation.setVirtualTimePolicy", policy="advance", budget=budget_ms)
            await self._wait(self._expired, "a grant of virtual time", CALL_DEADLINE_S)

    async def _wait(self, event: asyncio.Event, what: str, timeout_s: float) -> None:
        if not event.is_set():
            waiter = asyncio.ensure_future(event.wait())
            await self._channel.until(waiter, what=what, timeout_s=timeout_s)

    def _on_heard(self, _: dict[str, Any]) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        self._heard.set()

    def _is_main(self, event: dict[str, Any]) -> bool:
        return bool(event["frameId"] == self._frame_id)

    def _set(self, *, navigating: bool, committed: bool) -> None:
        self._scheduled = False
        self.navigating, self._committed = navigating, committed
        self._changed.set()
        self._heard.set()

    def expect_navigation(self) -> None:
        """Say that a navigation has just been asked for."""
        self._begun = False
        self._set(navigating=True, committed=False)

    def _on_scheduled(self, event: dict[str, Any]) -> None:
        if self._is_main(event) and event["delay"] == 0:
            self._scheduled = True

    def _on_unscheduled(self, event: dict[str, Any]) -> None:
        if self._is_main(event):
            self._scheduled = False

    def _on_requested(self, event: dict[str, Any]) -> None:
        if self._is_main(event) and event["disposition"] == "currentTab":
            self.expect_navigation()

    def _on_navigating(self, event: dict[str, Any]) -> None:
        if self._is_main(event) and event["navigationType"] not in ("sameDocument", "historySameDocument"):
            self.expect_navigation()
            self._begun = True

    def _on_started(self, event: dict[str, Any]) -> None:
        if self._is_main(event):
            self._begun = True
            if not self.navigating:
                self._set(navigating=True, committed=self._committed)

    def _on_committed(self, event: dict[str, Any]) -> None:
        if event["frame"]["id"] == self._frame_id:
            self._on_heard(event)
            self._committed = self._fresh = True
            self._changed.set()

    def _on_stopped(self, event: dict[str, Any]) -> None:
        if self._is_main(event):
            self._set(navigating=False, committed=False)

    def _on_context(self, event: dict[str, Any]) -> None:
        context = event["context"]
        if context["name"] == WORLD and context["auxData"].get("frameId") == self._frame_id:
            self.context_id = context["id"]

    def _on_context_gone(self, event: dict[str, Any]) -> None:
        if event["executionContextId"] == self.context_id:
            self.context_id = None

    def _on_contexts_cleared(self, _: dict[str, Any]) -> None:
        self.context_id = None


__all__ = ["PageClock"]
