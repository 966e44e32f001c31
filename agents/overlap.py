"""Rollouts in which browsers step while the policy decides.

Every episode is in one of two places: in its browser, or ready, waiting for a decision. Whenever the policy is free it
decides for all that are ready; their browsers then step, on the browser thread, while it decides for the next ones.

What an episode draws depends on itself and its step only (`LanguageModelPolicy.by_episode`), and dead groups are
replaced in the order of their places. So a rollout repeats whichever browser is faster, but for one thing: a model's
arithmetic may round differently in a batch of another size, and a draw that lies on the edge between two tokens may
then fall to the other side. `run_episodes`, whose batches are always the same, repeats to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from ..envs.concurrent import Call, PendingCall, wait_for
from .policies import Decision, Policy
from .records import Trajectory
from .rollout import (
    EnvPool,
    EpisodeSlot,
    EpisodeSpec,
    RolloutBook,
    RolloutTimes,
    StepTaken,
    breakdown,
    view_of,
)

_READY_SHARE = 0.25
"""The policy waits until so many of the episodes are ready: an engine answers four at once almost as soon as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _InBrowser:
    """An episode that is being reset (no decision yet) or takes a step."""

    slot: EpisodeSlot
    call: PendingCall
    decision: Decision | None


def run_overlapped(
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
    """Play every spec to its end, deciding for whichever episodes are ready; see `run_episodes`.

    The arguments and the result are those of `run_episodes`; `policy` must be one whose decisions do not depend on
    which other episodes it decides for.
    """
    times = RolloutTimes() if times is None else times
    book = RolloutBook(
        specs,
        pool=pool,
        policy_version=policy_version,
        on_step=on_step,
        on_episode=on_episode,
        refill=refill,
        refill_in_order=True,
    )
    began = time.perf_counter()
    busy: list[tuple[float, float]] = []
    under_way: list[_InBrowser] = []
    ready: list[EpisodeSlot] = []
    try:
        while True:
            while book.waiting and len(under_way) + len(ready) < concurrency:
                under_way.append(_begin(*book.waiting.popleft(), pool))
            started = time.perf_counter()
            if ready:
                decisions = policy.decide([view_of(slot) for slot in ready])
                times.sampling_s += time.perf_counter() - started
                times.steps += len(ready)
                for slot, decision in zip(ready, decisions, strict=True):
                    error = breakdown(slot, decision)
                    if error is not None:
                        book.take_in(slot, decision, slot.env.fail_step(error, decision.action))
                        continue
                    call = PendingCall(Call(env=slot.env, action=decision.action))
                    under_way.append(_InBrowser(slot=slot, call=call, decision=decision))
                ready = []
                continue
            if not under_way:
                break
            done = set(map(id, wait_for([it.call for it in under_way], ceil(_READY_SHARE * len(under_way)))))
            times.browser_s += time.perf_counter() - started
            arrived = [it for it in under_way if id(it.call) in done]
            under_way = [it for it in under_way if id(it.call) not in done]
            for it in arrived:
                busy.append((it.call.began_s, it.call.ended_s or time.perf_counter()))
                if _arrive(it, book):
                    ready.append(it.slot)
    except BaseException:
        for it in under_way:
            it.call.forfeit()
        raise
    times.browser_busy_s += covered_s(busy)
    times.wall_s += time.perf_counter() - began
    return book.trajectories()


def covered_s(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds that lie within at least one of the spans (beginning, end)."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _begin(index: int, spec: EpisodeSpec, tries: int, pool: EnvPool) -> _InBrowser:
    env = pool.take(spec.task)
    slot = EpisodeSlot(
        index=index,
        spec=spec,
        env=env,
        observation={},
        info={},
        rng=spec.generator(index),
        tries=tries,
        began=time.perf_counter(),
    )
    return _InBrowser(slot=slot, call=PendingCall(Call(env=env, seed=spec.seed)), decision=None)


def _arrive(it: _InBrowser, book: RolloutBook) -> bool:
    """Take in what the browser answered; return whether the episode is ready for a decision."""
    result = it.call.result()
    if it.decision is not None:
        return book.take_in(it.slot, it.decision, result)
    it.slot.observation, _, _, _, it.slot.info = result
    return True


__all__ = ["covered_s", "run_overlapped"]
