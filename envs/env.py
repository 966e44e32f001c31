"""One episode at a time of one task, on a real browser, as a Gymnasium environment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ..rewards.needs import united
from ..rewards.tracker import Bitmask
from ..rewards.types import StepReward
from ..sandbox.browser_thread import BrowserThread
from ..sandbox.errors import ActionError, FailureKind, PageHungError, SandboxError, TaskError
from ..sandbox.snapshot import Element
from .actions import MAX_ACTION_CHARS, Action, format_action, parse_action
from .changes import NOTHING, describe_changes
from .episode import Episode
from .frames import decode_png, pillow
from .observation import Observation
from .observation_kinds import DEFAULT_KINDS, Eyes, Sights
from .outcome import StepTimings, StopReason
from .registration import env_id_of, task_for
from .spaces import UnicodeText
from .task import Task, TaskInstance

_ANSWER_S = 2.0  # within this after its deadline a call has answered, or is given up
BACKSTOP_S = 15.0  # and after this much more the browser thread itself must be blocked


class MilepostEnv(gymnasium.Env[Observation, str]):
    """A task on a real page: text in, text out, rewards from what verifiably happened.

    An action is one line of text such as `click("Save")` (see `milepost.envs.actions`). What an agent does wrong is
    told in `observation["last_action_error"]` and costs a step; what the machine does wrong ends the episode with
    `truncated=True` and a typed `info["failure"]`, its step unscored (`info["reward"].total is None`).

    `info` holds: reward (StepReward), milestones (frozenset of ids reached so far), milestone_bits (the same as an int;
    bit i is the i-th declared milestone), progress (0 to 1), success, stop_reason (StopReason or None), failure
    (FailureKind or None) and failure_message, step_ms (StepTimings), screenshot (PNG bytes or None), ledger_path and
    ledger_hash (str or None; the hash of its last line), seed (the instance's seed).

    Args:
        task: a task, or the id or name of a registered one.
        render_mode: None, or "rgb_array" for `render()` (needs Pillow).
        ledger_dir: folder for one ledger per episode; None writes none. The attribute may be changed between episodes.
        observations: the kinds of observation to make, any of those in `milepost.envs.observation_kinds`: text, html,
            screenshot, marks, boxes, tabs, clipboard. What is not asked for is not computed.
        screenshots: put a PNG of every step's page into `info["screenshot"]`.
        warm_resets: let a reset begin the next episode in the loaded page, where the task's application can (the
            MiniWoB++ pages can); False loads the page anew each time.
        step_timeout_s: deadline of one step, seconds; beyond it the page counts as hung.
        reset_timeout_s: deadline of one reset, seconds, a second try included.

    Raises:
        TaskError: the task is not registered, or a setting is unknown.
        gymnasium.error.DependencyNotInstalled: Pillow is missing, and something looks at pictures.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's own declaration)
    instructions: str | None = None  # a policy's prompt tells of our actions by itself; see `TextEnv`

    def __init__(
        self,
        task: Task | str,
        *,
        render_mode: str | None = None,
        observations: Sequence[str] = DEFAULT_KINDS,
        ledger_dir: Path | str | None = None,
        screenshots: bool = False,
        warm_resets: bool = True,
        step_timeout_s: float = 15.0,
        reset_timeout_s: float = 60.0,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise TaskError(f"render_mode is None or 'rgb_array'; came {render_mode!r}")
        self.task = task_for(task) if isinstance(task, str) else task
        self.task_id = env_id_of(self.task.name, self.task.version)
        self.render_mode = render_mode
        if united(milestone.spec.needs() for milestone in self.task.milestones).regions:
            pillow(f"the detector region_changed of {self.task_id}")
        self._eyes = Eyes(observations)
        self.observation_space = self._eyes.space
        self.action_space = UnicodeText(MAX_ACTION_CHARS)
        self.ledger_dir = None if ledger_dir is None else Path(ledger_dir)
        self._screenshots = screenshots
        self._warm_resets = warm_resets
        self._step_timeout_s = step_timeout_s
        self._reset_timeout_s = reset_timeout_s
        self._episode: Episode | None = None
        self._instance: TaskInstance | None = None
        self._stillborn: SandboxError | None = None
        self._spoilt = False
        self._over = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def instance(self) -> TaskInstance:
        """The task as drawn for the current episode: goal, parameters, oracle, milestones."""
        if self._instance is None:
            raise gymnasium.error.ResetNeeded("no episode has begun: call reset() first")
        return self._instance

    @property
    def elements(self) -> tuple[Element, ...]:
        """The page's elements as the last look found them, in document order; empty where there is no page."""
        return () if self._episode is None else tuple(self._episode.snapshot.elements)

    @property
    def barred(self) -> frozenset[str]:
        """Ids of the milestones that can pay nothing in this episode, since what they ask for held at the reset."""
        return frozenset() if self._episode is None else self._episode.tracker.barred

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: draws the task's instance and seeds the page; None draws the next from this environment's
                generator.
            options: `{"instance_seed": int}` asks for one instance and leaves the generator as it is.

        Returns:
            The first observation, and its info.

        Raises:
            SandboxError: the machine failed twice in a row, or the deadline passed.
            TaskError: an option is unknown.
        """
        return BrowserThread.get().run(
            self.areset(seed=seed, options=options), timeout_s=self.reset_deadline_s + BACKSTOP_S
        )

    def step(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Do one action.

        Args:
            action: one line of text, at most 4096 characters.

        Returns:
            observation, reward (0.0 when unscored: see `info["reward"].total`), terminated (success, `done`, or a
            milestone that ends the episode), truncated (step limit or failure), info. After either, call `reset`.

        Raises:
            gymnasium.error.ResetNeeded: no episode is under way.
        """
        try:
            return BrowserThread.get().run(self.astep(action), timeout_s=self.step_deadline_s + BACKSTOP_S)
        except PageHungError as error:  # the browser thread itself was blocked: astep could not answer
            return self.fail_step(error, action)

    async def areset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """`reset` as a coroutine on the browser thread (`areset_many` takes it there from any event loop)."""
        async with self._my_turn():
            return await self._reset(seed, options)

    async def _reset(self, seed: int | None, options: Mapping[str, Any] | None) -> tuple[Observation, dict[str, Any]]:
        began = time.perf_counter()
        super().reset(seed=seed)
        instance_seed = self._draw_seed(seed, options)
        self._instance = instance = self.task.instantiate(instance_seed)
        episode = await self._renewed(instance)
        if episode is None:
            await self._end_episode()
            episode = await self._open(instance)
        self._episode, self._instance = episode, episode.instance
        self._over = False
        sights = await self._sights(episode)
        observation = await self._eyes.observe(goal=episode.instance.goal, snapshot=episode.snapshot, sights=sights)
        return observation, self._info(StepReward(total=0.0), None, sights, began)

    async def astep(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """`step` as a coroutine on the browser thread (`astep_many` takes it there from any event loop)."""
        self.require_episode()
        async with self._my_turn():
            return await self._step(action)

    async def _step(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        began = time.perf_counter()
        self.require_episode()
        episode, stillborn = self._episode, self._stillborn
        if stillborn is not None:
            return self._failed(stillborn, action, began)
        assert episode is not None
        try:
            async with asyncio.timeout(self._step_timeout_s):
                return await self._act(episode, action, began)
        except TimeoutError:
            error: SandboxError = PageHungError(f"the step took longer than its {self._step_timeout_s:g} s")
        except SandboxError as caught:
            error = caught
        except BaseException:  # interrupted in the middle of the step: neither page nor tracker can go on from there
            self._over = self._spoilt = True
            raise
        episode.conclude(StopReason.FAILURE, error.kind)
        result = self._failed(error, action, began)
        await self._end_episode(discard=True)
        return result

    def render(self) -> NDArray[np.uint8] | None:
        """Return the page as an RGB array of shape (height, width, 3), or None without `render_mode="rgb_array"`.

        Raises:
            gymnasium.error.DependencyNotInstalled: Pillow is missing.
        """
        if self.render_mode is None:
            return None
        if self._episode is None or self._loop is not BrowserThread.get().loop:
            raise gymnasium.error.ResetNeeded("nothing to render: call reset() first")
        png = BrowserThread.get().run(self._episode.screenshot(), timeout_s=self._step_timeout_s)
        return decode_png(png)

    def close(self) -> None:
        """Give the page, the app instance and the workspace back. May be called more than once."""
        if self._episode is not None or self._closing:
            BrowserThread.get().run(self.aclose(), timeout_s=self._reset_timeout_s)

    async def aclose(self) -> None:
        """`close` as a coroutine, to be run on the browser thread."""
        async with self._my_turn():
            await self._end_episode()
            if self._closing:
                await asyncio.wait(self._closing)

    @property
    def step_deadline_s(self) -> float:
        """Seconds within which `astep` has answered, whatever hangs; one that has not is given up."""
        return self._step_timeout_s + _ANSWER_S

    @property
    def reset_deadline_s(self) -> float:
        """The same for `areset`."""
        return self._reset_timeout_s + _ANSWER_S

    def require_episode(self) -> None:
        """Raise `gymnasium.error.ResetNeeded` unless `step` may be called."""
        if self._over:
            raise gymnasium.error.ResetNeeded("no episode is under way: call reset() before step()")
        if self._loop is not None and self._loop is not BrowserThread.get().loop:
            raise gymnasium.error.ResetNeeded(
                "the episode's browser belongs to the process that this one was forked from, or was closed: call "
                "reset() to begin another"
            )

    def fail_step(self, error: SandboxError, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """End the episode from outside the browser thread, because that thread did not answer."""
        self._spoilt = True
        return self._failed(error, action, time.perf_counter())

    def begin_failed(self, error: SandboxError) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode that the machine failed at its reset: a blank observation; its first step is its last."""
        if self._instance is None:  # not even the task was drawn: there is nothing to begin
            raise error
        observation, _, _, _, info = self._failed(error, "", time.perf_counter())
        self._stillborn, self._over = error, False
        return observation, info

    def forfeit(self) -> None:
        """End the episode, from any thread, because nobody saw what became of it."""
        self._over, self._stillborn = True, None

    def _draw_seed(self, seed: int | None, options: Mapping[str, Any] | None) -> int:
        unknown = set(options or {}) - {"instance_seed"}
        if unknown:
            raise TaskError(f"reset takes the option instance_seed; came {', '.join(sorted(unknown))}")
        if options and options.get("instance_seed") is not None:
            return int(options["instance_seed"])
        return int(self.np_random.integers(2**31)) if seed is None else seed

    async def _renewed(self, instance: TaskInstance) -> Episode | None:
        """Begin the episode in the page of the last one; None where that cannot be, or failed."""
        old = self._episode
        if not self._warm_resets or old is None or self._spoilt or self._stillborn or not old.can_renew(instance):
            return None
        try:
            async with asyncio.timeout(self._reset_timeout_s / 2):
                episode = await old.renew(instance, env_id=self.task_id, ledger_dir=self.ledger_dir)
        except (SandboxError, TimeoutError):
            self._spoilt = True
            return None
        except BaseException:
            self._over = self._spoilt = True
            raise
        self._over = True
        return episode

    async def _open(self, instance: TaskInstance) -> Episode:
        opening = partial(Episode.open, instance, env_id=self.task_id, ledger_dir=self.ledger_dir)
        try:
            async with asyncio.timeout(self._reset_timeout_s):
                try:
                    return await opening()
                except SandboxError:  # a browser that died between episodes is found dead here; the next one is there
                    return await opening()
        except TimeoutError as error:
            raise PageHungError(f"the reset took longer than its {self._reset_timeout_s:g} s") from error

    async def _act(
        self, episode: Episode, text: str, began: float
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        action: Action | None = None
        shown, output, problem = " ".join(text[:200].split()), "", ""
        episode.begin_step()
        try:
            action = parse_action(text, allowed=episode.verbs)
            shown = format_action(action)
            output = await episode.perform(action)
        except ActionError as error:
            problem = episode.masked(str(error))
        try:
            await episode.settle()
        except ActionError as error:
            problem = problem or episode.masked(str(error))
        previous = episode.snapshot
        await episode.observe()
        changes = describe_changes(previous, episode.snapshot, episode.events)
        episode.idle_steps = episode.idle_steps + 1 if changes == NOTHING and not output else 0
        reward, stop = episode.judge(shown, problem, is_done=action is not None and action.kind == "done")
        sights = await self._sights(episode)
        observation = await self._eyes.observe(
            goal=self.instance.goal,
            snapshot=episode.snapshot,
            sights=sights,
            last_action=shown,
            last_action_result="" if problem and changes == NOTHING else output or changes,
            last_action_error=problem,
        )
        if stop is not None:
            self._over = True
            episode.conclude(stop)
        info = self._info(reward, stop, sights, began)
        truncated = stop in (StopReason.STEP_LIMIT, StopReason.IDLE_LIMIT)
        return observation, reward.total or 0.0, self._over and not truncated, truncated, info

    async def _sights(self, episode: Episode) -> Sights:
        return await episode.sights(
            screenshot=self._screenshots or self._eyes.needs_screenshot,
            html="html" in self._eyes.kinds,
            clipboard="clipboard" in self._eyes.kinds,
        )

    def _info(self, reward: StepReward, stop: StopReason | None, sights: Sights, began: float) -> dict[str, Any]:
        screenshot = sights.screenshot if self._screenshots else None
        return self._base_info(reward, stop, None, began) | {"screenshot": screenshot}

    def _base_info(
        self, reward: StepReward, stop: StopReason | None, failure: FailureKind | None, began: float
    ) -> dict[str, Any]:
        episode = self._episode
        tracker = None if episode is None else episode.tracker
        return {
            "reward": reward,
            "milestones": frozenset() if tracker is None else tracker.reached,
            "milestone_bits": Bitmask(0) if tracker is None else tracker.bits,
            "progress": 0.0 if tracker is None else tracker.progress,
            "success": stop is StopReason.SUCCESS,
            "stop_reason": stop,
            "failure": failure,
            "step_ms": StepTimings(
                **({} if episode is None else episode.timings_ms), total=1000 * (time.perf_counter() - began)
            ),
            "failure_message": "",
            "screenshot": None,
            "ledger_path": None if episode is None or episode.ledger_path is None else str(episode.ledger_path),
            "ledger_hash": None if episode is None else episode.ledger_hash,
            "seed": self.instance.seed,
        }

    def _failed(
        self, error: SandboxError, action: str, began: float
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self._over, self._stillborn = True, None
        observation = self._eyes.see(
            goal=self.instance.goal,
            snapshot=None,
            sights=Sights(),
            last_action=action[:200],
            last_action_error=f"the machine failed ({error.kind}); the episode is over",
        )
        info = self._base_info(StepReward(total=None), StopReason.FAILURE, error.kind, began)
        return observation, 0.0, False, True, info | {"failure_message": str(error)}

    async def _end_episode(self, *, discard: bool = False) -> None:
        episode, self._episode, self._stillborn, self._over = self._episode, None, None, True
        discard, self._spoilt = discard or self._spoilt, False
        if episode is None:
            return
        closing = asyncio.ensure_future(episode.close(discard=discard))
        self._closing.add(closing)
        closing.add_done_callback(self._closed)
        if not discard:  # a page that failed may be slow to close, and nobody need wait for it
            await asyncio.shield(closing)

    def _closed(self, closing: asyncio.Task[None]) -> None:
        self._closing.discard(closing)
        if not closing.cancelled():
            closing.exception()  # raised where it was waited for; a failed page may fail again unheard

    def _my_turn(self) -> asyncio.Lock:
        """Return what lets one call in at a time: a cancelled one may still be on its way out when the next comes."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the first call; or nothing of the old loop can be used, or is ours to close
            self._loop, self._turn, self._closing = loop, asyncio.Lock(), set()
            self._episode, self._over = None, self._stillborn is None
        return self._turn


__all__ = ["MilepostEnv"]
