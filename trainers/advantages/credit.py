"""The one way from a batch of episodes to the advantages of its steps and tokens, whichever rule is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ...agents.records import Trajectory
from .anchor import anchor_advantages
from .frontier import frontier_advantages
from .group_relative import centred_advantages, leave_one_out_advantages, outcome_advantages, process_advantages
from .groups import EPSILON, StepAdvantages, groups_of
from .returns import reward_to_go_advantages
from .whitening import root_mean_square

Credit = Literal["outcome", "process", "frontier", "centred", "leave-one-out", "reward-to-go", "anchor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvantageStats:
    """What the groups of a batch had to teach.

    Attributes:
        groups: number of (task, seed) groups with an episode that is not masked.
        dead_groups: those whose advantages are all zero: nothing to learn.
        dead: their (task, seed).
        masked_episodes: episodes left out because the machine failed.
        backed_off: share of scored steps with no sibling at their frontier or observation: a coarser baseline was used
            (frontier and anchor only).
        scale: what the advantages were divided by.
    """

    groups: int
    dead_groups: int
    dead: tuple[tuple[str, int], ...]
    masked_episodes: int
    backed_off: float
    scale: float


def step_advantages(
    batch: Sequence[Trajectory], *, credit: Credit, gamma: float = 1.0, scale: bool = True, omega: float = 1.0
) -> tuple[StepAdvantages, AdvantageStats]:
    """Advantages of every step of a batch.

    Args:
        batch: episodes; groups are formed by (task, seed).
        credit: which rule. Of the whole episode against its group: `outcome` (standardised), `centred` (less the mean),
            `leave-one-out`. Of each step: `process`, `frontier`, `anchor`, `reward-to-go`.
        gamma: discount of returns-to-go (frontier, anchor, reward-to-go), in [0, 1].
        scale: divide all advantages by their root mean square over the steps that are not zero, so that learning rates
            transfer between tasks and rules (signs and zeros are kept).
        omega: weight of the step's part (anchor only).

    Returns:
        For each episode, for each step, its advantage or None (masked); and what the groups had to teach.

    Raises:
        ValueError: there is no such rule.
    """
    backed_off = 0.0
    if credit == "outcome":
        advantages = outcome_advantages(batch)
    elif credit == "centred":
        advantages = centred_advantages(batch)
    elif credit == "leave-one-out":
        advantages = leave_one_out_advantages(batch)
    elif credit == "process":
        advantages = process_advantages(batch)
    elif credit == "reward-to-go":
        advantages = reward_to_go_advantages(batch, gamma=gamma)
    elif credit == "frontier":
        advantages, backed_off = frontier_advantages(batch, gamma=gamma)
    elif credit == "anchor":
        advantages, backed_off = anchor_advantages(batch, gamma=gamma, omega=omega)
    else:
        raise ValueError(f"expected credit to be one of {', '.join(get_args(Credit))}, got {credit!r}")
    divisor = root_mean_square(advantages) if scale else 1.0
    stats = describe(batch, advantages, backed_off=backed_off, scale=divisor)
    return [[None if a is None else a / divisor for a in row] for row in advantages], stats


def describe(
    batch: Sequence[Trajectory],
    advantages: Sequence[Sequence[float | None]],
    *,
    backed_off: float = 0.0,
    scale: float = 1.0,
) -> AdvantageStats:
    """Say what the groups of a batch had to teach, given its steps' advantages before they were scaled."""
    groups = groups_of(batch)
    dead = tuple(
        key for key, members in groups.items() if all(abs(a or 0.0) < EPSILON for i in members for a in advantages[i])
    )
    return AdvantageStats(
        groups=len(groups),
        dead_groups=len(dead),
        dead=dead,
        masked_episodes=sum(t.failure is not None for t in batch),
        backed_off=backed_off,
        scale=scale,
    )


def token_advantages(
    batch: Sequence[Trajectory], advantages: Sequence[Sequence[float | None]]
) -> list[list[tuple[float, ...] | None]]:
    """Return a step's advantage for each of its sampled tokens; None where the step is masked."""
    return [
        [None if a is None else (a,) * len(step.response_ids) for step, a in zip(t.steps, row, strict=True)]
        for t, row in zip(batch, advantages, strict=True)
    ]


__all__ = ["AdvantageStats", "Credit", "describe", "step_advantages", "token_advantages"]
