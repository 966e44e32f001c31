"""Trusted input into a tab: mouse, keyboard, wheel and files.

Moves of the mouse reach the page with its next frame. So a move is followed by one, unless a press follows, which
brings the move along.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .errors import ActionError

if TYPE_CHECKING:
    from .tab import Tab

Button = Literal["left", "right", "middle"]
INPUT_DEADLINE_S = 10.0
DRAG_STEPS = 4
CLICK_TRIES = 3
MOVE_FRAMES = 4  # one is enough, but for a page that is busy with a drag of its own
MOVE_PATIENCE_S = 0.5
_HELD = {"none": 0, "left": 1, "right": 2, "middle": 4}


async def click_at(tab: Tab, x: float, y: float, button: Button = "left", count: int = 1) -> None:
    """Move the mouse to a point of the viewport and click there `count` times, as the last thing that an action does.

    About one click in a thousand onto a document that has just been loaded is dropped by Chromium before the page sees
    it; it is made again.
    """
    for _ in range(CLICK_TRIES):
        await try_click(tab, x, y, button, count)
        if await tab.hear():
            return
        await tab.frames.draw()
        await tab.arm()


async def try_click(tab: Tab, x: float, y: float, button: Button = "left", count: int = 1) -> None:
    """Move the mouse to a point of the viewport and click there; Chromium may drop the click."""
    calls = [_mouse(tab, "mouseMoved", x, y)]
    for number in range(1, count + 1):
        calls += [_mouse(tab, kind, x, y, button, number) for kind in ("mousePressed", "mouseReleased")]
    for call in calls:
        await tab.channel.finish(call, "a click", timeout_s=INPUT_DEADLINE_S)


async def move_to(tab: Tab, x: float, y: float) -> None:
    """Move the mouse to a point of the viewport."""
    await _moved(tab, _mouse(tab, "mouseMoved", x, y))


async def drag(tab: Tab, x: float, y: float, to_x: float, to_y: float) -> None:
    """Press the mouse at a point, move to another, and release; also what HTML calls drag and drop."""
    intercepted: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def on_drag(event: dict[str, Any]) -> None:
        if not intercepted.done():
            intercepted.set_result(event["data"])

    tab.channel.on("Input.dragIntercepted", on_drag)
    await tab.channel.send("Input.setInterceptDrags", enabled=True)
    try:
        await move_to(tab, x, y)
        press = _mouse(tab, "mousePressed", x, y, "left", 1)
        await tab.channel.finish(press, "a press", timeout_s=INPUT_DEADLINE_S)
        for step in range(1, DRAG_STEPS + 1):
            at_x, at_y = x + (to_x - x) * step / DRAG_STEPS, y + (to_y - y) * step / DRAG_STEPS
            if not intercepted.done():
                await _moved(tab, _mouse(tab, "mouseMoved", at_x, at_y, "left", 1))
            if intercepted.done():  # from here on the browser drags, not the page
                kind = "dragEnter" if step == 1 else "dragOver"
                await _drag_event(tab, kind, at_x, at_y, intercepted.result())
        if intercepted.done():
            for kind in ("dragEnter", "dragOver", "drop"):
                await _drag_event(tab, kind, to_x, to_y, intercepted.result())
        release = _mouse(tab, "mouseReleased", to_x, to_y, "left", 1)
        await tab.channel.finish(release, "a release", timeout_s=INPUT_DEADLINE_S)
    finally:
        tab.channel.off("Input.dragIntercepted", on_drag)
        with contextlib.suppress(Exception):  # what went wrong above is told above
            await tab.channel.send("Input.setInterceptDrags", enabled=False)


async def press(tab: Tab, keys: str) -> None:
    """Press a key or a chord where the focus is.

    Raises:
        ActionError: no such key.
    """
    from playwright.async_api import Error

    pressing = asyncio.ensure_future(tab.page.keyboard.press(keys))
    await tab.channel.until(pressing, what=f"the key {keys}", timeout_s=INPUT_DEADLINE_S)
    try:
        pressing.result()
    except Error as error:
        if "Unknown key" in str(error):
            raise ActionError(
                f'there is no key {keys!r}; write "Enter", "Tab", "ArrowDown", "Control+A" or one character'
            ) from error
        raise


async def type_text(tab: Tab, text: str) -> None:
    """Type key by key where the focus is."""
    typing = asyncio.ensure_future(tab.page.keyboard.type(text))
    await tab.channel.until(typing, what="typing", timeout_s=INPUT_DEADLINE_S)
    typing.result()


async def give_files(tab: Tab, ref: int, paths: Sequence[Path]) -> None:
    """Put files of this machine into a file field."""
    frame_id, own = tab.tree.split(ref)
    node = await tab.tree.node(frame_id, own)
    await tab.channel.send("DOM.setFileInputFiles", files=[str(path) for path in paths], objectId=node)


async def _moved(tab: Tab, move: asyncio.Future[dict[str, Any]]) -> None:
    for _ in range(MOVE_FRAMES):
        await tab.frames.draw()
        await asyncio.wait({move}, timeout=MOVE_PATIENCE_S)
        if move.done():
            break
    await tab.channel.finish(move, "a move of the mouse", timeout_s=INPUT_DEADLINE_S)


async def _drag_event(tab: Tab, kind: str, x: float, y: float, data: dict[str, Any]) -> None:
    await tab.channel.send("Input.dispatchDragEvent", timeout_s=INPUT_DEADLINE_S, type=kind, x=x, y=y, data=data)


def _mouse(
    tab: Tab, kind: str, x: float, y: float, button: str = "none", count: int = 0
) -> asyncio.Future[dict[str, Any]]:
    held = 0 if kind == "mouseReleased" else _HELD[button]
    return tab.channel.start(
        "Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=held, clickCount=count
    )


__all__ = ["Button", "click_at", "drag", "give_files", "move_to", "press", "type_text"]
