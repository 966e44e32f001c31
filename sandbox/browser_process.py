"""Processes as the kernel sees them, and the clearing away of what a dead owner of browsers has left behind.

Run as a script, this file is the watchdog of one Python process (see `browser_process_guard.py`): it outlives its owner
however that one ends, kills its browsers and removes its folders. So it uses nothing but the standard library, and no
other module of the package. Where there is no /proc nobody is found, and nobody is killed.

A process is known by its number and the tick it started at; numbers alone are used again. A browser is known by the
switch `--milepost-owner=<name of its owner's folder>`, which Chromium ignores, and by the process group that it leads.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import stat
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

OWNER_SWITCH = "--milepost-owner="
FOLDER_PREFIX = "milepost_"
HELD_FILE = "held"
LOCK_FILE = "owner"
QUIT = b"q"
REMOVABLE = (FOLDER_PREFIX, "milepost-", "playwright_", "playwright-")
"""A held folder is removed only if its name begins like this, whatever the file says."""
DRIVER_GRACE_S = 2.0
KILL_DEADLINE_S = 5.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One line of the process table.

    Attributes:
        pid: its number.
        parent: its parent's number.
        group: its process group's number.
        state: the kernel's letter; Z and X are dead.
        started: clock ticks since the machine was started.
        cpu_s: processor time it has used, seconds.
    """

    pid: int
    parent: int
    group: int
    state: str
    started: int
    cpu_s: float

    @property
    def ended(self) -> bool:
        """Whether it is dead and only waits for its parent to take notice."""
        return self.state in "ZX"


def read_process(pid: int) -> Process | None:
    """Return a process as it is now, or None if there is none of this number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return Process(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        state=fields[0],
        started=int(fields[19]),
        cpu_s=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
    )


def process_table() -> dict[int, Process]:
    """Return every process of the machine by number (some 30 microseconds each)."""
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return {}
    return {pid: process for pid in numbers if (process := read_process(pid)) is not None}


def command_line(pid: int) -> list[str]:
    """Return a process' arguments, or nothing if it is gone."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        return []


def descendants(roots: Iterable[int], table: dict[int, Process]) -> set[int]:
    """Return the numbers of the roots' children, their children and so on, without the roots."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    queue = list(roots)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in found:
                found.add(child)
                queue.append(child)
    return found


def family(leader: Process, table: dict[int, Process] | None = None) -> list[Process]:
    """Return the living processes of the group that `leader` leads (or led) and their descendants."""
    table = process_table() if table is None else table
    present = table.get(leader.pid)
    if leader.pid <= 1 or (present is not None and present.started != leader.started):
        return []  # the number is another's now, so nothing is left of the group that it named
    members = {process.pid for process in table.values() if process.group == leader.pid}
    members |= {leader.pid} if present is not None else set()
    members |= descendants(members, table)
    return [table[pid] for pid in sorted(members) if not table[pid].ended]


def kill_family(leader: Process) -> bool:
    """Kill what lives of a group and its descendants; return whether nothing did. Call it until then."""
    left = family(leader)
    for process in left:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, signal.SIGKILL)
    return not left


def end_family(leader: Process, timeout_s: float = KILL_DEADLINE_S) -> bool:
    """Kill a group and its descendants, and return whether all were gone within `timeout_s` seconds. Blocks."""
    deadline = time.monotonic() + timeout_s
    while not kill_family(leader):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def find_leaders(switch: str) -> list[Process]:
    """Return the leaders of the process groups in which some process was started with this argument."""
    table = process_table()
    found = {process.group: process for process in table.values() if switch in command_line(process.pid)}
    found.pop(os.getpgrp(), None)
    # A leader may be dead while its group lives on; its number still names the group.
    return [table.get(group) or replace(process, pid=group) for group, process in sorted(found.items())]


def user_data_folder(pid: int) -> Path | None:
    """Return the profile folder that a Chromium was started with."""
    name = "--user-data-dir="
    return next((Path(a.removeprefix(name)) for a in command_line(pid) if a.startswith(name)), None)


def memory_bytes(processes: Iterable[Process]) -> int | None:
    """Return how much memory processes take together, what they share counted once; None where nobody says.

    Reading it costs the kernel a walk through their page tables, some milliseconds each.
    """
    total, known = 0, False
    for process in processes:
        with contextlib.suppress(OSError, StopIteration, ValueError):
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            total += 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
            known = True
    return total if known else None


def clear_away(folder: Path) -> None:
    """End the processes and remove the folders that the owner of `folder` has left, and `folder` itself. Blocks."""
    browsers, drivers, folders = _held(folder)
    folders |= _end_browsers(folder, browsers)
    deadline = time.monotonic() + DRIVER_GRACE_S
    for driver in drivers:  # a driver whose browsers have died removes their folders, and ends once its owner is gone
        while family(driver) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        end_family(driver)
    folders |= _end_browsers(folder, [])  # one may have been on its way
    for path in folders:
        if path.name.startswith(REMOVABLE) and path.is_absolute():
            shutil.rmtree(path, ignore_errors=True)
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(POLL_S)


def clear_stale(parent: Path) -> list[Path]:
    """Clear away what owners have left that have died, and whose watchdog has died as well.

    Only folders of this user's that hold a lock file which nobody locks are touched.

    Returns:
        the folders that were cleared away.
    """
    cleared = []
    for folder in parent.glob(FOLDER_PREFIX + "*"):
        try:
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                continue
            with (folder / LOCK_FILE).open("r+") as lock:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                clear_away(folder)
        except OSError:
            continue  # no lock file, or its owner lives
        cleared.append(folder)
    return cleared


def _end_browsers(folder: Path, known: list[Process]) -> set[Path]:
    """Kill the owner's browsers and return their profile folders."""
    leaders = {leader.pid: leader for leader in [*known, *find_leaders(OWNER_SWITCH + folder.name)]}
    profiles = {path for pid in leaders if (path := user_data_folder(pid)) is not None}
    for leader in leaders.values():
        end_family(leader)
    return profiles


def _held(folder: Path) -> tuple[list[Process], list[Process], set[Path]]:
    """Return the browsers, the drivers and the folders that the owner has written down."""
    held: dict[str, list[Process]] = {"browser": [], "driver": []}
    folders: set[Path] = set()
    try:
        lines = (folder / HELD_FILE).read_text(errors="surrogateescape").splitlines()
    except OSError:
        return [], [], folders
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "folder":
            folders.add(Path(rest))
        elif kind in held and len(numbers := rest.split()) == 2:
            pid, started = int(numbers[0]), int(numbers[1])
            held[kind].append(Process(pid=pid, parent=0, group=pid, state="?", started=started, cpu_s=0.0))
    return held["browser"], held["driver"], folders


def _await_end(owner: int) -> None:
    """Return when the owner has died or says that it has closed."""
    listening = [0]
    patience_s: float | None = 1.0
    with contextlib.suppress(AttributeError, OSError):
        listening.append(os.pidfd_open(owner))
        patience_s = None
    # The end of the pipe alone does not say that the owner is dead: children that it forked may hold it open, and
    # others close descriptors that they do not know.
    while os.getppid() == owner:
        ready, _, _ = select.select(listening, [], [], patience_s)
        if 0 in ready:
            if os.read(0, 1) == QUIT:
                return
            listening.remove(0)
        elif ready:
            return


def main(arguments: list[str]) -> None:
    """Watch over the owner named by its number, and clear its folder away when it has ended."""
    owner, folder = int(arguments[0]), Path(arguments[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the owner, whose end is what counts
    clear_stale(folder.parent)
    _await_end(owner)
    clear_away(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
