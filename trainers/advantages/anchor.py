"""Anchor states: beside its episode, a step is compared with the group's steps that saw the very same observation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ...agents.records import Trajectory
from .group_relative import centred_advantages, outcome_advantages
from .groups import Place, StepAdvantages, groups_of, standardised
from .returns import returns_to_go


def anchor_advantages(
    batch: Sequence[Trajectory], *, gamma: float = 1.0, omega: float = 1.0, standardise: bool = True
) -> tuple[StepAdvantages, float]:
    """A = A_episode + omega * A_step; A_step compares returns-to-go where the observation was the same.

    Deviation from the paper: the deviation that divides is the population's, see `outcome_advantages`.

    Args:
        batch: episodes.
        gamma: discount of the returns-to-go per step, in [0, 1].
        omega: weight of A_step, at least 0.
        standardise: divide both by the standard deviation of their group, or by nothing.

    Returns:
        The advantages, and the share of scored steps that saw what no other step of the group saw (A_step is 0).

    Source: Feng et al. 2025 (GiGPO, 2505.10978), equations 5 to 8.
    """
    out = outcome_advantages(batch) if standardise else centred_advantages(batch)
    scored = 0
    alone = 0
    for members in groups_of(batch).values():
        anchors: dict[str, dict[Place, float]] = defaultdict(dict)
        for i in members:
            for t, value in enumerate(returns_to_go([s.reward for s in batch[i].steps], gamma)):
                if value is not None:
                    anchors[batch[i].steps[t].observation][i, t] = value
        for returns in anchors.values():
            scored += len(returns)
            alone += len(returns) == 1
            values = list(returns.values())
            mean = sum(values) / len(values)
            relative = standardised(values) if standardise else [v - mean for v in values]
            for (i, t), a in zip(returns, relative, strict=True):
                out[i][t] = (out[i][t] or 0.0) + omega * a
    return out, alone / max(scored, 1)


__all__ = ["anchor_advantages"]
