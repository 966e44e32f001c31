"""Generalised advantage estimation over the steps of episodes, or over their tokens.

Shape legend: N episodes, T positions (steps, or tokens of all steps in a row), padded on the right.

At position t, delta_t = r_t + d_t V_t+1 - V_t and A_t = delta_t + d_t l_t A_t+1. Over steps the discount d is gamma and
the trace decay l is lambda everywhere. Over tokens they are that at the last token of a step only. Between the tokens
of one action nothing is discounted and the trace decays by `token_lambda`, so that a long action is not worth less for
its length. A truncated episode goes on from the value of what it led to, a terminated one from 0.

Source: Schulman et al. 2016 (1506.02438), equations 11 to 16.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...agents.records import Trajectory
from .groups import StepAdvantages

Floats = NDArray[np.float64]
TokenValues = list[list[tuple[float, ...]]]
"""For each episode, for each step, a number for each response token."""


def gae(rewards_NT: Floats, values_NT: Floats, next_values_NT: Floats, discount_NT: Floats, decay_NT: Floats) -> Floats:
    """Return the advantages (N, T); 0 in the padding.

    Args:
        rewards_NT: reward of each position; 0 in the padding.
        values_NT: V of each position; 0 in the padding.
        next_values_NT: V of what each position led to; at an episode's last position the value it goes on from.
        discount_NT: d, in [0, 1]; 0 in the padding.
        decay_NT: l, in [0, 1].
    """
    delta_NT = rewards_NT + discount_NT * next_values_NT - values_NT
    carry_NT = discount_NT * decay_NT
    out = np.zeros_like(delta_NT)
    running_N = np.zeros(len(delta_NT))
    for t in range(delta_NT.shape[1] - 1, -1, -1):
        running_N = delta_NT[:, t] + carry_NT[:, t] * running_N
        out[:, t] = running_N
    return out


def step_gae(
    batch: Sequence[Trajectory],
    values: Sequence[Sequence[float]],
    final_values: Sequence[float],
    *,
    gamma: float,
    lam: float,
) -> tuple[StepAdvantages, StepAdvantages]:
    """Advantages and returns (A + V, what the critic should have said) of every step.

    Args:
        batch: episodes.
        values: V of what each step saw.
        final_values: V of what each episode's last step led to; only truncated episodes use it.
        gamma: discount per step, in [0, 1].
        lam: 0 is the one-step error, 1 the return-to-go less V.

    Returns:
        Both None where the step is unscored (it counts as a reward of 0 for those before it) or the episode masked.
    """
    tokens: TokenValues = [[(v,) for v in row] for row in values]
    advantages, returns = token_gae(batch, tokens, final_values, gamma=gamma, lam=lam)
    return [_first(row) for row in advantages], [_first(row) for row in returns]


def token_gae(
    batch: Sequence[Trajectory],
    values: Sequence[Sequence[Sequence[float]]],
    final_values: Sequence[float],
    *,
    gamma: float,
    lam: float,
    token_lambda: float = 1.0,
) -> tuple[list[list[tuple[float, ...] | None]], list[list[tuple[float, ...] | None]]]:
    """Advantages and returns of every token; arguments as for `step_gae`, with V of each token's state.

    A step's reward comes with its last token.
    """
    lengths = [[len(v) for v in row] for row in values]
    totals = [sum(row) for row in lengths]
    width = max(totals, default=0)
    shape = (len(batch), width)
    rewards, told, following, discount = (np.zeros(shape) for _ in range(4))
    decay = np.full(shape, token_lambda)
    for i, trajectory in enumerate(batch):
        if not trajectory.steps:
            continue
        ends = np.cumsum(lengths[i]) - 1
        discount[i, : totals[i]] = 1.0
        discount[i, ends] = gamma
        decay[i, ends] = lam
        rewards[i, ends] = [s.reward or 0.0 for s in trajectory.steps]
        told[i, : totals[i]] = [v for row in values[i] for v in row]
        following[i, : totals[i]] = [*told[i, 1 : totals[i]], final_values[i] if _goes_on(trajectory) else 0.0]
    advantages = gae(rewards, told, following, discount, decay)
    return _by_step(batch, lengths, advantages), _by_step(batch, lengths, advantages + told)


def _goes_on(trajectory: Trajectory) -> bool:
    """Whether more would have come: the episode was cut short and its task had not ended."""
    return trajectory.truncated and not trajectory.terminated


def _by_step(
    batch: Sequence[Trajectory], lengths: Sequence[Sequence[int]], flat_NT: Floats
) -> list[list[tuple[float, ...] | None]]:
    out: list[list[tuple[float, ...] | None]] = []
    for trajectory, row, counts in zip(batch, flat_NT.tolist(), lengths, strict=True):
        starts = [sum(counts[:t]) for t in range(len(counts))]
        parts = [tuple(row[s : s + n]) for s, n in zip(starts, counts, strict=True)]
        known = [trajectory.failure is None and step.reward is not None for step in trajectory.steps]
        out.append([part if ok else None for part, ok in zip(parts, known, strict=True)])
    return out


def _first(row: Sequence[tuple[float, ...] | None]) -> list[float | None]:
    return [None if part is None else part[0] for part in row]


__all__ = ["TokenValues", "gae", "step_gae", "token_gae"]
