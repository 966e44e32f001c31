"""Milestone frontier: a step is compared with the group's steps that stood at the same milestones (ours; spec 6.7)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ...agents.records import Trajectory
from .groups import Place, StepAdvantages, groups_of, leave_one_out, masked
from .returns import returns_to_go


def frontier_advantages(batch: Sequence[Trajectory], *, gamma: float = 1.0) -> tuple[StepAdvantages, float]:
    """Return-to-go less its leave-one-out mean over the group's steps with the same milestones already reached (ours).

    Where no other step of the group has that frontier, the baseline is the leave-one-out mean over the group's steps of
    the same index; where there is none either, the advantage is zero.

    Returns:
        The advantages, and the share of scored steps that backed off.
    """
    out = masked(batch)
    scored = 0
    backed_off = 0
    for members in groups_of(batch).values():
        returns: dict[Place, float] = {}
        for i in members:
            for t, value in enumerate(returns_to_go([s.reward for s in batch[i].steps], gamma)):
                if value is not None:
                    returns[i, t] = value

        def frontier(place: Place) -> Hashable:
            return batch[place[0]].steps[place[1]].milestones_before

        fine = leave_one_out(returns, frontier)
        coarse = leave_one_out(returns, lambda place: place[1])
        for place, value in returns.items():
            scored += 1
            baseline = fine[place]
            if baseline is None:
                backed_off += 1
                baseline = coarse[place]
            out[place[0]][place[1]] = 0.0 if baseline is None else value - baseline
    return out, backed_off / max(scored, 1)


__all__ = ["frontier_advantages"]
