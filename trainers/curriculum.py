"""Which task and seed each group of an iteration gets.

Tasks that still fail get more groups; a task that always succeeds keeps a small share, so that it is not forgotten.
No training instance equals a held-out one, not even under another seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from ..agents.evaluate import HELD_OUT_SEED
from ..agents.records import Trajectory
from ..agents.rollout import EpisodeSpec
from ..envs.registration import task_for

_FLOOR = 0.1
_MEMORY = 0.5


class GroupSampler:
    """Draws groups and remembers how each task goes.

    Args:
        tasks: environment ids.
        rng: source of every draw.
        held_out_seeds: number of evaluation seeds per task, whose instances are never drawn.
    """

    def __init__(self, tasks: Sequence[str], rng: np.random.Generator, *, held_out_seeds: int) -> None:
        self._tasks = tuple(tasks)
        self._rng = rng
        self.success: dict[str, float] = dict.fromkeys(self._tasks, 0.0)
        self._held_out = {
            t: {_key(task_for(t).instantiate(HELD_OUT_SEED + k).goal) for k in range(held_out_seeds)}
            for t in self._tasks
        }

    def draw(self, count: int) -> list[EpisodeSpec]:
        """Return `count` groups; every task gets one before any gets a second, as far as `count` goes."""
        weights = np.array([_FLOOR + 1.0 - self.success[t] for t in self._tasks])
        order = [self._tasks[i] for i in self._rng.permutation(len(self._tasks))]
        chosen = order[:count]
        extra = self._rng.choice(len(self._tasks), size=count - len(chosen), p=weights / weights.sum())
        return [EpisodeSpec(task=t, seed=self._fresh_seed(t)) for t in [*chosen, *(self._tasks[i] for i in extra)]]

    def draw_evenly(self, count: int) -> list[EpisodeSpec]:
        """Return `count` fresh instances, the tasks taking turns: what demonstrations are made of."""
        turns = [self._tasks[i % len(self._tasks)] for i in range(count)]
        return [EpisodeSpec(task=t, seed=self._fresh_seed(t)) for t in turns]

    def update(self, trajectories: Sequence[Trajectory]) -> None:
        """Take in how the sampled episodes went."""
        for task in self._tasks:
            seen = [t.success for t in trajectories if t.task == task and t.failure is None]
            if seen:
                self.success[task] = _MEMORY * self.success[task] + (1 - _MEMORY) * sum(seen) / len(seen)

    def apart(self, number: int) -> GroupSampler:
        """Return a sampler that knows what this one knows and draws on its own, differently for each number."""
        other = copy(self)
        other._rng = np.random.default_rng([int(self._rng.integers(2**53)), number])
        return other

    def state(self) -> dict[str, Any]:
        """Return what resuming needs, JSON-ready."""
        return {"rng": self._rng.bit_generator.state, "success": dict(self.success)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state returned by `state`."""
        self._rng.bit_generator.state = state["rng"]
        self.success.update(state["success"])

    def _fresh_seed(self, task: str) -> int:
        while True:
            seed = int(self._rng.integers(HELD_OUT_SEED))
            if _key(task_for(task).instantiate(seed).goal) not in self._held_out[task]:
                return seed


def _key(goal: str) -> str:
    return " ".join(goal.split()).casefold()


__all__ = ["GroupSampler"]
