"""How much of each way of playing a check plays: all of it for a task that is being written, less for a whole suite."""

from __future__ import annotations

from dataclasses import dataclass

from ..envs.task import Task

THOROUGH_SEEDS, QUICK_SEEDS = 8, 5
"""Instances to play, unless told otherwise."""
FEW_SEEDS = 3
"""Instances for the ways of playing that depend on what a seed draws hardly or not at all."""
QUICK_NULL_STEPS = 50
"""Steps of the agents that act without sense, unless told otherwise: enough to find most leaks while one waits. The
tests give them `NULL_STEPS`, and more episodes."""
RANDOM_LENGTHS = 4
"""Steps of acting at random, as a multiple of the task's own, unless told otherwise; at most `QUICK_NULL_STEPS`."""
QUICK_STEPS = 10
"""Steps of those agents in a quick check, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """Episodes and steps of a check; all counts are 1 or more. Seeds are counted from 0.

    Attributes:
        seeds: episodes of the oracle.
        again: of these, how many are played a second time, to be compared.
        near_miss_seeds: episodes of each near miss, at most as many as `seeds`.
        idle_seeds: episodes of resting, then pressing what looks like submitting.
        rest_steps: steps of resting in them.
        press_steps: most presses after that; it stops earlier where they change nothing.
        click_seeds: episodes of clicking everything once.
        click_steps: most clicks in each.
        random_seeds: episodes of acting at random.
        random_steps: actions in each.
    """

    seeds: int
    again: int
    near_miss_seeds: int
    idle_seeds: int
    rest_steps: int
    press_steps: int
    click_seeds: int
    click_steps: int
    random_seeds: int
    random_steps: int


def thorough_plan(task: Task, *, seeds: int | None = None, null_steps: int | None = None) -> CheckPlan:
    """Return the plan for a task that is being written.

    Args:
        task: the task.
        seeds: instances to play, 1 or more; None: `THOROUGH_SEEDS`.
        null_steps: actions of clicking about and of acting at random; None: `QUICK_NULL_STEPS`, and for acting at
            random no more than `RANDOM_LENGTHS` times the task's limit.
    """
    seeds = seeds or THOROUGH_SEEDS
    few = min(FEW_SEEDS, seeds)
    return CheckPlan(
        seeds=seeds,
        again=few,
        near_miss_seeds=seeds,
        idle_seeds=few,
        rest_steps=task.max_steps,
        press_steps=task.max_steps,
        click_seeds=few,
        click_steps=null_steps or QUICK_NULL_STEPS,
        random_seeds=seeds,
        random_steps=null_steps or min(RANDOM_LENGTHS * task.max_steps, QUICK_NULL_STEPS),
    )


def quick_plan(task: Task, *, seeds: int | None = None, null_steps: int | None = None) -> CheckPlan:
    """Return the plan for one task of many that were sound when they were written: what may break them is played.

    The oracle is played as often as ever. Of the agents without sense fewer episodes are played, with fewer steps.

    Args:
        task: the task.
        seeds: instances that the oracle plays, 1 or more; None: `QUICK_SEEDS`.
        null_steps: actions of clicking about and of acting at random; None: `QUICK_STEPS`.
    """
    seeds, steps = seeds or QUICK_SEEDS, null_steps or QUICK_STEPS
    return CheckPlan(
        seeds=seeds,
        again=1,
        near_miss_seeds=1,
        idle_seeds=1,
        rest_steps=2,
        press_steps=3,
        click_seeds=1,
        click_steps=steps,
        random_seeds=min(2, seeds),
        random_steps=steps,
    )


__all__ = [
    "FEW_SEEDS",
    "QUICK_NULL_STEPS",
    "QUICK_SEEDS",
    "QUICK_STEPS",
    "RANDOM_LENGTHS",
    "THOROUGH_SEEDS",
    "CheckPlan",
    "quick_plan",
    "thorough_plan",
]
