"""One client's episodes, one at a time, on a page of its own."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import numpy as np
from gymnasium.error import ResetNeeded
from pydantic import ValidationError

from ...sandbox.browser_thread import BrowserThread
from ...sandbox.errors import FailureKind, SandboxError, TaskError
from ..concurrent import areset_many, astep_many
from ..env import MilepostEnv
from ..registration import task_for
from .catalogue import Catalogue
from .messages import ErrorCode, Facts, Reset, ServedAction, ServedObservation, ServedState, ServeError, invalid


class Session:
    """Resets and steps for one client; what it asks is done in order of arrival.

    Args:
        catalogue: what it may ask for.
        screenshots: whether observations carry a picture of the page.
    """

    def __init__(self, catalogue: Catalogue, *, screenshots: bool = False) -> None:
        self._catalogue = catalogue
        self._screenshots = screenshots
        self._env: MilepostEnv | None = None
        self._state = ServedState()
        self._turn = asyncio.Lock()
        self.used_s = time.monotonic()

    @property
    def state(self) -> ServedState:
        """Where it is."""
        return self._state

    async def reset(self, asked: Mapping[str, Any]) -> ServedObservation:
        """Begin an episode.

        Args:
            asked: see `Reset`.

        Raises:
            ServeError: the request does not fit, or the machine failed (`failure` says how).
        """
        async with self._turn:
            self.used_s = time.monotonic()
            try:
                request = Reset.model_validate(asked)
            except ValidationError as error:
                raise invalid(error, "reset") from error
            task_id, seed = self._chosen(request)
            env = await self._env_of(task_id)
            self._state = ServedState()
            try:
                [(observation, info)] = await areset_many([env], [seed])
            except SandboxError as error:  # not even an instance was drawn
                raise _broken(error.kind, str(error)) from error
            except TaskError as error:
                raise ServeError(str(error), ErrorCode.VALIDATION_ERROR, status=422) from error
            if info["failure"] is not None:
                env.forfeit()
                raise _broken(info["failure"], info["failure_message"])
            self._state = ServedState(
                episode_id=request.episode_id or uuid4().hex, task=task_id, seed=int(info["seed"])
            )
            return self._observation(observation, None, info, terminated=False, truncated=False)

    async def step(self, action: ServedAction, *, timeout_s: float | None = None) -> ServedObservation:
        """Do one action.

        Args:
            action: the action.
            timeout_s: the client's deadline, if it is shorter than the environment's own.

        Returns:
            The observation. If the machine failed, its reward is None and its metadata say what failed.

        Raises:
            ServeError: no episode is under way.
        """
        async with self._turn:
            self.used_s = time.monotonic()
            env = self._env
            if env is None or self._state.episode_id is None or self._state.done:
                raise ServeError("no episode is under way: reset first", ErrorCode.EXECUTION_ERROR, status=409)
            try:
                async with asyncio.timeout(timeout_s):
                    [(observation, reward, terminated, truncated, info)] = await astep_many([env], [action.action])
            except TimeoutError:
                error = SandboxError(f"the step took longer than the client's {timeout_s:g} s; the episode is over")
                error.kind = FailureKind.PAGE_HUNG
                observation, reward, terminated, truncated, info = env.fail_step(error, action.action)
            except ResetNeeded as error:
                raise ServeError(str(error), ErrorCode.EXECUTION_ERROR, status=409) from error
            done = bool(terminated or truncated)
            self._state = self._state.model_copy(update={"step_count": self._state.step_count + 1, "done": done})
            self.used_s = time.monotonic()
            paid = None if info["reward"].total is None else float(reward)
            return self._observation(observation, paid, info, terminated=bool(terminated), truncated=bool(truncated))

    async def close(self) -> None:
        """Give the page back. What is under way is waited for: it ends within its deadline."""
        async with self._turn:
            await self._close_env()

    async def _close_env(self) -> None:
        env, self._env, self._state = self._env, None, ServedState()
        if env is not None:
            await asyncio.wrap_future(BrowserThread.get().submit(env.aclose()))

    async def _env_of(self, task_id: str) -> MilepostEnv:
        if self._env is not None and self._env.task_id != task_id:
            await self._close_env()
        if self._env is None:
            self._env = MilepostEnv(task_for(task_id), screenshots=self._screenshots)
        return self._env

    def _chosen(self, request: Reset) -> tuple[str, int | None]:
        catalogue = self._catalogue
        try:
            if request.split is not None or request.index is not None:
                if request.split is None or request.index is None or request.task is not None:
                    raise TaskError("name an item by `split` and `index` together, and no `task`")
                item = catalogue.item(request.split, request.index)
                return item["task"], item["seed"] if request.seed is None else request.seed
            if request.task is not None:
                return catalogue.resolve(request.task), request.seed
        except (TaskError, IndexError) as error:
            raise ServeError(f"reset: {error}", ErrorCode.VALIDATION_ERROR, status=422) from error
        ids = catalogue.splits["train"]
        return ids[int(np.random.default_rng(request.seed).integers(len(ids)))], request.seed

    def _observation(
        self,
        seen: Mapping[str, Any],
        reward: float | None,
        info: Mapping[str, Any],
        *,
        terminated: bool,
        truncated: bool,
    ) -> ServedObservation:
        state, picture = self._state, info["screenshot"]
        assert state.task is not None
        assert state.episode_id is not None
        return ServedObservation(
            done=terminated or truncated,
            reward=reward,
            metadata=Facts(
                task=state.task,
                seed=int(info["seed"]),
                episode_id=state.episode_id,
                progress=float(info["progress"]),
                milestones=sorted(info["milestones"]),
                success=bool(info["success"]),
                terminated=terminated,
                truncated=truncated,
                stop_reason=None if info["stop_reason"] is None else str(info["stop_reason"]),
                failure=None if info["failure"] is None else str(info["failure"]),
                failure_message=info["failure_message"],
            ),
            screenshot=None if picture is None else base64.b64encode(picture).decode(),
            **seen,
        )


def _broken(kind: FailureKind, message: str) -> ServeError:
    text = f"the machine failed ({kind}): {message}. There is no episode; reset again"
    return ServeError(text, ErrorCode.EXECUTION_ERROR, status=503, failure=kind)


__all__ = ["Session"]
