"""Rollouts: many episodes at once, from reset to record.

Episodes live in slots. Each round the policy decides for every live episode in one batch, the environments step
concurrently, and finished episodes give their slot to the next one waiting. An episode that the machine broke is
played again; if it breaks again it is returned with its failure, for the trainer to mask.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
from gymnasium.error import ResetNeeded

from ..envs.concurrent import StepResult, reset_many, step_many
from ..sandbox.errors import PolicyFailedError, SandboxError
from .env_pool import EnvPool, RolloutEnv
from .policies import Decision, Policy, View
from .prompts import render_observation
from .records import StepRecord, Trajectory

EXTRA_TRIES = 1
"""How often an episode that the machine broke is played again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSpec:
    """Which episode to play. Equal specs make a group.

    Attributes:
        task: the environment's id, or a maker's name.
        seed: the episode's seed.
        sample: which of several episodes of this task and seed it is, for what draws the policy's own randomness: with
            it an episode is drawn alike wherever in a rollout it stands, without it by its place.
    """

    task: str
    seed: int
    sample: int | None = None

    def generator(self, place: int) -> np.random.Generator:
        """Return the episode's own generator."""
        if self.sample is None:
            return np.random.default_rng([self.seed, place])
        return np.random.default_rng([self.seed, self.sample, crc32(self.task.encode())])


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken:
    """One finished step, as told to `on_step`: for viewers, examples and evaluation, not for training.

    Attributes:
        spec: the episode, the very object that was given to `run_episodes`.
        index: the step's place in the episode, from 0; 0 again where an episode that broke is played again.
        observation: what the action answers.
        decision: the action.
        reward: of the step; 0.0 where it is unscored.
        info: the environment's.
        elapsed_s: seconds since the episode's reset began.
    """

    spec: EpisodeSpec
    index: int
    observation: dict[str, str]
    decision: Decision
    reward: float
    info: dict[str, Any]
    elapsed_s: float = 0.0


@dataclass(slots=True)
class RolloutTimes:
    """Where a rollout's wall time went, in seconds, and how many policy steps it made.

    Attributes:
        sampling_s: the policy was deciding.
        browser_s: it was not, and waited for browsers.
        browser_busy_s: a browser was resetting or stepping, whatever the policy did: more than `browser_s` if both are
            at work at once.
        wall_s: in all.
        steps: actions taken.
    """

    sampling_s: float = 0.0
    browser_s: float = 0.0
    browser_busy_s: float = 0.0
    wall_s: float = 0.0
    steps: int = 0

    def waited(self, browser_s: float) -> None:
        """Add time in which the browsers were at work and the policy was not."""
        self.browser_s += browser_s
        self.browser_busy_s += browser_s


@dataclass(slots=True)
class EpisodeSlot:
    """An episode under way."""

    index: int
    spec: EpisodeSpec
    env: RolloutEnv
    observation: dict[str, str]
    info: dict[str, Any]
    rng: np.random.Generator
    tries: int
    began: float
    steps: list[StepRecord] = field(default_factory=list)


def run_episodes(
    specs: Sequence[EpisodeSpec],
    policy: Policy,
    *,
    pool: EnvPool,
    concurrency: int = 64,
    policy_version: int = 0,
    times: RolloutTimes | None = None,
    on_step: Callable[[StepTaken], None] | None = None,
    on_episode: Callable[[int, Trajectory], None] | None = None,
    refill: Callable[[int, Trajectory], Sequence[EpisodeSpec]] | None = None,
) -> list[Trajectory]:
    """Play every spec to its end and return the trajectories in the order of the specs.

    Args:
        specs: episodes to play; repeat a spec to sample a group.
        policy: decides for all live episodes at once.
        pool: where environments come from.
        concurrency: most episodes alive at once.
        policy_version: number of optimiser updates behind the policy.
        times: if given, wall time is added to it.
        on_step: called after every step.
        on_episode: called with the number of finished episodes and each trajectory as it ends.
        refill: called with the place of each finished episode and its trajectory; the specs that it returns are played
            as well, in the slots that have become free, and their trajectories follow the others in the result.
    """
    times = RolloutTimes() if times is None else times
    began = time.perf_counter()
    book = RolloutBook(
        specs, pool=pool, policy_version=policy_version, on_step=on_step, on_episode=on_episode, refill=refill
    )
    live: list[EpisodeSlot] = []
    while book.waiting or live:
        live += _fill(book.waiting, concurrency - len(live), pool, times)
        started = time.perf_counter()
        decisions = policy.decide([view_of(slot) for slot in live])
        sampled = time.perf_counter()
        results = _step(live, decisions)
        times.sampling_s += sampled - started
        times.waited(time.perf_counter() - sampled)
        times.steps += len(live)
        live = [
            slot
            for slot, decision, result in zip(live, decisions, results, strict=True)
            if book.take_in(slot, decision, result)
        ]
    times.wall_s += time.perf_counter() - began
    return book.trajectories()


class RolloutBook:
    """What a rollout keeps of its episodes: which wait, which are over, and whom to tell of them.

    The arguments are those of `run_episodes`.

    Args:
        refill_in_order: ask `refill` about the episodes in the order of their places, and so about each only once all
            before it are over: what it answers then does not depend on which episode happened to be faster.

    Attributes:
        waiting: place, spec and number of earlier tries of the episodes that have not begun.
    """

    def __init__(
        self,
        specs: Sequence[EpisodeSpec],
        *,
        pool: EnvPool,
        policy_version: int,
        on_step: Callable[[StepTaken], None] | None,
        on_episode: Callable[[int, Trajectory], None] | None,
        refill: Callable[[int, Trajectory], Sequence[EpisodeSpec]] | None,
        refill_in_order: bool = False,
    ) -> None:
        self.waiting = deque((i, spec, 0) for i, spec in enumerate(specs))
        self._pool, self._policy_version = pool, policy_version
        self._on_step, self._on_episode, self._refill = on_step, on_episode, refill
        self._in_order = refill_in_order
        self._done: dict[int, Trajectory] = {}
        self._count = len(specs)
        self._asked = 0  # places before this one were asked about, where that goes in order

    def take_in(self, slot: EpisodeSlot, decision: Decision, result: StepResult) -> bool:
        """Record a step; return whether the episode goes on."""
        observation, reward, terminated, truncated, info = result
        slot.steps.append(_record(slot, decision, observation, info))
        if self._on_step is not None:
            self._on_step(
                StepTaken(
                    spec=slot.spec,
                    index=len(slot.steps) - 1,
                    observation=slot.observation,
                    decision=decision,
                    reward=float(reward),
                    info=info,
                    elapsed_s=time.perf_counter() - slot.began,
                )
            )
        slot.observation, slot.info = observation, info
        if not (terminated or truncated):
            return True
        self._pool.give(slot.spec.task, slot.env)
        if info["failure"] is not None and slot.tries < EXTRA_TRIES:
            self.waiting.appendleft((slot.index, slot.spec, slot.tries + 1))
            return False
        self._done[slot.index] = _trajectory(slot, terminated, truncated, self._policy_version)
        if self._on_episode is not None:
            self._on_episode(len(self._done), self._done[slot.index])
        if not self._in_order:
            self._ask(slot.index)
        while self._in_order and self._asked in self._done:
            self._asked += 1
            self._ask(self._asked - 1)
        return False

    def _ask(self, index: int) -> None:
        if self._refill is not None:
            fresh = self._refill(index, self._done[index])
            self.waiting.extend((self._count + i, spec, 0) for i, spec in enumerate(fresh))
            self._count += len(fresh)

    def trajectories(self) -> list[Trajectory]:
        """Return the episodes in the order of their places; all of them are over."""
        return [self._done[i] for i in range(self._count)]


def view_of(slot: EpisodeSlot) -> View:
    """Return what the policy sees of an episode."""
    return View(
        observation=slot.observation,
        instance=slot.env.instance,
        step=len(slot.steps),
        rng=slot.rng,
        instructions=slot.env.instructions,
    )


def _step(live: Sequence[EpisodeSlot], decisions: Sequence[Decision]) -> list[StepResult]:
    """Do every action; an episode that was lost, or whose policy broke down, ends as one that the machine broke."""
    broken = [breakdown(slot, decision) for slot, decision in zip(live, decisions, strict=True)]
    acting = [(s.env, d.action) for s, d, error in zip(live, decisions, broken, strict=True) if error is None]
    results = iter(step_many([env for env, _ in acting], [action for _, action in acting]))
    return [
        next(results) if error is None else s.env.fail_step(error, d.action)
        for s, d, error in zip(live, decisions, broken, strict=True)
    ]


def breakdown(slot: EpisodeSlot, decision: Decision) -> SandboxError | None:
    """Return why an episode cannot take its action; None if it can."""
    if decision.failure is not None:
        return PolicyFailedError(decision.failure)
    try:
        slot.env.require_episode()
    except ResetNeeded as error:  # on a machine so busy that a reset that was given up came back late, say
        return SandboxError(f"the episode under way was lost: {error}")
    return None


def _fill(
    waiting: deque[tuple[int, EpisodeSpec, int]], free: int, pool: EnvPool, times: RolloutTimes
) -> list[EpisodeSlot]:
    """Start as many waiting episodes as there are free slots."""
    batch = [waiting.popleft() for _ in range(min(free, len(waiting)))]
    if not batch:
        return []
    started = time.perf_counter()
    envs = [pool.take(spec.task) for _, spec, _ in batch]
    results = reset_many(envs, [spec.seed for _, spec, _ in batch])
    times.waited(time.perf_counter() - started)
    return [
        EpisodeSlot(index, spec, env, observation, info, spec.generator(index), tries, started)
        for (index, spec, tries), env, (observation, info) in zip(batch, envs, results, strict=True)
    ]


def _record(slot: EpisodeSlot, decision: Decision, after: dict[str, str], info: dict[str, Any]) -> StepRecord:
    return StepRecord(
        prompt_ids=decision.prompt_ids,
        response_ids=decision.response_ids,
        behaviour_logprobs=decision.behaviour_logprobs,
        action=decision.action,
        observation=render_observation(slot.observation),
        reward=info["reward"].total,
        milestones_before=int(slot.info["milestone_bits"]),
        milestones_after=int(info["milestone_bits"]),
        error=after["last_action_error"],
        entropy=decision.entropy,
    )


def _trajectory(slot: EpisodeSlot, terminated: bool, truncated: bool, policy_version: int) -> Trajectory:
    info = slot.info
    return Trajectory(
        task=slot.spec.task,
        seed=slot.spec.seed,
        steps=tuple(slot.steps),
        success=bool(info["success"]),
        terminated=terminated,
        truncated=truncated,
        stop_reason=str(info["stop_reason"]),
        failure=info["failure"],
        policy_version=policy_version,
        ledger_path=None if info.get("ledger_path") is None else str(info["ledger_path"]),
        ledger_hash=info.get("ledger_hash"),
        final_observation=render_observation(slot.observation),
    )


__all__ = [
    "EnvPool",
    "EpisodeSlot",
    "EpisodeSpec",
    "RolloutBook",
    "RolloutEnv",
    "RolloutTimes",
    "StepTaken",
    "breakdown",
    "run_episodes",
    "view_of",
]
