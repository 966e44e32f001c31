"""GAE against hand-worked numbers and a naive twin; whitening likewise."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.agents.records import StepRecord, Trajectory
from milepost.sandbox.errors import FailureKind
from milepost.trainers.advantages import returns_to_go, step_gae, token_gae, whiten

NUMBER = st.floats(-3, 3).map(lambda x: round(x, 3))


def episode(rewards, *, truncated=False, failure=None, tokens=None):
    """An episode with these rewards; `tokens[t]` is the length of the response of step t."""
    tokens = tokens or [1] * len(rewards)
    steps = tuple(
        StepRecord(
            prompt_ids=(1,), response_ids=(2,) * n, behaviour_logprobs=(-1.0,) * n, action="a", observation="o",
            reward=r, milestones_before=0, milestones_after=0,
        )
        for r, n in zip(rewards, tokens, strict=True)
    )  # fmt: skip
    return Trajectory(
        task="a", seed=0, steps=steps, success=False, terminated=not truncated, truncated=truncated, stop_reason="",
        failure=failure, policy_version=0,
    )  # fmt: skip


def naive(rewards, values, last, gamma, lam):
    """The sum of the definition, term by term."""
    following = [*values[1:], last]
    delta = [r + gamma * n - v for r, v, n in zip(rewards, values, following, strict=True)]
    n = len(rewards)
    return [sum((gamma * lam) ** (k - t) * delta[k] for k in range(t, n)) for t in range(n)]


def test_hand_worked():
    batch = [episode([1.0, 2.0]), episode([1.0, 2.0], truncated=True)]
    advantages, returns = step_gae(batch, [[0.5, 1.0], [0.5, 1.0]], [4.0, 4.0], gamma=0.5, lam=0.5)
    # terminated: delta 1 = 2 - 1 = 1; delta 0 = 1 + 0.5 * 1 - 0.5 = 1; A 0 = 1 + 0.25 * 1
    assert advantages[0] == pytest.approx([1.25, 1.0])
    # truncated: delta 1 = 2 + 0.5 * 4 - 1 = 3; A 0 = 1 + 0.25 * 3
    assert advantages[1] == pytest.approx([1.75, 3.0])
    assert returns[1] == pytest.approx([2.25, 4.0])


EPISODES = st.lists(
    st.tuples(st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=6), st.booleans(), NUMBER),
    min_size=1,
    max_size=5,
)


@given(EPISODES, st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None)
def test_the_fast_form_is_the_naive_one(rows, gamma, lam):
    batch = [episode([r for r, _ in steps], truncated=cut) for steps, cut, _ in rows]
    values = [[v for _, v in steps] for steps, _, _ in rows]
    advantages, returns = step_gae(batch, values, [last for _, _, last in rows], gamma=gamma, lam=lam)
    for (steps, cut, last), mine, target in zip(rows, advantages, returns, strict=True):
        told = [v for _, v in steps]
        want = naive([r for r, _ in steps], told, last if cut else 0.0, gamma, lam)
        assert mine == pytest.approx(want, abs=1e-9)
        assert target == pytest.approx([a + v for a, v in zip(want, told, strict=True)], abs=1e-9)


@given(st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=6), st.floats(0, 1))
@settings(deadline=None)
def test_lambda_one_is_the_return_and_zero_the_one_step_error(steps, gamma):
    rewards, values = [r for r, _ in steps], [v for _, v in steps]
    batch = [episode(rewards)]
    monte_carlo, _ = step_gae(batch, [values], [9.0], gamma=gamma, lam=1.0)
    returns = [r for r in returns_to_go(rewards, gamma) if r is not None]
    assert monte_carlo[0] == pytest.approx([r - v for r, v in zip(returns, values, strict=True)], abs=1e-9)
    one_step, _ = step_gae(batch, [values], [9.0], gamma=gamma, lam=0.0)
    following = [*values[1:], 0.0]
    assert one_step[0] == pytest.approx(
        [r + gamma * n - v for r, v, n in zip(rewards, values, following, strict=True)], abs=1e-9
    )


def test_failed_episodes_and_unscored_steps_are_masked():
    batch = [episode([1.0, None, 1.0]), episode([1.0], failure=FailureKind.PAGE_HUNG)]
    advantages, returns = step_gae(batch, [[0.0, 0.0, 0.0], [0.0]], [0.0, 0.0], gamma=1.0, lam=1.0)
    assert advantages == [[2.0, None, 1.0], [None]]
    assert returns == advantages


def test_episodes_of_no_step_have_no_advantage():
    assert step_gae([episode([]), episode([1.0])], [[], [0.0]], [0.0, 0.0], gamma=1.0, lam=1.0)[0] == [[], [1.0]]


def test_hand_worked_tokens():
    batch = [episode([1.0, 4.0], tokens=[2, 1])]
    advantages, _ = token_gae(batch, [[(0.0, 1.0), (2.0,)]], [0.0], gamma=0.5, lam=0.5)
    # last token: 4 - 2 = 2; before it: 1 + 0.5 * 2 - 1 = 1, plus 0.25 * 2; first: 0 + 1 - 0 = 1, plus 1 * 1.5
    assert advantages == [[pytest.approx((2.5, 1.5)), pytest.approx((2.0,))]]


@given(st.lists(st.tuples(NUMBER, NUMBER, st.integers(1, 4)), min_size=1, max_size=5), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None)
def test_the_first_tokens_of_steps_of_one_value_have_the_steps_advantages(steps, gamma, lam):
    """With one value for all tokens of a step nothing happens between them."""
    rewards, values, counts = zip(*steps, strict=True)
    by_step, _ = step_gae([episode(rewards)], [values], [0.0], gamma=gamma, lam=lam)
    told = [[(v,) * n for v, n in zip(values, counts, strict=True)]]
    by_token, _ = token_gae([episode(rewards, tokens=counts)], told, [0.0], gamma=gamma, lam=lam)
    firsts = [part[0] for part in by_token[0] if part is not None]
    assert firsts == pytest.approx(by_step[0], abs=1e-9)


@given(st.lists(st.lists(st.one_of(st.none(), NUMBER), max_size=5), max_size=4))
@settings(deadline=None)
def test_whitening_is_the_naive_one(rows):
    known = [a for row in rows for a in row if a is not None]
    got = whiten(rows)
    assert [[a is None for a in row] for row in got] == [[a is None for a in row] for row in rows]
    whitened = [a for row in got for a in row if a is not None]
    if len(set(known)) < 2:
        assert whitened == [0.0] * len(known)
        return
    std = statistics.pstdev(known)
    assert whitened == pytest.approx([(a - statistics.fmean(known)) / std for a in known], rel=1e-2, abs=1e-2)
    if std > 0.1:
        assert math.fsum(whitened) == pytest.approx(0.0, abs=1e-6)
        assert statistics.pstdev(whitened) == pytest.approx(1.0, abs=1e-4)
    kept = [a for row in whiten(rows, centre=False) for a in row if a is not None]
    assert statistics.fmean(kept) == pytest.approx(statistics.fmean(known), abs=1e-6)
