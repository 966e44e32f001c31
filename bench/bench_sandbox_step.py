"""How fast the computer resets and steps: one page, then many at once, against bare Playwright in the same run.

    python bench/bench_sandbox_step.py [--pages 1 16 48] [--steps 100] [--resets 10]

A step is a trusted click on a button that changes the page after 20 ms, the settle, and a full look. The baseline
clicks with Playwright, waits 50 ms for the page as its users must, and takes Playwright's own accessible snapshot.
"""

import argparse
import asyncio
import statistics
import time

import numpy as np
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from milepost.sandbox.app_server import App, AppServer
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.fleet import Fleet

ROWS = "".join(f"<tr><td>Report {i}<td>Region {i % 4}<td><button>CSV {i}</button></tr>" for i in range(12))
PAGE = f"""<!doctype html><title>Bench</title><h1>Reports</h1><label>Search <input></label>
<button id=go onclick="setTimeout(() => log.textContent = ++n, 20)">Go</button><output id=log>0</output>
<table>{ROWS}</table><script>let n = 0</script>"""


class Bench(App):
    """One page, no data."""

    name = "bench"

    def create_schema(self, db):
        """No tables."""

    def seed(self, db, rng, parameters):
        """Nothing to fill in."""

    def asgi(self):
        """Serve the page."""

        async def home(request):
            return HTMLResponse(PAGE)

        return Starlette(routes=[Route("/", home)])

    def state(self, db):
        """Return nothing."""
        return {}


async def ours(app, pages, steps, resets):
    fleet, server = Fleet.shared(), AppServer.shared()
    reset_ms, step_ms = [], []
    sessions = [None] * pages

    async def reset(i, timed):
        began = time.perf_counter()
        if sessions[i] is not None:
            page, instance = sessions[i]
            await fleet.release(page)
            instance.close()
        page = await fleet.acquire()
        instance = server.open(app, rng=np.random.default_rng(0), parameters={})
        sessions[i] = (page, instance)
        await page.open(url=instance.origin + "/", allowed_hosts=[instance.host], seed=i)
        await page.look()
        if timed:
            reset_ms.append(1e3 * (time.perf_counter() - began))

    async def step(i):
        page, _ = sessions[i]
        view = await page.look()
        ref = next(e.ref for e in view.elements if e.name == "Go")
        for _ in range(steps):
            began = time.perf_counter()
            await page.click(ref)
            await page.settle()
            await page.look()
            page.drain_events(1)
            step_ms.append(1e3 * (time.perf_counter() - began))

    await asyncio.gather(*(reset(i, False) for i in range(pages)))
    launches = fleet.launches
    began = time.perf_counter()
    for _ in range(resets):
        await asyncio.gather(*(reset(i, True) for i in range(pages)))
    resets_s = time.perf_counter() - began
    assert fleet.launches == launches
    began = time.perf_counter()
    await asyncio.gather(*(step(i) for i in range(pages)))
    steps_s = time.perf_counter() - began
    for page, instance in sessions:
        await fleet.release(page)
        instance.close()
    return reset_ms, pages * resets / resets_s, step_ms, pages * steps / steps_s


async def bare(app, steps):
    server, fleet = AppServer.shared(), Fleet.shared()
    instance = server.open(app, rng=np.random.default_rng(0), parameters={})
    browser = await fleet._place().browser.ready()
    step_ms = []
    began = time.perf_counter()
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(instance.origin + "/")
    reset_ms = 1e3 * (time.perf_counter() - began)
    for _ in range(steps):
        began = time.perf_counter()
        await page.locator("#go").click()
        await page.wait_for_timeout(50)
        await page.locator("body").aria_snapshot()
        step_ms.append(1e3 * (time.perf_counter() - began))
    await context.close()
    instance.close()
    return reset_ms, step_ms


def spread(values):
    ordered = sorted(values)
    return f"median {statistics.median(ordered):6.1f}  p95 {ordered[int(0.95 * (len(ordered) - 1))]:6.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, nargs="+", default=[1, 16, 48])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--resets", type=int, default=3)
    options = parser.parse_args()
    app, thread = Bench(), BrowserThread.get()
    reset_ms, step_ms = thread.run(bare(app, options.steps), 300)
    baseline = 1e3 / statistics.median(step_ms)
    print(f"Playwright, 1 page:  reset {reset_ms:6.1f} ms   step {spread(step_ms)} ms   {baseline:6.1f} steps/s")
    for pages in options.pages:
        resets, resets_per_s, steps, steps_per_s = thread.run(ours(app, pages, options.steps, options.resets), 600)
        print(
            f"milepost, {pages:2} pages:  reset {spread(resets)} ms ({resets_per_s:5.1f}/s)   "
            f"step {spread(steps)} ms   {steps_per_s:6.1f} steps/s   x{steps_per_s / baseline:.1f}"
        )


if __name__ == "__main__":
    main()
