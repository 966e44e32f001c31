"""How long the oracles of the bundled tasks take: a table that `milepost tasks check --times` writes.

A task's time is that of its oracle's steps on an idle machine, one episode at a time, its resets left out: about what
the computer itself adds to an agent's thinking. The table is read when tasks are listed; nothing is played for that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ...sandbox.errors import TaskError

TABLE = Path(__file__).with_name("oracle_times.json")


def read_times(path: Path) -> dict[str, float]:
    """Return the seconds that a table has, by task id; none if there is no such file.

    Raises:
        TaskError: it is not what `write_times` writes.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TaskError(f"{path} cannot be read: {error}; remove it and write it anew") from error
    if not isinstance(data, dict) or not all(isinstance(value, int | float) for value in data.values()):
        raise TaskError(f"{path}: expected an object of task ids and seconds, got something else; remove it")
    return {task_id: float(seconds) for task_id, seconds in data.items()}


def write_times(path: Path, seconds: Mapping[str, float]) -> None:
    """Put times into a table, in hundredths of a second; those of other tasks stay.

    Raises:
        TaskError: the file is there and no such table.
    """
    rounded = {task_id: round(value, 2) for task_id, value in seconds.items()}
    table = dict(sorted({**read_times(path), **rounded}.items()))
    path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


@cache
def bundled_times() -> Mapping[str, float]:
    """Return the seconds that the oracles of the bundled tasks take, by task id."""
    return read_times(TABLE)


__all__ = ["TABLE", "bundled_times", "read_times", "write_times"]
