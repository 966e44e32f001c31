"""One tab of an episode's browser: its page with its clock, frames, documents and journal."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import orjson

from . import tab_input
from .channel import Channel, ContextGoneError
from .errors import ActionError, PageHungError, SandboxError
from .frames import Frames
from .navigation_guard import NavigationGuard
from .page_frames import FRAME_REFS, WORLD, FrameTree, value_of
from .page_journal import BINDING, PageJournal
from .page_json import read_json
from .page_scripts import isolated_world_script
from .settle import MAX_ROUNDS, PageClock
from .snapshot import BLANK_URL, VIEWPORT, DialogInfo, Element

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

    from .devtools import DevTools
    from .workspace import Workspace

SETTLE_MS = 50.0
RUN_OUT_MS = 2_000.0  # of page time, in which what an ended problem has set going comes to its end
READ_TRIES = 3
OUTSIDE = (-1.0, -1.0)  # a place of the mouse that is over nothing
MAX_ELEMENTS = 1_000
NAVIGATE_DEADLINE_S = 15.0
DialogPolicy = Literal["accept", "ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TabView:
    """What one look at a tab returns; fields as in `Snapshot`."""

    url: str
    title: str
    focused: int | None
    elements: tuple[Element, ...]
    elements_omitted: int


@cache
def _script(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


class Tab:
    """A page and what watches it. Made by `create`; used by `PageSession` only.

    Attributes:
        page: Playwright's page.
        channel: its DevTools.
        tree: its documents.
        frames: draws its frames.
        clock: grants it time.
        journal: its events.
        guard: holds its navigations to the episode's hosts.
        dialog: the dialog that holds the page, if one does.
        dialogs: what happens to dialogs: "accept" at once, or "ask" the agent.
        popups: addresses that the page wanted to open in tabs of their own.
        title: its document's title when it was last looked at.
        home: where it last was with right.
        scrolled: the action scrolled something, which is noticed with the next frame.
    """

    def __init__(self, page: Page, channel: Channel, main_id: str, frame_lock: asyncio.Lock) -> None:
        self.page = page
        self.channel = channel
        self.tree = FrameTree(channel, main_id)
        self.frames = Frames(channel, frame_lock)
        self.clock = PageClock(channel, main_id, self.frames)
        self.journal = PageJournal(channel, page, self.tree)
        self.guard = NavigationGuard(channel, main_id)
        self.dialog: DialogInfo | None = None
        self.dialogs: DialogPolicy = "accept"
        self.popups: list[str] = []
        self.scrolled = False
        self.title = ""
        self.home: str | None = None
        self._has_worked = False
        self._begun_in: int | None = None  # the isolated world of the document that `start` was called in
        self._heard = False
        self._world_script: str | None = None
        self._start_ms = 0.0
        self._move_ms: float | None = None  # from the process' clock to the page's
        channel.on("Page.windowOpen", self._on_window_open)
        channel.on("Page.javascriptDialogOpening", self._on_dialog)
        page.on("worker", lambda _: self._on_worker())
        page.on("dialog", lambda _: None)  # without a listener Playwright would dismiss them
        page.on("crash", lambda _: channel.kill("the page's process crashed"))
        page.on("close", lambda _: channel.kill("the page was closed or its browser died"))

    @classmethod
    async def create(cls, context: BrowserContext, context_id: str, devtools: DevTools, warm_url: str) -> Tab:
        """Open a tab, with a process that draws frames on request and whose clock stands.

        Args:
            context: the browser context.
            context_id: what DevTools calls it.
            devtools: the connection to its browser.
            warm_url: an address of the site that the tab will be on, so that its process is running by then.

        Raises:
            SandboxError: the browser failed. ConnectionError, DevToolsError, playwright's Error: likewise.
        """
        target: dict[str, Any] = {"url": "about:blank", "browserContextId": context_id, "enableBeginFrameControl": True}
        async with context.expect_page() as adopted:
            target = await devtools.start("Target.createTarget", target | {"width": VIEWPORT[0], "height": VIEWPORT[1]})
        page = await adopted.value
        channel = Channel(await devtools.attach(target["targetId"]))
        tree = await channel.send("Page.getFrameTree")
        tab = cls(page, channel, tree["frameTree"]["frame"]["id"], devtools.frames)
        script = isolated_world_script()
        await asyncio.gather(
            channel.send("Page.enable"),
            channel.send("Network.enable"),
            channel.send("Runtime.addBinding", name=BINDING, executionContextName=WORLD),
            channel.send("Page.addScriptToEvaluateOnNewDocument", source=script, worldName=WORLD),
            channel.send("Runtime.enable"),
            tab.guard.start(),
            channel.send("Emulation.setVirtualTimePolicy", policy="pause"),
        )
        await tab.navigate(warm_url)
        await tab.clock.warm()
        await tab.clear()
        return tab

    async def begin(
        self,
        url: str | None,
        *,
        allowed: frozenset[str],
        start_ms: float,
        seed: int,
        workspace: Workspace | None,
        dialogs: DialogPolicy,
        request_bodies: bool = False,
    ) -> None:
        """Start an episode, or a further tab of it, at `url`, with the clock at `start_ms`; None stays empty.

        Raises:
            SandboxError: the browser failed.
        """
        self.tree.begin()
        self.guard.allowed = allowed
        self.guard.take_refused()
        self.journal.begin(workspace, request_bodies=request_bodies)
        self._start_ms, self._move_ms = start_ms, None
        self.title, self.home = "", url
        await self._set_world(start_ms, seed, None)
        if url is not None:
            await self.navigate(url)
            self._move_ms = start_ms - await self.read("milepostPage.born")
            await asyncio.gather(
                self._set_world(start_ms, seed, self._move_ms), self.channel.send("Page.resetNavigationHistory")
            )
        self.dialogs = dialogs
        self.guard.count_anew()

    async def start(self, script: str, *, workspace: Workspace | None, request_bodies: bool, again: bool) -> Any:
        """Begin an episode in the loaded document; see `PageSession.start`."""
        if again:
            await self.settle(RUN_OUT_MS)
        await tab_input.move_to(self, *OUTSIDE)  # what it was over would show it
        self.guard.take_refused()
        self.popups.clear()
        self.journal.begin(workspace, request_bodies=request_bodies)
        answer = await self.channel.send("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"].get("exception", {}).get("description", "")
            raise SandboxError(f"the page's episode did not begin: {thrown.partition(chr(10))[0]}")
        await self.settle(SETTLE_MS)
        await asyncio.gather(
            self.clock.evaluate("milepostPage.renumber()"), self.channel.send("Page.resetNavigationHistory")
        )
        self._begun_in = self.clock.context_id
        return answer["result"].get("value")

    @property
    def as_begun(self) -> bool:
        """Whether the document that the episode began with is still there, and nothing holds it."""
        at_home = self.home is not None and self.journal.url.partition("#")[0] == self.home.partition("#")[0]
        return at_home and self.dialog is None and not self._has_worked and self.clock.context_id == self._begun_in

    async def now_ms(self) -> float:
        """Return the page's time, in milliseconds since 1970."""
        if self._move_ms is None or self.clock.context_id is None:
            return self._start_ms
        return float(await self.clock.evaluate("performance.timeOrigin + performance.now()")) + self._move_ms

    async def navigate(self, url: str) -> None:
        """Load an address and settle; raises like `settle`."""
        self.clock.expect_navigation()
        self.journal.expect_asked()
        call = self.channel.start("Page.navigate", url=url)
        answer = await self.channel.finish(call, "Page.navigate", timeout_s=NAVIGATE_DEADLINE_S)
        if "loaderId" not in answer and "errorText" not in answer:
            self.clock.navigating = False  # within the document: nothing loads
        await self.clock.settle(SETTLE_MS)

    async def settle(self, budget_ms: float) -> None:
        """Let the page react to what was done: grant it time, and finish what it began.

        Raises:
            PageHungError, BrowserCrashedError: as `PageClock.settle`. DialogOpenError: a dialog holds the page.
        """
        moved, self.scrolled = self.scrolled, False
        if not self._heard:
            await self.hear()
        self._heard = False
        await self.clock.settle(budget_ms, frames=moved)
        for _ in range(MAX_ROUNDS):
            await self.journal.requests_done()
            if not self.journal.take_fetched():
                break
            await self.clock.settle(budget_ms)  # what the page does with the answers
        if self.tree.has_children():  # whether they wait for animation frames is not known
            await self.frames.draw()
        await self.journal.downloads_done()

    async def look(self) -> TabView:
        """Return the page as it stands, with the content of its frames; raises like `settle`."""
        for _ in range(READ_TRIES):
            try:
                view = await self._look()
                break
            except ContextGoneError:
                await self.clock.settle(SETTLE_MS)
        else:
            raise PageHungError("the page replaces itself without end")
        self.title = view["title"]
        self.journal.saw_title(view["title"])
        return TabView(
            url=view["url"],
            title=view["title"],
            focused=view["focused"],
            elements=tuple(_element(row) for row in view["elements"][:MAX_ELEMENTS]),
            elements_omitted=view["omitted"] + max(0, len(view["elements"]) - MAX_ELEMENTS),
        )

    async def read(self, expression: str) -> Any:
        """Evaluate in the main document; one that is being replaced is let settle first. Raises like `settle`."""
        for _ in range(READ_TRIES):
            try:
                return await self.clock.evaluate(expression)
            except ContextGoneError:
                await self.clock.settle(SETTLE_MS)
        raise PageHungError("the page replaces itself without end")

    async def ask(self, ref: int, name: str, *arguments: Any) -> dict[str, Any]:
        """Call a function of the page script on an element; its spot, if it tells one, is the viewport's.

        Raises:
            ActionError: what it answered as its error, or a frame around the element hides the spot.
        """
        frame_id, own = self.tree.split(ref)
        self._heard = False  # aiming opens the window of trusted input
        answer = self._checked(await self.tree.evaluate(frame_id, call(name, own, *arguments)))
        path = self.tree.path(frame_id)
        for parent, child in zip(path[-2::-1], path[:0:-1], strict=True):
            if "x" in answer:
                owner = await self.tree.owner_ref(child)
                box = self._checked(await self.tree.evaluate(parent, call("frameBox", owner)))
                answer |= {"x": answer["x"] + box["x"], "y": answer["y"] + box["y"]}
                self._checked(await self.tree.evaluate(parent, call("covered", owner, answer["x"], answer["y"])))
        return answer

    async def ask_page(self, name: str, *arguments: Any) -> dict[str, Any]:
        """Call a function of the page script in the main document; raises like `ask`."""
        return self._checked(await self.clock.evaluate(call(name, *arguments)))

    async def arm(self) -> None:
        """Count trusted input as the agent's, in every document, until the next `hear` or `settle`."""
        self._heard = False
        await asyncio.gather(*(self._in_context(context, "arm()") for context in self.tree.contexts()))

    async def dismiss(self) -> None:
        """Answer the dialog that may be open, and hold none from now on."""
        self.dialogs = "accept"
        if self.dialog is not None:
            await self.answer(accept=False, text=None)

    async def hear(self) -> bool:
        """Close the window of trusted input; what the action has set off in the page is reported by then.

        Returns:
            Whether a press of the mouse has reached any document while it was open, or may have.
        """
        found = await asyncio.gather(*(self._in_context(context, "disarm()") for context in self.tree.contexts()))
        self._heard = True
        # None: it led to another document
        return self.clock.navigating or any(pressed is not False for pressed in found)

    async def clear(self) -> None:
        """End the episode: an empty page, no window name, no history; raises like `settle`."""
        if self._has_worked:  # a worker in an endless loop outlives its page: the timer that ends it is virtual
            raise SandboxError("the episode ran workers, and one may still run; the page is not used again")
        self.guard.allowed = frozenset()
        self.journal.begin(None)
        self.popups.clear()
        for _ in range(READ_TRIES):
            self.clock.expect_navigation()
            await self.channel.send("Page.navigate", url=BLANK_URL)
            await self.clock.load()
            with contextlib.suppress(ContextGoneError):  # a page may have replaced itself in the last moment
                # A window keeps its name whatever it shows.
                if await self.clock.evaluate("window.name = '', location.href") == BLANK_URL:
                    break
        else:
            raise PageHungError("the page replaces itself without end")
        await tab_input.move_to(self, *OUTSIDE)  # the next page would show what it is over
        await self.channel.send("Page.resetNavigationHistory")

    async def answer(self, *, accept: bool, text: str | None) -> None:
        """Answer the dialog that is open."""
        dialog, self.dialog = self.dialog, None
        assert dialog is not None
        self.channel.release()
        self.journal.answered(dialog, accepted=accept, text=text if dialog.dialog_type == "prompt" else None)
        await self.channel.send(
            "Page.handleJavaScriptDialog", accept=accept, promptText=dialog.default_value if text is None else text
        )

    # ------------------------------------------------------------------ inside

    async def _in_context(self, context_id: int, call: str) -> Any:
        """Evaluate in a document's isolated world; None if the document is gone."""
        try:
            answer = await self.channel.send(
                "Runtime.evaluate", expression=f"milepostPage.{call}", contextId=context_id, returnByValue=True
            )
        except ContextGoneError:
            return None
        return value_of(answer)

    async def _look(self) -> dict[str, Any]:
        text = await self.clock.evaluate(f"JSON.stringify(milepostPage.look({MAX_ELEMENTS}))")
        view = dict(read_json(text))
        if view["frames"] and self.tree.has_children():
            await self._fill_in(view, self.tree.main_id)
        return view

    async def _fill_in(self, view: dict[str, Any], frame_id: str) -> None:
        """Put the content of a document's frames behind their elements."""
        places = {ref: (left, top) for ref, left, top, _ in view["frames"]}
        for child in self.tree.children(frame_id):
            try:
                owner = await self.tree.owner_ref(child)
                if owner not in places:
                    continue  # it is not shown
                expression = f"JSON.stringify(milepostPage.look({MAX_ELEMENTS}))"
                inner = read_json(await self.tree.evaluate(child, expression))
            except ContextGoneError:
                continue  # it is being replaced; what it will be is seen at the next look
            if inner["frames"]:
                await self._fill_in(inner, child)
            first = self.tree.number(child) * FRAME_REFS
            at = next((i for i, row in enumerate(view["elements"]) if row[0] == owner), len(view["elements"]) - 1)
            outer = view["elements"][at][6] + 1 if view["elements"] else 0
            rows = [_moved(row, first, outer, places[owner], self.tree.number(child)) for row in inner["elements"]]
            view["elements"][at + 1 : at + 1] = rows
            view["omitted"] += inner["omitted"]
            if view["focused"] == owner and inner["focused"] is not None:
                focused = inner["focused"]
                view["focused"] = focused if focused >= FRAME_REFS else focused + first

    def _checked(self, answer: Any) -> dict[str, Any]:
        if "error" in answer:
            raise ActionError(answer["error"])
        self.scrolled |= answer.get("moved", False)
        return dict(answer)

    async def _set_world(self, start_ms: float, seed: int, move_ms: float | None) -> None:
        settings = orjson.dumps({"startMs": start_ms, "moveMs": move_ms, "seed": seed}).decode()
        source = _script("page_world.js").replace("MILEPOST_SETTINGS", settings)
        old, self._world_script = self._world_script, None
        adding = self.channel.start("Page.addScriptToEvaluateOnNewDocument", source=source)
        if old is not None:
            await self.channel.send("Page.removeScriptToEvaluateOnNewDocument", identifier=old)
        self._world_script = (await self.channel.finish(adding, "a script"))["identifier"]

    def _on_worker(self) -> None:
        self._has_worked = True

    def _on_window_open(self, event: dict[str, Any]) -> None:
        if event["url"]:
            self.popups.append(event["url"])

    def _on_dialog(self, event: dict[str, Any]) -> None:
        dialog = DialogInfo(
            dialog_type=event["type"], message=event["message"], default_value=event.get("defaultPrompt", "")
        )
        if self.dialogs == "ask":
            self.dialog = dialog
            self.channel.hold()
        else:
            self.journal.answered(dialog, accepted=True)
            self.channel.start("Page.handleJavaScriptDialog", accept=True, promptText=dialog.default_value)


def call(name: str, *arguments: Any) -> str:
    """Return the text of a call of the page script's function `name`."""
    return f"milepostPage.{name}({', '.join(orjson.dumps(a).decode() for a in arguments)})"


def _moved(row: list[Any], first_ref: int, depth: int, at: tuple[float, float], number: int) -> list[Any]:
    """Return a row of a frame's document as it stands in the document around it."""
    ref, role, name, value, states, options, own_depth, box, in_viewport, interactive, frame = row
    if ref < FRAME_REFS:  # else it belongs to a frame within, and has its reference and number already
        ref, frame = ref + first_ref, number
    if box is not None:
        box = [box[0] + at[0], box[1] + at[1], box[2], box[3]]
        in_viewport = (
            box[0] < VIEWPORT[0] and box[1] < VIEWPORT[1] and box[0] + box[2] > 0 and box[1] + box[3] > 0
            and bool(in_viewport)
        )  # fmt: skip
    return [ref, role, name, value, states, options, own_depth + depth, box, in_viewport, interactive, frame]


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


__all__ = ["SETTLE_MS", "VIEWPORT", "DialogPolicy", "Tab", "TabView", "call"]
