"""Which task and seed each group of an iteration gets.

Three ways: `failing`, tasks that still fail get more groups, and a task that always succeeds keeps a small share, so
that it is not forgotten; `frontier`, tasks and instances on which episodes fare differently get more, see
`seed_memory`; `uniform`, all tasks alike. `failing` and `uniform` draw fresh instances only. No training instance
equals a held-out one, not even under another seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Literal

import numpy as np

from ..agents.evaluate import HELD_OUT_SEED
from ..agents.records import Trajectory
from ..agents.rollout import EpisodeSpec
from ..envs.registration import task_for
from .advantages.groups import groups_of
from .seed_memory import SeedMemory, closeness

Curriculum = Literal["failing", "frontier", "uniform"]

_FLOOR = 0.1
_MEMORY = 0.5
_AGAIN = 0.4
"""Of the groups of `frontier`, the share that goes to instances seen before which are within reach."""
_RECALL = 0.05
"""The share that goes to dropped instances, lest one be lost for ever."""


class GroupSampler:
    """Draws groups and remembers how each task goes.

    Args:
        tasks: environment ids.
        rng: source of every draw.
        held_out_seeds: number of evaluation seeds per task, whose instances are never drawn.
        curriculum: which way, see above.

    Attributes:
        success: of each task, the running share of successes.
        frontier: of each task, the running closeness to the frontier of ability; unknown ones are thought to be at it.
        memory: of each task, its instances; empty unless the way is `frontier`.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        rng: np.random.Generator,
        *,
        held_out_seeds: int,
        curriculum: Curriculum = "failing",
    ) -> None:
        self._tasks = tuple(tasks)
        self._rng = rng
        self._curriculum = curriculum
        self._drawn: dict[str, set[int]] = {t: set() for t in self._tasks}
        self._again = True
        self.success: dict[str, float] = dict.fromkeys(self._tasks, 0.0)
        self.frontier: dict[str, float] = dict.fromkeys(self._tasks, 1.0)
        self.memory = {t: SeedMemory() for t in self._tasks}
        self._held_out = {
            t: {_key(task_for(t).instantiate(HELD_OUT_SEED + k).goal) for k in range(held_out_seeds)}
            for t in self._tasks
        }

    def draw(self, count: int) -> list[EpisodeSpec]:
        """Return `count` groups; every task gets one before any gets a second, as far as `count` goes."""
        weights = self._weights() / self._weights().sum()
        number = min(count, len(self._tasks))
        if self._curriculum == "frontier":
            first = self._rng.choice(len(self._tasks), size=number, replace=False, p=weights)
        else:
            first = self._rng.permutation(len(self._tasks))[:number]
        extra = self._rng.choice(len(self._tasks), size=count - number, p=weights)
        return [EpisodeSpec(task=t, seed=self._seed(t)) for t in (self._tasks[i] for i in (*first, *extra))]

    def draw_evenly(self, count: int) -> list[EpisodeSpec]:
        """Return `count` fresh instances, the tasks taking turns: what demonstrations are made of."""
        turns = [self._tasks[i % len(self._tasks)] for i in range(count)]
        return [EpisodeSpec(task=t, seed=self._fresh_seed(t)) for t in turns]

    def update(self, trajectories: Sequence[Trajectory], dead: Sequence[Trajectory] = ()) -> None:
        """Take in how the sampled episodes went, and those of the dead groups that were replaced."""
        for task in self._tasks:
            seen = [t.success for t in trajectories if t.task == task and t.failure is None]
            if seen:
                self.success[task] = _MEMORY * self.success[task] + (1 - _MEMORY) * sum(seen) / len(seen)
        if self._curriculum == "frontier":
            self._remember([*trajectories, *dead])

    def _remember(self, episodes: Sequence[Trajectory]) -> None:
        groups: dict[str, list[list[tuple[bool, float]]]] = {t: [] for t in self._tasks}
        for (task, seed), members in groups_of(episodes).items():
            if task in groups:
                outcomes = [(episodes[i].success, progress(episodes[i])) for i in members]
                self.memory[task].visit(seed, outcomes)
                groups[task].append(outcomes)
        for task, found in groups.items():
            if not found:
                continue
            several = [outcomes for outcomes in found if len(outcomes) > 1]
            if not several:  # single episodes say nothing of their instance, but together something of the task
                several = [[outcome for outcomes in found for outcome in outcomes]]
            mean = sum(map(closeness, several)) / len(several)
            self.frontier[task] = _MEMORY * self.frontier[task] + (1 - _MEMORY) * mean
        self._drawn = {t: set() for t in self._tasks}

    def apart(self, number: int) -> GroupSampler:
        """Return a sampler that knows what this one knows and draws fresh instances on its own, by its number."""
        other = copy(self)
        other._rng = np.random.default_rng([int(self._rng.integers(2**53)), number])
        other._drawn = {task: set(seeds) for task, seeds in self._drawn.items()}
        other._again = False
        return other

    def state(self) -> dict[str, Any]:
        """Return what resuming needs, JSON-ready."""
        state = {"rng": self._rng.bit_generator.state, "success": dict(self.success)}
        if self._curriculum == "frontier":
            state |= {"frontier": dict(self.frontier), "memory": {t: m.state() for t, m in self.memory.items()}}
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state returned by `state`."""
        self._rng.bit_generator.state = state["rng"]
        self.success.update(state["success"])
        self.frontier.update(state.get("frontier", {}))
        for task, memory in state.get("memory", {}).items():
            self.memory[task].restore(memory)

    def _weights(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        if self._curriculum == "uniform":
            return np.ones(len(self._tasks))
        if self._curriculum == "frontier":
            return np.array([_FLOOR + self.frontier[t] for t in self._tasks])
        return np.array([_FLOOR + 1.0 - self.success[t] for t in self._tasks])

    def _seed(self, task: str) -> int:
        """A fresh seed; in the way of `frontier` now and then one that was seen before, none twice in an iteration."""
        seed = None
        if self._curriculum == "frontier" and self._again:
            chance = self._rng.random()
            if chance < _AGAIN + _RECALL:
                dropped = chance < _RECALL
                seed = self.memory[task].choose(self._rng, dropped=dropped, without=self._drawn[task])
        seed = self._fresh_seed(task) if seed is None else seed
        if self._curriculum == "frontier":
            self._drawn[task].add(seed)
        return seed

    def _fresh_seed(self, task: str) -> int:
        while True:
            seed = int(self._rng.integers(HELD_OUT_SEED))
            if seed in self._drawn[task] or seed in self.memory[task].seen:
                continue
            if _key(task_for(task).instantiate(seed).goal) not in self._held_out[task]:
                return seed


def progress(episode: Trajectory) -> float:
    """Return the share of its milestones that an episode reached, 0 to 1; forbidden ones do not count."""
    milestones = task_for(episode.task).instantiate(episode.seed).milestones
    wanted = [i for i, milestone in enumerate(milestones) if not milestone.forbidden]
    if not episode.steps or not wanted:
        return 0.0
    return sum(episode.steps[-1].milestones_after >> i & 1 for i in wanted) / len(wanted)


def _key(goal: str) -> str:
    return " ".join(goal.split()).casefold()


__all__ = ["Curriculum", "GroupSampler", "progress"]
