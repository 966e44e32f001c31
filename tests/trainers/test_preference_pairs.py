from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from milepost.agents.records import StepRecord, Trajectory
from milepost.rewards.preferences import read_preferences, write_preferences
from milepost.sandbox.errors import FailureKind, RunError
from milepost.trainers.offline_episodes import ranked_pairs, read_episodes
from milepost.trainers.preference_pairs import episode_pairs, step_pairs
from milepost.trainers.preferences_from_rules import rankings_from_rules
from milepost.trainers.run_folder import RunFolder

from .preferred_episodes import GOOD, IDLE, episode, record


def step(page: str, action: str, reward: float | None, before: int = 0, after: int = 0) -> StepRecord:
    return StepRecord(
        prompt_ids=(1,), response_ids=(2,), behaviour_logprobs=(-0.1,), action=action, observation=page, reward=reward,
        milestones_before=before, milestones_after=after,
    )  # fmt: skip


def played(*steps: StepRecord, seed: int = 0, **overrides) -> Trajectory:
    return replace(episode(IDLE, seed=seed), steps=steps, **overrides)


def shown(pairs):
    return [(p.better.action, p.worse.action, round(p.gap, 6), p.same_prompt) for p in pairs]


def test_whole_episodes_are_ordered_by_success_then_by_total():
    best, half, none = episode(GOOD, GOOD), episode(GOOD, IDLE), episode(IDLE)
    cheap = replace(episode(IDLE, IDLE), success=True)  # succeeded with a lower total
    pairs = episode_pairs([none, half, best, cheap], min_gap=0.5, most=10)
    order = [(tuple(s.action for s in p.better.steps), tuple(s.action for s in p.worse.steps)) for p in pairs]
    assert order[:2] == [((GOOD, GOOD), (IDLE,)), ((GOOD, GOOD), (GOOD, IDLE))]
    assert ((IDLE, IDLE), (GOOD, IDLE)) in order  # success, though its total is lower
    assert ((GOOD, IDLE), (IDLE,)) in order
    assert len(order) == 6
    assert len(episode_pairs([none, half, best, cheap], min_gap=0.5, most=3)) == 3
    assert len(episode_pairs([none, half], min_gap=1.5, most=3)) == 0


def test_whole_episodes_of_other_seeds_unscored_ones_and_repeats_make_no_pair():
    unscored = played(step("a", GOOD, None))
    assert episode_pairs([episode(GOOD), episode(IDLE, seed=1)], min_gap=0.1, most=9) == []
    assert episode_pairs([episode(GOOD), episode(GOOD), unscored], min_gap=0.1, most=9) == []
    open_question = replace(episode(IDLE, IDLE), success=True, unjudged=("meaning",))
    assert episode_pairs([open_question, episode(IDLE)], min_gap=0.1, most=9) == []


def test_steps_of_one_frontier_and_prompt_are_paired_by_their_mean_return():
    episodes = [
        played(step("a", "x", 0.0), step("b", "y", 1.0)),
        played(step("a", "x", 0.0), step("b", "z", 0.0)),  # x is worth 0.5 on average
        played(step("a", "w", 0.25)),
        played(step("a", "v", 0.0)),
    ]
    pairs = step_pairs(episodes, min_gap=0.1, most=4, gamma=1.0)
    assert shown(pairs) == [("x", "v", 0.5, True), ("x", "w", 0.25, True), ("y", "z", 1.0, True)]
    assert shown(step_pairs(episodes, min_gap=0.3, most=4, gamma=1.0)) == [
        ("x", "v", 0.5, True), ("y", "z", 1.0, True),
    ]  # fmt: skip
    assert shown(step_pairs(episodes, min_gap=0.1, most=1, gamma=1.0)) == [
        ("x", "v", 0.5, True), ("y", "z", 1.0, True),
    ]  # fmt: skip


def test_the_shorter_way_is_better_when_returns_are_discounted():
    episodes = [
        played(step("a", "straight", 1.0)),
        played(step("a", "detour", 0.0), step("b", "straight", 1.0)),
    ]
    assert step_pairs(episodes, min_gap=0.1, most=4, gamma=1.0) == []
    assert shown(step_pairs(episodes, min_gap=0.1, most=4, gamma=0.8)) == [("straight", "detour", 0.2, True)]


def test_milestones_seeds_and_unscored_steps_keep_steps_apart():
    episodes = [
        played(step("a", "x", 1.0, before=0)),
        played(step("a", "y", 0.0, before=1)),
        played(step("a", "z", 0.0), seed=1),
        played(step("a", "u", None)),
    ]
    assert step_pairs(episodes, min_gap=0.1, most=4, gamma=1.0) == []


def test_other_prompts_of_a_frontier_are_taken_only_where_their_own_make_no_pair():
    episodes = [
        played(step("a", "x", 1.0)),
        played(step("a", "y", 0.0)),
        played(step("b", "x", 0.8)),
        played(step("c", "x", 0.0)),
    ]
    assert shown(step_pairs(episodes, min_gap=0.1, most=4, gamma=1.0)) == [
        ("x", "y", 1.0, True),
        ("x", "x", 0.8, False),
    ]
    alike = step_pairs(episodes, min_gap=0.1, most=4, gamma=1.0, across_prompts=False)
    assert shown(alike) == [("x", "y", 1.0, True)]


def test_episodes_that_the_machine_broke_are_never_learnt_from(tmp_path: Path):
    broken = replace(episode(GOOD, GOOD), failure=FailureKind.PAGE_HUNG)
    with RunFolder.create(tmp_path / "run", {}, seed=0) as folder:
        folder.write_trajectories(0, [episode(GOOD), broken, episode(IDLE)])
    episodes = read_episodes([tmp_path / "run"], model="m")
    assert [e.failure for e in episodes] == [None, None]
    run = record(tmp_path / "ranked", seeds=[0])
    rankings = rankings_from_rules([run]).rankings
    write_preferences(tmp_path / "p.jsonl", rankings)
    assert len(ranked_pairs(read_preferences(tmp_path / "p.jsonl"), model="m")) == 5  # two of the four are tied
    path = run / "trajectories" / "iteration_000.jsonl"
    path.write_text(path.read_text().replace('"failure":null', '"failure":"page_hung"', 1))
    assert len(ranked_pairs(read_preferences(tmp_path / "p.jsonl"), model="m")) == 2


def test_tokens_of_another_model_are_left_out(tmp_path: Path):
    with RunFolder.create(tmp_path / "run", {"model": "ours"}, seed=0) as folder:
        folder.write_trajectories(0, [played(step("a", "x", 1.0))], with_tokens=True)
    (same,) = read_episodes([tmp_path / "run"], model="ours")
    (other,) = read_episodes([tmp_path / "run"], model="theirs")
    assert same.steps[0].response_ids == (2,)
    assert other.steps[0].response_ids == ()
    assert read_episodes([tmp_path / "run"], model="ours", tasks=["milepost/b-v0"]) == []


def test_a_ranking_of_an_episode_that_is_another_now_is_refused(tmp_path: Path):
    run = record(tmp_path / "run", seeds=[0])
    (ranking,) = rankings_from_rules([run]).rankings
    with pytest.raises(RunError, match="make the preferences anew"):
        ranked_pairs([replace(ranking, seed=7)], model="m")
