"""Checks of the page's clock, its randomness, and that equal episodes are equal."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import Any

from .events import Request
from .self_check_kit import CheckGroup, Computer, Kit, expect, require

GROUP = CheckGroup("time")
TICKING = "<script>let n = 0; setInterval(() => document.title = [++n, Date.now()].join(), 10)</script>"


@GROUP.check("the clock starts at its fixed date", "what a page prints must not depend on the day")
async def _start(kit: Kit) -> None:
    it = await kit.open("<script>document.title = new Date().toISOString()</script>")
    expect(await it.title(), "2026-01-15T09:00:00.000Z", "the date at the start")


@GROUP.check("the clock stands still between steps", "a slow policy must see what a fast one sees")
async def _still(kit: Kit) -> None:
    it = await kit.open(TICKING)
    before = await it.title()
    await asyncio.sleep(0.3)  # real time, as an agent that thinks lets pass
    expect(await it.title(), before, "ticks and date after 0.3 s without a step")


@GROUP.check("a step grants exactly its time", "timers must fire equally often in every run")
async def _grant(kit: Kit) -> None:
    it = await kit.open(TICKING)
    await it.settle(100)
    first = [int(x) for x in (await it.title()).split(",")]
    await it.settle(250)
    second = [int(x) for x in (await it.title()).split(",")]
    expect([b - a for a, b in zip(first, second, strict=True)], [25, 250], "ticks of 10 ms and milliseconds granted")


@GROUP.check("long timers cost no real time", "a page that waits ten seconds must not hold up training")
async def _long(kit: Kit) -> None:
    it = await kit.open("<script>setTimeout(() => document.title = 'rung', 9_000)</script>")
    began = asyncio.get_running_loop().time()
    await it.settle(10_000)
    expect(await it.title(), "rung", "the title after ten virtual seconds")
    took_s = asyncio.get_running_loop().time() - began
    require(took_s < 5, f"ten virtual seconds took {took_s:.1f} real ones")


@GROUP.check("animation frames and transitions come to their end", "what moves must have arrived when one looks")
async def _frames(kit: Kit) -> None:
    it = await kit.open(
        "<style>#b{transition:opacity 3s}</style><p id=b ontransitionend='document.title += `, ended`'>x</p>"
        "<button onclick='requestAnimationFrame(() => { document.title = `drawn`; b.style.opacity = 0 })'>Go</button>"
    )
    await it.do("click", on="Go")
    expect(await it.title(), "drawn, ended", "the title after the step")


@GROUP.check("a step waits for the page's requests", "an answer that comes late must not be missed")
async def _fetch(kit: Kit) -> None:
    it = await kit.open(
        "<button onclick='fetch(`/slow`).then(r => r.text()).then(t => document.title = t)'>Load</button>"
    )
    await it.do("click", on="Load")
    expect(await it.title(), "late", "the title after a request of 0.3 s")
    expect([e.status for e in it.of(Request)], [200], "the Request events")


@GROUP.check("performance and dates agree and count whole milliseconds", "finer clocks would differ between runs")
async def _performance(kit: Kit) -> None:
    it = await kit.open(
        "<script>document.title = [performance.now() % 1, performance.timeOrigin + performance.now() - Date.now()]</script>"
    )
    expect(await it.title(), "0,0", "fractions, and the difference of the two clocks")


@GROUP.check("random numbers follow the seed", "the same seed must deal the same cards")
async def _random(kit: Kit) -> None:
    html = "<script>document.title = [Math.random(), Math.random()].join()</script>"
    titles = [await (await kit.open(html, seed=seed)).title() for seed in (1, 1, 2)]
    expect(titles[1], titles[0], "the numbers of two episodes with one seed")
    require(titles[2] != titles[0], "another seed gave the same numbers")


EPISODE = (
    "<title>T</title><form action=/b><label>Name <input name=n autofocus></label><button>Go</button></form>"
    "<p id=out></p><script>setInterval(() => out.textContent = Date.now() + ' ' + Math.random(), 7);"
    "fetch('/slow').then(r => r.text()).then(t => document.body.append(t))</script>"
)


@GROUP.check("two equal episodes are equal in all they show", "rewards must be reproducible", deadline_s=30)
async def _equal(kit: Kit) -> None:
    seen = []
    for pause_s in (0.0, 0.15):
        it = await kit.open(
            EPISODE, {"/b": "<title>B</title><script>document.write(new Date(), history.length)</script>"}
        )
        seen.append(await _play(it, pause_s))
        await kit.close(it)
    for step, (first, second) in enumerate(zip(*seen, strict=True)):
        expect(second, first, f"what step {step} showed, with the agent slow instead of quick")


async def _play(it: Computer, pause_s: float) -> list[str]:
    shown = [_plain(it, await it.look())]
    for action, arguments, name in (("fill", ("x",), "Name"), ("press", ("Tab",), None), ("click", (), "Go")):
        await asyncio.sleep(pause_s)
        await it.do(action, *arguments, on=name)
        shown.append(_plain(it, await it.look()))
    await it.do("back")
    return [*shown, _plain(it, await it.look())]


def _plain(it: Computer, view: Any) -> str:
    """Return a view and its events as text, without the episode's own address and the real time of each event."""
    events = [[(f.name, getattr(e, f.name)) for f in fields(e) if f.name != "t"] for e in it.events]
    return f"{view} {events}".replace(it.instance.host, "HOST")


__all__ = ["GROUP"]
