"""What the processes of a box use, read from outside."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MAX_SEEN = 4_096


def load_of(pid: int) -> tuple[int, int]:
    """Return how many processes descend from one, itself included, and their resident bytes together.

    What several share is counted for each. Those that end while they are counted are left out.
    """
    pending, processes, memory_bytes = [pid], 0, 0
    while pending and processes < _MAX_SEEN:
        folder = Path("/proc", str(pending.pop()))
        with contextlib.suppress(OSError, IndexError, ValueError):
            memory_bytes += int((folder / "statm").read_text().split()[1]) * _PAGE_BYTES
            processes += 1
            for task in os.listdir(folder / "task"):
                pending += map(int, (folder / "task" / task / "children").read_text().split())
    return processes, memory_bytes


__all__ = ["load_of"]
