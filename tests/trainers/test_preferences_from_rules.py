from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from milepost.agents.records import Trajectory
from milepost.rewards.preferences import PreferenceSource, read_preferences, write_preferences
from milepost.rewards.types import Source, TierScore
from milepost.sandbox.errors import FailureKind, RunError
from milepost.trainers.episode_groups import rule_total
from milepost.trainers.preferences_from_rules import rankings_from_rules
from milepost.trainers.recorded import RecordedEpisodes, read_trajectories
from milepost.trainers.run_folder import RunFolder

from .preferred_episodes import GOOD, IDLE, episode, record, step


def write(run: Path, *iterations: list[Trajectory]) -> Path:
    with RunFolder.create(run, {}, seed=0) as folder:
        for number, trajectories in enumerate(iterations):
            folder.write_trajectories(number, trajectories)
    return run


def test_episodes_come_back_as_written(tmp_path: Path):
    said = (
        TierScore(tier=Source.RULE, raw=0.5, confidence=1.0),
        TierScore(tier=Source.MODEL, raw=None, confidence=None),
    )
    settled = replace(episode(GOOD), steps=(replace(step(GOOD, -3.0), tiers=said),), unjudged=("faithful",))
    assert (settled.total_reward, settled.rule_reward) == (-3.0, 0.5)
    written = [episode(GOOD, IDLE), episode(IDLE, failure=FailureKind.PAGE_HUNG), settled]
    run = write(tmp_path / "run", written)
    assert read_trajectories(run / "trajectories" / "iteration_000.jsonl") == written


def test_a_group_is_ranked_by_its_totals_across_iterations_and_runs(tmp_path: Path):
    first = write(tmp_path / "first", [episode(IDLE), episode(GOOD, seed=1)], [episode(GOOD, GOOD)])
    second = write(tmp_path / "second", [episode(GOOD, IDLE)])
    made = rankings_from_rules([first, second], now=datetime(2026, 1, 31, tzinfo=UTC))
    (ranking,) = made.rankings
    places = [(i.rank, i.trajectory.run.name, i.trajectory.file[-9:-6], i.trajectory.index) for i in ranking.items]
    assert places == [(0, "first", "001", 0), (1, "second", "000", 0), (2, "first", "000", 0)]
    assert (ranking.task, ranking.seed, ranking.source) == ("milepost/a-v0", 0, PreferenceSource.RULES)
    assert ranking.reason == "totals 2, 1, 0"
    assert (made.episodes, made.tied_groups) == (4, 1)


def test_equal_totals_share_a_rank(tmp_path: Path):
    run = write(tmp_path / "run", [episode(IDLE, GOOD), episode(GOOD, IDLE), episode(IDLE)])
    (ranking,) = rankings_from_rules([run]).rankings
    assert [item.rank for item in ranking.items] == [0, 0, 1]
    assert len(ranking.pairs) == 2


def test_broken_unscored_and_repeated_episodes_are_left_out(tmp_path: Path):
    unscored = dataclasses.replace(episode(GOOD), steps=(step(IDLE, None),))
    run = write(
        tmp_path / "run",
        [episode(GOOD), episode(GOOD), episode(IDLE), episode(IDLE, IDLE, failure=FailureKind.PAGE_HUNG), unscored],
    )
    made = rankings_from_rules([run])
    assert [item.trajectory.index for item in made.rankings[0].items] == [0, 2]
    assert (made.episodes, made.repeated, made.unscored) == (5, 1, 2)


def test_the_rules_word_counts_whatever_became_of_the_reward(tmp_path: Path):
    measured = TierScore(tier=Source.RULE, raw=0.5, confidence=1.0)
    silent = TierScore(tier=Source.RULE, raw=None, confidence=None)
    masked = replace(step(GOOD, None), tiers=(measured,))  # an open milestone of meaning leaves the return unknown
    judged = replace(step(IDLE, 1.0), tiers=(silent, TierScore(tier=Source.JUDGE, raw=1.0, confidence=1.0)))
    assert rule_total(replace(episode(GOOD), steps=(masked, masked))) == 1.0
    assert rule_total(replace(episode(IDLE), steps=(judged,))) is None
    assert rule_total(replace(episode(IDLE), steps=(step(IDLE, None), step(GOOD, 1.0)))) is None
    run = write(tmp_path / "run", [replace(episode(GOOD), steps=(masked,)), episode(IDLE)])
    assert len(rankings_from_rules([run]).rankings) == 1


def test_a_limit_keeps_totals_that_differ_most(tmp_path: Path):
    plans = [(IDLE,) * n for n in (1, 2, 3)] + [(GOOD,), (GOOD, GOOD)]
    run = write(tmp_path / "run", [episode(*plan) for plan in plans])
    (ranking,) = rankings_from_rules([run], most_items=3).rankings
    assert sorted(i.trajectory.index for i in ranking.items) == [0, 3, 4]
    (ranking,) = rankings_from_rules([run], most_items=2).rankings
    assert sorted(i.trajectory.index for i in ranking.items) == [0, 4]


def test_references_lead_back_to_the_episodes(tmp_path: Path):
    run = record(tmp_path / "run", seeds=[0, 1])
    write_preferences(tmp_path / "p.jsonl", rankings_from_rules([run]).rankings)
    recorded = RecordedEpisodes()
    for ranking in read_preferences(tmp_path / "p.jsonl"):
        totals = [recorded.trajectory(item.trajectory).total_reward for item in ranking.items]
        assert totals == sorted(totals, reverse=True)
        assert {view.seed for view in recorded.views(i.trajectory for i in ranking.items)} == {ranking.seed}


def test_an_episode_that_is_another_now_is_refused(tmp_path: Path):
    run = record(tmp_path / "run", seeds=[0])
    (ranking,) = rankings_from_rules([run]).rankings
    ref = ranking.items[0].trajectory
    for wrong, named in [
        (dataclasses.replace(ref, ledger_hash="other"), "another episode"),
        (dataclasses.replace(ref, index=99), "holds 4"),
        (dataclasses.replace(ref, file="trajectories/iteration_009.jsonl"), "not there"),
    ]:
        with pytest.raises(RunError, match=named):
            RecordedEpisodes().trajectory(wrong)


def test_a_folder_without_episodes_and_a_damaged_line_are_named(tmp_path: Path):
    with pytest.raises(RunError, match=r"iteration_\*\.jsonl"):
        rankings_from_rules([tmp_path])
    path = record(tmp_path / "run", seeds=[0]) / "trajectories" / "iteration_000.jsonl"
    path.write_text(path.read_text() + '{"task": "t"}\n')
    with pytest.raises(RunError, match=r"iteration_000\.jsonl:5: .*steps"):
        rankings_from_rules([tmp_path / "run"])
