"""When the machine fails: a typed error within a deadline, and the next episode runs."""

import asyncio
import os
import signal
import time

import pytest

from milepost.sandbox import tab_input
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.errors import BrowserCrashedError, FailureKind, PageHungError, SandboxError
from milepost.sandbox.fleet import Fleet

pytestmark = pytest.mark.browser


def kill_browsers(fleet):
    """Kill the processes that lead the browsers, as a crash or the system's memory guard would."""
    for browser in fleet.browsers():
        os.killpg(browser.pid, signal.SIGKILL)


def settle_often(it):
    for _ in range(100):
        it.settle()


def test_an_endless_loop_is_a_hang_within_the_deadline(computer, monkeypatch):
    monkeypatch.setattr(tab_input, "INPUT_DEADLINE_S", 1.0)
    it = computer("<title>T</title><button onclick='for (;;);'>Loop</button>")
    began = time.monotonic()
    with pytest.raises(PageHungError) as caught:
        it.act("click", "Loop")
    assert time.monotonic() - began < 5
    assert caught.value.kind is FailureKind.PAGE_HUNG
    with pytest.raises(SandboxError):
        it.look()
    it.close()
    assert computer("<title>Next</title>").look().title == "Next"


def test_a_page_whose_process_dies_is_a_crash_and_others_live_on(computer):
    it, other = computer("<title>T</title>"), computer("<title>Other</title>")

    async def crash():
        it.page._channel.start("Page.crash")

    it.run(crash())
    with pytest.raises(BrowserCrashedError):
        settle_often(it)
    it.close()
    assert other.look().title == "Other"
    assert computer("<title>Next</title>").look().title == "Next"


def test_a_killed_browser_is_a_crash_and_the_next_episode_starts_another(computer):
    it = computer("<title>T</title>")
    fleet = it.run(_fleet())
    launches = fleet.launches
    kill_browsers(fleet)
    with pytest.raises(BrowserCrashedError):
        settle_often(it)
    it.close()
    assert computer("<title>Next</title>").look().title == "Next"
    assert fleet.launches == launches + 1


def test_a_dead_browser_that_passes_for_connected_is_replaced(computer):
    it = computer("<title>T</title>")
    it.close()

    async def kill_and_acquire():
        fleet = Fleet.shared()
        kill_browsers(fleet)
        page = await fleet.acquire()  # before anybody has been told
        assert await page.answers()
        await fleet.release(page)

    it.run(kill_and_acquire())


async def _fleet():
    return Fleet.shared()


def test_an_unreachable_first_page_says_so(computer):
    it = computer("")

    async def open_nowhere():
        page = await Fleet.shared().acquire()
        try:
            host = "nobody.example"
            await page.open(url=f"http://{host}/", allowed_hosts=[host], seed=0)
        finally:
            await Fleet.shared().release(page)

    with pytest.raises(SandboxError, match="cannot be reached"):
        it.run(open_nowhere())


def test_resets_launch_no_browser_and_reuse_pages(computer):
    first = computer("<title>1</title>")
    fleet = first.run(_fleet())
    launches, pages = fleet.launches, set()
    first.close()
    for _ in range(5):
        it = computer("<title>2</title>")
        pages.add(id(it.page))
        it.close()
    assert fleet.launches == launches
    assert len(pages) <= 5


def test_a_page_given_back_twice_is_lent_once(computer):
    it = computer("<title>1</title>")
    it.close()
    it.close()
    one, two = computer("<title>1</title>"), computer("<title>2</title>")
    assert one.page is not two.page


def test_many_episodes_run_at_once(app, computer):
    opened = [computer(f"<title>{i}</title><button onclick='document.title += \"!\"'>B</button>") for i in range(12)]

    async def step(it):
        view = await it.page.look()
        await it.page.click(view.elements[0].ref)
        await it.page.settle()
        return (await it.page.look()).title

    async def all_at_once():
        return await asyncio.gather(*(step(it) for it in opened))

    assert opened[0].run(all_at_once()) == [f"{i}!" for i in range(12)]


def test_the_fleet_is_only_for_the_browser_thread():
    with pytest.raises(SandboxError, match="browser thread"):
        Fleet.shared()
    assert BrowserThread.get().run(_fleet(), 30) is BrowserThread.get().run(_fleet(), 30)
