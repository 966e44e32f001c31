"""Does memory grow? Episodes on many pages without pause, for as long as you like.

    python bench/soak.py [--minutes 30] [--contexts 16] [--steps-per-s N] [--every 10] [--json FILE]

The oracle solves the bundled tasks, one episode after another on every page. Every `--every` seconds the memory of the
browsers (all their processes, shared pages counted once: PSS), of Playwright's driver (PSS) and of this process (RSS)
is taken. Growth is from the median of the samples in the second fifth of the time, when everything is warm, to that of
the last fifth; the run passes, and exits with 0, if it is under 5 % for the browsers and for Python, each, and no
episode has failed. How much a browser holds depends on how fast it works: on a machine that does other things as well,
`--steps-per-s` keeps the pace, all pages together, the same from beginning to end.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path

from milepost.envs import MilepostEnv, task_for
from milepost.sandbox.browser_process import command_line, memory_bytes, process_table
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.errors import SandboxError
from milepost.sandbox.fleet import Fleet

TASKS = ("expense-form", "report-download", "search-open")
LIMIT_PERCENT = 5.0
COLUMNS = ("browsers", "driver", "python")


class Pace:
    """Lets steps pass at a steady rate; None: at once."""

    def __init__(self, steps_per_s):
        self._every_s = 0.0 if steps_per_s is None else 1 / steps_per_s
        self._next = time.monotonic()

    async def step(self):
        """Wait for this step's turn; what was missed is not made up for."""
        now = time.monotonic()
        self._next = max(self._next + self._every_s, now)
        if self._next > now:
            await asyncio.sleep(self._next - now)


async def episodes(context, until, counts, pace):
    """Solve one task after another on one page."""
    number = context
    while time.monotonic() < until:
        env = MilepostEnv(task_for(TASKS[number % len(TASKS)]))
        try:
            await env.areset(seed=number)
            for action in env.instance.oracle:
                await pace.step()
                *_, info = await env.astep(action)
                counts["steps"] += 1
                if info["stop_reason"] is not None:
                    break
            if not info["success"]:
                counts["failures"] += 1
                print(f"seed {number}: {info['stop_reason']} {info['failure_message']}", flush=True)
        except SandboxError as error:
            counts["failures"] += 1
            print(f"seed {number}: {error}", flush=True)
        finally:
            await env.aclose()
        counts["episodes"] += 1
        number += 1_000


def driver_bytes():
    drivers = [p for p in process_table().values() if p.parent == os.getpid() and "run-driver" in command_line(p.pid)]
    return memory_bytes(drivers) or 0


def python_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def sample(began, every_s, until, counts, samples):
    """Take the memory now and then."""
    while time.monotonic() < until:
        await asyncio.sleep(every_s)
        browsers_bytes = await Fleet.shared().memory_bytes()
        if browsers_bytes is None:
            continue  # the first is still starting
        taken = {
            "browsers": browsers_bytes,
            "driver": await asyncio.to_thread(driver_bytes),
            "python": python_bytes(),
        }
        samples.append(
            {"s": round(time.monotonic() - began, 1), **counts}
            | {name: round(size / 1e6, 1) for name, size in taken.items()}
        )
        last = samples[-1]
        print(
            f"{last['s']:8.0f} s  {last['steps']:8} steps  {last['episodes']:7} episodes  "
            + "  ".join(f"{name} {last[name]:7.1f} MB" for name in COLUMNS),
            flush=True,
        )


async def run(options, counts, samples):
    began = time.monotonic()
    until = began + 60 * options.minutes
    sampling = asyncio.ensure_future(sample(began, options.every, until, counts, samples))
    pace = Pace(options.steps_per_s)
    await asyncio.gather(*(episodes(i, until, counts, pace) for i in range(options.contexts)))
    await sampling


def growth(samples, names, seconds):
    """Return the medians of the second and of the last fifth in MB, and the growth between them in percent."""
    totals = [(s["s"], sum(s[name] for name in names)) for s in samples]
    early = statistics.median(total for at, total in totals if seconds / 5 <= at < 2 * seconds / 5)
    late = statistics.median(total for at, total in totals if at >= 4 * seconds / 5)
    return early, late, 100 * (late - early) / early


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--contexts", type=int, default=16)
    parser.add_argument("--steps-per-s", type=float, help="of all pages together; as fast as they go if not given")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two samples")
    parser.add_argument("--json", type=Path, help="write samples and growth here as well")
    options = parser.parse_args()
    counts, samples = {"steps": 0, "episodes": 0, "failures": 0}, []
    BrowserThread.get().run(run(options, counts, samples), 60 * options.minutes + 300)
    rows = {name: growth(samples, [name], 60 * options.minutes) for name in COLUMNS}
    rows["browsers and python"] = growth(samples, ["browsers", "python"], 60 * options.minutes)
    print(f"\n{'':20} {'warm':>10} {'at the end':>12} {'growth':>9}")
    for name, (early, late, percent) in rows.items():
        print(f"{name:20} {early:7.1f} MB {late:9.1f} MB {percent:+8.1f}%")
    steps_per_s = counts["steps"] / (60 * options.minutes)
    print(
        f"{counts['steps']} steps, {counts['episodes']} episodes, {counts['failures']} of them failed, "
        f"{steps_per_s:.0f} steps/s"
    )
    if options.json:
        report = {
            "minutes": options.minutes,
            "contexts": options.contexts,
            "failures": counts["failures"],
            "steps_per_s": round(steps_per_s, 1),
            "growth": {
                name: {"warm_mb": early, "end_mb": late, "percent": percent}
                for name, (early, late, percent) in rows.items()
            },
            "samples": samples,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    good = all(rows[name][2] < LIMIT_PERCENT for name in ("browsers", "python", "browsers and python"))
    good = good and not counts["failures"]
    print("passed" if good else f"FAILED: growth of {LIMIT_PERCENT:g} % or more, or episodes that failed")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
