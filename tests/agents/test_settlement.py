"""Settling: who is asked, what is paid, and that silence never becomes a zero unless the run says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from milepost.agents.records import Trajectory
from milepost.agents.settlement import Settler, tier_totals
from milepost.rewards.router import Mode, Thresholds, Unscored, Weights
from milepost.rewards.types import Source
from milepost.sandbox.errors import FailureKind, RewardError

from .tasks_of_meaning import FAITHFUL, SPOILT, WRITTEN, episode, judge, model, registered


@pytest.fixture(autouse=True)
def tasks() -> Iterator[None]:
    with registered():
        yield


def rewards(trajectory: Trajectory) -> list[float | None]:
    return [step.reward for step in trajectory.steps]


def settle(settler: Settler, trajectory: Trajectory):
    (settled,), stats = settler.settle([trajectory])
    return settled, stats


def test_rules_alone_ask_nobody_and_change_nothing():
    played = episode("plain", [0.0, 1.0], WRITTEN, success=True)
    settled, stats = settle(Settler(), played)
    assert rewards(settled) == [0.0, 1.0]
    assert settled.success
    assert (stats.items, stats.coverage, dict(stats.believed)) == (2, 1.0, {"rule": 2})


def test_the_judge_pays_a_milestone_at_the_last_step():
    said = judge(0.8)
    settled, stats = settle(Settler(judge=said), episode("write-note", [0.5, 0.0], WRITTEN))
    assert rewards(settled) == [0.5, pytest.approx(0.8)]
    assert settled.success
    assert settled.steps[-1].milestones_after == WRITTEN | FAITHFUL
    (question,) = said.questions
    assert (question.milestone, question.rubric, question.truth) == ("faithful", "The note is right.", "42")
    assert [s.after for s in question.episode.steps] == ["page 1", "the end"]
    assert stats.cost == 0.25


def test_a_verdict_below_half_is_paid_in_proportion_but_not_reached():
    settled, _ = settle(Settler(judge=judge(0.4)), episode("write-note", [0.5, 0.0], WRITTEN))
    assert rewards(settled) == [0.5, pytest.approx(0.4)]
    assert not settled.success
    assert settled.steps[-1].milestones_after == WRITTEN


def test_a_forbidden_milestone_spoils_what_the_judge_likes():
    settled, _ = settle(Settler(judge=judge(1.0)), episode("write-note", [0.5, -0.5], WRITTEN | SPOILT))
    assert not settled.success


def test_without_its_prerequisite_nobody_is_asked():
    said = judge(1.0)
    settled, stats = settle(Settler(judge=said), episode("write-note", [0.0, 0.0]))
    assert rewards(settled) == [0.0, 0.0]
    assert not settled.success
    assert not said.questions
    assert stats.unscored == 0


@pytest.mark.parametrize("said", [None, judge(None, None), judge(0.9, 0.59), judge(0.9, None)])
def test_an_open_milestone_masks_the_episode(said):
    settled, stats = settle(Settler(judge=said), episode("write-note", [0.5, 0.0], WRITTEN))
    assert rewards(settled) == [None, None]
    assert not settled.success
    assert settled.unjudged == ("faithful",)
    assert stats.unscored == 1
    assert stats.coverage == pytest.approx(2 / 3)
    carried, _ = settle(Settler(judge=said, unscored=Unscored.CARRY), episode("write-note", [0.5, 0.0], WRITTEN))
    assert rewards(carried) == [0.5, 0.0]
    with pytest.raises(RewardError, match=r"no layer scored a milestone, and reward\.unscored=require"):
        settle(Settler(judge=said, unscored=Unscored.REQUIRE), episode("write-note", [0.5, 0.0], WRITTEN))


@pytest.mark.parametrize("score", [0.0, 0.75])
def test_where_a_task_pays_for_meaning_alone_its_steps_earn_nothing_for_certain(score):
    settled, stats = settle(Settler(model=model(score)), episode("be-kind", [0.0, 0.0]))
    assert rewards(settled) == [0.0, 2 * score]
    assert settled.unjudged == ()
    assert (stats.items, stats.coverage) == (1, 1.0)


def test_the_judge_is_asked_only_where_the_model_is_not_sure():
    sure, unsure, said = model(0.9), model(0.9, 0.5), judge(0.25)
    settler = Settler(mode=Mode.CASCADE, model=sure, judge=said)
    settled, _ = settle(settler, episode("be-kind", [0.0, 0.0]))
    assert not said.questions
    assert rewards(settled) == [0.9, pytest.approx(0.9 + 2 * 0.9)]
    assert settled.success
    settled, stats = settle(Settler(mode=Mode.CASCADE, model=unsure, judge=said), episode("be-kind", [0.0, 0.0]))
    assert [q.milestone for q in said.questions] == [None, "kind"]
    assert rewards(settled) == [0.0, pytest.approx(0.25 + 2 * 0.25)]
    assert not settled.success
    assert dict(stats.believed) == {"judge": 3}


def test_a_tasks_own_threshold_counts():
    settler = Settler(
        mode=Mode.CASCADE, model=model(0.9, 0.5), thresholds=Thresholds(tasks={"be-kind": {Source.MODEL: 0.5}})
    )
    settled, _ = settle(settler, episode("be-kind", [0.0]))
    assert rewards(settled) == [pytest.approx(0.9 + 1.8)]


def test_in_a_cascade_rules_go_before_everybody():
    said, opined = judge(1.0), model(1.0)
    settled, _ = settle(Settler(mode=Mode.CASCADE, model=opined, judge=said), episode("plain", [0.0, 0.0]))
    assert rewards(settled) == [0.0, 0.0]
    assert not said.questions
    assert not opined.episodes


def test_steps_nobody_is_sure_of_are_unscored():
    settler = Settler(mode=Mode.CASCADE, model=model(0.9, 0.5))
    settled, stats = settle(settler, episode("be-kind", [0.0, 0.0]))
    assert rewards(settled) == [None, None]
    assert stats.unscored == 3
    assert stats.metrics()["router/coverage"] == 0.0


def test_the_model_alone_replaces_the_rules():
    settled, _ = settle(
        Settler(mode=Mode.MODEL, model=model(-0.3)), episode("plain", [0.0, 1.0], WRITTEN, success=True)
    )
    assert rewards(settled) == [-0.3, -0.3]
    assert settled.success  # measured, so that hacking the model shows
    assert tier_totals([settled]) == {"rule": 1.0, "model": pytest.approx(-0.6)}


def test_the_judge_alone_pays_the_episode_at_its_end():
    settled, stats = settle(
        Settler(mode=Mode.JUDGE, judge=judge(0.75)), episode("plain", [0.0, 1.0], WRITTEN, success=True)
    )
    assert rewards(settled) == [0.0, 0.75]
    assert stats.metrics()["router/agreement/judge"] == 1.0


def test_a_blend_by_hand():
    settler = Settler(
        mode=Mode.BLEND, model=model(0.5), judge=judge(1.0), weights=Weights(rule=0.5, model=0.3, judge=0.2)
    )
    settled, _ = settle(settler, episode("plain", [0.0, 1.0], WRITTEN, success=True))
    assert rewards(settled) == [pytest.approx(0.15), pytest.approx(0.5 + 0.15 + 0.2)]
    silent = Settler(
        mode=Mode.BLEND, model=model(0.5), judge=judge(None, None), weights=Weights(rule=0.5, model=0.3, judge=0.2)
    )
    settled, _ = settle(silent, episode("plain", [0.0, 1.0], WRITTEN, success=True))
    assert rewards(settled) == [pytest.approx(0.15 / 0.8), pytest.approx(0.65 / 0.8)]


def test_what_the_machine_broke_comes_back_as_it_was():
    broken = episode("plain", [0.0, None], failure=FailureKind.PAGE_HUNG)
    empty = episode("plain", [])
    settled, stats = Settler(mode=Mode.JUDGE, judge=judge(1.0)).settle([broken, empty])
    assert settled == [broken, empty]
    assert stats.items == 0


@pytest.mark.parametrize("mode", [Mode.MODEL, Mode.JUDGE, Mode.CASCADE, Mode.BLEND])
def test_a_mode_without_its_layer_is_refused(mode):
    with pytest.raises(RewardError, match=f"reward.mode={mode} needs"):
        Settler(mode=mode)
