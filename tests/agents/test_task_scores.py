"""Scores of an evaluation: what is unknown is neither a success nor a failure, and is never hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import pytest

from milepost.agents.records import Trajectory
from milepost.agents.settlement import Settler
from milepost.agents.task_scores import TaskScore, as_percent, score, wilson_interval
from milepost.rewards.router import Unscored
from milepost.sandbox.errors import FailureKind

from .tasks_of_meaning import SPOILT, WRITTEN, episode, judge, model, registered

NOTE, KIND, PLAIN = "milepost/write-note-v0", "milepost/be-kind-v0", "milepost/plain-v0"


@pytest.fixture(autouse=True)
def tasks() -> Iterator[None]:
    with registered():
        yield


def scored(settler: Settler, task: str, episodes: Sequence[Trajectory]) -> TaskScore:
    return score(task, settler.settle(episodes)[0])


NOTES = [
    episode("write-note", [0.5, 0.0], WRITTEN),
    episode("write-note", [0.5, -0.5], WRITTEN | SPOILT),
    episode("write-note", [0.0, 0.0]),
    episode("write-note", [0.0, None], failure=FailureKind.PAGE_HUNG),
]


def test_without_a_judge_what_depends_on_one_is_unknown():
    result = scored(Settler(), NOTE, NOTES)
    assert (result.episodes, result.failures) == (3, 1)
    assert (result.successes, result.undecided, result.decided) == (0, 1, 2)  # a fault, and nothing written, decide
    assert result.rule_successes == 1
    assert result.unjudged == {"faithful": 2}
    assert (result.scored, result.mean_reward) == (1, 0.0)
    assert result.milestones == {"written": pytest.approx(2 / 3), "spoilt": pytest.approx(1 / 3), "faithful": 0.0}
    assert (result.success_low, result.success_high) == (wilson_interval(0, 3)[0], wilson_interval(1, 3)[1])


def test_where_nothing_is_known_nothing_is_said():
    result = scored(Settler(), NOTE, NOTES[:1])
    assert (result.success_rate, result.mean_reward, result.mean_reward_fraction) == (None, None, None)
    assert "faithful" not in result.milestones
    assert as_percent(result.success_rate) == "unknown"
    assert asdict(result)["unjudged"] == {"faithful": 1}


def test_with_a_judge_all_is_known():
    result = scored(Settler(judge=judge(0.8)), NOTE, NOTES)
    assert (result.successes, result.undecided, result.rule_successes) == (1, 0, 1)
    assert result.success_rate == pytest.approx(1 / 3)
    assert result.unjudged == {}
    assert result.scored == 3
    assert result.mean_reward == pytest.approx((1.3 + 0.8 + 0.0) / 3)
    assert result.milestones["faithful"] == pytest.approx(2 / 3)


def test_a_judge_that_abstains_makes_no_failure():
    abstaining = scored(Settler(judge=judge(None, None)), NOTE, NOTES)
    assert abstaining == scored(Settler(), NOTE, NOTES)
    assert scored(Settler(judge=judge(0.1)), NOTE, NOTES).undecided == 0


def test_where_success_is_a_matter_of_meaning_rules_cannot_tell():
    episodes = [episode("be-kind", [0.0, 0.0])]
    assert scored(Settler(), KIND, episodes).rule_successes is None
    result = scored(Settler(model=model(0.9)), KIND, episodes)
    assert (result.successes, result.rule_successes) == (1, None)
    assert result.mean_reward_fraction == pytest.approx(0.9)


def test_tasks_that_rules_tell_all_about_are_scored_as_ever():
    episodes = [episode("plain", [0.0, 1.0], WRITTEN, success=True), episode("plain", [0.0])]
    result = scored(Settler(unscored=Unscored.REQUIRE), PLAIN, episodes)
    assert (result.successes, result.rule_successes, result.undecided, result.scored) == (1, 1, 0, 2)
    assert (result.success_rate, result.mean_reward, result.mean_steps) == (0.5, 0.5, 1.5)
    assert (result.success_low, result.success_high) == wilson_interval(1, 2)


def test_of_no_episodes_nothing_is_known():
    result = scored(Settler(), PLAIN, [])
    assert (result.episodes, result.success_rate, result.mean_reward, result.milestones) == (0, None, None, {})
