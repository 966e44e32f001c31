"""Which browser an episode gets, when browsers are replaced, and that only the episodes of a failed one fail."""

import asyncio
import os
import signal
import time

import pytest

from milepost.sandbox import fleet_browser, fleet_shard, settle, tab_input
from milepost.sandbox.browser_process import command_line, process_table
from milepost.sandbox.errors import BrowserCrashedError, PageHungError, SandboxError
from milepost.sandbox.fleet import Fleet, FleetLimits
from milepost.sandbox.page import PageSession

from .fleets import OwnFleet, busy, eventually, members, run, signal_group, title

pytestmark = pytest.mark.browser


@pytest.fixture
def make_fleet(app):
    made = []

    def make(**limits):
        made.append(OwnFleet(app, limits))
        return made[-1]

    yield make
    for fleet in made:
        fleet.close()


def test_episodes_fill_one_browser_before_another_starts(make_fleet):
    own = make_fleet(contexts_per_browser=2)
    pages = [own.page() for _ in range(3)]
    assert own.loads() == [2, 1]
    own.release(pages[0])
    pages[0] = own.page()
    assert own.loads() == [2, 1]
    own.release(pages[2])
    own.release(pages[0])
    own.page()
    assert own.loads() == [2, 0], "the fuller one is filled first"
    assert own.fleet.launches == 2


def test_many_that_begin_at_once_share_the_browser_that_starts(make_fleet):
    own = make_fleet(contexts_per_browser=3)

    async def all_at_once():
        return await asyncio.gather(*(own.begin(f"<title>{i}</title>") for i in range(6)))

    pages = run(all_at_once())
    assert [title(page) for page in pages] == [str(i) for i in range(6)]
    assert own.loads() == [3, 3]
    assert own.fleet.launches == 2


def test_a_page_given_back_is_lent_again(make_fleet):
    own = make_fleet()
    page = own.page("<title>A</title><script>name = 'mine'</script>")
    own.release(page)
    again = own.page("<title>B</title>")
    assert again is page
    assert title(again) == "B"
    assert own.fleet.launches == 1


@pytest.mark.parametrize("limits", [{"episodes_per_browser": 2}, {"age_s": 0.0}], ids=["episodes", "age"])
def test_a_browser_due_for_it_takes_no_more_episodes_and_closes_with_its_last(make_fleet, limits):
    own = make_fleet(**limits)
    first = own.page("<title>First</title>")
    if "age_s" not in limits:
        own.release(own.page())
    old = own.browsers[0].pid
    other = own.page("<title>Other</title>")
    assert [b.retiring is not None for b in own.browsers] == [True, False]
    assert title(first) == "First", "the episode under way goes on"
    own.release(first)
    assert eventually(lambda: not members(old))
    assert title(other) == "Other"
    assert [b.pid != old for b in own.browsers] == [True]


def test_a_browser_that_takes_too_much_memory_is_retired(make_fleet, monkeypatch):
    monkeypatch.setattr(fleet_shard, "WEIGH_EVERY_S", 0.0)
    own = make_fleet(memory_bytes=10 * 1024**2)
    page = own.page()
    assert run(own.fleet.memory_bytes()) > 10 * 1024**2
    old = own.browsers[0].pid
    own.release(page)
    assert eventually(lambda: not members(old))
    assert title(own.page("<title>Next</title>")) == "Next"
    assert own.fleet.launches == 2


def test_one_that_takes_little_is_kept(make_fleet, monkeypatch):
    monkeypatch.setattr(fleet_shard, "WEIGH_EVERY_S", 0.0)
    own = make_fleet()
    for _ in range(5):
        own.release(own.page())
    assert own.fleet.launches == 1


def test_pages_are_replaced_while_their_clock_is_still_ahead():
    assert 1e3 * FleetLimits().age_s < settle.WARM_MS


def test_a_killed_browser_costs_its_own_episodes_only_and_is_replaced(make_fleet):
    own = make_fleet(contexts_per_browser=1)
    victim, other = own.page("<title>Victim</title>"), own.page("<title>Other</title>")
    doomed = own.browsers[0].pid
    signal_group(doomed)
    with pytest.raises(BrowserCrashedError):
        until_it_fails(victim)
    own.release(victim)
    assert title(other) == "Other"
    assert title(own.page("<title>Next</title>")) == "Next"
    assert doomed not in [browser.pid for browser in own.browsers]
    assert own.fleet.launches == 3


def test_many_browsers_killed_at_once_do_not_fail_the_next_episode(make_fleet):
    own = make_fleet(contexts_per_browser=1)
    pages = [own.page() for _ in range(4)]
    for browser in own.browsers:
        signal_group(browser.pid)
    for page in pages:
        own.release(page)
    assert title(own.page("<title>Next</title>")) == "Next"


def test_a_hung_browser_is_killed_and_replaced(make_fleet, monkeypatch):
    monkeypatch.setattr(fleet_shard, "ANSWER_DEADLINE_S", 1.0)
    monkeypatch.setattr(fleet_browser, "CHECK_DEADLINE_S", 1.0)
    own = make_fleet(contexts_per_browser=2)
    page, warm = own.page("<title>T</title>"), own.page()
    own.release(warm)
    other = [own.page(), own.page("<title>Other</title>")][1]
    hung = own.browsers[0].pid
    own.release(warm)
    signal_group(hung, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(SandboxError) as caught:
        until_it_fails(page)
    assert isinstance(caught.value, (BrowserCrashedError, PageHungError))
    own.release(page)
    assert title(own.page("<title>Next</title>")) == "Next"
    assert eventually(lambda: not members(hung))
    assert time.monotonic() - began < 30
    assert title(other) == "Other"


def test_a_hung_browser_is_found_by_the_next_episode(make_fleet, monkeypatch):
    monkeypatch.setattr(fleet_shard, "ANSWER_DEADLINE_S", 1.0)
    monkeypatch.setattr(fleet_browser, "CHECK_DEADLINE_S", 1.0)
    own = make_fleet()
    page, warm = own.page(), own.page()
    own.release(warm)
    hung = own.browsers[0].pid
    signal_group(hung, signal.SIGSTOP)
    began = time.monotonic()
    assert title(own.page("<title>Next</title>")) == "Next"
    assert time.monotonic() - began < 30
    with pytest.raises(BrowserCrashedError):
        until_it_fails(page)
    assert eventually(lambda: not members(hung))


def test_a_looping_page_ends_alone_and_its_process_with_it(make_fleet, monkeypatch):
    monkeypatch.setattr(tab_input, "INPUT_DEADLINE_S", 1.0)
    own = make_fleet()
    page = own.page("<title>T</title><button onclick='for (;;);'>Loop</button>")
    other = own.page("<title>Other</title>")
    pid = own.browsers[0].pid
    ref = run(page.look()).elements[0].ref
    with pytest.raises(PageHungError):
        run(page.click(ref))
    assert len(busy(pid)) == 1
    own.release(page)
    assert eventually(lambda: not busy(pid))
    assert title(other) == "Other"
    assert own.browsers[0].pid == pid
    assert own.browsers[0].retiring is None


def test_a_page_that_loops_when_its_episode_is_over_is_closed(make_fleet, monkeypatch):
    monkeypatch.setattr(fleet_shard, "CLEAR_DEADLINE_S", 1.0)
    own = make_fleet()
    page = own.page("<title>T</title><script>addEventListener('pagehide', () => { for (;;); })</script>")
    pid = own.browsers[0].pid
    own.release(page)
    assert eventually(lambda: own.browsers[0].warm == 0)
    assert eventually(lambda: not busy(pid))
    assert title(own.page("<title>Next</title>")) == "Next"


def test_a_looping_worker_ends_with_its_episode(make_fleet):
    own = make_fleet()
    own.page()
    pid = own.browsers[0].pid
    loop = "const w = new Worker(URL.createObjectURL(new Blob([`onmessage = () => { for (;;); }`])))"
    page = own.page(f"<title>T</title><script>{loop}</script><button onclick='w.postMessage(0)'>Loop</button>")
    run(page.click(run(page.look()).elements[0].ref))
    run(page.settle())
    assert eventually(lambda: busy(pid)), "the worker runs"
    own.release(page)
    assert eventually(lambda: not busy(pid))


def test_a_killed_driver_costs_its_episodes_and_is_replaced(make_fleet):
    own = make_fleet()
    page = own.page()
    browser, driver = own.browsers[0].pid, own.fleet._driver._process
    os.kill(driver.pid, signal.SIGKILL)
    with pytest.raises(BrowserCrashedError):
        until_it_fails(page)
    own.release(page)
    assert title(own.page("<title>Next</title>")) == "Next"
    assert eventually(lambda: not members(browser))


def test_a_page_that_fails_to_open_does_not_cost_the_others_their_browser(make_fleet, monkeypatch):
    own = make_fleet()
    other, create = own.page("<title>Other</title>"), PageSession.create
    failures = [BrowserCrashedError("the page's process crashed")]

    async def create_at_the_second_try(*arguments):
        if failures:
            raise failures.pop()
        return await create(*arguments)

    monkeypatch.setattr(PageSession, "create", create_at_the_second_try)
    assert title(own.page("<title>Next</title>")) == "Next"
    assert not failures
    assert own.fleet.launches == 1
    assert title(other) == "Other"


def test_a_page_that_nobody_waits_for_any_more_is_kept_for_the_next(make_fleet):
    own = make_fleet()
    own.page()

    async def impatient():
        acquiring = asyncio.ensure_future(own.fleet.acquire())
        await asyncio.sleep(0.02)
        acquiring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await acquiring

    run(impatient())
    assert eventually(lambda: own.browsers[0].warm == 1)
    own.page()
    assert (own.browsers[0].lent, own.browsers[0].warm) == (2, 0)


def executable(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_browser_that_does_not_start_is_said_to_all_and_leaves_nothing(make_fleet, monkeypatch, tmp_path):
    monkeypatch.setattr(fleet_browser, "LAUNCH_DEADLINE_S", 1.0)
    own = make_fleet()

    async def begin_two():
        return await asyncio.gather(own.begin(), own.begin(), return_exceptions=True)

    for script, reason in (("exit 3", "does not start"), ("sleep 600 & wait", "not start")):
        path = executable(tmp_path / "chromium", script)
        monkeypatch.setenv("MILEPOST_CHROMIUM", path)
        errors = run(begin_two())
        assert [type(error) for error in errors] == [BrowserCrashedError] * 2
        assert reason in str(errors[0])
        assert errors[0] is not errors[1]
        assert eventually(lambda path=path: not [pid for pid in process_table() if path in command_line(pid)])
    monkeypatch.delenv("MILEPOST_CHROMIUM")
    assert title(own.page("<title>Next</title>")) == "Next"


def test_a_closed_fleet_leaves_no_process_and_lends_no_more(make_fleet):
    own = make_fleet(contexts_per_browser=1)
    pages = [own.page(), own.page()]
    pids, driver = [browser.pid for browser in own.browsers], own.fleet._driver._process.pid
    own.close()
    assert not [process for pid in pids for process in members(pid)]
    assert driver not in [p.pid for p in process_table().values() if not p.ended]
    with pytest.raises(SandboxError, match="closed"):
        own.page()
    own.release(pages[0])


def test_closing_does_not_wait_for_what_hangs(make_fleet):
    own = make_fleet()
    own.page()
    hung = own.browsers[0].pid
    signal_group(hung, signal.SIGSTOP)
    began = time.monotonic()
    own.close()
    assert time.monotonic() - began < 12
    assert not members(hung)


def test_the_shared_fleet_is_one_and_its_limits_can_be_set_before_it_is_made(monkeypatch):
    monkeypatch.setattr(Fleet, "_shared", None)
    monkeypatch.setattr(Fleet, "_shared_limits", FleetLimits())
    limits = FleetLimits(contexts_per_browser=3)
    Fleet.configure(limits)

    async def shared():
        return Fleet.shared()

    fleet = run(shared())
    assert fleet is run(shared())
    assert fleet.limits == limits
    run(fleet.close())


def until_it_fails(page):
    for _ in range(200):
        run(page.look())
        time.sleep(0.02)
