"""Evaluation of a policy on tasks: success, reward and milestone rates on seeds that training never draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..envs.observation_kinds import DEFAULT_KINDS
from ..envs.registration import env_id_of, task_for
from ..rewards.router import Unscored
from .evaluation.policies import SCRIPTED_POLICIES, policy_named
from .policies import Policy
from .records import Trajectory
from .rollout import EnvPool, EpisodeSpec, RolloutTimes, run_episodes
from .settlement import Settler
from .task_scores import EvaluationResult, TaskScore, score, wilson_interval

HELD_OUT_SEED = 1_000_000
"""First seed of evaluation; training draws its seeds below it."""


def evaluate_policy(
    task_ids: Sequence[str],
    policy: Policy,
    *,
    name: str,
    seeds: int,
    pool: EnvPool,
    first_seed: int = HELD_OUT_SEED,
    concurrency: int = 64,
    times: RolloutTimes | None = None,
    settler: Settler | None = None,
    on_episode: Callable[[int, Trajectory], None] | None = None,
) -> EvaluationResult:
    """Play `seeds` held-out episodes of every task and score them.

    Args:
        task_ids: environment ids; a bare task name is completed.
        policy: what acts.
        name: how the result calls the policy.
        seeds: episodes per task, seeds `first_seed` onwards.
        pool: where environments come from.
        first_seed: first seed.
        concurrency: most episodes alive at once.
        times: if given, wall time is added to it.
        settler: asks the model and the judge; None: nobody is asked, and milestones of meaning stay open. What nobody
            scored is not carried but left out, whatever training would do with it.
        on_episode: called as each episode ends with the number finished and its trajectory.
    """
    times = RolloutTimes() if times is None else times
    before_s = times.sampling_s + times.browser_s
    ids = [env_id_of(t.name, t.version) for t in map(task_for, task_ids)]
    specs = [EpisodeSpec(task=t, seed=first_seed + k) for k in range(seeds) for t in ids]
    trajectories = run_episodes(specs, policy, pool=pool, concurrency=concurrency, times=times, on_episode=on_episode)
    settler = Settler() if settler is None else settler
    if settler.unscored is Unscored.CARRY:
        settler = replace(settler, unscored=Unscored.MASK)
    trajectories, settlement = settler.settle(trajectories)
    return EvaluationResult(
        policy=name,
        first_seed=first_seed,
        seeds=seeds,
        wall_s=times.sampling_s + times.browser_s - before_s,
        tasks={t: score(t, [x for x in trajectories if x.task == t]) for t in ids},
        mode=settler.mode,
        layers=settler.layers,
        settlement=settlement,
    )


def evaluate(
    task_ids: Sequence[str],
    policy: str,
    *,
    seeds: int,
    first_seed: int = HELD_OUT_SEED,
    concurrency: int = 64,
    settler: Settler | None = None,
    on_episode: Callable[[int, Trajectory], None] | None = None,
) -> EvaluationResult:
    """Evaluate a policy given by name (see `evaluation.policies`), in memory; `evaluation.play` keeps what it plays.

    Raises:
        TaskError: a task is unknown.
        RewardError: something is unscored, and the settler requires that nothing is.
        RunError: there is no such policy.
        EngineError: the run's model is missing.
    """
    acting = policy_named(policy).load()
    with EnvPool(observations=kinds_for(acting, task_ids)) as pool:
        return evaluate_policy(
            task_ids,
            acting,
            name=policy,
            seeds=seeds,
            pool=pool,
            first_seed=first_seed,
            concurrency=concurrency,
            settler=settler,
            on_episode=on_episode,
        )


def kinds_for(policy: Policy, task_ids: Sequence[str]) -> Sequence[str]:
    """Return the kinds of observation that a policy looks at in these tasks."""
    # An oracle looks at more than text only where tasks have none of their own.
    by_reading = any(not task_for(task_id).oracle for task_id in task_ids)
    kinds: Sequence[str] = getattr(policy, "observations", DEFAULT_KINDS) if by_reading else DEFAULT_KINDS
    return kinds


__all__ = [
    "HELD_OUT_SEED",
    "SCRIPTED_POLICIES",
    "EvaluationResult",
    "TaskScore",
    "evaluate",
    "evaluate_policy",
    "kinds_for",
    "score",
    "wilson_interval",
]
