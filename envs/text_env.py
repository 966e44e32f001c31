"""Any `gymnasium.Env` that shows text, as an environment for rollouts: `milepost.agents.rollout.EnvPool(makers=...)`.

    def make():
        return TextEnv("guess", lambda: GuessEnv(), goal="Find the number.", instructions="Answer with a number.")

    with EnvPool(makers={"guess": make}) as pool:
        run_episodes([EpisodeSpec(task="guess", seed=1)] * 8, policy, pool=pool)

It has no milestones: its reward is the foreign environment's, step by step, and its episodes' frontier is empty. What
the foreign environment raises, and a call that takes too long, is a failure of the machine: typed, unscored, and the
environment is made anew for the next episode.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import gymnasium
from gymnasium import spaces

from ..rewards.tracker import Bitmask
from ..rewards.types import StepReward
from ..sandbox.browser_thread import BrowserThread
from ..sandbox.errors import SandboxError, TaskError
from .observation import LIMITS_CHARS, Observation, bounded
from .outcome import StepTimings, StopReason

T = TypeVar("T")
_ANSWER_S = 2.0


class TextEnv:
    """A foreign environment with the interface that rollouts need of a `MilepostEnv`.

    Args:
        name: what its episodes go by.
        make: makes the foreign environment; it is used by one thread only.
        goal: what the agent is told to reach, or what makes that of the first observation and its info.
        instructions: what the agent is told of the actions; the first message of its chat.
        render: makes an observation's text; texts are taken as they are and mappings a line a key if it is left out.
        parse: makes the foreign action of the agent's text; its ValueError is told to the agent and costs a step. If
            it is left out, text goes to `Text` spaces as it is and a whole number to `Discrete` ones.
        succeeded: tells success of an ended episode, from its total reward and last info; a total above 0, if left out.
        max_steps: the episode is cut after so many actions.
        step_timeout_s: deadline of one step, seconds.
        reset_timeout_s: the same for a reset, the making included.

    Raises:
        TaskError: at the first reset, if `parse` is left out for another space.
    """

    instance = None
    barred: frozenset[str] = frozenset()

    def __init__(
        self,
        name: str,
        make: Callable[[], gymnasium.Env[Any, Any]],
        *,
        goal: str | Callable[[Any, Mapping[str, Any]], str],
        instructions: str,
        render: Callable[[Any], str] | None = None,
        parse: Callable[[str], Any] | None = None,
        succeeded: Callable[[float, Mapping[str, Any]], bool] | None = None,
        max_steps: int = 32,
        step_timeout_s: float = 15.0,
        reset_timeout_s: float = 60.0,
    ) -> None:
        self.name = name
        self.instructions: str | None = instructions
        self.ledger_dir: Path | None = None  # it keeps none
        self._make = make
        self._goal_of = goal
        self._render = _as_text if render is None else render
        self._parse = parse
        self._succeeded = _paid if succeeded is None else succeeded
        self._max_steps = max_steps
        self._step_timeout_s = step_timeout_s
        self._reset_timeout_s = reset_timeout_s
        self._worker: _Worker | None = None
        self._env: gymnasium.Env[Any, Any] | None = None
        self._turn: asyncio.Lock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = True
        self._stillborn: SandboxError | None = None
        self._goal = self._shown = ""
        self._steps, self._total, self._seed = 0, 0.0, 0

    @property
    def step_deadline_s(self) -> float:
        """Seconds within which `astep` has answered."""
        return self._step_timeout_s + _ANSWER_S

    @property
    def reset_deadline_s(self) -> float:
        """The same for `areset`."""
        return self._reset_timeout_s + _ANSWER_S

    async def areset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Raises:
            SandboxError: the foreign environment raised, or took too long.
            TaskError: its actions cannot be made of text without a `parse`.
        """
        async with self._my_turn():
            self._over, self._stillborn = True, None
            self._goal, self._shown, self._steps, self._total = "", "", 0, 0.0
            self._seed = 0 if seed is None else seed
            seen, info = await self._within(self._reset_timeout_s, partial(self._begin, seed, options))
            goal = self._goal_of if isinstance(self._goal_of, str) else self._goal_of(seen, info)
            self._goal, self._shown = bounded(goal, LIMITS_CHARS["goal"]), self._text(seen)
            self._over = False
            return self._observation(), self._info(StepReward(total=0.0), None)

    async def astep(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Do one action; see `MilepostEnv.step` for what comes back."""
        self.require_episode()
        async with self._my_turn():
            self.require_episode()
            if self._stillborn is not None:
                return self.fail_step(self._stillborn, action)
            self._steps += 1
            try:
                done = self._parse(action) if self._parse is not None else self._plain(action)
            except ValueError as error:
                return self._after(action, 0.0, False, False, {}, problem=str(error))
            env = self._env
            assert env is not None
            try:
                seen, reward, terminated, truncated, info = await self._within(
                    self._step_timeout_s, partial(env.step, done)
                )
                if not math.isfinite(float(reward)):
                    raise SandboxError(f"{self.name}: expected a finite reward, came {reward!r}")
                self._shown = self._text(seen)
            except SandboxError as error:
                return self.fail_step(error, action)
            return self._after(action, float(reward), bool(terminated), bool(truncated), info)

    async def aclose(self) -> None:
        """Close the foreign environment."""
        async with self._my_turn():
            self._abandon()

    def close(self) -> None:
        """`aclose`, from any thread but the browser's."""
        BrowserThread.get().run(self.aclose(), timeout_s=self.reset_deadline_s)

    def require_episode(self) -> None:
        """Raise `gymnasium.error.ResetNeeded` unless `astep` may be called."""
        if self._over:
            raise gymnasium.error.ResetNeeded("no episode is under way: reset before stepping")

    def fail_step(self, error: SandboxError, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """End the episode because the machine failed."""
        self._abandon()
        self._over, self._stillborn = True, None
        observation = self._observation(action, f"the machine failed ({error.kind}); the episode is over")
        info = self._info(StepReward(total=None), StopReason.FAILURE)
        return observation, 0.0, False, True, info | {"failure": error.kind, "failure_message": str(error)}

    def begin_failed(self, error: SandboxError) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode that the machine failed at its reset: its first step is its last."""
        observation, _, _, _, info = self.fail_step(error, "")
        self._stillborn, self._over = error, False
        return observation, info

    def forfeit(self) -> None:
        """End the episode, because nobody saw what became of it."""
        self._over, self._stillborn = True, None

    def _begin(self, seed: int | None, options: Mapping[str, Any] | None) -> tuple[Any, Mapping[str, Any]]:
        if self._env is None:
            self._env = self._make()
        if self._parse is None and not isinstance(self._env.action_space, spaces.Text | spaces.Discrete):
            raise TaskError(
                f"{self.name}: expected a Text or Discrete action space, came {self._env.action_space}; give `parse`"
            )
        return self._env.reset(seed=seed, options=None if options is None else dict(options))

    def _plain(self, action: str) -> Any:
        assert self._env is not None
        space = self._env.action_space
        if not isinstance(space, spaces.Discrete):
            return action
        first, last = int(space.start), int(space.start + space.n - 1)
        text = action.strip()
        if not text.lstrip("-").isdecimal() or not first <= int(text) <= last:
            raise ValueError(f"expected a whole number from {first} to {last}, came {text[:50]!r}")
        return int(text)

    def _text(self, seen: Any) -> str:
        try:
            return bounded(self._render(seen), LIMITS_CHARS["page"])
        except Exception as error:
            raise SandboxError(f"{self.name}: its observation cannot be shown: {error!r}") from error

    def _after(
        self,
        action: str,
        reward: float,
        terminated: bool,
        truncated: bool,
        info: Mapping[str, Any],
        *,
        problem: str = "",
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self._total += reward
        stop: StopReason | None = None
        if terminated:
            stop = StopReason.SUCCESS if self._succeeded(self._total, info) else StopReason.DONE
        elif truncated or self._steps >= self._max_steps:
            stop = StopReason.STEP_LIMIT
        self._over = stop is not None
        return (
            self._observation(action, problem),
            reward,
            terminated,
            stop is StopReason.STEP_LIMIT,
            self._info(StepReward(total=reward), stop),
        )

    def _observation(self, action: str = "", problem: str = "") -> Observation:
        texts = {"goal": self._goal, "title": self.name, "page": self._shown}
        texts |= {"last_action": " ".join(action.split()), "last_action_error": " ".join(problem.split())}
        return {key: bounded(texts.get(key, ""), limit) for key, limit in LIMITS_CHARS.items()}

    def _info(self, reward: StepReward, stop: StopReason | None) -> dict[str, Any]:
        return {
            "reward": reward,
            "milestones": frozenset(),
            "milestone_bits": Bitmask(0),
            "progress": 0.0,
            "success": stop is StopReason.SUCCESS,
            "stop_reason": stop,
            "failure": None,
            "failure_message": "",
            "step_ms": StepTimings(),
            "screenshot": None,
            "ledger_path": None,
            "ledger_hash": None,
            "seed": self._seed,
        }

    async def _within(self, timeout_s: float, work: Callable[[], T]) -> T:
        """Do work on the foreign environment's thread."""
        if self._worker is None:
            self._worker = _Worker(f"milepost-{self.name}")
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.wrap_future(self._worker.submit(work))
        except TimeoutError as error:
            self._abandon()
            raise SandboxError(f"{self.name} did not answer within {timeout_s:g} s") from error
        except TaskError:
            raise
        except Exception as error:
            self._abandon()
            raise SandboxError(f"{self.name} raised {error!r}") from error

    def _abandon(self) -> None:
        """Let the foreign environment go: its thread closes it as soon as it is free."""
        worker, env = self._worker, self._env
        self._worker = self._env = None
        if worker is not None:
            if env is not None:
                worker.submit(env.close)
            worker.stop()

    def _my_turn(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._turn is None or self._loop is not loop:
            self._turn, self._loop = asyncio.Lock(), loop
        return self._turn


class _Worker:
    """One thread that does one thing after another, and keeps no process from ending."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._jobs.put((future, work))
        return future

    def stop(self) -> None:
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)


def _as_text(seen: Any) -> str:
    if isinstance(seen, str):
        return seen
    if isinstance(seen, Mapping):
        return "\n".join(f"{key}: {value}" for key, value in seen.items())
    raise TypeError(f"expected a text or a mapping, came {type(seen).__name__}; give `render`")


def _paid(total: float, _: Mapping[str, Any]) -> bool:
    return total > 0


__all__ = ["TextEnv"]
