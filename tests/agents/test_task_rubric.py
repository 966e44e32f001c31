from __future__ import annotations

from collections.abc import Iterator

import pytest

from milepost.agents.task_rubric import RubricOrigin, task_rubric
from milepost.rewards.judge import Rubric, Rubrics
from milepost.rewards.step_view import EpisodeView
from milepost.sandbox.errors import RewardError

from .tasks_of_meaning import registered


@pytest.fixture(autouse=True)
def tasks() -> Iterator[None]:
    with registered():
        yield


def view(task: str, goal: str = "Write a note.") -> EpisodeView:
    return EpisodeView(task=task, seed=1, goal=goal, steps=())


def test_a_file_of_rubrics_goes_first():
    given = Rubric(text="It is neat.")
    rubrics = Rubrics(tasks={"milepost/write-note-v0": given})
    assert task_rubric(view("milepost/write-note-v0"), rubrics) == (given, RubricOrigin.FILE)
    assert task_rubric(view("milepost/plain-v0"), rubrics)[1] is RubricOrigin.GOAL


def test_a_task_lends_the_rubrics_of_its_milestones():
    rubric, origin = task_rubric(view("milepost/write-note-v0"))
    assert origin is RubricOrigin.TASK
    assert rubric.text == "The agent reached this goal: Write a note.\n- The note is right."
    assert rubric.truth == "42"


@pytest.mark.parametrize("task", ["milepost/plain-v0", "elsewhere/unknown-v3"])
def test_else_the_goal_is_the_rubric(task):
    rubric, origin = task_rubric(view(task, "Do {it} well."))
    assert origin is RubricOrigin.GOAL
    assert rubric == Rubric(text="The agent reached this goal: Do {it} well.")


def test_a_goal_too_long_to_ask_about_is_named():
    with pytest.raises(RewardError, match=r"plain-v0, seed 1: .*20000 characters.*file of rubrics"):
        task_rubric(view("milepost/plain-v0", "x" * 20_000))
