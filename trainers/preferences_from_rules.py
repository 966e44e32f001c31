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

from ..rewards.preferences import PreferenceSource, RankedTrajectory, Ranking
from .episode_groups import GroupedEpisode, group_episodes, most_different


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
    read = group_episodes(runs, scored_only=True, on_file=on_file)
    rankings: list[Ranking] = []
    tied = 0
    for (task, seed), group in read.groups.items():
        if len({e.total for e in group}) < 2:
            tied += 1
            continue
        rankings.append(_ranking(task, seed, most_different(group, most_items), time))
    return FromRules(
        rankings=tuple(rankings),
        episodes=read.episodes,
        unscored=read.broken + read.unscored,
        repeated=read.repeated,
        tied_groups=tied,
    )


def _ranking(task: str, seed: int, group: Sequence[GroupedEpisode], time: datetime) -> Ranking:
    by_total = {e.ref: e.total for e in group if e.total is not None}
    totals = sorted(set(by_total.values()), reverse=True)
    items = sorted(
        (RankedTrajectory(trajectory=ref, rank=totals.index(total)) for ref, total in by_total.items()),
        key=lambda item: item.rank,
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
