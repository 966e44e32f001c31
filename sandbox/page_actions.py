"""What an agent does to the elements of the active tab, and with its mouse, keyboard and clipboard."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from . import tab_input
from .channel import ContextGoneError
from .errors import ActionError
from .page_frames import value_of
from .tab import VIEWPORT, Tab, call
from .tab_input import Button

if TYPE_CHECKING:
    from .devtools import DevTools

MAX_UPLOADS = 20
MAX_TICKS = 20
SET_TYPES = frozenset({"date", "time", "month", "week", "datetime-local", "color", "range"})
COPY_KEYS = frozenset({"control+c", "control+x", "controlormeta+c", "controlormeta+x", "control+insert"})
PASTE_KEYS = frozenset({"control+v", "controlormeta+v", "control+shift+v", "shift+insert"})


class PageActions(ABC):
    """The actions of a `PageSession`.

    Attributes:
        clipboard: what was copied last.
    """

    def __init__(self, devtools: DevTools, context_id: str) -> None:
        self.clipboard = ""
        self._devtools = devtools
        self._context_id = context_id
        self._uploads: Path | None = None

    @abstractmethod
    def _acting(self) -> AbstractContextManager[Tab]:
        """Yield the active tab for an action, unless a dialog holds it."""

    # ------------------------------------------------------------------ on elements

    async def click(self, ref: int, *, button: Button = "left", count: int = 1) -> None:
        """Click an element with the mouse, `count` times; it is scrolled into view first.

        Raises:
            ActionError: no such element, or it is disabled, invisible or covered (the message says by what).
        """
        with self._acting() as tab:
            spot = await tab.ask(ref, "aim", "click")
            await tab_input.click_at(tab, spot["x"], spot["y"], button, count)

    async def hover(self, ref: int) -> None:
        """Move the mouse over an element; raises like `click`."""
        with self._acting() as tab:
            spot = await tab.ask(ref, "aim", "hover")
            await tab_input.move_to(tab, spot["x"], spot["y"])

    async def drag(self, ref: int, onto: int) -> None:
        """Drag an element onto another; raises like `click`."""
        with self._acting() as tab:
            await tab.ask(onto, "aim", "hover")
            start = await tab.ask(ref, "aim", "click")
            end = await tab.ask(onto, "aim", "hover")
            if end.get("moved"):
                raise ActionError("the two elements are too far apart to be in view together; scroll first")
            await tab_input.drag(tab, start["x"], start["y"], end["x"], end["y"])

    async def fill(self, ref: int, text: str) -> None:
        """Replace a field's content.

        Raises:
            ActionError: as `click`, or the element takes no text, or not this one.
        """
        with self._acting() as tab:
            spot = await tab.ask(ref, "aim", "fill")
            if spot["type"] in SET_TYPES:
                await self._set(tab, ref, "put", text)
                return
            for _ in range(tab_input.CLICK_TRIES):
                await tab_input.try_click(tab, spot["x"], spot["y"])
                field = await tab.ask(ref, "grip")
                if field["pressed"]:
                    break
                await tab.frames.draw()
            if text:
                await tab.channel.send("Input.insertText", text=text)
            elif not field["empty"]:
                await tab_input.press(tab, "Delete")

    async def select(self, ref: int, option: str) -> None:
        """Choose a select's option by its label (or its value, or its label in another case).

        Raises:
            ActionError: as `click`, or it is no select, or has no such option.
        """
        with self._acting() as tab:
            await tab.ask(ref, "aim", "select")
            await self._set(tab, ref, "choose", option)

    async def check(self, ref: int, checked: bool) -> None:
        """Bring a checkbox, radio button, switch or toggle button into a state; one that is in it is left alone.

        Raises:
            ActionError: as `click`, or it cannot be checked, or does not take the state (a radio button that is on).
        """
        with self._acting() as tab:
            if await self._is_checked(tab, ref) is checked:
                return
            spot = await tab.ask(ref, "aim", "click")
            await tab_input.click_at(tab, spot["x"], spot["y"])
            with contextlib.suppress(ContextGoneError):  # the click has led to another page
                if await self._is_checked(tab, ref) is not checked:
                    raise ActionError(f"it was clicked and is still {'off' if checked else 'on'}")

    async def upload(self, ref: int, files: Sequence[tuple[str, bytes]]) -> None:
        """Put files into a file field.

        Args:
            ref: the field.
            files: name and content of each, at most 20.

        Raises:
            ActionError: it takes no files, or only one.
        """
        with self._acting() as tab:
            field = await tab.ask(ref, "aim", "upload")
            if len(files) > (MAX_UPLOADS if field.get("multiple") else 1):
                raise ActionError(f"the field takes one file; {len(files)} were given" if not field.get("multiple")
                                  else f"at most {MAX_UPLOADS} files can be uploaded at once")  # fmt: skip
            await tab_input.give_files(tab, ref, self._written(files))

    async def scroll(self, direction: Literal["up", "down", "left", "right"], ref: int | None = None) -> None:
        """Scroll the part around an element, or under the middle of the viewport, by four fifths of its size.

        Raises:
            ActionError: nothing is left to scroll.
        """
        with self._acting() as tab:
            if ref is None:
                await tab.ask_page("scroll", direction)
            else:
                frame_id, own = tab.tree.split(ref)
                answer = await tab.tree.evaluate(frame_id, call("scroll", direction, own))
                if "error" in answer:
                    raise ActionError(answer["error"])
            tab.scrolled = True  # scroll events and what hangs on them come with the next frame

    # ------------------------------------------------------------------ mouse, keyboard, clipboard

    async def mouse_move(self, x: float, y: float) -> None:
        """Move the mouse to a point of the viewport, in CSS pixels.

        Raises:
            ActionError: it lies outside.
        """
        with self._acting() as tab:
            _within(x, y)
            await tab.arm()
            await tab_input.move_to(tab, x, y)

    async def mouse_click(self, x: float, y: float, *, button: Button = "left", count: int = 1) -> None:
        """Click at a point of the viewport; raises like `mouse_move`."""
        with self._acting() as tab:
            _within(x, y)
            await tab.arm()
            await tab_input.click_at(tab, x, y, button, count)

    async def mouse_drag(self, x: float, y: float, to_x: float, to_y: float) -> None:
        """Press at a point, move to another, release; raises like `mouse_move`."""
        with self._acting() as tab:
            _within(x, y)
            _within(to_x, to_y)
            await tab.arm()
            await tab_input.drag(tab, x, y, to_x, to_y)

    async def press(self, keys: str) -> None:
        """Press a key or a chord where the focus is: "Enter", "Tab", "Control+A", "x".

        Raises:
            ActionError: no such key.
        """
        with self._acting() as tab:
            await tab.arm()
            chord = keys.replace(" ", "").lower()
            if chord in COPY_KEYS:
                self.clipboard = await self._selection(tab) or self.clipboard
            if chord in PASTE_KEYS:
                await self._paste(tab, keys)
            elif chord in COPY_KEYS:  # not while another episode's paste has its text on the browser's clipboard
                async with self._devtools.clipboard:
                    await tab_input.press(tab, keys)
            else:
                await tab_input.press(tab, keys)

    async def type(self, text: str) -> None:
        """Type text key by key where the focus is."""
        with self._acting() as tab:
            await tab.arm()
            await tab_input.type_text(tab, text)

    async def set_clipboard(self, text: str) -> None:
        """Put text onto the episode's clipboard."""
        self.clipboard = text

    # ------------------------------------------------------------------ inside

    async def _set(self, tab: Tab, ref: int, call: str, value: str) -> None:
        entry = await tab.ask(ref, call, value)
        tab.journal.acted(entry | {"ref": ref})

    async def _is_checked(self, tab: Tab, ref: int) -> bool:
        frame_id, own = tab.tree.split(ref)
        checked = await tab.tree.evaluate(frame_id, call("checked", own))
        if checked is None:
            raise ActionError("it cannot be checked; click it instead")
        return bool(checked)

    async def _selection(self, tab: Tab) -> str:
        """Return the text that is selected in any of the tab's documents."""
        found = [await tab.tree.evaluate(tab.tree.main_id, "milepostPage.selection()")]
        for child in tab.tree.children(tab.tree.main_id):
            found.append(await tab.tree.evaluate(child, "milepostPage.selection()"))
        return str(next((text for text in found if text), ""))

    async def _paste(self, tab: Tab, keys: str) -> None:
        if not self.clipboard:
            return  # the browser's own may hold what another episode copied
        async with self._devtools.clipboard:
            await self._permit_copying("granted")
            copying = tab.channel.start(
                "Runtime.evaluate",
                expression=call("copy", self.clipboard),
                contextId=tab.clock.context_id,
                awaitPromise=True,
                returnByValue=True,
                userGesture=True,
            )
            for _ in range(MAX_TICKS):
                if not copying.done():
                    await tab.clock.tick()
            copied = copying.done() and value_of(await tab.channel.finish(copying, "the clipboard"))
            await self._permit_copying("denied")
            if copied:
                await tab_input.press(tab, keys)
            else:
                await tab.channel.send("Input.insertText", text=self.clipboard)

    async def _permit_copying(self, setting: Literal["granted", "denied"]) -> None:
        await self._devtools.start(
            "Browser.setPermission",
            {"permission": {"name": "clipboard-write"}, "setting": setting, "browserContextId": self._context_id},
        )

    def _written(self, files: Sequence[tuple[str, bytes]]) -> list[Path]:
        """Write files where the browser can read them; they are gone with the episode."""
        if self._uploads is None:
            self._uploads = Path(tempfile.mkdtemp(prefix="milepost-upload-"))
        folder = Path(tempfile.mkdtemp(dir=self._uploads))
        paths = []
        for name, content in files:
            path = folder / Path(name).name
            path.write_bytes(content)
            paths.append(path)
        return paths

    def _forget_uploads(self) -> None:
        uploads, self._uploads = self._uploads, None
        if uploads is not None:
            shutil.rmtree(uploads, ignore_errors=True)


def _within(x: float, y: float) -> None:
    if not (0 <= x < VIEWPORT[0] and 0 <= y < VIEWPORT[1]):
        raise ActionError(f"({x:g}, {y:g}) lies outside the viewport of {VIEWPORT[0]} x {VIEWPORT[1]} pixels")


__all__ = ["PageActions"]
