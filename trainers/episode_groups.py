"""Recorded episodes by task and seed, as rankings are made of them: what came first from one start, told apart.

Left out are episodes that the machine broke or that took no step, and those that repeat the actions of another of their
group: of those a ranking could say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..agents.records import Trajectory
from ..rewards.preferences import TrajectoryRef
from ..rewards.types import Source
from .recorded import read_trajectories, trajectory_files

_DECIMALS = 6  # totals are sums of floats: what differs beyond is the same total


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedEpisode:
    """One episode of a group.

    Attributes:
        ref: where it lies.
        actions: what the agent did.
        total: what rules measured of it; None where they measured nothing, or not every step.
        success: whether it reached what its task wants; None where a milestone of meaning was left unjudged.
    """

    ref: TrajectoryRef
    actions: tuple[str, ...]
    total: float | None
    success: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeGroups:
    """Episodes by task and seed.

    Attributes:
        groups: distinct episodes by task and seed, in the order of their reading.
        episodes: how many were read.
        broken: how many were left out because the machine broke them or they took no step.
        unscored: how many were left out because no rule total is known of them, if one was asked for.
        repeated: how many were left out because another of the group has the same actions.
    """

    groups: dict[tuple[str, int], list[GroupedEpisode]]
    episodes: int
    broken: int
    unscored: int
    repeated: int


def group_episodes(
    runs: Iterable[Path], *, scored_only: bool, on_file: Callable[[Path], None] = lambda path: None
) -> EpisodeGroups:
    """Read the episodes of some runs and group them, whichever run and iteration they come from.

    Args:
        runs: run folders.
        scored_only: leave out what rules have not scored.
        on_file: told each file before it is read.

    Raises:
        RunError: a run holds no episodes, or a file is damaged.
    """
    groups: dict[tuple[str, int], list[GroupedEpisode]] = {}
    episodes = broken = unscored = repeated = 0
    for run in runs:
        for path in trajectory_files(run):
            on_file(path)
            for index, trajectory in enumerate(read_trajectories(path)):
                episodes += 1
                if trajectory.failure is not None or not trajectory.steps:
                    broken += 1
                    continue
                episode = _grouped(run, path, index, trajectory)
                if scored_only and episode.total is None:
                    unscored += 1
                    continue
                group = groups.setdefault((trajectory.task, trajectory.seed), [])
                if any(episode.actions == other.actions for other in group):
                    repeated += 1
                    continue
                group.append(episode)
    return EpisodeGroups(groups=groups, episodes=episodes, broken=broken, unscored=unscored, repeated=repeated)


def rule_total(trajectory: Trajectory) -> float | None:
    """Return what rules measured of an episode, rounded; None if they left a step unscored.

    Once rewards are settled, a step's record has the rules' word beside the others'; before, its reward is theirs.
    """
    settled = any(step.tiers for step in trajectory.steps)
    total = 0.0
    for step in trajectory.steps:
        raw = next((said.raw for said in step.tiers if said.tier is Source.RULE), None) if settled else step.reward
        if raw is None:
            return None
        total += raw
    return round(total, _DECIMALS)


def most_different(group: Sequence[GroupedEpisode], most: int) -> list[GroupedEpisode]:
    """Keep at most so many episodes, the rarer rule totals first; equal totals would often only be tied."""
    by_total: dict[float | None, list[GroupedEpisode]] = {}
    for episode in group:
        by_total.setdefault(episode.total, []).append(episode)
    rounds = max(map(len, by_total.values()))
    spread = [same[i] for i in range(rounds) for same in by_total.values() if i < len(same)]
    # The best and the worst stay even when there are more totals than places.
    ends = [by_total[total][0] for total in sorted({min(known), max(known)})] if (known := _known(by_total)) else []
    return [*ends, *(e for e in spread if not any(e is end for end in ends))][:most]


def _known(totals: Iterable[float | None]) -> list[float]:
    return [total for total in totals if total is not None and math.isfinite(total)]


def _grouped(run: Path, path: Path, index: int, trajectory: Trajectory) -> GroupedEpisode:
    ref = TrajectoryRef(
        run=run.resolve(),
        file=path.relative_to(run).as_posix(),
        index=index,
        ledger_hash=trajectory.ledger_hash,
    )
    return GroupedEpisode(
        ref=ref,
        actions=tuple(step.action for step in trajectory.steps),
        total=rule_total(trajectory),
        success=None if trajectory.unjudged else trajectory.success,
    )


__all__ = ["EpisodeGroups", "GroupedEpisode", "group_episodes", "most_different", "rule_total"]
