"""The bench of the reward's layers counts rightly, and what it calls hidden is hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from bench.reward_layers import Tally, _settled, _without_rules
from milepost.agents.records import StepRecord, Trajectory
from milepost.agents.settlement import Settler
from milepost.envs.registration import isolated_registry, task_for
from milepost.rewards.layers import Question
from milepost.rewards.router import Mode, Thresholds
from milepost.rewards.step_view import EpisodeView
from milepost.rewards.types import Source, TierScore

TASK = "milepost/search-open-v0"


class FixedModel:
    """Says a number for each step by its action, `sure` each time."""

    def __init__(self, values: dict[str, float], sure: float) -> None:
        self._values, self._sure = values, sure

    def score_steps(self, episodes: Sequence[EpisodeView]) -> list[list[TierScore]]:
        return [
            [TierScore(tier=Source.MODEL, raw=self._values[s.action], confidence=self._sure) for s in e.steps]
            for e in episodes
        ]

    def score(self, questions: Sequence[Question]) -> list[TierScore]:
        return [TierScore(tier=Source.MODEL, raw=1.0, confidence=self._sure) for _ in questions]


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    with isolated_registry():
        yield


def episode(*steps: tuple[str, float]) -> Trajectory:
    return Trajectory(
        task=TASK,
        seed=1,
        steps=tuple(
            StepRecord(
                prompt_ids=(),
                response_ids=(),
                behaviour_logprobs=(),
                action=action,
                observation="Goal: x",
                reward=reward,
                milestones_before=0,
                milestones_after=1 if reward else 0,
            )
            for action, reward in steps
        ),
        success=False,
        terminated=True,
        truncated=False,
        stop_reason="done",
        failure=None,
        policy_version=0,
    )


GOOD, MIDDLING, BAD = episode(("a", 0.25), ("b", 0.5)), episode(("a", 0.25), ("c", 0.0)), episode(("c", 0.0))


def test_pairs_are_counted_by_the_hidden_totals() -> None:
    tally = Tally()
    tally.add([GOOD, MIDDLING, BAD, BAD], [3.0, None, 1.0, 3.0])
    # five pairs differ in truth; of the two that were answered one is right and one is a tie
    assert (tally.pairs, tally.answered, tally.right) == (5, 2, 1.5)
    assert tally.plain() == {"pairs": 5, "coverage": 0.4, "accuracy": 0.75, "score": 0.6}


def test_rules_say_nothing_of_a_task_whose_rules_are_hidden() -> None:
    rules = Settler(mode=Mode.RULES)
    assert _settled([GOOD, BAD], rules, hide=False) == [0.75, 0.0]
    assert _settled([GOOD, BAD], rules, hide=True) == [None, None]
    hidden = _without_rules(GOOD)
    assert hidden.total_reward == 0.0
    assert not hidden.steps[-1].milestones_after
    assert task_for(hidden.task).goal == task_for(TASK).goal


def test_the_cascade_keeps_to_the_rules_and_asks_the_model_where_they_are_hidden() -> None:
    model = FixedModel({"a": 0.1, "b": 0.2, "c": -0.5}, sure=0.7)
    unsure = Settler(mode=Mode.CASCADE, model=model, thresholds=Thresholds(model=0.8))
    sure = Settler(mode=Mode.CASCADE, model=model, thresholds=Thresholds(model=0.6))
    assert _settled([GOOD, BAD], sure, hide=False) == [0.75, 0.0]
    assert _settled([GOOD, BAD], unsure, hide=True) == [None, None]
    assert _settled([GOOD, BAD], sure, hide=True) == pytest.approx([0.301, -0.499])


def test_the_model_alone_is_asked_about_tasks_with_rules_too() -> None:
    alone = Settler(mode=Mode.MODEL, model=FixedModel({"a": 0.1, "b": 0.2, "c": -0.5}, sure=0.1))
    assert _settled([GOOD, BAD], alone, hide=False) == pytest.approx([0.3, -0.5])
    assert _settled([GOOD, BAD], alone, hide=True) == pytest.approx([0.3, -0.5])
