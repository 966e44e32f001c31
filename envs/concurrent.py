"""Many episodes at once: all of them on the one browser thread, none waiting for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..sandbox.browser_thread import BrowserThread
from ..sandbox.errors import SandboxError
from .env import MilepostEnv
from .observation import Observation

ResetResult = tuple[Observation, dict[str, Any]]
StepResult = tuple[Observation, float, bool, bool, dict[str, Any]]


def reset_many(envs: Sequence[MilepostEnv], seeds: Sequence[int | None]) -> list[ResetResult]:
    """Reset every environment with its seed, concurrently.

    A machine failure of one does not take the others with it: its observation is blank, its `info["failure"]` says what
    failed, and its first step, whatever the action, ends the episode with `truncated=True` and that failure.

    Args:
        envs: distinct environments.
        seeds: one per environment, None to let it draw its own.

    Returns:
        Observation and info of each, in order.

    Raises:
        ValueError: lengths differ, or an environment is given twice.
    """
    _check(envs, seeds, "seeds")
    if not envs:
        return []

    async def reset_one(env: MilepostEnv, seed: int | None) -> ResetResult:
        try:
            return await env.areset(seed=seed)
        except SandboxError as error:
            return env.begin_failed(error)

    async def reset_all() -> list[ResetResult]:
        return await asyncio.gather(*(reset_one(e, s) for e, s in zip(envs, seeds, strict=True)))

    return BrowserThread.get().run(reset_all(), timeout_s=max(e.reset_deadline_s for e in envs))


def step_many(envs: Sequence[MilepostEnv], actions: Sequence[str]) -> list[StepResult]:
    """Do one action in every environment, concurrently.

    Args:
        envs: distinct environments, each with an episode under way.
        actions: one per environment.

    Returns:
        Observation, reward, terminated, truncated and info of each, in order.

    Raises:
        ValueError: lengths differ, or an environment is given twice.
        gymnasium.error.ResetNeeded: an environment has no episode under way; none of them is stepped.
    """
    _check(envs, actions, "actions")
    if not envs:
        return []
    for env in envs:
        env.require_episode()

    async def step_all() -> list[StepResult]:
        return await asyncio.gather(*(e.astep(a) for e, a in zip(envs, actions, strict=True)))

    return BrowserThread.get().run(step_all(), timeout_s=max(e.step_deadline_s for e in envs))


def _check(envs: Sequence[MilepostEnv], others: Sequence[Any], name: str) -> None:
    if len(envs) != len(others):
        raise ValueError(
            f"expected one of {name} per environment; came {len(envs)} environments and {len(others)} {name}"
        )
    if len({id(e) for e in envs}) != len(envs):
        raise ValueError("an environment is given twice; each holds one episode at a time")


__all__ = ["ResetResult", "StepResult", "reset_many", "step_many"]
