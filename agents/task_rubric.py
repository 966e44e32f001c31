"""What a judge is asked of an episode as a whole, by the first that says so: a file of rubrics, the task, its goal."""

from __future__ import annotations

from enum import StrEnum

from pydantic import ValidationError

from ..envs.registration import registered_ids, task_for
from ..rewards.judge.request import Rubric, Rubrics
from ..rewards.layers import goal_rubric
from ..rewards.semantic import Rubric as MilestoneRubric
from ..rewards.spec import BoundDetector
from ..rewards.step_view import EpisodeView
from ..sandbox.errors import RewardError


class RubricOrigin(StrEnum):
    """Where a rubric comes from."""

    FILE = "file"
    """A file of rubrics names the task."""
    TASK = "task"
    """The goal, and what the task's milestones of meaning ask for."""
    GOAL = "goal"
    """The goal alone."""


def task_rubric(view: EpisodeView, rubrics: Rubrics | None = None) -> tuple[Rubric, RubricOrigin]:
    """Return the rubric of an episode, and where it comes from.

    Args:
        view: the episode. Its task need not be registered; one that is lends the rubrics of its milestones of meaning
            with what they know to be right.
        rubrics: written for whole tasks; they go first.

    Raises:
        RewardError: what would be asked is too long for a rubric.
    """
    if rubrics is not None and (given := rubrics.of(view.task)) is not None:
        return given, RubricOrigin.FILE
    asked = _declared(view)
    text = "\n".join([goal_rubric(view.goal), *(f"- {rubric.rubric}" for rubric in asked)])
    truth = "\n".join(rubric.truth for rubric in asked if rubric.truth is not None)
    try:
        made = Rubric(text=text, truth=truth or None)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RewardError(
            f"{view.task}, seed {view.seed}: its goal and rubrics make no rubric for the whole: {problems}. Write a "
            "shorter one for the task in a file of rubrics."
        ) from error
    return made, RubricOrigin.TASK if asked else RubricOrigin.GOAL


def _declared(view: EpisodeView) -> list[MilestoneRubric]:
    """The rubrics of what the task wants, filled in for the seed; none of a task that is not registered."""
    if view.task not in registered_ids():
        return []
    wanted = (m for m in task_for(view.task).instantiate(view.seed).milestones if m.reward > 0 and not m.forbidden)
    detectors = (milestone.detector for milestone in wanted)
    specs = (detector.spec for detector in detectors if isinstance(detector, BoundDetector))
    return [spec for spec in specs if isinstance(spec, MilestoneRubric)]


__all__ = ["RubricOrigin", "task_rubric"]
