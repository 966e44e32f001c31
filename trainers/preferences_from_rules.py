"""Rankings out of recorded episodes' rule totals: preferences that cost nobody's time.

Episodes of one task and seed are ranked by their total reward, whichever run and iteration they come from. Left out
are episodes that the machine broke or that were not scored, those that repeat another's actions, and groups in which
all totals are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..agents.records import Trajectory
from ..rewards.preferences import PreferenceSource, RankedTrajectory, Ranking, TrajectoryRef
from .recorded import read_trajectories, trajectory_files

_DECIMALS = 6  # totals are sums of floats: what differs beyond is the same total


@dataclass(frozen=True, slots=True, kw_only=True)
class FromRules:
    """What came of it.

    Attributes:
        rankings: one for each group that has something to say.
        episodes: how many were read.
        unscored: episodes left out because they broke or were not scored.
        repeated: episodes left out because another of the group has the same actions.
        tied_groups: groups left out because their totals are equal.
    """

    rankings: tuple[Ranking, ...]
    episodes: int
    unscored: int
    repeated: int
    tied_groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Episode:
    ref: TrajectoryRef
    total: float
    actions: tuple[str, ...]


def rankings_from_rules(
    runs: Iterable[Path],
    *,
    most_items: int = 16,
    now: datetime | None = None,
    on_file: Callable[[Path], None] = lambda path: None,
) -> FromRules:
    """Rank the recorded episodes of some runs by their rule totals.

    Args:
        runs: run folders.
        most_items: most trajectories in one ranking, 2 or more; those kept have totals as different as can be.
        now: the time to write down; None: the clock's.
        on_file: told each file before it is read.

    Raises:
        RunError: a run holds no episodes, or a file is damaged.
    """
    if most_items < 2:
        raise ValueError(f"expected most_items of at least 2, got {most_items}")
    time = datetime.now(UTC).replace(microsecond=0) if now is None else now
    groups: dict[tuple[str, int], list[_Episode]] = {}
    episodes = unscored = repeated = tied = 0
    for run in runs:
        for path in trajectory_files(run):
            on_file(path)
            for index, trajectory in enumerate(read_trajectories(path)):
                episodes += 1
                if not _scored(trajectory):
                    unscored += 1
                    continue
                group = groups.setdefault((trajectory.task, trajectory.seed), [])
                episode = _episode(run, path, index, trajectory)
                if any(episode.actions == other.actions for other in group):
                    repeated += 1
                    continue
                group.append(episode)
    rankings: list[Ranking] = []
    for (task, seed), group in groups.items():
        if len({e.total for e in group}) < 2:
            tied += 1
            continue
        rankings.append(_ranking(task, seed, _most_different(group, most_items), time))
    return FromRules(
        rankings=tuple(rankings), episodes=episodes, unscored=unscored, repeated=repeated, tied_groups=tied
    )


def _scored(trajectory: Trajectory) -> bool:
    return (
        trajectory.failure is None
        and bool(trajectory.steps)
        and all(step.reward is not None for step in trajectory.steps)
    )


def _episode(run: Path, path: Path, index: int, trajectory: Trajectory) -> _Episode:
    ref = TrajectoryRef(
        run=run.resolve(),
        file=path.relative_to(run).as_posix(),
        index=index,
        ledger_hash=trajectory.ledger_hash,
    )
    total = round(trajectory.rule_reward, _DECIMALS)
    return _Episode(ref=ref, total=total, actions=tuple(step.action for step in trajectory.steps))


def _most_different(group: Sequence[_Episode], most: int) -> list[_Episode]:
    """Keep at most so many, the rarer totals first; equal totals would only be tied."""
    by_total: dict[float, list[_Episode]] = {}
    for episode in group:
        by_total.setdefault(episode.total, []).append(episode)
    rounds = max(map(len, by_total.values()))
    spread = [same[i] for i in range(rounds) for same in by_total.values() if i < len(same)]
    # The best and the worst stay even when there are more totals than places.
    ends = [min(spread, key=lambda e: e.total), max(spread, key=lambda e: e.total)]
    return [*ends, *(e for e in spread if e is not ends[0] and e is not ends[1])][:most]


def _ranking(task: str, seed: int, group: Sequence[_Episode], time: datetime) -> Ranking:
    totals = sorted({e.total for e in group}, reverse=True)
    items = sorted(
        (RankedTrajectory(trajectory=e.ref, rank=totals.index(e.total)) for e in group), key=lambda item: item.rank
    )
    return Ranking(
        task=task,
        seed=seed,
        items=tuple(items),
        source=PreferenceSource.RULES,
        annotator="rule totals",
        reason="totals " + ", ".join(f"{total:g}" for total in totals),
        time=time,
    )


__all__ = ["FromRules", "rankings_from_rules"]
