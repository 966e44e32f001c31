"""How fast milepost's environments step and reset, beside their peers, on the same pages in the same run.

    python bench/env_speed.py [--json OUT] [--quick] [--repeats 3]

Contestants: milepost; bare Playwright, which is the floor; BrowserGym, tuned (`pre_observation_delay=0, slow_mo=0`), on
milepost's browser and on the system's full Chromium if there is one; and Farama's miniwob (Selenium). The peers live in
a virtual environment of their own, which is made in the cache on first use; what cannot be measured is said. Each
repeat runs every contestant once, one after the other, in a fresh process; the table has the medians of the repeats.
`--quick` leaves the peers out and takes less than a minute. The numbers count only on a machine that does nothing else.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _env_speed_peers import PeerMissingError, chromedriver, peers_python, playwright_browsers
from _measuring import MAIN_PAGE, PLANS
from _miniwob_site import pages_folder

from milepost.sandbox.chromium import find_chromium

HERE = Path(__file__).parent
OURS, FLOOR = "milepost", "Playwright"
CONTEXTS = 16
RUN_DEADLINE_S = 900

# label, unit, bar, whether more is better, where it is in a result
BARS = (
    (f"text step, {MAIN_PAGE}, median", "ms", 4.0, False, ("pages", MAIN_PAGE, "step_ms", "p50")),
    (f"text step, {MAIN_PAGE}, 95th percentile", "ms", 12.0, False, ("pages", MAIN_PAGE, "step_ms", "p95")),
    ("screenshot step, median", "ms", 10.0, False, ("screenshot_step_ms", "p50")),
    ("reset, warm page (new problem in it), median", "ms", 10.0, False, ("warm_reset_ms", "p50")),
    ("reset, full page load, median", "ms", 45.0, False, ("pages", MAIN_PAGE, "reset_ms", "p50")),
    (f"throughput, {CONTEXTS} contexts in a batch", "steps/s", 400.0, True, ("batched_steps_per_s",)),
    (f"throughput, {CONTEXTS} contexts on their own", "steps/s", None, True, ("free_steps_per_s",)),
    ("memory per further context (PSS)", "MB", 30.0, False, ("further_context_mb",)),
    ("memory of the first context (PSS)", "MB", None, False, ("one_context_mb",)),
    ("text step, 5 000 nodes, median", "ms", 40.0, False, ("nodes_step_ms", "p50")),
    *((f"text step, {p}, median", "ms", None, False, ("pages", p, "step_ms", "p50")) for p in PLANS if p != MAIN_PAGE),
)
NOTES = """\
Steps are the same clicks and fillings for all. milepost's and Playwright's reset loads the page; BrowserGym's starts
two browsers; Farama's only starts a new problem in the loaded page, so it stands beside the warm page as well.
BrowserGym and Farama observe a screenshot at every step, and run one environment per process at a time: their
throughput is that of one, without resets. Left out are Farama's steps that end a problem, which observe nothing, and
BrowserGym's that failed, which mostly waited for 500 ms.
The memory of a further context is that of a second environment for the peers."""


def contestants(quick):
    """Return name -> (python, script, further settings) of who can be measured here, and name -> why not."""
    browser = str(find_chromium().path)
    base = {"browser": browser, "pages_url": pages_folder().as_uri()}
    found = {
        OURS: (sys.executable, "_env_speed_milepost.py", base),
        FLOOR: (sys.executable, "_env_speed_raw.py", base),
    }
    absent = {}
    if quick:
        return found, {"BrowserGym": "left out by --quick", "Farama miniwob": "left out by --quick"}
    try:
        python = peers_python()
    except PeerMissingError as error:
        return found, {"BrowserGym": str(error), "Farama miniwob": str(error)}
    full = shutil.which("chromium")
    for chromium in dict.fromkeys((browser, full or browser)):
        settings = base | {"browser": chromium, "playwright_browsers": playwright_browsers(chromium)}
        found[f"BrowserGym on {Path(chromium).name}"] = (python, "_env_speed_browsergym.py", settings)
    if full is None:
        absent["BrowserGym on chromium"] = "no full Chromium on PATH (on Debian: apt-get install chromium)"
    try:
        settings = base | {"browser": full or browser, "chromedriver": chromedriver()}
        found["Farama miniwob"] = (python, "_env_speed_farama.py", settings)
    except PeerMissingError as error:
        absent["Farama miniwob"] = str(error)
    return found, absent


def counts_for(name, quick):
    """Return how often a contestant does what: fewer for the slow peers, which vary less in proportion."""
    if name not in (OURS, FLOOR):
        return {"pages": list(PLANS), "steps": 20, "resets": 4, "contexts": 2, "rounds": 8}
    if quick:
        return {"pages": [MAIN_PAGE], "steps": 24, "resets": 4, "contexts": CONTEXTS, "rounds": 8}
    return {"pages": list(PLANS), "steps": 400, "resets": 40, "contexts": CONTEXTS, "rounds": 60}


def run_once(python, script, settings):
    """Run a contestant in a process of its own and return its result.

    Raises:
        RuntimeError: it failed, or did not end in time; the message is the last that it said.
    """
    with tempfile.TemporaryDirectory() as scratch:
        given, result = Path(scratch) / "settings.json", Path(scratch) / "result.json"
        given.write_text(json.dumps(settings), encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" or python == sys.executable}
        process = subprocess.Popen(
            [python, str(HERE / script), str(given), str(result)], stderr=subprocess.PIPE, text=True, env=environment
        )
        try:
            _, said = process.communicate(timeout=RUN_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.communicate()
            raise RuntimeError(f"it took longer than {RUN_DEADLINE_S} s") from None
        if process.returncode:
            errors = [line for line in said.splitlines() if re.match(r"[\w.]*(Error|Exception|Exit)\b", line)]
            raise RuntimeError(errors[-1] if errors else f"exit status {process.returncode}")
        return json.loads(result.read_text(encoding="utf-8"))


def value_at(result, path):
    """Return a number of a result, or None where the contestant has none."""
    for key in path:
        result = None if result is None else result.get(key)
    return result


def table_rows(runs):
    """Return one dict per row: the medians over the repeats, the bar, whether it is met, and ratios.

    A ratio above 1 says that milepost is that many times faster or smaller.
    """
    rows = []
    for label, unit, bar, more_is_better, path in BARS:
        medians = {}
        for name, results in runs.items():
            values = [v for result in results if (v := value_at(result, path)) is not None]
            medians[name] = statistics.median(values) if values else None
        ours = medians[OURS]
        if ours is None:
            continue  # --quick leaves this page out
        rows.append(
            {
                "what": label,
                "unit": unit,
                "bar": bar,
                "met": None if bar is None else (ours >= bar if more_is_better else ours <= bar),
                "medians": medians,
                "ratios": {
                    name: (ours / value if more_is_better else value / ours)
                    for name, value in medians.items()
                    if value and name != OURS
                },
            }
        )
    return rows


def shown(rows, names):
    """Return the table as text: each peer's number, and in brackets how many times slower or larger it is."""
    lines = [["", "bar", OURS, "", *names[1:]]]
    for row in rows:
        bar = "" if row["bar"] is None else f"{row['bar']:g}"
        verdict = {None: "", True: "pass", False: "FAIL"}[row["met"]]
        peers = [_cell(row["medians"].get(name), row["ratios"].get(name)) for name in names[1:]]
        lines.append([f"{row['what']} [{row['unit']}]", bar, f"{row['medians'][OURS]:.1f}", verdict, *peers])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in lines
    )


def _cell(value, ratio):
    return "-" if value is None or ratio is None else f"{value:.1f} (x{ratio:.{1 if ratio < 10 else 0}f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every number there as well")
    parser.add_argument("--quick", action="store_true", help="leave the peers out and do less")
    parser.add_argument("--repeats", type=int, default=3, help="how often each contestant is run (default 3)")
    options = parser.parse_args()
    found, absent = contestants(options.quick)
    load, cores = os.getloadavg()[0], os.cpu_count()
    runs = {name: [] for name in found}
    for repeat in range(options.repeats):
        for name, (python, script, settings) in found.items():
            if name in absent:
                continue
            began = time.monotonic()
            try:
                runs[name].append(run_once(python, script, settings | counts_for(name, options.quick)))
            except RuntimeError as error:
                if name == OURS:
                    raise SystemExit(f"milepost could not be measured: {error}") from error
                absent[name] = str(error)
            print(f"{repeat + 1}/{options.repeats}  {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    runs = {name: results for name, results in runs.items() if name not in absent}
    rows = table_rows(runs)
    print(shown(rows, list(runs)))
    for name, reason in absent.items():
        print(f"{name}: not measured: {reason}")
    print(NOTES)
    busy = load > 0.5 * (cores or 1)
    if busy:
        print(f"The machine was busy when this began (load {load:.1f} on {cores} cores): these numbers do not count.")
    if options.json is not None:
        machine = {"platform": platform.platform(), "cores": cores, "load_at_start": load, "busy": busy}
        report = {"machine": machine, "repeats": options.repeats, "rows": rows, "absent": absent, "runs": runs}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
