"""Bare Playwright's part of env_speed.py: the floor, which is no environment at all.

A step is a trusted mouse click (and inserted text) and one walk over the document that collects what there is to
read: no waiting, no checks, no roles and names, no rewards. What an environment adds to it is its overhead.
"""

import asyncio
import json
import time
from importlib.metadata import version

from _measuring import (
    MAIN_PAGE,
    NODES_PAGE,
    NODES_PLAN,
    PLANS,
    SELECTORS,
    Stopwatch,
    contestant,
    ends_the_problem,
    summary,
    tree_pss_mb,
)
from playwright.async_api import async_playwright

# As a JSON text: Playwright's own encoding of large results would cost more than the walk.
WALK = """() => {
  const out = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT);
  for (let e = walker.nextNode(); e; e = walker.nextNode()) {
    const box = e.getBoundingClientRect();
    const own = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim()).join(' ');
    out.push([e.tagName, e.id, own, e.value ?? null, box.x, box.y, box.width, box.height]);
  }
  return JSON.stringify(out);
}"""
BEGIN = """seed => { Math.seedrandom(seed); core.EPISODE_MAX_TIME = 1e9; core.startEpisodeReal(); }"""


async def read(page):
    return json.loads(await page.evaluate(WALK))


async def centre(page, kind, position):
    box = await page.locator(SELECTORS[kind]).nth(position).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def act(page, operation, spot):
    await page.mouse.click(*spot)
    if operation[0] == "fill":
        await page.evaluate("document.activeElement.select()")
        await page.keyboard.insert_text(operation[3])
    return await read(page)


async def open_page(browser, url):
    context = await browser.new_context(viewport={"width": 1280, "height": 720})
    page = await context.new_page()
    await page.goto(url)
    await page.evaluate(BEGIN, 0)
    return page


async def run_plan(page, url, name, plan, *, steps, resets, shots=False):
    stepping, loading, restarting = Stopwatch(), Stopwatch(), Stopwatch()
    for seed in range(resets):
        with loading:
            await page.goto(url)
            await page.evaluate(BEGIN, seed)
            await read(page)
    for seed in range(resets):
        with restarting:
            await page.evaluate(BEGIN, seed)
            await read(page)
    while len(stepping.samples_ms) < steps:
        for operation in plan:
            spot = await centre(page, *operation[1:3])
            with stepping:
                await act(page, operation, spot)
                if shots:
                    await page.screenshot()
            if ends_the_problem(name, operation):
                await page.evaluate(BEGIN, 1)
    return {
        "step_ms": summary(stepping.samples_ms),
        "reset_ms": summary(loading.samples_ms),
        "warm_reset_ms": summary(restarting.samples_ms),
    }


async def many(browser, url, settings):
    contexts, rounds, plan = settings["contexts"], settings["rounds"], PLANS[MAIN_PAGE]
    pages = [await open_page(browser, url)]
    one_mb = tree_pss_mb()
    pages += [await open_page(browser, url) for _ in range(contexts - 1)]
    all_mb = tree_pss_mb()
    spots = [[await centre(page, *operation[1:3]) for operation in plan] for page in pages]

    async def alone(page, at):
        for position in range(rounds):
            await act(page, plan[position % len(plan)], at[position % len(plan)])

    began = time.perf_counter()
    await asyncio.gather(*(alone(page, at) for page, at in zip(pages, spots, strict=True)))
    return {
        "free_steps_per_s": contexts * rounds / (time.perf_counter() - began),
        "one_context_mb": one_mb,
        "further_context_mb": (all_mb - one_mb) / (contexts - 1),
    }


async def run(settings):
    base, steps, resets = settings["pages_url"], settings["steps"], settings["resets"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=settings["browser"], headless=True, args=["--disable-gpu"]
        )
        pages = {}
        for name in settings["pages"]:
            plan = PLANS[name]
            url = f"{base}/miniwob/{name}.html"
            page = await open_page(browser, url)
            steps_here, resets_here = (steps, resets) if name == MAIN_PAGE else (steps // 4, 2)
            pages[name] = await run_plan(page, url, name, plan, steps=steps_here, resets=resets_here)
            await page.context.close()
        url = f"{base}/miniwob/{MAIN_PAGE}.html"
        page = await open_page(browser, url)
        shots = await run_plan(page, url, MAIN_PAGE, PLANS[MAIN_PAGE], steps=steps // 4, resets=2, shots=True)
        await page.context.close()
        nodes_url = f"{base}/miniwob/{NODES_PAGE}.html"
        page = await open_page(browser, nodes_url)
        nodes = await run_plan(page, nodes_url, NODES_PAGE, NODES_PLAN, steps=steps // 4, resets=2)
        await page.context.close()
        result = {
            "versions": {"playwright": version("playwright")},
            "browser": settings["browser"],
            "pages": pages,
            "warm_reset_ms": pages[MAIN_PAGE]["warm_reset_ms"],
            "screenshot_step_ms": shots["step_ms"],
            "nodes_step_ms": nodes["step_ms"],
            **await many(browser, url, settings),
        }
        await browser.close()
        return result


if __name__ == "__main__":
    contestant(lambda settings: asyncio.run(run(settings)))
