"""Episodes on many pages at once while browsers are killed and pages loop for ever: does every one end as it should?

    python bench/chaos.py [--episodes 1000] [--contexts 16] [--browsers 4] [--kill-every 10] [--loop-every 20]
                          [--json FILE]

The oracle solves the bundled tasks. Every `--kill-every` seconds the main process of one of the fleet's Chromiums gets
SIGKILL (`--browsers` of them share the episodes, so that it shows whether the others are spared); every
`--loop-every`-th episode is on a page that loops for ever when it is clicked. The run passes, and exits with 0, if
every episode ends within its deadlines, what fails fails with a typed failure, what is completed has earned exactly its
reward, and at the end no process and no temporary folder is left.
"""

import argparse
import asyncio
import collections
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from milepost.envs import MilepostEnv, StopReason, task_for
from milepost.sandbox.app_server import App, AppServer
from milepost.sandbox.browser_process import OWNER_SWITCH, command_line, descendants, family, process_table
from milepost.sandbox.browser_process_guard import ProcessGuard
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.errors import SandboxError
from milepost.sandbox.fleet import Fleet, FleetLimits
from milepost.sandbox.watch import Watcher

TASKS = ("expense-form", "report-download", "search-open")
LOOP_DEADLINE_S = 60.0
CLOSE_DEADLINE_S = 30.0
LEFT_DEADLINE_S = 15.0
PAGE = "<!doctype html><title>Loop</title><button onclick='for (;;);'>Loop</button>"


class Loops(App):
    """One page, which loops for ever when its button is clicked."""

    name = "loops"

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


@dataclass
class Tally:
    """What has become of the episodes.

    Attributes:
        completed: solved, with the reward that they were due.
        looped: ended by the failure that an endless loop is.
        failures: ended by another failure, by its kind.
        wrong: ended in any other way, and how.
        kills: browsers killed.
        longest_s: the longest call.
    """

    completed: int = 0
    looped: int = 0
    failures: collections.Counter = field(default_factory=collections.Counter)
    wrong: list = field(default_factory=list)
    kills: int = 0
    longest_s: float = 0.0

    @property
    def ended(self):
        """Episodes that have ended."""
        return self.completed + self.looped + self.failures.total() + len(self.wrong)


async def timed(tally, coro, deadline_s):
    """Await a call that must keep its deadline."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(deadline_s):
            return await coro
    finally:
        tally.longest_s = max(tally.longest_s, time.perf_counter() - began)


async def solve(tally, number):
    """One episode of a bundled task, by its oracle."""
    env = MilepostEnv(task_for(TASKS[number % len(TASKS)]))
    try:
        await timed(tally, env.areset(seed=number), env.reset_deadline_s)
        earned = 0.0
        for action in env.instance.oracle:
            _, reward, terminated, truncated, info = await timed(tally, env.astep(action), env.step_deadline_s)
            earned += reward
            if terminated or truncated:
                break
        if info["failure"] is not None:
            tally.failures[str(info["failure"])] += 1
        elif info["stop_reason"] is StopReason.SUCCESS and abs(earned - env.instance.max_reward) < 1e-9:
            tally.completed += 1
        else:
            tally.wrong.append(f"episode {number}: {info['stop_reason']}, earned {earned} of {env.instance.max_reward}")
    except SandboxError as error:
        tally.failures[str(error.kind)] += 1
    finally:
        await timed(tally, env.aclose(), CLOSE_DEADLINE_S)


async def loop_for_ever(tally, number, app):
    """One episode on a page that never comes back from a click."""
    instance = AppServer.shared().open(app, rng=np.random.default_rng(0), parameters={})
    page, began = None, time.perf_counter()
    try:
        async with asyncio.timeout(LOOP_DEADLINE_S):
            page = await Fleet.shared().acquire()
            await page.open(url=instance.origin + "/", allowed_hosts=[instance.host], seed=number)
            ref = (await page.look()).elements[0].ref
            began = time.perf_counter()
            await page.click(ref)
        tally.wrong.append(f"episode {number}: an endless loop came to an end")
    except SandboxError as error:
        if error.kind == "page_hung":
            tally.looped += 1
            tally.longest_s = max(tally.longest_s, time.perf_counter() - began)
        else:
            tally.failures[str(error.kind)] += 1
    finally:
        if page is not None:
            await Fleet.shared().release(page)
        instance.close()


async def kill_browsers(tally, every_s):
    """Kill one browser after another, the choice drawn by chance."""
    draw = random.Random(0)
    while True:
        await asyncio.sleep(every_s)
        table = process_table()
        pids = [browser.pid for browser in Fleet.shared().browsers() if browser.pid in table]
        if pids:
            # A browser may have a shell script before it; both carry the switch, the processes of its pages do not.
            for process in family(table[draw.choice(pids)], table):
                if any(argument.startswith(OWNER_SWITCH) for argument in command_line(process.pid)):
                    with suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)
            tally.kills += 1


async def run(options, tally):
    """Run all episodes, `--contexts` at a time."""
    numbers, app = iter(range(options.episodes)), Loops()

    async def work():
        for number in numbers:
            try:
                if options.loop_every and number % options.loop_every == options.loop_every - 1:
                    await loop_for_ever(tally, number, app)
                else:
                    await solve(tally, number)
            except Exception as error:  # the verdict on the sandbox is that such a thing must not come out of it
                tally.wrong.append(f"episode {number}: {type(error).__name__}: {error}")
            if tally.ended % 100 == 0:
                print(f"{tally.ended} of {options.episodes} episodes, {tally.kills} kills", flush=True)

    killing = asyncio.ensure_future(kill_browsers(tally, options.kill_every))
    await asyncio.gather(*(work() for _ in range(options.contexts)))
    killing.cancel()


def close_all():
    """End everything that this process has started."""
    BrowserThread.get().close()
    AppServer.shared().close()
    Watcher.shared().close()
    ProcessGuard.shared().close()


def left_behind(temporary):
    """Return which processes and temporary entries are left, after a while for dying ones to be gone."""
    deadline = time.monotonic() + LEFT_DEADLINE_S
    while True:
        table = process_table()
        living = [pid for pid in descendants([os.getpid()], table) if not table[pid].ended]
        named = [p.pid for p in table.values() if any(str(temporary) in a for a in command_line(p.pid))]
        entries = [str(path) for path in temporary.iterdir()]
        if not (living or named or entries) or time.monotonic() > deadline:
            return {pid: " ".join(command_line(pid))[:100] for pid in {*living, *named}}, entries
        time.sleep(0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--contexts", type=int, default=16)
    parser.add_argument("--browsers", type=int, default=4)
    parser.add_argument("--kill-every", type=float, default=10.0, help="seconds")
    parser.add_argument("--loop-every", type=int, default=20, help="episodes; 0: none loops")
    parser.add_argument("--json", type=Path, help="write the summary here as well")
    options = parser.parse_args()
    temporary = Path(tempfile.mkdtemp(prefix="chaos-"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    Fleet.configure(FleetLimits(contexts_per_browser=-(-options.contexts // options.browsers)))
    tally, began = Tally(), time.perf_counter()
    deadline_s = 120 + 10 * options.episodes
    BrowserThread.get().run(run(options, tally), deadline_s)
    seconds = time.perf_counter() - began
    close_all()
    processes, entries = left_behind(temporary)
    if not entries:
        temporary.rmdir()
    summary = {
        "episodes": options.episodes,
        "contexts": options.contexts,
        "browsers": options.browsers,
        "seconds": round(seconds, 1),
        "kills": tally.kills,
        "completed": tally.completed,
        "looped": tally.looped,
        "failures": dict(tally.failures),
        "wrong": tally.wrong,
        "not_ended": options.episodes - tally.ended,
        "longest_call_s": round(tally.longest_s, 1),
        "processes_left": processes,
        "folders_left": entries,
    }
    for name, value in summary.items():
        print(f"{name:>16}  {value}")
    if options.json:
        options.json.write_text(json.dumps(summary, indent=2) + "\n")
    good = not (tally.wrong or summary["not_ended"] or processes or entries)
    print("passed" if good else "FAILED")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
