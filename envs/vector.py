"""Gymnasium's vector interface over many concurrent episodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from numpy.typing import NDArray

from ..sandbox.errors import TaskError
from .concurrent import Call, StepResult, arun_calls, close_many, run_calls
from .env import MilepostEnv
from .observation import Observation
from .task import Task

VectorObservation = dict[str, Any]
"""An observation's keys, each with one value per environment: a tuple of texts, or an array with a leading axis."""
VectorReset = tuple[VectorObservation, dict[str, Any]]
VectorStep = tuple[VectorObservation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class MilepostVectorEnv(VectorEnv[VectorObservation, Sequence[str], NDArray[Any]]):
    """Episodes stepped concurrently on one browser thread, of one task or of several.

    Made by `gymnasium.make_vec("milepost/<name>-v0", num_envs=8)`. It does what `gymnasium.vector.SyncVectorEnv` does
    with the same environments, at the pace of the slowest one instead of the sum of all: infos are batched to an array
    per key and a mask under `"_" + key` (`milestone_bits` as Python ints, since 64 of them need 64 bits), and an ended
    episode is followed by the next as `autoreset_mode` says:

    - NEXT_STEP (the default): the step after the end resets instead of acting; its reward is 0.
    - SAME_STEP: the step that ends it also resets; the last observation and info are in `infos["final_obs"]` and
      `infos["final_info"]`.
    - DISABLED: nothing happens until `reset(options={"reset_mask": mask})`.

    An environment whose machine fails, or that misses its deadline, ends its own episode only: truncated, with a typed
    `infos["failure"]`. `areset` and `astep` are to be awaited, in any event loop. A call that is cancelled or
    interrupted ends every episode; reset before going on.

    Args:
        task: a task, or the id or name of a registered one, for every environment.
        tasks: instead of `task`: one for each environment.
        num_envs: number of environments (default 1, or the number of `tasks`).
        autoreset_mode: what follows an ended episode.
        **kwargs: passed to each `MilepostEnv`.

    Raises:
        TaskError: the arguments contradict each other, or the environments' spaces differ.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4, "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        task: Task | str | None = None,
        *,
        tasks: Sequence[Task | str] | None = None,
        num_envs: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **kwargs: Any,
    ) -> None:
        self.envs = [MilepostEnv(each, **kwargs) for each in _one_each(task, tasks, num_envs)]
        self.num_envs = len(self.envs)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.envs[0].metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = self.envs[0].render_mode
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        for env in self.envs:
            if env.observation_space != self.single_observation_space or env.action_space != self.single_action_space:
                raise TaskError(
                    f"the spaces of {env.task_id} differ from those of {self.envs[0].task_id}; use one vector "
                    "environment for each"
                )
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._observations: list[Observation | None] = [None] * self.num_envs
        self._ended = np.zeros(self.num_envs, dtype=np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> VectorReset:
        """Begin an episode in each environment, or in those of a mask.

        Args:
            seed: `seed`, `seed + 1`, ... for a whole number, or one each, or None to let each draw its own.
            options: `{"reset_mask": array}` (bool, shape `(num_envs,)`, not all False) resets only where it is True;
                the others' observations are given again and their infos left out. The rest goes to each environment's
                `reset`.

        Raises:
            TypeError, ValueError: the mask is not such an array, or the number of seeds is not `num_envs`.
            gymnasium.error.ResetNeeded: the mask leaves out an environment that has never been reset.
            TaskError: an option is unknown.
        """
        chosen, calls = self._reset_calls(seed, options)
        return self._begun(chosen, run_calls(calls))

    async def areset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> VectorReset:
        """`reset`, to be awaited in any event loop."""
        chosen, calls = self._reset_calls(seed, options)
        return self._begun(chosen, await arun_calls(calls))

    def step(self, actions: Sequence[str]) -> VectorStep:
        """Do one action in each environment.

        Args:
            actions: one line of text for each.

        Returns:
            Observations, rewards (float64), terminated (bool), truncated (bool), each with one entry per environment,
            and the batched infos.

        Raises:
            ValueError: the number of actions is not `num_envs`.
            gymnasium.error.ResetNeeded: an environment has no episode under way and is not due to be reset; none of
                them is stepped.
        """
        stepped = run_calls(self._step_calls(actions))
        return self._stepped(stepped, run_calls(self._calls_after(stepped), at_stake=self.envs))

    async def astep(self, actions: Sequence[str]) -> VectorStep:
        """`step`, to be awaited in any event loop."""
        stepped = await arun_calls(self._step_calls(actions))
        return self._stepped(stepped, await arun_calls(self._calls_after(stepped), at_stake=self.envs))

    def render(self) -> tuple[Any, ...] | None:
        """Return one RGB array per environment, or None without `render_mode="rgb_array"`."""
        return None if self.render_mode is None else tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        """Close every environment."""
        close_many(self.envs)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Each environment's generator, as in `gymnasium.vector.SyncVectorEnv`."""
        return self.get_attr("np_random")

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """Each environment's seed, as in `gymnasium.vector.SyncVectorEnv`."""
        return self.get_attr("np_random_seed")

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return what each environment's method gives, or its attribute of this name."""
        found = [env.get_wrapper_attr(name) for env in self.envs]
        return tuple(each(*args, **kwargs) if callable(each) else each for each in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return each environment's attribute of this name."""
        return self.call(name)

    def set_attr(self, name: str, values: list[Any] | tuple[Any, ...] | Any) -> None:
        """Set an attribute of each environment: a list or tuple has one value for each, anything else is for all."""
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise ValueError(f"expected {self.num_envs} values for {name!r}, one per environment; came {len(each)}")
        for env, value in zip(self.envs, each, strict=True):
            env.set_wrapper_attr(name, value)

    def _reset_calls(
        self, seed: int | Sequence[int | None] | None, options: Mapping[str, Any] | None
    ) -> tuple[list[int], list[Call]]:
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"expected {self.num_envs} seeds, one per environment; came {len(seeds)}")
        rest = dict(options or {})
        chosen = self._masked(rest.pop("reset_mask", None))
        return chosen, [Call(env=self.envs[i], seed=seeds[i], options=rest) for i in chosen]

    def _masked(self, mask: Any) -> list[int]:
        if mask is None:
            return list(range(self.num_envs))
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            came = f"one of {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise TypeError(f"options['reset_mask'] is a numpy array of bool; came {came}")
        if mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"options['reset_mask'] has the shape ({self.num_envs},) and is True somewhere; came {mask!r}"
            )
        chosen = [int(i) for i in np.flatnonzero(mask)]
        never = [i for i, seen in enumerate(self._observations) if seen is None and i not in chosen]
        if never:
            raise ResetNeeded(f"the first reset takes every environment; options['reset_mask'] leaves out {never}")
        return chosen

    def _step_calls(self, actions: Sequence[str]) -> list[Call]:
        if isinstance(actions, str) or len(actions) != self.num_envs:
            came = "one text" if isinstance(actions, str) else str(len(actions))
            raise ValueError(f"expected {self.num_envs} actions; came {came}")
        ended = np.flatnonzero(self._ended)
        if self.autoreset_mode is AutoresetMode.DISABLED and len(ended):
            raise ResetNeeded(
                f"the episodes of {ended.tolist()} have ended and autoreset is disabled: "
                "call reset(options={'reset_mask': terminated | truncated}) first"
            )
        next_step = self.autoreset_mode is AutoresetMode.NEXT_STEP
        for i, env in enumerate(self.envs):
            if not (next_step and self._ended[i]):
                env.require_episode()
        return [
            Call(env=env, action=None if next_step and self._ended[i] else actions[i])
            for i, env in enumerate(self.envs)
        ]

    def _calls_after(self, stepped: Iterable[StepResult]) -> list[Call]:
        """Return the resets that belong to the step itself: in SAME_STEP mode those of what has just ended."""
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            return []
        return [
            Call(env=env)
            for env, (_, _, terminated, truncated, _) in zip(self.envs, stepped, strict=True)
            if terminated or truncated
        ]

    def _begun(self, chosen: Sequence[int], begun: Sequence[StepResult]) -> VectorReset:
        infos: dict[str, Any] = {}
        for i, (observation, _, _, _, info) in zip(chosen, begun, strict=True):
            self._observations[i], self._ended[i] = observation, False
            infos = self._add_info(infos, info, i)
        return self._batched(), infos

    def _stepped(self, stepped: Sequence[StepResult], begun: Sequence[StepResult]) -> VectorStep:
        infos: dict[str, Any] = {}
        rewards = np.array([reward for _, reward, _, _, _ in stepped], dtype=np.float64)
        terminated = np.array([ended for _, _, ended, _, _ in stepped], dtype=np.bool_)
        truncated = np.array([cut for _, _, _, cut, _ in stepped], dtype=np.bool_)
        self._ended = terminated | truncated
        successors = iter(begun)
        for i, (observation, _, _, _, info) in enumerate(stepped):
            if self._ended[i] and begun:
                infos = self._add_info(infos, {"final_obs": observation, "final_info": info}, i)
                observation, _, _, _, info = next(successors)
            self._observations[i] = observation
            infos = self._add_info(infos, info, i)
        return self._batched(), rewards, terminated, truncated, infos

    def _batched(self) -> VectorObservation:
        space = self.single_observation_space
        out = create_empty_array(space, n=self.num_envs, fn=np.zeros)
        return cast(VectorObservation, concatenate(space, cast(Any, self._observations), cast(Any, out)))


def _one_each(
    task: Task | str | None, tasks: Sequence[Task | str] | None, num_envs: int | None
) -> Sequence[Task | str]:
    if (task is None) == (tasks is None):
        raise TaskError("expected either one task for every environment, or tasks=[...] with one for each")
    if task is not None:
        count = 1 if num_envs is None else num_envs
        if count < 1:
            raise TaskError(f"num_envs is at least 1; came {count}")
        return [task] * count
    each = list(tasks or ())
    if not each or num_envs not in (None, len(each)):
        raise TaskError(f"tasks has one for each environment, at least one; came {len(each)} for num_envs={num_envs}")
    return each


__all__ = ["MilepostVectorEnv", "VectorObservation"]
