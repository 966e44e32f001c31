"""Rewards-to-go, and REINFORCE's advantage: a reward-to-go less a baseline.

An unscored step (reward None) contributes nothing to the rewards-to-go before it and has none of its own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from ...agents.records import Trajectory
from .groups import StepAdvantages, masked


def returns_to_go(rewards: Sequence[float | None], gamma: float = 1.0) -> list[float | None]:
    """R_t = sum over k >= t of gamma^(k-t) r_k; None where r_t is None (which adds nothing to earlier returns)."""
    out: list[float | None] = [None] * len(rewards)
    running = 0.0
    for t in range(len(rewards) - 1, -1, -1):
        r = rewards[t]
        running = (r or 0.0) + gamma * running
        out[t] = None if r is None else running
    return out


def reward_to_go_advantages(batch: Sequence[Trajectory], *, gamma: float = 1.0) -> StepAdvantages:
    """R_t - b, b being the mean reward-to-go of the steps of the batch's other episodes of the same task, else 0.

    What an episode did has no say in its own baseline, so the gradient stays unbiased.

    Source: Williams 1992 (REINFORCE); rewards-to-go as in Sutton and Barto 2018, section 13.3 and 13.4.
    """
    out = masked(batch)
    by_task: dict[str, list[int]] = defaultdict(list)
    returns = {}
    for i, trajectory in enumerate(batch):
        if trajectory.failure is None:
            by_task[trajectory.task].append(i)
            returns[i] = returns_to_go([s.reward for s in trajectory.steps], gamma)
    for members in by_task.values():
        known = {i: [r for r in returns[i] if r is not None] for i in members}
        for i in members:
            others = [r for j in members if j != i for r in known[j]]
            baseline = math.fsum(others) / len(others) if others else 0.0
            out[i] = [None if r is None else r - baseline for r in returns[i]]
    return out


__all__ = ["returns_to_go", "reward_to_go_advantages"]
