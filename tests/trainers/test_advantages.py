from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.agents.records import StepRecord, Trajectory
from milepost.sandbox.errors import FailureKind
from milepost.trainers.advantages import (
    Credit,
    anchor_advantages,
    frontier_advantages,
    leave_one_out_advantages,
    process_advantages,
    returns_to_go,
    step_advantages,
    token_advantages,
)

CREDITS: tuple[Credit, ...] = get_args(Credit)


def scored(row: Sequence[float | None]) -> list[float]:
    """Return the advantages of an episode whose every step has one."""
    values = [a for a in row if a is not None]
    assert len(values) == len(row)
    return values


def episode(rewards, *, bits=None, seed=0, task="a", failure=None, seen=None):
    """An episode with these rewards; `bits[t]` are the milestones reached before step t, `seen[t]` its observations."""
    bits = bits or list(range(len(rewards)))
    seen = seen or [""] * len(rewards)
    steps = tuple(
        StepRecord(
            prompt_ids=(1,),
            response_ids=(2,),
            behaviour_logprobs=(-1.0,),
            action="noop()",
            observation=o,
            reward=r,
            milestones_before=b,
            milestones_after=b,
        )
        for r, b, o in zip(rewards, bits, seen, strict=True)
    )
    return Trajectory(
        task=task,
        seed=seed,
        steps=steps,
        success=False,
        terminated=True,
        truncated=False,
        stop_reason="",
        failure=failure,
        policy_version=0,
    )


def test_hand_worked_returns():
    assert returns_to_go([1.0, 0.0, 2.0]) == [3.0, 2.0, 2.0]
    assert returns_to_go([1.0, 0.0, 2.0], 0.5) == [1.5, 1.0, 2.0]
    assert returns_to_go([1.0, None, 2.0]) == [3.0, None, 2.0]


def test_hand_worked_outcome():
    batch = [episode([1.0, 0.0]), episode([0.0, 0.0, 3.0]), episode([2.0])]
    advantages, stats = step_advantages(batch, credit="outcome", scale=False)
    z = 1 / math.sqrt(2 / 3)  # totals 1, 3, 2: mean 2, population deviation sqrt(2/3)
    assert advantages[0] == pytest.approx([-z, -z], abs=1e-5)
    assert advantages[1] == pytest.approx([z, z, z], abs=1e-5)
    assert advantages[2] == pytest.approx([0.0], abs=1e-5)
    assert (stats.groups, stats.dead_groups) == (1, 0)


def test_hand_worked_process():
    batch = [episode([1.0, 0.0]), episode([0.0, 1.0])]
    # rewards 1 0 0 1: mean 1/2, deviation 1/2; standardised 1 -1 -1 1, summed from the step on
    a, b = process_advantages(batch)
    assert a == pytest.approx([0.0, -1.0], abs=1e-5)
    assert b == pytest.approx([0.0, 1.0], abs=1e-5)


def test_hand_worked_frontier():
    batch = [
        episode([0.0, 1.0, 2.0], bits=[0, 0, 1]),  # returns 3 3 2
        episode([1.0, 0.0], bits=[0, 1]),  # returns 1 0
        episode([0.0], bits=[0]),  # return 0
    ]
    advantages, backed_off = frontier_advantages(batch)
    # frontier 0 holds returns 3 3 1 0 (sum 7), frontier 1 holds 2 0
    assert advantages[0] == pytest.approx([3 - 4 / 3, 3 - 4 / 3, 2.0])
    assert advantages[1] == pytest.approx([1 - 6 / 3, -2.0])
    assert advantages[2] == pytest.approx([0 - 7 / 3])
    assert backed_off == 0.0


def test_hand_worked_leave_one_out_and_centred():
    batch = [episode([1.0, 0.0]), episode([0.0, 3.0]), episode([2.0])]  # totals 1, 3, 2
    rloo, _ = step_advantages(batch, credit="leave-one-out", scale=False)
    assert rloo[0] == pytest.approx([1 - 5 / 2] * 2)
    assert rloo[1] == pytest.approx([3 - 3 / 2] * 2)
    assert rloo[2] == pytest.approx([0.0])
    centred, _ = step_advantages(batch, credit="centred", scale=False)
    assert [row[0] for row in centred] == pytest.approx([-1.0, 1.0, 0.0])


def test_an_episode_alone_in_its_group_has_nothing_to_be_compared_with():
    assert leave_one_out_advantages([episode([1.0, 2.0])]) == [[0.0, 0.0]]


def test_hand_worked_reward_to_go():
    batch = [episode([0.0, 2.0]), episode([1.0], seed=1), episode([5.0], task="b")]
    # returns 1 2 | 1 | 5 at gamma 1/2; the baseline is the mean over the task's other episodes, 0 where there are none
    got, _ = step_advantages(batch, credit="reward-to-go", gamma=0.5, scale=False)
    assert got == [[1 - 1, 2 - 1], [1 - 1.5], [5.0]]


def test_hand_worked_anchor_states():
    batch = [
        episode([0.0, 1.0], seen=["home", "form"]),  # returns 1 1
        episode([0.0, 0.0], seen=["home", "menu"]),  # returns 0 0
        episode([2.0], seen=["home"]),  # return 2
    ]
    got, alone = anchor_advantages(batch, omega=0.5, standardise=False)
    # totals 1, 0, 2 have mean 1; "home" was seen with returns 1, 0, 2 (mean 1), the others by one step each
    assert got[0] == pytest.approx([0.0, 0.0])
    assert got[1] == pytest.approx([-1.0 - 0.5, -1.0])
    assert got[2] == pytest.approx([1.0 + 0.5])
    assert alone == pytest.approx(2 / 5)
    z = 1 / math.sqrt(2 / 3)
    got, _ = anchor_advantages(batch, omega=1.0)
    assert got[1] == pytest.approx([-2 * z, -z], abs=1e-5)


def test_every_token_of_a_step_has_its_advantage():
    batch = [episode([1.0, None]), episode([0.0])]
    advantages, _ = step_advantages(batch, credit="centred", scale=False)
    assert token_advantages(batch, advantages) == [[(0.5,), None], [(-0.5,)]]


def test_a_lone_frontier_backs_off_to_the_step_then_to_zero():
    batch = [episode([0.0, 1.0, 0.5], bits=[0, 4, 8]), episode([0.0, 0.0], bits=[0, 2])]
    advantages, backed_off = frontier_advantages(batch)
    # step 1 stands alone at its frontier in both: returns 1.5 and 0 there; step 2 has no sibling at all
    assert advantages[0] == pytest.approx([1.5, 1.5, 0.0])
    assert advantages[1] == pytest.approx([-1.5, -1.5])
    assert backed_off == pytest.approx(3 / 5)


def test_groups_do_not_mix():
    alone = [episode([0.0, 1.0]), episode([1.0, 0.0])]
    other = [
        episode([9.0, 9.0], seed=1),
        episode([5.0, 0.0], seed=1),
        episode([7.0], task="b"),
        episode([1.0], task="b"),
    ]
    for credit in set(CREDITS) - {"reward-to-go"}:  # which compares with the task's other groups too
        want, _ = step_advantages(alone, credit=credit, scale=False)
        got, stats = step_advantages(alone + other, credit=credit, scale=False)
        assert got[:2] == want
        assert stats.groups == 3


@pytest.mark.parametrize("credit", CREDITS)
def test_failed_episodes_and_unscored_steps_are_masked_not_zeroed(credit):
    whole = [episode([0.0, 1.0]), episode([1.0, 1.0]), episode([0.0, 0.0])]
    broken = episode([5.0, 5.0], failure=FailureKind.PAGE_HUNG)
    want, _ = step_advantages(whole, credit=credit)
    got, stats = step_advantages([*whole, broken], credit=credit)
    assert got == [*want, [None, None]]
    assert stats.masked_episodes == 1
    unscored, _ = step_advantages([episode([None, 1.0]), episode([0.0, 0.0])], credit=credit)
    assert unscored[0][0] is None
    assert None not in unscored[0][1:] + unscored[1]


def test_a_group_of_equals_is_dead_and_named():
    batch = [episode([0.0, 0.0], seed=3)] * 3 + [episode([0.0], seed=4), episode([1.0], seed=4)]
    for credit in set(CREDITS) - {"reward-to-go"}:
        advantages, stats = step_advantages(batch, credit=credit)
        assert stats.dead == (("a", 3),)
        assert (stats.groups, stats.dead_groups) == (2, 1)
        assert advantages[:3] == [[0.0, 0.0]] * 3


def test_milestones_revive_a_group_that_all_failed_alike():
    # the same total, earned at different steps: dead by outcome, alive by frontier
    batch = [episode([1.0, 0.0, 0.0], bits=[0, 1, 1]), episode([0.0, 0.0, 1.0], bits=[0, 0, 0])]
    assert step_advantages(batch, credit="outcome")[1].dead_groups == 1
    assert step_advantages(batch, credit="frontier", gamma=0.9)[1].dead_groups == 0


def test_scaling_sets_the_size_and_keeps_signs_and_zeros():
    batch = [episode([0.0, 0.0]), episode([4.0, 0.0]), episode([0.0, 2.0])]
    raw, _ = step_advantages(batch, credit="frontier", scale=False)
    scaled, stats = step_advantages(batch, credit="frontier", scale=True)
    live = [a for row in scaled for a in row if a]
    assert math.sqrt(sum(a * a for a in live) / len(live)) == pytest.approx(1.0)
    for before, after in zip(raw, scaled, strict=True):
        assert before == pytest.approx([a * stats.scale for a in scored(after)])


REWARDS = st.lists(st.floats(-2, 2).map(lambda x: round(x, 3)), min_size=1, max_size=5)


@given(st.lists(REWARDS, min_size=2, max_size=6))
@settings(deadline=None)
def test_outcome_advantages_of_a_group_sum_to_zero_over_its_episodes(rows):
    advantages, _ = step_advantages([episode(r) for r in rows], credit="outcome", scale=False)
    assert sum(scored(row)[0] for row in advantages) == pytest.approx(0.0, abs=1e-3)


@given(st.lists(st.floats(-2, 2).map(lambda x: round(x, 3)), min_size=2, max_size=8))
@settings(deadline=None)
def test_with_one_frontier_the_frontier_is_leave_one_out(rewards):
    batch = [episode([r], bits=[5]) for r in rewards]
    frontier, _ = step_advantages(batch, credit="frontier", scale=False)
    want, _ = step_advantages(batch, credit="leave-one-out", scale=False)
    for a, b in zip(frontier, want, strict=True):
        assert a == pytest.approx(b, abs=1e-9)


@given(st.lists(REWARDS, min_size=2, max_size=6))
@settings(deadline=None)
def test_leave_one_out_is_the_centred_advantage_made_larger(rows):
    batch = [episode(r) for r in rows]
    loo, _ = step_advantages(batch, credit="leave-one-out", scale=False)
    centred, _ = step_advantages(batch, credit="centred", scale=False)
    n = len(rows)
    for a, b in zip(loo, centred, strict=True):
        assert a == pytest.approx([x * n / (n - 1) for x in scored(b)], abs=1e-9)


@given(REWARDS, st.integers(2, 6), st.sampled_from(sorted(set(CREDITS) - {"reward-to-go", "process"})))
@settings(deadline=None)
def test_a_group_of_equal_episodes_has_nothing_to_teach(rewards, members, credit):
    same = episode(rewards, seen=[str(t) for t in range(len(rewards))])
    advantages, stats = step_advantages([same] * members, credit=credit)
    assert stats.dead_groups == 1
    assert all(abs(a) < 1e-6 for row in advantages for a in scored(row))


@given(st.lists(REWARDS, min_size=2, max_size=6), st.data())
@settings(deadline=None)
def test_frontier_advantages_sum_to_zero_over_each_shared_frontier(rows, data):
    batch = [episode(r, bits=data.draw(st.lists(st.integers(0, 2), min_size=len(r), max_size=len(r)))) for r in rows]
    advantages, _ = frontier_advantages(batch, gamma=0.9)
    sums: dict[int, list[float]] = {}
    for t, row in zip(batch, advantages, strict=True):
        for s, a in zip(t.steps, scored(row), strict=True):
            sums.setdefault(s.milestones_before, []).append(a)
    for values in sums.values():
        if len(values) > 1:
            assert sum(values) == pytest.approx(0.0, abs=1e-6)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="one of outcome, process, frontier"):
        step_advantages([], credit="hope")  # type: ignore[arg-type]
