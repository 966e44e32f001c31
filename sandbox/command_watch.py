"""What the processes of a box use, read from outside."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MAX_SEEN = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What some processes use together.

    Attributes:
        processes: how many they are.
        memory_bytes: their resident memory; what several share is counted for each.
        hidden_bytes: of the open files that have no name any more, on the disk or in memory.
    """

    processes: int
    memory_bytes: int
    hidden_bytes: int


def load_of(pid: int) -> Load:
    """Return what a process and its descendants use. Those that end while they are counted are left out."""
    pending, processes, memory_bytes = [pid], 0, 0
    hidden: dict[tuple[int, int], int] = {}
    while pending and processes < _MAX_SEEN:
        folder = Path("/proc", str(pending.pop()))
        with contextlib.suppress(OSError, IndexError, ValueError):
            memory_bytes += int((folder / "statm").read_text().split()[1]) * _PAGE_BYTES
            processes += 1
            for task in os.listdir(folder / "task"):
                pending += map(int, (folder / "task" / task / "children").read_text().split())
            for fd in os.listdir(folder / "fd"):
                with contextlib.suppress(OSError):
                    status = os.stat(folder / "fd" / fd)
                    if stat.S_ISREG(status.st_mode) and not status.st_nlink:
                        hidden[status.st_dev, status.st_ino] = status.st_size
    return Load(processes=processes, memory_bytes=memory_bytes, hidden_bytes=sum(hidden.values()))


__all__ = ["Load", "load_of"]
