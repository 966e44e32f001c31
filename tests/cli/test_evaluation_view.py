"""What people read of an evaluation: nothing unknown looks like a number."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pytest
from rich.console import Console

from milepost.agents.records import Trajectory
from milepost.agents.settlement import Settler
from milepost.agents.task_scores import EvaluationResult, score
from milepost.evaluation_view import doubts, show_scores
from milepost.rewards.router import Mode
from tests.agents.tasks_of_meaning import WRITTEN, episode, judge, model, registered


@pytest.fixture(autouse=True)
def tasks() -> Iterator[None]:
    with registered():
        yield


def evaluated(settler: Settler, episodes: Sequence[Trajectory]) -> EvaluationResult:
    settled, stats = settler.settle(episodes)
    return EvaluationResult(
        policy="oracle", first_seed=1, seeds=len(episodes), wall_s=1.0, mode=settler.mode, layers=settler.layers,
        settlement=stats, tasks={t: score(t, [x for x in settled if x.task == t]) for t in {e.task for e in episodes}},
    )  # fmt: skip


def shown(result: EvaluationResult) -> str:
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    show_scores(result, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


NOTE = episode("write-note", [0.5, 0.0], WRITTEN)


def test_without_a_judge_it_is_said_what_is_unknown():
    result = evaluated(Settler(), [NOTE])
    text = shown(result)
    assert "oracle: unknown success on 1 seeds per task in 1.0 s; 1 episodes undecided" in text
    assert "0/0" in text
    assert "faithful unknown" in text
    (doubt,) = doubts(result, None)
    assert "faithful of milepost/write-note-v0 in 1 of 1 episodes" in doubt
    assert "no judge or model is configured" in doubt
    assert "success is unknown of 1 episodes" in doubt


def test_with_a_judge_it_is_said_how_it_was_used():
    result = evaluated(Settler(judge=judge(0.8)), [NOTE])
    text = shown(result)
    assert "oracle: 100.0% success" in text
    assert "settled by rules and judge (mode rules); coverage 100.0%, 0 of 3 items unscored" in text
    assert "judge asked 1 times, believed 1 times, abstained 0 times; cost 0.25" in text
    assert list(doubts(result, Settler(judge=judge(0.8)))) == []


def test_a_judge_that_is_not_sure_is_told_from_none():
    settler = Settler(judge=judge(0.9, 0.1))
    (doubt,) = doubts(evaluated(settler, [NOTE]), settler)
    assert "no layer was sure enough, or it abstained" in doubt


def test_steps_that_nobody_scored_are_named():
    settler = Settler(mode=Mode.CASCADE, model=model(0.9, 0.95), judge=None)
    assert list(doubts(evaluated(settler, [episode("be-kind", [0.0])]), settler)) == []
    silent = Settler(mode=Mode.MODEL, model=model(None, None))
    (doubt,) = doubts(evaluated(silent, [episode("plain", [0.0, 1.0], WRITTEN, success=True)]), silent)
    assert "1 of milepost/plain-v0" in doubt


def test_agreement_is_shown_where_both_spoke():
    settler = Settler(mode=Mode.JUDGE, judge=judge(0.9))
    text = shown(evaluated(settler, [episode("plain", [0.0, 1.0], WRITTEN, success=True)]))
    assert "judge agreed with the rules about success in 1 of 1 episodes" in text


def test_tasks_that_rules_tell_all_about_are_shown_as_ever():
    text = shown(evaluated(Settler(), [episode("plain", [0.0, 1.0], WRITTEN, success=True)]))
    assert text.split()[:8] == ["task", "success", "95", "%", "interval", "reward", "steps", "milepost/plain-v0"]
    assert "settled" not in text
