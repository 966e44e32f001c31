"""Replacing dead groups while the others are still being played.

A group all of whose episodes fared alike teaches nothing. As soon as its last episode is over another group takes its
place, in the slots that have become free: played afterwards, alone, its few episodes would cost as many rounds as a
whole iteration's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..agents.records import Trajectory
from ..agents.rollout import EpisodeSpec

Group = tuple[str, int]


class GroupReplacer:
    """The `refill` of a rollout of whole groups: what it is called with decides what is played in addition.

    Args:
        groups: number of groups that the rollout began with; only these are replaced, unless `again` says otherwise.
        size: episodes in each group, which follow each other in the rollout's order.
        most: groups that may be replaced.
        is_dead: whether a finished group taught nothing.
        draw: gives a fresh group, or None if there is no point in one.
        again: whether a replacement may be replaced in turn.

    Attributes:
        dead: task and seed of the groups that were replaced, in the order in which they ended.
    """

    def __init__(
        self,
        groups: int,
        *,
        size: int,
        most: int,
        is_dead: Callable[[Sequence[Trajectory]], bool],
        draw: Callable[[], EpisodeSpec | None],
        again: bool = False,
    ) -> None:
        self.dead: list[Group] = []
        self._groups, self._size, self._most = groups, size, most
        self._is_dead, self._draw, self._again = is_dead, draw, again
        self._finished: dict[int, list[Trajectory]] = {}

    def __call__(self, index: int, trajectory: Trajectory) -> list[EpisodeSpec]:
        """Take in a finished episode; return a fresh group's episodes if it was the last of a dead group."""
        number = index // self._size
        group = self._finished.setdefault(number, [])
        group.append(trajectory)
        if len(group) < self._size or len(self.dead) >= self._most:
            return []
        if number >= self._groups and not self._again:
            return []
        if not self._is_dead(group) or (fresh := self._draw()) is None:
            return []
        self.dead.append((trajectory.task, trajectory.seed))
        return [fresh] * self._size

    def without_dead(self, trajectories: Sequence[Trajectory]) -> list[Trajectory]:
        """Return the episodes of the groups that were not replaced."""
        return [t for t in trajectories if (t.task, t.seed) not in self.dead]


__all__ = ["GroupReplacer"]
