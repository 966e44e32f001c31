"""Evaluation of a policy on tasks: success, reward and milestone rates on seeds that training never draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..envs.registration import env_id_of, task_for
from ..sandbox.errors import RunError
from .null_policies import ClickEverythingPolicy, SubmitOnlyPolicy
from .policies import NoopPolicy, OraclePolicy, Policy, RandomPolicy
from .records import Trajectory
from .rollout import EnvPool, EpisodeSpec, RolloutTimes, run_episodes
from .settlement import Settler

HELD_OUT_SEED = 1_000_000
"""First seed of evaluation; training draws its seeds below it."""

SCRIPTED_POLICIES: dict[str, Callable[[], Policy]] = {
    "oracle": OraclePolicy,
    "noop": NoopPolicy,
    "random": RandomPolicy,
    "submit-only": SubmitOnlyPolicy,
    "click-everything": ClickEverythingPolicy,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """How a policy did on one task.

    Attributes:
        episodes: episodes that were scored.
        failures: episodes that the machine broke, not counted in anything else.
        successes: episodes that reached every success milestone.
        success_low, success_high: 95 % Wilson interval of the success rate.
        mean_reward: mean total reward.
        mean_reward_fraction: mean of total reward over the most that the episode could earn.
        mean_steps: mean number of actions.
        milestones: share of episodes that reached each milestone, by id.
    """

    episodes: int
    failures: int
    successes: int
    success_low: float
    success_high: float
    mean_reward: float
    mean_reward_fraction: float
    mean_steps: float
    milestones: dict[str, float]

    @property
    def success_rate(self) -> float:
        """Successes over scored episodes; 0 when none was scored."""
        return self.successes / self.episodes if self.episodes else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """Scores by task id, with the wall time of the whole evaluation in seconds."""

    policy: str
    first_seed: int
    seeds: int
    wall_s: float
    tasks: dict[str, TaskScore]

    @property
    def success_rate(self) -> float:
        """Successes over scored episodes, all tasks together."""
        episodes = sum(t.episodes for t in self.tasks.values())
        return sum(t.successes for t in self.tasks.values()) / episodes if episodes else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready plain data."""
        return {**asdict(self), "success_rate": self.success_rate}


def wilson_interval(successes: int, episodes: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a binomial rate.

    Args:
        successes: how many succeeded.
        episodes: out of how many; 0 gives (0, 1).
        z: normal quantile; the default gives 95 %.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if episodes == 0:
        return 0.0, 1.0
    p, n = successes / episodes, episodes
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def score(task: str, trajectories: Sequence[Trajectory]) -> TaskScore:
    """Summarise the trajectories of one task."""
    scored = [t for t in trajectories if t.failure is None]
    n = len(scored)
    successes = sum(t.success for t in scored)
    low, high = wilson_interval(successes, n)
    definition = task_for(task)
    reached: Counter[str] = Counter()
    fractions = []
    for t in scored:
        instance = definition.instantiate(t.seed)
        bits = t.steps[-1].milestones_after if t.steps else 0
        reached.update(m.id for i, m in enumerate(instance.milestones) if bits >> i & 1)
        fractions.append(t.total_reward / instance.max_reward if instance.max_reward else 0.0)
    return TaskScore(
        episodes=n,
        failures=len(trajectories) - n,
        successes=successes,
        success_low=low,
        success_high=high,
        mean_reward=sum(t.total_reward for t in scored) / max(n, 1),
        mean_reward_fraction=sum(fractions) / max(n, 1),
        mean_steps=sum(len(t.steps) for t in scored) / max(n, 1),
        milestones={m.id: reached[m.id] / max(n, 1) for m in definition.instantiate(HELD_OUT_SEED).milestones},
    )


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
        settler: asks the model and the judge about milestones of meaning; None leaves those unreached.
        on_episode: called as each episode ends with the number finished and its trajectory.
    """
    times = RolloutTimes() if times is None else times
    before_s = times.sampling_s + times.browser_s
    ids = [env_id_of(t.name, t.version) for t in map(task_for, task_ids)]
    specs = [EpisodeSpec(task=t, seed=first_seed + k) for k in range(seeds) for t in ids]
    trajectories = run_episodes(specs, policy, pool=pool, concurrency=concurrency, times=times, on_episode=on_episode)
    if settler is not None:
        trajectories, _ = settler.settle(trajectories)
    return EvaluationResult(
        policy=name,
        first_seed=first_seed,
        seeds=seeds,
        wall_s=times.sampling_s + times.browser_s - before_s,
        tasks={t: score(t, [x for x in trajectories if x.task == t]) for t in ids},
    )


def evaluate(
    task_ids: Sequence[str],
    policy: str,
    *,
    seeds: int,
    first_seed: int = HELD_OUT_SEED,
    concurrency: int = 64,
    on_episode: Callable[[int, Trajectory], None] | None = None,
) -> EvaluationResult:
    """Evaluate a policy given by name: one of `SCRIPTED_POLICIES`, or the folder of a training run.

    Raises:
        TaskError: a task is unknown.
        RunError: the policy is neither a known name nor a run folder with a checkpoint.
        EngineError: the run's model is missing.
    """
    acting = SCRIPTED_POLICIES[policy]() if policy in SCRIPTED_POLICIES else load_policy(policy)
    with EnvPool() as pool:
        return evaluate_policy(
            task_ids,
            acting,
            name=policy,
            seeds=seeds,
            pool=pool,
            first_seed=first_seed,
            concurrency=concurrency,
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
