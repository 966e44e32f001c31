"""Many episodes at once: all of them on the one browser thread, none waiting for another.

`reset_many` and `step_many` block; `areset_many` and `astep_many` are awaited, in any event loop, the browser thread's
own included. For all four:

1. Each environment has its own deadline (its `reset_deadline_s` and `step_deadline_s`). One that has not answered by
   then gets a typed failure in its place; the others' results stand.
2. A call that is cancelled, interrupted or raises ends the episodes of all its environments, since what came of them
   was not seen. Reset them before going on. (Wrong arguments are told before anything is done.)
3. They may be called from several threads and loops at once. An environment that is in two calls does one thing at a
   time, in order of arrival.
4. In a forked child, and after the browser thread was closed, earlier episodes are gone: stepping them raises
   `gymnasium.error.ResetNeeded`, and a reset begins anew with a browser of the child's own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from ..sandbox.browser_thread import BrowserThread
from ..sandbox.errors import PageHungError, SandboxError
from .env import BACKSTOP_S
from .observation import Observation

ResetResult = tuple[Observation, dict[str, Any]]
StepResult = tuple[Observation, float, bool, bool, dict[str, Any]]
_Outcome = StepResult | BaseException | None


class ConcurrentEnv(Protocol):
    """What is asked of an environment here; its coroutines run on the browser thread. See `MilepostEnv`, `TextEnv`."""

    @property
    def step_deadline_s(self) -> float:
        """Seconds within which `astep` has answered."""

    @property
    def reset_deadline_s(self) -> float:
        """The same for `areset`."""

    async def areset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> ResetResult:
        """Begin an episode."""

    async def astep(self, action: str) -> StepResult:
        """Do one action."""

    async def aclose(self) -> None:
        """Give everything back."""

    def require_episode(self) -> None:
        """Raise `gymnasium.error.ResetNeeded` unless `astep` may be called."""

    def fail_step(self, error: SandboxError, action: str) -> StepResult:
        """End the episode because the machine failed."""

    def begin_failed(self, error: SandboxError) -> ResetResult:
        """Begin an episode whose first step is its last, because the machine failed at its reset."""

    def forfeit(self) -> None:
        """End the episode, because nobody saw what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One environment's part in a batch.

    Attributes:
        env: the environment.
        action: what to do, or None to reset it instead; the result of a reset reads like that of a step of reward 0.
        seed: of a reset.
        options: of a reset.
    """

    env: ConcurrentEnv
    action: str | None = None
    seed: int | None = None
    options: Mapping[str, Any] | None = None

    @property
    def deadline_s(self) -> float:
        """Seconds within which an answer must have come."""
        return self.env.reset_deadline_s if self.action is None else self.env.step_deadline_s

    async def run(self) -> StepResult:
        """Do it, on the browser thread."""
        if self.action is not None:
            return await self.env.astep(self.action)
        observation, info = await self.env.areset(seed=self.seed, options=self.options)
        return observation, 0.0, False, False, info

    def fail(self, error: SandboxError) -> StepResult:
        """Return what stands in place of the result that the machine failed to give."""
        if self.action is not None:
            return self.env.fail_step(error, self.action)
        observation, info = self.env.begin_failed(error)
        return observation, 0.0, False, False, info


def reset_many(
    envs: Sequence[ConcurrentEnv], seeds: Sequence[int | None], *, options: Mapping[str, Any] | None = None
) -> list[ResetResult]:
    """Reset every environment with its seed, concurrently.

    A machine failure of one does not take the others with it: its observation is blank, its `info["failure"]` says what
    failed, and its first step, whatever the action, ends the episode with `truncated=True` and that failure.

    Args:
        envs: distinct environments.
        seeds: one per environment, None to let it draw its own.
        options: given to each, see `MilepostEnv.reset`.

    Returns:
        Observation and info of each, in order.

    Raises:
        ValueError: lengths differ, or an environment is given twice.
        TaskError: an option is unknown.
        SandboxError: called on the browser thread, which would wait for itself.
    """
    return _begun(run_calls(_resets(envs, seeds, options)))


async def areset_many(
    envs: Sequence[ConcurrentEnv], seeds: Sequence[int | None], *, options: Mapping[str, Any] | None = None
) -> list[ResetResult]:
    """`reset_many`, to be awaited in any event loop."""
    return _begun(await arun_calls(_resets(envs, seeds, options)))


def step_many(envs: Sequence[ConcurrentEnv], actions: Sequence[str]) -> list[StepResult]:
    """Do one action in every environment, concurrently.

    Args:
        envs: distinct environments, each with an episode under way.
        actions: one per environment.

    Returns:
        Observation, reward, terminated, truncated and info of each, in order.

    Raises:
        ValueError: lengths differ, or an environment is given twice.
        gymnasium.error.ResetNeeded: an environment has no episode under way; none of them is stepped.
        SandboxError: called on the browser thread, which would wait for itself.
    """
    return run_calls(_steps(envs, actions))


async def astep_many(envs: Sequence[ConcurrentEnv], actions: Sequence[str]) -> list[StepResult]:
    """`step_many`, to be awaited in any event loop."""
    return await arun_calls(_steps(envs, actions))


def close_many(envs: Sequence[ConcurrentEnv]) -> None:
    """Close every environment, concurrently.

    Raises:
        PageHungError: one did not close within its reset's deadline.
    """

    async def close_all() -> None:
        await asyncio.gather(*(env.aclose() for env in envs))

    if envs:
        BrowserThread.get().run(close_all(), timeout_s=max(env.reset_deadline_s for env in envs))


def run_calls(calls: Sequence[Call], *, at_stake: Iterable[ConcurrentEnv] = ()) -> list[StepResult]:
    """Run a batch of steps and resets of distinct environments, and block until each has answered or is late.

    Args:
        calls: one for each environment.
        at_stake: further environments whose episodes end if the call is cancelled or interrupted.
    """
    if not calls:
        return []
    thread = BrowserThread.get()
    if thread.on_thread():
        raise SandboxError("the browser thread would wait for itself; await areset_many and astep_many instead")
    outcomes: list[_Outcome] = [None] * len(calls)
    future = thread.submit(_run_on_thread(calls, outcomes))
    try:
        with suppress(TimeoutError):  # the browser thread is blocked: not even its deadlines pass
            future.result(_patience_s(calls))
        return _results(calls, outcomes)
    except BaseException:
        _forfeit(calls, at_stake)
        raise
    finally:
        future.cancel()


async def arun_calls(calls: Sequence[Call], *, at_stake: Iterable[ConcurrentEnv] = ()) -> list[StepResult]:
    """`run_calls`, to be awaited in any event loop."""
    if not calls:
        return []
    thread = BrowserThread.get()
    outcomes: list[_Outcome] = [None] * len(calls)
    try:
        if thread.on_thread():
            await _run_on_thread(calls, outcomes)
        else:
            future = thread.submit(_run_on_thread(calls, outcomes))
            with suppress(TimeoutError):  # as above
                async with asyncio.timeout(_patience_s(calls)):
                    await asyncio.wrap_future(future)
        return _results(calls, outcomes)
    except BaseException:
        _forfeit(calls, at_stake)
        raise


async def _run_on_thread(calls: Sequence[Call], outcomes: list[_Outcome]) -> None:
    """Run the calls and note each outcome as it comes, so that it stands whatever becomes of the rest."""
    began = asyncio.get_running_loop().time()
    tasks = [asyncio.ensure_future(call.run()) for call in calls]
    for position, task in enumerate(tasks):
        task.add_done_callback(partial(_note, outcomes, position))
    try:
        for deadline_s in sorted({call.deadline_s for call in calls}):
            due = [task for task, call in zip(tasks, calls, strict=True) if call.deadline_s == deadline_s]
            left_s = began + deadline_s - asyncio.get_running_loop().time()
            await asyncio.wait(due, timeout=max(0.0, left_s))
    finally:
        for task in tasks:  # the late ones, or all when the caller was cancelled
            task.cancel()


def _note(outcomes: list[_Outcome], position: int, task: asyncio.Task[StepResult]) -> None:
    if not task.cancelled():
        outcomes[position] = task.exception() or task.result()


def _results(calls: Sequence[Call], outcomes: Sequence[_Outcome]) -> list[StepResult]:
    outcomes = tuple(outcomes)  # a late one may still be noted
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, SandboxError):
            raise outcome
    return [_result(call, outcome) for call, outcome in zip(calls, outcomes, strict=True)]


def _result(call: Call, outcome: _Outcome) -> StepResult:
    match outcome:
        case None:
            return call.fail(PageHungError(f"the browser did not answer within {call.deadline_s:g} s"))
        case SandboxError():
            return call.fail(outcome)
        case BaseException():
            raise outcome
        case _:
            return outcome


def _resets(
    envs: Sequence[ConcurrentEnv], seeds: Sequence[int | None], options: Mapping[str, Any] | None
) -> list[Call]:
    _check(envs, seeds, "seeds")
    return [Call(env=env, seed=seed, options=options) for env, seed in zip(envs, seeds, strict=True)]


class PendingCall:
    """A step or reset that is under way while its caller does something else.

    Args:
        call: what to do; it begins at once.

    Attributes:
        call: the same.
        began_s, ended_s: when, by `time.perf_counter`; `ended_s` is None until then.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.began_s = time.perf_counter()
        self.ended_s: float | None = None
        self._outcomes: list[_Outcome] = [None]
        self._future = BrowserThread.get().submit(_run_on_thread([call], self._outcomes))
        self._future.add_done_callback(self._end)

    def _end(self, _: concurrent.futures.Future[None]) -> None:
        self.ended_s = time.perf_counter()

    def done(self) -> bool:
        """Tell whether `result` answers at once: it has an outcome, or is so late that it will have none."""
        return self._future.done() or self.left_s() <= 0

    def left_s(self) -> float:
        """Seconds until it counts as hung."""
        return self.began_s + _patience_s([self.call]) - time.perf_counter()

    def result(self) -> StepResult:
        """Return the outcome, or the typed failure that stands in place of one."""
        self._future.cancel()
        return _results([self.call], self._outcomes)[0]

    def forfeit(self) -> None:
        """Give up; the environment's episode ends, because nobody saw what became of it."""
        self._future.cancel()
        self.call.env.forfeit()


def wait_for(pending: Sequence[PendingCall], at_least: int) -> list[PendingCall]:
    """Block until so many of the calls are done; return all that are, in the order given.

    Raises:
        SandboxError: called on the browser thread, which would wait for itself.
    """
    if BrowserThread.get().on_thread():
        raise SandboxError("the browser thread would wait for itself; await areset_many and astep_many instead")
    while True:
        done = [call for call in pending if call.done()]
        if len(done) >= min(at_least, len(pending)):
            return done
        left = [call for call in pending if not call.done()]
        concurrent.futures.wait(
            [call._future for call in left],
            timeout=max(0.0, min(call.left_s() for call in left)),
            return_when=concurrent.futures.FIRST_COMPLETED,
        )


def _steps(envs: Sequence[ConcurrentEnv], actions: Sequence[str]) -> list[Call]:
    _check(envs, actions, "actions")
    for env in envs:
        env.require_episode()
    return [Call(env=env, action=action) for env, action in zip(envs, actions, strict=True)]


def _begun(results: Sequence[StepResult]) -> list[ResetResult]:
    return [(observation, info) for observation, _, _, _, info in results]


def _patience_s(calls: Sequence[Call]) -> float:
    return max(call.deadline_s for call in calls) + BACKSTOP_S


def _forfeit(calls: Sequence[Call], at_stake: Iterable[ConcurrentEnv]) -> None:
    for env in (*(call.env for call in calls), *at_stake):
        env.forfeit()


def _check(envs: Sequence[ConcurrentEnv], others: Sequence[Any], name: str) -> None:
    if isinstance(others, str):
        raise ValueError(f"expected a sequence of {name}, one per environment; came one text: put it in a list")
    if len(envs) != len(others):
        raise ValueError(
            f"expected one of {name} per environment; came {len(envs)} environments and {len(others)} {name}"
        )
    if len({id(e) for e in envs}) != len(envs):
        raise ValueError("an environment is given twice; each holds one episode at a time")


__all__ = [
    "Call",
    "ConcurrentEnv",
    "PendingCall",
    "ResetResult",
    "StepResult",
    "areset_many",
    "arun_calls",
    "astep_many",
    "close_many",
    "reset_many",
    "run_calls",
    "step_many",
    "wait_for",
]
