"""Many episodes at once: all of them on the one browser thread, none waiting for another."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from ..sandbox.browser_thread import BrowserThread
from ..sandbox.errors import PageHungError, SandboxError
from .env import MilepostEnv
from .observation import Observation

T = TypeVar("T")

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
    pending = _submit(env.areset(seed=seed) for env, seed in zip(envs, seeds, strict=True))
    results = _gather(pending, timeout_s=max(e.reset_deadline_s for e in envs))
    return [
        env.begin_failed(result) if isinstance(result, SandboxError) else result
        for env, result in zip(envs, results, strict=True)
    ]


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
    pending = _submit(env.astep(action) for env, action in zip(envs, actions, strict=True))
    results = _gather(pending, timeout_s=max(e.step_deadline_s for e in envs))
    return [
        env.fail_step(result, action) if isinstance(result, SandboxError) else result
        for env, action, result in zip(envs, actions, results, strict=True)
    ]


def _submit(coros: Iterable[Coroutine[Any, Any, T]]) -> list[Future[T]]:
    thread = BrowserThread.get()
    if thread.on_thread():
        raise SandboxError("these calls would wait for their own thread; await areset and astep instead")
    return [thread.submit(coro) for coro in coros]


def _gather(pending: list[Future[T]], *, timeout_s: float) -> list[T | SandboxError]:
    """Wait for all; one that is late or whose machine failed leaves its error in its place, the others stand."""
    try:
        wait(pending, timeout=timeout_s)
        results: list[T | SandboxError] = []
        for future in pending:
            if not future.done():
                results.append(PageHungError(f"the browser did not answer within {timeout_s:g} s"))
                continue
            try:
                results.append(future.result())
            except SandboxError as error:
                results.append(error)
        return results
    finally:
        for future in pending:  # late ones, or all when the caller was interrupted
            future.cancel()


def _check(envs: Sequence[MilepostEnv], others: Sequence[Any], name: str) -> None:
    if len(envs) != len(others):
        raise ValueError(
            f"expected one of {name} per environment; came {len(envs)} environments and {len(others)} {name}"
        )
    if len({id(e) for e in envs}) != len(envs):
        raise ValueError("an environment is given twice; each holds one episode at a time")


__all__ = ["ResetResult", "StepResult", "reset_many", "step_many"]
