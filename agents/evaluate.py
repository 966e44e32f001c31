"""Evaluation of a policy on tasks: success, reward and milestone rates on seeds that training never draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..envs.observation_kinds import DEFAULT_KINDS
from ..envs.registration import env_id_of, task_for
from ..rewards.router import Unscored
from ..sandbox.errors import RunError
from .null_policies import ClickEverythingPolicy, SubmitOnlyPolicy
from .policies import NoopPolicy, OraclePolicy, Policy, RandomPolicy
from .records import Trajectory
from .rollout import EnvPool, EpisodeSpec, RolloutTimes, run_episodes
from .settlement import Settler
from .task_scores import EvaluationResult, TaskScore, score, wilson_interval

HELD_OUT_SEED = 1_000_000
"""First seed of evaluation; training draws its seeds below it."""

SCRIPTED_POLICIES: dict[str, Callable[[], Policy]] = {
    "oracle": OraclePolicy,
    "noop": NoopPolicy,
    "random": RandomPolicy,
    "submit-only": SubmitOnlyPolicy,
    "click-everything": ClickEverythingPolicy,
}


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
    """Evaluate a policy given by name: one of `SCRIPTED_POLICIES`, or the folder of a training run.

    Raises:
        TaskError: a task is unknown.
        RewardError: something is unscored, and the settler requires that nothing is.
        RunError: the policy is neither a known name nor a run folder with a checkpoint.
        EngineError: the run's model is missing.
    """
    acting = SCRIPTED_POLICIES[policy]() if policy in SCRIPTED_POLICIES else load_policy(policy)
    by_reading = any(
        not task_for(task_id).oracle for task_id in task_ids
    )  # only then an oracle looks at more than text
    kinds = getattr(acting, "observations", DEFAULT_KINDS) if by_reading else DEFAULT_KINDS
    with EnvPool(observations=kinds) as pool:
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


def load_policy(run: str) -> Policy:
    """Return the greedy policy of a training run's newest checkpoint.

    Raises:
        RunError: there is no run with a checkpoint in that folder.
        EngineError: its model is missing.
    """
    import torch
    import yaml

    folder = Path(run)
    saved = sorted(folder.glob("checkpoints/iteration_*/adapter"))
    if not (folder / "config.yaml").is_file() or not saved:
        raise RunError(
            f"policy {run!r}: expected one of {', '.join(SCRIPTED_POLICIES)}, or the folder of a training run with a "
            "checkpoint; there is none. Train one with `milepost train grpo CONFIG.yaml`, or name an existing run."
        )
    from .engines.hf import HFEngine
    from .loading import load_model
    from .lora import load_lora
    from .policies import LanguageModelPolicy
    from .precision import resolve_precision

    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    base, tokenizer = load_model(config["model"], dtype=resolve_precision(config["precision"]))
    return LanguageModelPolicy(
        engine=HFEngine(load_lora(base, saved[-1], trainable=False)),
        tokenizer=tokenizer,
        generator=torch.Generator().manual_seed(config["seed"]),
        temperature=0.0,
        max_new_tokens=config["max_new_tokens"],
    )


__all__ = [
    "HELD_OUT_SEED",
    "SCRIPTED_POLICIES",
    "EvaluationResult",
    "TaskScore",
    "evaluate",
    "evaluate_policy",
    "load_policy",
    "score",
    "wilson_interval",
]
