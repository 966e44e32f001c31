"""Advantages of whole episodes, or of all their rewards, against the other episodes of the group.

Deviations from the papers:
1. The standard deviation is the population's plus 1e-6, and a group whose totals are all equal gets zeros.
2. Process supervision standardises over all scored steps of the group, then sums from the step on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...agents.records import Trajectory
from .groups import StepAdvantages, groups_of, masked, spread, standardised
from .returns import returns_to_go


def outcome_advantages(batch: Sequence[Trajectory]) -> StepAdvantages:
    """Every scored step gets its episode's total reward, standardised over the group's episodes.

    Source: Shao et al. 2024 (GRPO, 2402.03300), section 4.1.2.
    """
    scores: dict[int, float] = {}
    for members in groups_of(batch).values():
        scores |= zip(members, standardised([batch[i].total_reward for i in members]), strict=True)
    return spread(batch, scores)


def centred_advantages(batch: Sequence[Trajectory]) -> StepAdvantages:
    """Every scored step gets its episode's total reward less the group's mean; nothing divides it.

    Source: Liu et al. 2025 (Dr. GRPO, 2503.20783), section 3.2.
    """
    scores: dict[int, float] = {}
    for members in groups_of(batch).values():
        totals = [batch[i].total_reward for i in members]
        mean = math.fsum(totals) / len(totals)
        scores |= {i: total - mean for i, total in zip(members, totals, strict=True)}
    return spread(batch, scores)


def leave_one_out_advantages(batch: Sequence[Trajectory]) -> StepAdvantages:
    """Every scored step gets its episode's total reward less the mean of the group's others; 0 where there is none.

    Source: Ahmadian et al. 2024 (RLOO, 2402.14740), equation 6; Kool et al. 2019.
    """
    scores: dict[int, float] = {}
    for members in groups_of(batch).values():
        totals = [batch[i].total_reward for i in members]
        mean, n = math.fsum(totals) / len(totals), len(totals)
        scores |= {i: (total - mean) * n / (n - 1) if n > 1 else 0.0 for i, total in zip(members, totals, strict=True)}
    return spread(batch, scores)


def process_advantages(batch: Sequence[Trajectory]) -> StepAdvantages:
    """Rewards standardised over all scored steps of the group; a step gets the sum from itself on.

    Source: Shao et al. 2024 (GRPO, 2402.03300), section 4.1.3.
    """
    out = masked(batch)
    for members in groups_of(batch).values():
        places = [(i, t) for i in members for t, s in enumerate(batch[i].steps) if s.reward is not None]
        if not places:
            continue
        rewards = [batch[i].steps[t].reward for i, t in places]
        scores = dict(zip(places, standardised([r for r in rewards if r is not None]), strict=True))
        for i in members:
            out[i] = returns_to_go([scores.get((i, t)) for t in range(len(batch[i].steps))])
    return out


__all__ = ["centred_advantages", "leave_one_out_advantages", "outcome_advantages", "process_advantages"]
