"""Draws a page's frames, each on request: an animation frame runs when a step asks for one, and never otherwise.

A page made with begin-frame control draws nothing by itself, so a resting page costs nothing, and a page that waits
for animation frames sees the same ones in every run. Frames of two pages of one browser drawn at once bring Chromium
down, hence the lock that all pages of a browser share.
"""

from __future__ import annotations

import asyncio
import base64

from .channel import Channel
from .errors import PageHungError, SandboxError
from .snapshot import VIEWPORT

FRAME_DEADLINE_S = 5.0
KILL_DEADLINE_S = 2.0


class Frames:
    """One page's frames.

    Args:
        channel: the page's DevTools.
        lock: the lock that all pages of its browser share.
    """

    def __init__(self, channel: Channel, lock: asyncio.Lock) -> None:
        self._channel = channel
        self._lock = lock

    async def draw(self) -> None:
        """Run one frame: animation callbacks, layout, observers. Nothing is painted.

        Raises:
            PageHungError: it does not end within FRAME_DEADLINE_S seconds; the page's process is then ended, since no
            other page of the browser could draw meanwhile.
            BrowserCrashedError: the page or its browser died.
        """
        await self._frame(noDisplayUpdates=True)

    async def picture(self) -> bytes:
        """Run one frame and return the viewport as PNG.

        Raises:
            SandboxError: there is no picture, or its size is not VIEWPORT's. Otherwise as `draw`.
        """
        for _ in range(2):  # the first frame of a document may have nothing to show yet
            answer = await self._frame(screenshot={"format": "png", "optimizeForSpeed": True})
            if "screenshotData" in answer:
                png = base64.b64decode(str(answer["screenshotData"]))
                _expect_size(png)
                return png
        raise SandboxError("the browser drew a frame without a picture")

    async def _frame(self, **parameters: object) -> dict[str, object]:
        async with self._lock:
            call = self._channel.start("HeadlessExperimental.beginFrame", **parameters)
            try:
                return await self._channel.finish(call, "a frame", timeout_s=FRAME_DEADLINE_S)
            except PageHungError:
                await self._kill()
                raise

    async def _kill(self) -> None:
        crash = self._channel.start("Page.crash")
        await asyncio.wait((crash, self._channel.dead), timeout=KILL_DEADLINE_S)
        self._channel.kill("the page's process was ended: a frame of it did not end")


def _expect_size(png: bytes) -> None:
    """Refuse the picture of a window that has come to another size: the page is not used again."""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))  # where PNG has them
    if (width, height) != VIEWPORT:
        raise SandboxError(f"the page's window is {width} x {height} pixels now, not {VIEWPORT[0]} x {VIEWPORT[1]}")


__all__ = ["Frames"]
