"""The tasks that need a judge, on their real pages: what rules find, what is left to judge, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from milepost.agents.policies import OraclePolicy, ScriptPolicy
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.agents.settlement import Settler
from milepost.envs import Task, load_tasks
from milepost.envs.registration import env_id_of, isolated_registry, register_task
from milepost.envs.task import TaskInstance
from milepost.rewards.layers import Question
from milepost.rewards.types import Source, TierScore

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "judged"
TASKS = {task.name: task for task in load_tasks(FOLDER)}


class Knowing:
    """A judge that finds a rubric met if a text that it looks for occurs in what the agent did."""

    def __init__(self, looks_for: str) -> None:
        self.looks_for = looks_for
        self.questions: list[Question] = []

    def score(self, questions: Sequence[Question]) -> list[TierScore]:
        self.questions += questions
        return [
            TierScore(
                tier=Source.JUDGE, raw=float(any(self.looks_for in s.action for s in q.episode.steps)), confidence=1.0
            )
            for q in questions
        ]


def _near_miss(number: int, instance: TaskInstance) -> Sequence[str]:
    return instance.near_misses[number].actions


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with isolated_registry():
        for task in TASKS.values():
            register_task(task)
        yield


def play(task: Task, seeds: Sequence[int], policy):
    with EnvPool() as pool:
        specs = [EpisodeSpec(task=env_id_of(task.name, task.version), seed=seed) for seed in seeds]
        return run_episodes(specs, policy, pool=pool)


def test_there_are_three():
    assert sorted(TASKS) == ["expense-interrupted", "library-summary", "mail-latest-invoice"]


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_the_oracle_earns_what_rules_find_and_the_judge_the_rest(task):
    for trajectory in play(task, range(2), OraclePolicy()):
        instance = task.instantiate(trajectory.seed)
        assert [s.error for s in trajectory.steps if s.error] == []
        assert not trajectory.success
        assert trajectory.total_reward == pytest.approx(instance.rule_reward)
        judge = Knowing(instance.oracle[-2] if task.name != "mail-latest-invoice" else instance.parameters["invoice"])
        (settled,), stats = Settler(judge=judge).settle([trajectory])
        assert settled.success
        assert settled.total_reward == pytest.approx(instance.max_reward)
        assert stats.unscored == 0
        assert {q.milestone for q in judge.questions} == instance.judged


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_near_misses_leave_nothing_to_judge(task):
    instance = task.instantiate(3)
    for number in range(len(instance.near_misses)):
        (trajectory,) = play(task, [3], ScriptPolicy(partial(_near_miss, number)))
        judge = Knowing("")
        (settled,), _ = Settler(judge=judge).settle([trajectory])
        assert not judge.questions
        assert not settled.success
        assert settled.total_reward <= 0


def test_the_summary_is_judged_by_what_the_article_says():
    task = TASKS["library-summary"]
    (trajectory,) = play(task, [5], OraclePolicy())
    body = task.instantiate(5).parameters["body"]
    judge = Knowing("Store it")
    Settler(judge=judge).settle([trajectory])
    (question,) = judge.questions
    assert question.truth == body
    assert any(body.split(". ")[0] in step.after for step in question.episode.steps)
