"""The table of how long oracles take: written and read as it is, and about tasks that there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from milepost.envs.registration import registered_ids
from milepost.envs.suites.oracle_times import TABLE, bundled_times, read_times, write_times
from milepost.errors import TaskError


def test_times_are_rounded_sorted_and_added_to_what_is_there(tmp_path: Path):
    table = tmp_path / "times.json"
    assert read_times(table) == {}
    write_times(table, {"milepost/b-v0": 0.123, "milepost/a-v0": 1.0})
    write_times(table, {"milepost/b-v0": 0.456})
    assert list(json.loads(table.read_text()).items()) == [("milepost/a-v0", 1.0), ("milepost/b-v0", 0.46)]
    assert read_times(table) == {"milepost/a-v0": 1.0, "milepost/b-v0": 0.46}


@pytest.mark.parametrize("text", ["[1]", '{"milepost/a-v0": "fast"}', "{"])
def test_what_is_no_table_is_told_and_left_alone(tmp_path: Path, text: str):
    table = tmp_path / "times.json"
    table.write_text(text)
    with pytest.raises(TaskError, match=r"times\.json"):
        write_times(table, {"milepost/a-v0": 1.0})
    assert table.read_text() == text


def test_the_bundled_table_is_about_registered_tasks():
    assert bundled_times()
    assert set(bundled_times()) <= set(registered_ids())
    assert all(0 < seconds < 60 for seconds in bundled_times().values())
    assert read_times(TABLE) == bundled_times()
