"""Gymnasium's vector interface over many concurrent episodes of one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate
from numpy.typing import NDArray

from ..sandbox.errors import TaskError
from .concurrent import reset_many, step_many
from .env import MilepostEnv
from .observation import LIMITS_CHARS
from .task import Task

VectorObservation = dict[str, tuple[str, ...]]


class MilepostVectorEnv(VectorEnv[VectorObservation, Sequence[str], NDArray[Any]]):
    """`num_envs` episodes of one task, stepped concurrently on one browser thread; ended ones reset at the next step.

    Made by `gymnasium.make_vec("milepost/<name>-v0", num_envs=8)`. Infos are batched as Gymnasium does: an array per
    key, and a mask under `"_" + key`.

    Args:
        task: a task, or the id or name of a registered one.
        num_envs: number of episodes.
        **kwargs: passed to each `MilepostEnv`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4, "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, task: Task | str, *, num_envs: int = 1, **kwargs: Any) -> None:
        if num_envs < 1:
            raise TaskError(f"num_envs is at least 1; came {num_envs}")
        self.envs = [MilepostEnv(task, **kwargs) for _ in range(num_envs)]
        self.num_envs = num_envs
        self.render_mode = self.envs[0].render_mode
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._ended = np.zeros(num_envs, dtype=np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[VectorObservation, dict[str, Any]]:
        """Begin an episode in each environment: `seed`, `seed + 1`, ... for a whole number, or one seed each.

        Raises:
            ValueError: the number of seeds is not `num_envs`.
        """
        if options:
            raise TaskError(f"MilepostVectorEnv.reset takes no options; came {', '.join(sorted(options))}")
        seeds: list[int | None]
        if seed is None:
            seeds = [None] * self.num_envs
        elif isinstance(seed, int):
            seeds = [seed + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        results = reset_many(self.envs, seeds)
        self._ended[:] = False
        infos: dict[str, Any] = {}
        for i, (_, info) in enumerate(results):
            infos = self._add_info(infos, info, i)
        return self._batched([observation for observation, _ in results]), infos

    def step(
        self, actions: Sequence[str]
    ) -> tuple[VectorObservation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Do one action in each environment; one whose episode ended at the step before is reset instead (reward 0).

        Raises:
            ValueError: the number of actions is not `num_envs`.
        """
        if len(actions) != self.num_envs:
            raise ValueError(f"expected {self.num_envs} actions; came {len(actions)}")
        fresh = [i for i in range(self.num_envs) if self._ended[i]]
        going = [i for i in range(self.num_envs) if not self._ended[i]]
        observations: list[dict[str, str]] = [{} for _ in range(self.num_envs)]
        rewards = np.zeros(self.num_envs, dtype=np.float64)
        terminated = np.zeros(self.num_envs, dtype=np.bool_)
        truncated = np.zeros(self.num_envs, dtype=np.bool_)
        infos: dict[str, Any] = {}
        stepped = step_many([self.envs[i] for i in going], [actions[i] for i in going])
        for i, (observation, reward, is_terminated, is_truncated, info) in zip(going, stepped, strict=True):
            observations[i], rewards[i], terminated[i], truncated[i] = observation, reward, is_terminated, is_truncated
            infos = self._add_info(infos, info, i)
        for i, (observation, info) in zip(
            fresh, reset_many([self.envs[i] for i in fresh], [None] * len(fresh)), strict=True
        ):
            observations[i] = observation
            infos = self._add_info(infos, info, i)
        self._ended = terminated | truncated
        return self._batched(observations), rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """Return one RGB array per environment, or None without `render_mode="rgb_array"`."""
        return None if self.render_mode is None else tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        """Close every environment."""
        for env in self.envs:
            env.close()

    def _batched(self, observations: Sequence[dict[str, str]]) -> VectorObservation:
        out: dict[str, None] = dict.fromkeys(LIMITS_CHARS)
        return cast(VectorObservation, concatenate(self.single_observation_space, observations, out))


__all__ = ["MilepostVectorEnv"]
