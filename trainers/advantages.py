"""Per-step advantages of a batch of episodes, as pure functions (spec 6.5 and 6.7).

A group is the episodes of one task and seed. Masked episodes (infrastructure failure) and unscored steps (reward None)
take part in no mean and get advantage None. Rewards-to-go are undiscounted unless `gamma` says otherwise; an unscored
step contributes nothing to the rewards-to-go before it.

Deviations from the papers:
1. Outcome: the standard deviation is the population's plus 1e-6, and a group whose totals are all equal gets zeros.
2. Process: rewards are standardised over all scored steps of the group, then summed from the step on (GRPO 4.1.3).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..agents.records import Trajectory

Credit = Literal["outcome", "process", "frontier"]
StepAdvantages = list[list[float | None]]
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvantageStats:
    """What the groups of a batch had to teach.

    Attributes:
        groups: number of (task, seed) groups with an episode that is not masked.
        dead_groups: those whose advantages are all zero: nothing to learn.
        dead: their (task, seed).
        masked_episodes: episodes left out because the machine failed.
        backed_off: share of scored steps with no sibling at their frontier: a coarser baseline was used (frontier
            only).
        scale: what the advantages were divided by.
    """

    groups: int
    dead_groups: int
    dead: tuple[tuple[str, int], ...]
    masked_episodes: int
    backed_off: float
    scale: float


def returns_to_go(rewards: Sequence[float | None], gamma: float = 1.0) -> list[float | None]:
    """R_t = sum over k >= t of gamma^(k-t) r_k; None where r_t is None (which adds nothing to earlier returns)."""
    out: list[float | None] = [None] * len(rewards)
    running = 0.0
    for t in range(len(rewards) - 1, -1, -1):
        r = rewards[t]
        running = (r or 0.0) + gamma * running
        out[t] = None if r is None else running
    return out


def _groups(batch: Sequence[Trajectory]) -> dict[tuple[str, int], list[int]]:
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, trajectory in enumerate(batch):
        if trajectory.failure is None:
            groups[trajectory.task, trajectory.seed].append(i)
    return groups


def _standardised(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
    if std < _EPSILON:
        return [0.0] * len(values)
    return [(v - mean) / (std + _EPSILON) for v in values]


def outcome_advantages(batch: Sequence[Trajectory]) -> StepAdvantages:
    """Every scored step gets its episode's total reward, standardised over the group's episodes (GRPO, outcome)."""
    out: StepAdvantages = [[None] * len(t.steps) for t in batch]
    for members in _groups(batch).values():
        scores = _standardised([batch[i].total_reward for i in members])
        for i, score in zip(members, scores, strict=True):
            out[i] = [None if s.reward is None else score for s in batch[i].steps]
    return out


def process_advantages(batch: Sequence[Trajectory]) -> StepAdvantages:
    """Rewards standardised over all scored steps of the group; a step gets the sum from itself on (GRPO, process)."""
    out: StepAdvantages = [[None] * len(t.steps) for t in batch]
    for members in _groups(batch).values():
        places = [(i, t) for i in members for t, s in enumerate(batch[i].steps) if s.reward is not None]
        if not places:
            continue
        rewards = [batch[i].steps[t].reward for i, t in places]
        scores = dict(zip(places, _standardised([r for r in rewards if r is not None]), strict=True))
        for i in members:
            out[i] = returns_to_go([scores.get((i, t)) for t in range(len(batch[i].steps))])
    return out


def frontier_advantages(batch: Sequence[Trajectory], *, gamma: float = 1.0) -> tuple[StepAdvantages, float]:
    """Return-to-go less its leave-one-out mean over the group's steps with the same milestones already reached (ours).

    Where no other step of the group has that frontier, the baseline is the leave-one-out mean over the group's steps of
    the same index; where there is none either, the advantage is zero.

    Returns:
        The advantages, and the share of scored steps that backed off.
    """
    out: StepAdvantages = [[None] * len(t.steps) for t in batch]
    scored = 0
    backed_off = 0
    for members in _groups(batch).values():
        returns: dict[tuple[int, int], float] = {}
        for i in members:
            for t, value in enumerate(returns_to_go([s.reward for s in batch[i].steps], gamma)):
                if value is not None:
                    returns[i, t] = value

        def frontier(place: tuple[int, int]) -> Hashable:
            return batch[place[0]].steps[place[1]].milestones_before

        fine = _leave_one_out(returns, frontier)
        coarse = _leave_one_out(returns, lambda place: place[1])
        for place, value in returns.items():
            scored += 1
            baseline = fine[place]
            if baseline is None:
                backed_off += 1
                baseline = coarse[place]
            out[place[0]][place[1]] = 0.0 if baseline is None else value - baseline
    return out, backed_off / max(scored, 1)


def _leave_one_out(
    values: dict[tuple[int, int], float], key: Callable[[tuple[int, int]], Hashable]
) -> dict[tuple[int, int], float | None]:
    """For each place, the mean of the other values with the same key; None where it is alone."""
    totals: dict[Hashable, float] = defaultdict(float)
    counts: dict[Hashable, int] = defaultdict(int)
    for place, value in values.items():
        totals[key(place)] += value
        counts[key(place)] += 1
    return {
        place: (totals[key(place)] - value) / (counts[key(place)] - 1) if counts[key(place)] > 1 else None
        for place, value in values.items()
    }


def step_advantages(
    batch: Sequence[Trajectory], *, credit: Credit, gamma: float = 1.0, scale: bool = True
) -> tuple[StepAdvantages, AdvantageStats]:
    """Advantages of every step of a batch.

    Args:
        batch: episodes; groups are formed by (task, seed).
        credit: which rule.
        gamma: discount of the frontier's returns-to-go, in [0, 1].
        scale: divide all advantages by their root mean square over the steps that are not zero, so that learning rates
            transfer between tasks and rules (signs and zeros are kept).

    Returns:
        For each episode, for each step, its advantage or None (masked); and what the groups had to teach.
    """
    backed_off = 0.0
    if credit == "outcome":
        advantages = outcome_advantages(batch)
    elif credit == "process":
        advantages = process_advantages(batch)
    elif credit == "frontier":
        advantages, backed_off = frontier_advantages(batch, gamma=gamma)
    else:
        raise ValueError(f"expected credit to be outcome, process or frontier, got {credit!r}")
    groups = _groups(batch)
    dead = tuple(
        key for key, members in groups.items() if all(abs(a or 0.0) < _EPSILON for i in members for a in advantages[i])
    )
    live = [a for row in advantages for a in row if a is not None and abs(a) >= _EPSILON]
    divisor = math.sqrt(math.fsum(a * a for a in live) / len(live)) if scale and live else 1.0
    advantages = [[None if a is None else a / divisor for a in row] for row in advantages]
    stats = AdvantageStats(
        groups=len(groups),
        dead_groups=len(dead),
        dead=dead,
        masked_episodes=sum(t.failure is not None for t in batch),
        backed_off=backed_off,
        scale=divisor,
    )
    return advantages, stats


__all__ = [
    "AdvantageStats",
    "Credit",
    "StepAdvantages",
    "frontier_advantages",
    "outcome_advantages",
    "process_advantages",
    "returns_to_go",
    "step_advantages",
]
