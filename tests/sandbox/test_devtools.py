"""A DevTools connection whose browser dies: what waits fails, and nothing complains that nobody waited."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from milepost.errors import BrowserCrashedError
from milepost.sandbox.devtools import DevTools


async def _deaf(connection: ServerConnection) -> None:
    async for _ in connection:
        pass


async def _killed(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with serve(_deaf, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        devtools = await DevTools.connect(f"ws://127.0.0.1:{port}/devtools/browser/x")
        waiting = devtools.start("Browser.getVersion")
        devtools.close()
        for _ in range(10):  # in the moment in which the transport is closed and nobody has been told
            devtools.start("Browser.getVersion")
        with pytest.raises(ConnectionError, match="the connection to the browser was lost"):
            await waiting
        devtools.start("Browser.getVersion")  # its answer is awaited by nobody
        with pytest.raises(ConnectionError):
            await devtools.start("Browser.getVersion")
    gc.collect()
    await asyncio.sleep(0)
    assert not [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.WARNING]
    return complaints


def test_a_lost_browser_fails_what_waits_and_leaves_no_complaint(caplog: pytest.LogCaptureFixture):
    assert asyncio.run(_killed(caplog)) == []


@pytest.mark.parametrize("half", [r"\ud83d", r"\udc00", r"\udc00\ud83d"])
def test_half_a_surrogate_pair_costs_a_character_and_not_the_browser(half: str):
    async def ask() -> Any:
        async def answer(connection: ServerConnection) -> None:
            async for _ in connection:
                await connection.send('{"id": 1, "result": {"text": "a' + half + r'b \\\\ud83d \ud83d\ude00"}}')

        async with serve(answer, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            devtools = await DevTools.connect(f"ws://127.0.0.1:{port}/devtools/browser/x")
            async with asyncio.timeout(5):
                return await devtools.start("Runtime.evaluate")

    lost = "\ufffd" * (len(half) // 6)
    assert asyncio.run(ask()) == {"text": f"a{lost}b \\\\ud83d 😀"}


def test_no_browser_is_a_browser_that_crashed():
    async def connect() -> None:
        await DevTools.connect("ws://127.0.0.1:9/devtools/browser/x")

    with pytest.raises(BrowserCrashedError, match="do not answer"):
        asyncio.run(connect())
