"""What becomes of credited steps on their way to the update."""

from __future__ import annotations

import pytest

from milepost.agents.records import StepRecord, Trajectory
from milepost.sandbox.errors import FailureKind
from milepost.trainers.group_sampling import alike_in_success
from milepost.trainers.reward_terms import soft_overlong, with_kl_penalty, with_overlong_penalty
from milepost.trainers.token_samples import to_token_samples, without_truncated

STOP = 9


def step(reward, response=(3, STOP)):
    return StepRecord(
        prompt_ids=(1, 2), response_ids=response, behaviour_logprobs=(-0.5,) * len(response), action="a",
        observation="o", reward=reward, milestones_before=0, milestones_after=0,
    )  # fmt: skip


def episode(*steps, truncated=False, success=False, seed=0, failure=None):
    return Trajectory(
        task="t", seed=seed, steps=steps, success=success, terminated=not truncated, truncated=truncated,
        stop_reason="", failure=failure, policy_version=0,
    )  # fmt: skip


def test_zeros_are_kept_where_they_should_count():
    episodes = [episode(step(1.0), step(0.0), step(None))]
    assert [s.advantage for s in to_token_samples(episodes, [[2.0, 0.0, None]], keep_zero=True)] == [2.0, 0.0]
    (sample,) = to_token_samples(episodes, [[-2.0, 0.0, None]], negative_scale=0.5)
    assert sample.advantages == (-1.0, -1.0)


@pytest.mark.parametrize(
    ("mask", "left"),
    [
        ("none", [[1.0, 2.0], [3.0]]),
        ("responses", [[1.0, None], [3.0]]),
        ("episodes", [[1.0, 2.0], [None]]),
        ("both", [[1.0, None], [None]]),
    ],
)
def test_what_was_cut_off_is_masked_as_asked(mask, left):
    episodes = [episode(step(0.0), step(0.0, response=(3, 4))), episode(step(0.0), truncated=True)]
    assert without_truncated(episodes, [[1.0, 2.0], [3.0]], mask=mask, stop_ids=(STOP,)) == left


def test_hand_worked_overlong_punishment():
    lengths = [1, 16, 18, 20, 24, 30]
    got = [soft_overlong(n, most_tokens=24, cache_tokens=8) for n in lengths]
    assert got == [0.0, 0.0, -0.25, -0.5, -1.0, -1.0]
    episodes = [episode(step(1.0, response=(3,) * 22), step(None, response=(3,) * 22))]
    (shaped,) = with_overlong_penalty(episodes, most_tokens=24, cache_tokens=8, weight=0.4)
    assert [s.reward for s in shaped.steps] == [pytest.approx(1.0 - 0.4 * 0.75), None]
    assert [s.reward for s in episodes[0].steps] == [1.0, None]


def test_hand_worked_kl_in_the_reward():
    episodes = [episode(step(1.0), step(0.0))]
    policy = [[(-0.5, -0.5), (-1.0, -1.0)]]
    reference = [[(-1.0, -0.75), (-0.5, -1.0)]]
    (shaped,), mean = with_kl_penalty(episodes, policy, reference, coef=0.1)
    assert [s.reward for s in shaped.steps] == pytest.approx([1.0 - 0.075, 0.05])
    assert mean == pytest.approx((0.5 + 0.25 - 0.5 + 0.0) / 4)


def test_groups_alike_in_success_are_named_and_failures_do_not_count():
    won, lost = episode(step(1.0), success=True), episode(step(0.5))
    mixed = [won, lost]
    solved = [episode(step(1.0), success=True, seed=1)] * 2
    never = [episode(step(r), seed=2) for r in (0.0, 0.5)]
    broken = [*never, episode(step(1.0), success=True, seed=2, failure=FailureKind.PAGE_HUNG)]
    assert alike_in_success([*mixed, *solved, *broken]) == (("t", 1), ("t", 2))
