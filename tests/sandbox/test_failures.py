"""When the machine fails: a typed error within a deadline, and the next episode runs."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from milepost.sandbox import page as page_module
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.errors import BrowserCrashedError, FailureKind, PageHungError, SandboxError
from milepost.sandbox.fleet import Fleet
from milepost.sandbox.page import PageSession

pytestmark = pytest.mark.browser


def chromium_children(parent):
    """Return the pids of Chromium processes that descend from a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                parents[int(entry.name)] = (int(fields[1]), (entry / "cmdline").read_bytes(), fields[0])
            except OSError:
                continue
    found, family = [], {parent}
    for _ in range(10):
        family |= {pid for pid, (above, _, _) in parents.items() if above in family}
    for pid in family - {parent}:
        if b"--type=" not in parents[pid][1] and b"chrom" in parents[pid][1] and parents[pid][2] != "Z":
            found.append(pid)
    return found


def settle_often(it):
    for _ in range(100):
        it.settle()


def test_an_endless_loop_is_a_hang_within_the_deadline(computer, monkeypatch):
    monkeypatch.setattr(page_module, "INPUT_DEADLINE_S", 1.0)
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
    for pid in chromium_children(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(BrowserCrashedError):
        settle_often(it)
    it.close()
    assert computer("<title>Next</title>").look().title == "Next"
    assert fleet.launches == launches + 1


def test_a_dead_browser_that_passes_for_connected_is_replaced(computer, monkeypatch):
    it = computer("<title>T</title>")
    fleet = it.run(_fleet())
    it.close()
    monkeypatch.setattr(fleet._browser, "is_connected", lambda: True)
    for pid in chromium_children(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    assert computer("<title>Next</title>").look().title == "Next"


def test_a_page_that_fails_to_open_does_not_cost_the_others_their_browser(computer, monkeypatch):
    it = computer("<title>Other</title>")
    fleet = it.run(_fleet())
    launches, create = fleet.launches, PageSession.create
    failures = [BrowserCrashedError("the page's process crashed")]

    async def create_at_the_second_try(*arguments):
        if failures:
            raise failures.pop()
        return await create(*arguments)

    monkeypatch.setattr(PageSession, "create", create_at_the_second_try)
    monkeypatch.setattr(fleet, "_idle", type(fleet._idle)())
    assert computer("<title>Next</title>").look().title == "Next"
    assert not failures
    assert fleet.launches == launches
    assert it.look().title == "Other"


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


SCRIPT = """
    import sys
    from milepost.sandbox.browser_thread import BrowserThread
    from milepost.sandbox.fleet import Fleet
    from milepost.sandbox.workspace import Workspace
    from milepost.sandbox.watch import Watcher
    async def start():
        await Fleet.shared().acquire()
    Workspace.create()
    BrowserThread.get().run(start(), 60)
    print(Watcher.shared().folder, flush=True)
    if sys.argv[1] == "raise":
        raise SystemExit("on purpose")
    if sys.argv[1] == "wait":
        sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["return", "raise", "kill"])
def test_no_browser_outlives_its_process(end):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), "wait" if end == "kill" else end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert folder.name.startswith("milepost-")
    browsers = chromium_children(process.pid)
    if end == "kill":
        assert browsers
        process.kill()
    _, errors = process.communicate(timeout=30)
    assert errors.strip() == ("on purpose" if end == "raise" else "")
    deadline = time.monotonic() + 15
    while any(_alive(pid) for pid in browsers) and time.monotonic() < deadline:
        os.sched_yield()
    assert not [pid for pid in browsers if _alive(pid)]
    assert folder.exists() == (end == "kill")
    if end == "kill":
        for child in sorted(folder.rglob("*"), reverse=True):
            child.rmdir() if child.is_dir() else child.unlink()
        folder.rmdir()


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_the_fleet_is_only_for_the_browser_thread():
    with pytest.raises(SandboxError, match="browser thread"):
        Fleet.shared()
    assert BrowserThread.get().run(_fleet(), 30) is BrowserThread.get().run(_fleet(), 30)
