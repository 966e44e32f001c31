import numpy as np

from milepost.agents.evaluate import HELD_OUT_SEED
from milepost.agents.records import Trajectory
from milepost.envs.registration import task_for
from milepost.sandbox.errors import FailureKind
from milepost.trainers.curriculum import GroupSampler

TASKS = ("milepost/expense-form-v0", "milepost/report-download-v0", "milepost/search-open-v0")


def sampler(seed: int = 0, held_out_seeds: int = 64) -> GroupSampler:
    return GroupSampler(TASKS, np.random.default_rng(seed), held_out_seeds=held_out_seeds)


def episode(task: str, *, success: bool, failure: FailureKind | None = None) -> Trajectory:
    return Trajectory(
        task=task, seed=0, steps=(), success=success, terminated=True, truncated=False, stop_reason="", failure=failure,
        policy_version=0,
    )  # fmt: skip


def test_every_task_gets_a_group_before_any_gets_two():
    assert {g.task for g in sampler().draw(3)} == set(TASKS)
    assert {g.task for g in sampler().draw(8)} == set(TASKS)


def test_held_out_instances_are_never_drawn():
    held_out = {task_for(t).instantiate(HELD_OUT_SEED + k).goal for t in TASKS for k in range(64)}
    drawn = sampler().draw_evenly(300)
    assert all(g.seed < HELD_OUT_SEED for g in drawn)
    assert not held_out & {task_for(g.task).instantiate(g.seed).goal for g in drawn}


def test_a_solved_task_keeps_only_a_small_share():
    one = sampler()
    for _ in range(6):
        one.update([episode(TASKS[0], success=True), episode(TASKS[1], success=False)])
    share = [g.task for g in one.draw(303)].count(TASKS[0]) / 303
    assert 0.0 < share < 0.15


def test_what_the_machine_broke_says_nothing_about_the_task():
    one = sampler()
    one.update([episode(TASKS[0], success=False, failure=FailureKind.PAGE_HUNG)])
    one.update([episode(TASKS[0], success=True)])
    assert one.success[TASKS[0]] == 0.5


def test_a_restored_sampler_goes_on_as_the_first_would_have():
    one, other = sampler(3), sampler(4)
    one.draw(5)
    one.update([episode(TASKS[1], success=True)])
    other.restore(one.state())
    assert one.draw(7) == other.draw(7)
