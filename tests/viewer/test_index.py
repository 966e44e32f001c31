from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from milepost.sandbox.errors import RunError
from milepost.trainers.recorded import read_trajectories
from milepost.trainers.viewing import index as index_module
from milepost.trainers.viewing.index import Outcome, RunIndex

from .runs import PLANS, record_many, record_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return record_run(tmp_path / "run")


@pytest.fixture
def lines_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lines that are turned into rows, as they are."""
    read: list[int] = []
    whole = index_module._row

    def counted(raw, path, name, line, offset):
        read.append(line)
        return whole(raw, path, name, line, offset)

    monkeypatch.setattr(index_module, "_row", counted)
    return read


def test_rows_say_what_the_trajectories_say(run: Path):
    found = RunIndex.open(run)
    told = [t for path in sorted(run.glob("trajectories/*.jsonl")) for t in read_trajectories(path)]
    assert [(r.task, r.seed, r.total, r.steps) for r in found.rows] == [
        (t.task, t.seed, t.total_reward, len(t.steps)) for t in told
    ]
    assert [r.outcome for r in found.rows[:4]] == [
        Outcome.SUCCESS if plan == "all" else Outcome.FAILED for plan in PLANS
    ]
    assert [r.iteration for r in found.rows] == 8 * [0] + 8 * [1]
    assert [found.trajectory(n) for n in range(len(told))] == told
    assert all(found.ledger(n) is not None for n in range(len(told)))


def test_what_is_known_is_not_read_again(run: Path, lines_read: list[int]):
    first = RunIndex.open(run)
    assert len(lines_read) == len(first.rows) == 16
    lines_read.clear()
    assert RunIndex.open(run).rows == first.rows
    assert lines_read == []


def test_a_file_that_grew_is_read_from_where_it_ended(run: Path, lines_read: list[int]):
    RunIndex.open(run)
    lines_read.clear()
    path = run / "trajectories" / "iteration_001.jsonl"
    with path.open("ab") as file:
        file.write(path.read_bytes().splitlines(keepends=True)[0])
    found = RunIndex.open(run)
    assert lines_read == [8]
    assert len(found.rows) == 17
    assert found.trajectory(16) == found.trajectory(8)


def test_a_file_that_was_written_anew_is_read_anew(run: Path, lines_read: list[int]):
    RunIndex.open(run)
    lines_read.clear()
    path = run / "trajectories" / "iteration_001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[::-1] + lines[:1]))
    found = RunIndex.open(run)
    assert lines_read == list(range(9))
    assert [r.seed for r in found.rows[8:]] == [1, 1, 1, 1, 0, 0, 0, 0, 0]


def test_a_torn_last_line_waits_until_it_is_whole(run: Path):
    path = run / "trajectories" / "iteration_001.jsonl"
    line = path.read_bytes().splitlines(keepends=True)[0]
    with path.open("ab") as file:
        file.write(line[:100])
    assert len(RunIndex.open(run).rows) == 16
    with path.open("ab") as file:
        file.write(line[100:])
    assert len(RunIndex.open(run).rows) == 17


@pytest.mark.parametrize("damaged", [b"", b"[]", b"{}", b'{"format": 1, "columns": [], "files": {}}', b"\xff"])
def test_a_damaged_index_is_made_again(run: Path, damaged: bytes):
    rows = RunIndex.open(run).rows
    (run / "view" / "index.json").write_bytes(damaged)
    assert RunIndex.open(run).rows == rows


def test_a_folder_that_cannot_be_written_is_opened_all_the_same(run: Path):
    (run / "view").write_text("in the way")
    assert len(RunIndex.open(run).rows) == 16


def test_a_line_that_is_no_episode_is_named(run: Path):
    path = run / "trajectories" / "iteration_001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b'{"task": 1}\n', *lines[1:]]))
    with pytest.raises(RunError, match=r"iteration_001\.jsonl:2: expected a recorded episode"):
        RunIndex.open(run)


def test_a_line_that_moved_since_is_not_taken_for_another(run: Path):
    found = RunIndex.open(run)
    path = run / "trajectories" / "iteration_000.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[::-1]))
    with pytest.raises(RunError, match="written anew"):
        found.trajectory(0)


def test_a_recorded_path_leads_to_no_file_elsewhere(run: Path, tmp_path: Path):
    (tmp_path / "secret.jsonl").write_text("secret")
    path = run / "trajectories" / "iteration_000.jsonl"
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    for line, ledger in zip(lines, ("../../../secret.jsonl", str(tmp_path / "secret.jsonl"), "..", "/"), strict=False):
        line["ledger_path"] = ledger
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    found = RunIndex.open(run)
    assert [found.ledger(n) for n in range(4)] == [None] * 4


def test_iterations_stand_in_the_order_of_their_numbers(run: Path):
    for number in (1000, 101):
        os.link(run / "trajectories" / "iteration_001.jsonl", run / "trajectories" / f"iteration_{number:03d}.jsonl")
    assert list(dict.fromkeys(r.iteration for r in RunIndex.open(run).rows)) == [0, 1, 101, 1000]


def test_a_run_without_episodes_says_so(tmp_path: Path):
    with pytest.raises(RunError, match="holds no recorded episodes"):
        RunIndex.open(tmp_path)


def test_thousands_are_read_once(tmp_path: Path, lines_read: list[int]):
    run = record_many(tmp_path / "run", 2_000)
    assert len(RunIndex.open(run).rows) == len(lines_read) == 2_000
    lines_read.clear()
    assert RunIndex.open(run).trajectory(1_999).seed == 1_999
    assert lines_read == []
