"""What every contestant of env_speed.py shares, whatever its virtual environment: standard library only.

A contestant is a script that is run as `python SCRIPT SETTINGS.json RESULT.json`, measures once, and writes its result.
All do the same work on the same pages: a plan is a cycle of operations on elements named by kind and position.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

# The MiniWoB++ pages and what is done on them; clicking a button ends the problem there, so it comes last.
PLANS = {
    "login-user": [
        ("click", "textbox", 0),
        ("fill", "textbox", 0, "alice"),
        ("click", "textbox", 1),
        ("fill", "textbox", 1, "x7b2"),
    ],
    "enter-text": [("click", "textbox", 0), ("fill", "textbox", 0, "alice"), ("click", "button", 0)],
    "click-checkboxes": [("click", "checkbox", 0), ("click", "checkbox", 0), ("click", "button", 0)],
    "choose-list": [("click", "button", 0)],
    "click-button": [("click", "button", 0)],
}
NODES_PAGE = "nodes-5000"
NODES_PLAN = [("click", "button", 0)]  # it counts and ends nothing
MAIN_PAGE = "login-user"

SELECTORS = {
    "textbox": "#area input[type=text], #area input[type=password]",
    "checkbox": "#area input[type=checkbox]",
    "button": "#area button",
}


def ends_the_problem(page, operation):
    """Whether the operation ends the page's problem, so that a reset must follow."""
    return page != NODES_PAGE and operation[1] == "button"


def summary(samples_ms):
    """Return count, median, 95th percentile and least of a list of milliseconds; None of an empty one."""
    if not samples_ms:
        return None
    ordered = sorted(samples_ms)
    return {
        "n": len(ordered),
        "p50": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))],
        "min": ordered[0],
    }


class Stopwatch:
    """Collects milliseconds: `with watch: work()`."""

    def __init__(self):
        self.samples_ms = []

    def __enter__(self):
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.samples_ms.append(1000 * (time.perf_counter() - self._began))


def descendants(root=None):
    """Return the pids of all processes below `root` (this process), the helper processes of Chromium included."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # it ended while we looked
    family, found = {root or os.getpid()}, set()
    while family:
        family = {pid for pid, parent in parents.items() if parent in family} - found
        found |= family
    return found


def tree_pss_mb():
    """Return the memory of everything below this process, in MB: proportional set size, shared pages counted once."""
    total_kb = 0
    for pid in descendants():
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total_kb += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kb / 1024


def contestant(measure):
    """Run `measure(settings) -> dict` between the two files named on the command line."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    result = measure(settings)
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")
