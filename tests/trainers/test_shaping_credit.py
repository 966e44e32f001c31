"""What potential-based shaping does to advantages: nothing to outcomes, something to rewards-to-go (spec 2.5)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.agents.records import StepRecord, Trajectory
from milepost.rewards.shaping import Truncation, potential_at, shaping_term
from milepost.rewards.types import Ending
from milepost.trainers.advantages import (
    frontier_advantages,
    outcome_advantages,
    process_advantages,
    returns_to_go,
)

Row = list[tuple[float, int]]
"""An episode: for each step its base reward and the milestones reached after it."""

PHI = {bits: (bits & 1) * 0.25 + (bits >> 1 & 1) * 0.5 for bits in range(4)}
"""The potential of a frontier; sums of these are exact in floating point."""

THIRDS = {bits: (bits & 1) / 3 + (bits >> 1 & 1) / 7 for bits in range(4)}
"""And one whose are not."""


def episode(row: Row, *, start: int = 0, ending: Ending = Ending.TERMINATED, phi=None, truncation=None) -> Trajectory:
    """Return the episode, shaped by `phi` if one is given."""
    frontiers = [start, *(bits for _, bits in row)]
    rewards = [reward for reward, _ in row]
    if phi is not None:
        last = potential_at(phi[frontiers[-1]], ending, truncation or Truncation.BOOTSTRAP)
        potentials = [*(phi[bits] for bits in frontiers[:-1]), last]
        rewards = [r + shaping_term(a, b, gamma=1.0) for r, (a, b) in zip(rewards, pairwise(potentials), strict=True)]
    steps = tuple(
        StepRecord(
            prompt_ids=(1,),
            response_ids=(2,),
            behaviour_logprobs=(-1.0,),
            action="noop()",
            observation="",
            reward=reward,
            milestones_before=before,
            milestones_after=after,
        )
        for reward, (before, after) in zip(rewards, pairwise(frontiers), strict=True)
    )
    return Trajectory(
        task="a",
        seed=0,
        steps=steps,
        success=False,
        terminated=ending is Ending.TERMINATED,
        truncated=ending is Ending.TRUNCATED,
        stop_reason="",
        failure=None,
        policy_version=0,
    )


REWARD = st.integers(-8, 8).map(lambda n: n / 4)
ROW = st.lists(st.tuples(REWARD, st.integers(0, 3)), min_size=1, max_size=6).map(
    lambda row: [(reward, bits if not i else bits | row[i - 1][1]) for i, (reward, bits) in enumerate(row)]
)
GROUP = st.lists(ROW, min_size=2, max_size=6)


@given(GROUP)
def test_an_outcome_advantage_is_identical_with_and_without_shaping(group):
    """As in every episode of ours: nothing is reached at the reset, so -Phi(s0) is 0 and every total stays."""
    plain = outcome_advantages([episode(row) for row in group])
    assert outcome_advantages([episode(row, phi=PHI) for row in group]) == plain


@given(GROUP, st.integers(0, 3), st.sampled_from([PHI, THIRDS]))
def test_and_equal_but_for_rounding_whatever_the_potential_and_its_start(group, start, phi):
    plain = outcome_advantages([episode(row, start=start) for row in group])
    again = outcome_advantages([episode(row, start=start, phi=phi) for row in group])
    for one, other in zip(again, plain, strict=True):
        assert one == pytest.approx(other, abs=1e-9)


@given(ROW, st.integers(0, 3))
def test_a_reward_to_go_is_lower_by_the_potential_of_its_state(row, start):
    plain, shaped = episode(row, start=start), episode(row, start=start, phi=PHI)
    expected = [
        to_go - PHI[step.milestones_before]
        for to_go, step in zip(returns_to_go([s.reward for s in plain.steps]), plain.steps, strict=True)
        if to_go is not None
    ]
    assert returns_to_go([s.reward for s in shaped.steps]) == expected


def test_so_it_differs_where_something_was_reached():
    row = [(0.0, 1), (0.0, 1), (1.0, 3)]
    assert returns_to_go([s.reward for s in episode(row).steps]) == [1.0, 1.0, 1.0]
    assert returns_to_go([s.reward for s in episode(row, phi=PHI).steps]) == [1.0, 0.75, 0.75]
    group = [row, [(0.0, 0), (0.0, 0)]]
    plain = process_advantages([episode(r) for r in group])
    assert process_advantages([episode(r, phi=PHI) for r in group]) != plain


@given(GROUP)
def test_frontier_credit_does_not_see_it_where_a_sibling_stands_at_the_frontier(group):
    batches = [[episode(row, phi=phi) for row in group] for phi in (None, PHI)]
    (plain, _), (shaped, _) = (frontier_advantages(batch) for batch in batches)
    counts: dict[int, int] = {}
    for trajectory in batches[0]:
        for step in trajectory.steps:
            counts[step.milestones_before] = counts.get(step.milestones_before, 0) + 1
    for trajectory, one, other in zip(batches[0], plain, shaped, strict=True):
        for step, a, b in zip(trajectory.steps, one, other, strict=True):
            if counts[step.milestones_before] > 1:
                assert a == pytest.approx(b, abs=1e-9)


def test_frontier_credit_sees_it_where_it_backs_off():
    group = [[(0.0, 1), (1.0, 3)], [(0.0, 0), (0.0, 0)], [(0.0, 2), (0.0, 2)]]
    plain, backed_off = frontier_advantages([episode(row) for row in group])
    shaped, _ = frontier_advantages([episode(row, phi=PHI) for row in group])
    assert backed_off > 0
    assert plain[0][1] == 1.0
    assert shaped[0][1] == pytest.approx(1.0 - 0.25 + 0.5 / 2)


def test_a_truncated_episode_keeps_its_potential_unless_it_is_closed():
    """One terminates with nothing, one is cut with a milestone reached: the outcomes are equal without shaping."""
    finished, cut = [(0.0, 0)], [(0.0, 1)]

    def advantages(phi, truncation=None):
        return outcome_advantages(
            [
                episode(finished, phi=phi, truncation=truncation),
                episode(cut, ending=Ending.TRUNCATED, phi=phi, truncation=truncation),
            ]
        )

    assert advantages(None) == [[0.0], [0.0]]
    assert advantages(PHI, Truncation.CLOSE) == [[0.0], [0.0]]
    assert advantages(PHI, Truncation.BOOTSTRAP)[1][0] > 0.9, "which is right only for who bootstraps"
