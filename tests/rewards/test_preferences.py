from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.rewards.preferences import (
    PreferenceSource,
    RankedTrajectory,
    Ranking,
    TrajectoryRef,
    ordered_pairs,
    read_preferences,
    write_preferences,
)
from milepost.sandbox.errors import RewardError

TIME = datetime(2026, 1, 31, 12, tzinfo=UTC)


def ranking(run: Path, ranks: tuple[int, ...] = (0, 1), **overrides: Any) -> Ranking:
    items = tuple(
        RankedTrajectory(
            trajectory=TrajectoryRef(run=run, file="trajectories/iteration_000.jsonl", index=i, ledger_hash=f"{i:x}"),
            rank=rank,
        )
        for i, rank in enumerate(ranks)
    )
    settings: dict[str, Any] = dict(
        task="milepost/search-open-v0",
        seed=3,
        items=items,
        source=PreferenceSource.PERSON,
        annotator="kim",
        reason="it found the right article",
        time=TIME,
        margin=0.5,
    )
    return Ranking(**(settings | overrides))


def line(**overrides: Any) -> str:
    items = [{"rank": i, "run": "run", "file": "trajectories/iteration_000.jsonl", "index": i} for i in range(2)]
    record = dict(task="t", seed=0, items=items, source="judge", annotator="j", reason="", time="2026-01-31T12:00:00Z")
    return json.dumps(record | overrides)


def test_what_is_written_comes_back(tmp_path: Path):
    path = tmp_path / "preferences.jsonl"
    written = [ranking(tmp_path / "run"), ranking(tmp_path / "elsewhere", (1, 0, 1), seed=4, margin=None)]
    assert write_preferences(path, written[:1]) == 1
    assert write_preferences(path, written[1:], append=True) == 1
    assert read_preferences(path) == written


def test_a_run_beside_the_file_moves_with_it(tmp_path: Path):
    old, new = tmp_path / "old", tmp_path / "new"
    write_preferences(old / "preferences" / "p.jsonl", [ranking(old / "runs" / "a")])
    old.rename(new)
    (read,) = read_preferences(new / "preferences" / "p.jsonl")
    assert read.items[0].trajectory.run == new / "runs" / "a"


def test_blank_lines_are_skipped_and_numbers_still_fit(tmp_path: Path):
    path = tmp_path / "p.jsonl"
    path.write_text(f"\n{line()}\n\n{line(seed=-1)}\n")
    with pytest.raises(RewardError, match=r"p\.jsonl:4: .*seed"):
        read_preferences(path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "JSON"),
        (line(sauce="x"), "sauce"),
        (line(items=[]), "items"),
        (line(source="oracle"), "source"),
        (line(time="2026-01-31T12:00:00"), "time"),
        (line(margin=-1.0), "margin"),
        (line(items=[{"rank": 0, "run": "r", "file": "f", "index": i} for i in range(2)]), "all ranks are equal"),
        (line(items=[{"rank": i, "run": "r", "file": "f", "index": 0} for i in range(2)]), "ranked twice"),
        (line(items=[{"rank": i, "run": "r", "file": "../f", "index": i} for i in range(2)]), "inside the run"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(tmp_path: Path, text: str, named: str):
    path = tmp_path / "p.jsonl"
    path.write_text(f"{line()}\n{text}\n")
    with pytest.raises(RewardError, match=rf"p\.jsonl:2: (?s:.*){named}"):
        read_preferences(path)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(RewardError, match="from-rules"):
        read_preferences(tmp_path / "absent.jsonl")


def test_a_ranking_that_prefers_nothing_is_not_written(tmp_path: Path):
    with pytest.raises(RewardError, match="all ranks are equal"):
        write_preferences(tmp_path / "p.jsonl", [ranking(tmp_path, (0, 0))])
    assert not (tmp_path / "p.jsonl").exists()


def test_hand_worked_pairs():
    assert ordered_pairs([0, 1, 1]) == [(0, 1), (0, 2)]
    assert ordered_pairs([2, 0, 1]) == [(1, 0), (2, 0), (1, 2)]


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=9))
def test_every_pair_of_different_ranks_is_ordered_once(ranks: list[int]):
    pairs = ordered_pairs(ranks)
    assert all(ranks[better] < ranks[worse] for better, worse in pairs)
    tied = sum(ranks.count(r) * (ranks.count(r) - 1) // 2 for r in set(ranks))
    assert len({frozenset(p) for p in pairs}) == len(pairs) == len(ranks) * (len(ranks) - 1) // 2 - tied
