import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.agents.evaluate import HELD_OUT_SEED
from milepost.agents.records import StepRecord, Trajectory
from milepost.envs.registration import task_for
from milepost.sandbox.errors import FailureKind
from milepost.trainers.curriculum import Curriculum, GroupSampler, progress
from milepost.trainers.seed_memory import MOST, VISITS, SeedMemory, Seen, closeness

TASKS = ("milepost/expense-form-v0", "milepost/report-download-v0", "milepost/search-open-v0")


def sampler(seed: int = 0, held_out_seeds: int = 64, curriculum: Curriculum = "failing") -> GroupSampler:
    return GroupSampler(TASKS, np.random.default_rng(seed), held_out_seeds=held_out_seeds, curriculum=curriculum)


def episode(
    task: str, *, success: bool, failure: FailureKind | None = None, seed: int = 0, reached: int = 0
) -> Trajectory:
    step = StepRecord(
        prompt_ids=(1,), response_ids=(2,), behaviour_logprobs=(-0.5,), action="a", observation="o", reward=0.0,
        milestones_before=0, milestones_after=reached,
    )  # fmt: skip
    return Trajectory(
        task=task, seed=seed, steps=(step,), success=success, terminated=True, truncated=False, stop_reason="",
        failure=failure, policy_version=0,
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


outcomes = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=12)


@given(group=outcomes, data=st.data())
def test_closeness_is_a_share_that_does_not_ask_for_the_order(group: list[tuple[bool, float]], data: st.DataObject):
    assert 0.0 <= closeness(group) <= 1.0
    assert closeness(data.draw(st.permutations(group))) == pytest.approx(closeness(group), abs=1e-12)
    assert closeness([(not success, 1 - x) for success, x in group]) == pytest.approx(closeness(group), abs=1e-9)


@given(success=st.booleans(), reached=st.floats(0, 1), count=st.integers(1, 12))
def test_a_group_that_fared_alike_is_not_at_the_frontier(success: bool, reached: float, count: int):
    assert closeness([(success, reached)] * count) == pytest.approx(0.0, abs=1e-12)


def test_closeness_by_hand():
    assert closeness([(True, 1.0), (False, 1.0)]) == 1.0
    assert closeness([(True, 1.0)] + [(False, 1.0)] * 3) == pytest.approx(0.75)
    assert closeness([(False, 0.0), (False, 0.5)]) == pytest.approx(4 * 0.0625)  # none succeeds, one gets further
    assert closeness([]) == 0.0


@given(visits=st.lists(st.sampled_from(["solved", "stuck", "mixed", "further"]), max_size=8))
def test_an_instance_is_dropped_after_visits_in_a_row_that_taught_nothing(visits: list[str]):
    group = {
        "solved": [(True, 1.0), (True, 1.0)],
        "stuck": [(False, 0.0), (False, 0.0)],
        "mixed": [(True, 1.0), (False, 0.0)],
        "further": [(False, 0.5), (False, 0.5)],  # not solved, but not hopeless either
    }
    seen = Seen()
    for visit in visits:
        seen = seen.after(group[visit])
    last = visits[-VISITS:]
    assert seen.dropped == (len(last) == VISITS and set(last) in ({"solved"}, {"stuck"}))


def test_memory_is_bounded_and_forgets_what_was_longest_unseen():
    memory = SeedMemory()
    for seed in range(MOST + 10):
        memory.visit(seed, [(True, 1.0)])
        memory.visit(0, [(True, 1.0)])
    assert len(memory.seen) == MOST
    assert 0 in memory.seen
    assert 1 not in memory.seen


def test_instances_are_chosen_by_how_much_they_may_teach():
    memory, rng = SeedMemory(), np.random.default_rng(0)
    assert memory.choose(rng, dropped=False, without=set()) is None
    for _ in range(VISITS):
        memory.visit(1, [(True, 1.0), (False, 0.0)])
        memory.visit(2, [(False, 0.5), (False, 0.5)])
        memory.visit(3, [(True, 1.0), (True, 1.0)])
    drawn = [memory.choose(rng, dropped=False, without=set()) for _ in range(300)]
    assert set(drawn) == {1, 2}
    assert drawn.count(1) > 10 * drawn.count(2) > 0
    assert memory.choose(rng, dropped=True, without=set()) == 3
    assert memory.choose(rng, dropped=False, without={1, 2}) is None


def at_the_frontier() -> GroupSampler:
    """A sampler that has seen the first task solved, the second half solved, and the third never begun."""
    one = sampler(held_out_seeds=1, curriculum="frontier")  # which take time to draw
    for _ in range(6):
        one.update(
            [
                *(episode(TASKS[0], success=True, seed=1) for _ in range(4)),
                *(episode(TASKS[1], success=i % 2 == 0, seed=2) for i in range(4)),
            ],
            dead=[episode(TASKS[2], success=False, seed=3) for _ in range(4)],
        )
    return one


def test_the_frontier_draws_what_is_neither_solved_nor_out_of_reach():
    one = at_the_frontier()
    assert one.frontier[TASKS[1]] == 1.0
    assert one.frontier[TASKS[0]] == one.frontier[TASKS[2]] < 0.02
    drawn = [g for _ in range(100) for g in one.draw(1)]
    counts = {t: sum(g.task == t for g in drawn) for t in TASKS}
    assert counts[TASKS[1]] > 70
    assert counts[TASKS[0]] > 0
    assert counts[TASKS[2]] > 0  # nothing is lost for ever


def test_instances_within_reach_come_again_and_dropped_ones_seldom_and_none_twice_in_an_iteration():
    again = recalled = 0
    for i in range(100):
        one = at_the_frontier()
        one._rng = np.random.default_rng([7, i])
        drawn = one.draw(6)
        assert len({(g.task, g.seed) for g in drawn}) == 6
        again += (TASKS[1], 2) in {(g.task, g.seed) for g in drawn}
        recalled += (TASKS[0], 1) in {(g.task, g.seed) for g in drawn}
    assert 50 < again < 100
    assert 0 < recalled < 20


def test_uniform_gives_every_task_as_much():
    one = sampler(curriculum="uniform")
    for _ in range(6):
        one.update([episode(TASKS[0], success=True)])
    share = [g.task for g in one.draw(603)].count(TASKS[0]) / 603
    assert 0.25 < share < 0.42


@pytest.mark.parametrize("curriculum", ["failing", "uniform"])
def test_other_ways_keep_no_memory_of_instances(curriculum: Curriculum):
    one = sampler(curriculum=curriculum)
    one.update([episode(TASKS[0], success=True, seed=5)])
    assert set(one.state()) == {"rng", "success"}
    assert not one.memory[TASKS[0]].seen


def test_a_restored_frontier_goes_on_as_the_first_would_have():
    one, other = at_the_frontier(), sampler(9, held_out_seeds=1, curriculum="frontier")
    one.draw(5)
    one.update([episode(TASKS[1], success=True, seed=8), episode(TASKS[1], success=False, seed=8)])
    other.restore(json.loads(json.dumps(one.state())))
    for _ in range(20):
        assert one.draw(7) == other.draw(7)
        for each in (one, other):
            each.update([episode(TASKS[0], success=True, seed=4)])
    fresh = sampler(curriculum="frontier")
    fresh.restore(sampler().state())  # of a run before there was such a memory
    assert fresh.frontier == dict.fromkeys(TASKS, 1.0)


def test_samplers_apart_know_the_same_and_draw_differently_without_a_word_to_the_first():
    one, other = at_the_frontier(), at_the_frontier()
    first, second = (one.apart(number).draw(8) for number in (0, 1))
    assert not {(g.task, g.seed) for g in first} & {(g.task, g.seed) for g in second}
    for number in (0, 1):
        other.apart(number).draw(5)
    assert one.draw(6) == other.draw(6)


def test_progress_is_the_share_of_milestones_reached():
    count = len(task_for(TASKS[0]).instantiate(0).milestones)
    assert progress(episode(TASKS[0], success=False)) == 0.0
    assert progress(episode(TASKS[0], success=False, reached=1)) == pytest.approx(1 / count)
    assert progress(episode(TASKS[0], success=True, reached=2**count - 1)) == 1.0
