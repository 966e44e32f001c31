"""Plays what an evaluation's folder still lacks, and writes every episode down as it ends."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from ...envs.registration import TASK_FILES, env_id_of, task_for
from ...envs.task_versions import digest_of
from ...rewards.router import Mode, Unscored
from ...sandbox.errors import TaskError
from ..evaluate import HELD_OUT_SEED, kinds_for
from ..policies import Policy
from ..records import Trajectory
from ..rollout import EnvPool, EpisodeSpec, RolloutEnv, RolloutTimes, StepTaken, run_episodes
from ..settlement import SettlementStats, Settler
from ..task_scores import EvaluationResult
from .folder import EvaluationFolder, ordered
from .outcome import EpisodeResult, result_of
from .summary import Summary, summarise

WAVE = 64
"""Episodes that are played before the layers are asked about them, where there are layers beside the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which episodes an evaluation consists of.

    Attributes:
        tasks: environment ids.
        seeds: instances of each task, seeds `first_seed` onwards.
        samples: episodes of each instance.
        first_seed: the first seed.
    """

    tasks: tuple[str, ...]
    seeds: int
    samples: int = 1
    first_seed: int = HELD_OUT_SEED

    @classmethod
    def of(cls, tasks: Sequence[str], **more: Any) -> Plan:
        """Return a plan for tasks given by id or bare name."""
        return cls(tasks=tuple(env_id_of(t.name, t.version) for t in map(task_for, tasks)), **more)

    @property
    def total(self) -> int:
        """How many episodes there are."""
        return len(self.tasks) * self.seeds * self.samples

    def specs(self) -> Iterator[EpisodeSpec]:
        """Yield every episode, task by task, so that few tasks have environments open at once."""
        for task in self.tasks:
            for seed in range(self.first_seed, self.first_seed + self.seeds):
                for sample in range(self.samples):
                    yield EpisodeSpec(task=task, seed=seed, sample=sample)


def settings_of(plan: Plan, policy: Mapping[str, Any], reward: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return everything that an evaluation's figures depend on, to be compared when it is resumed.

    Args:
        plan: the episodes.
        policy: what identifies the policy (`NamedPolicy.identity`).
        reward: how rewards are settled, where more than rules do it.
    """
    tasks: dict[str, Any] = {}
    for task_id in plan.tasks:
        task = task_for(task_id)
        try:
            digest: str | None = digest_of(task)
        except TaskError:  # functions of Python have none
            digest = None
        tasks[task_id] = {
            "family": task.family,
            "content": digest,
            "milestones": {m.id: m.reward for m in task.instantiate(plan.first_seed).milestones},
        }
    return {
        "policy": dict(policy),
        "seeds": plan.seeds,
        "samples": plan.samples,
        "first_seed": plan.first_seed,
        "tasks": tasks,
        "reward": dict(reward) if reward else None,
    }


def default_name(suites: Sequence[str], policy: str, settings: Mapping[str, Any]) -> str:
    """Return a name for an evaluation that differs where its settings do, such as core-oracle-1a2b3c4d."""
    digest = sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]
    first = Path(suites[0]).stem if suites[0].endswith(TASK_FILES) else suites[0]
    tasks = first if len(suites) == 1 else f"{first}-and-{len(suites) - 1}-more"
    shown = policy.partition("@")[0].removeprefix("openai:")
    return "-".join(_plain(part) for part in (tasks, Path(shown).name or shown, digest))


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")[:60] or "evaluation"


@dataclass(slots=True)
class _Meter:
    """What the steps of an episode tell that its trajectory does not; steps of one episode come in order."""

    prompt_tokens: Counter[EpisodeSpec] = field(default_factory=Counter)
    completion_tokens: Counter[EpisodeSpec] = field(default_factory=Counter)
    last: StepTaken | None = None

    def step(self, taken: StepTaken) -> None:
        if taken.index == 0:
            self.prompt_tokens.pop(taken.spec, None)
            self.completion_tokens.pop(taken.spec, None)
        decision = taken.decision
        for counts, known, ids in (
            (self.prompt_tokens, decision.prompt_tokens, decision.prompt_ids),
            (self.completion_tokens, decision.completion_tokens, decision.response_ids),
        ):
            if known is not None or ids:
                counts[taken.spec] += len(ids) if known is None else known
        self.last = taken

    def read(self) -> dict[str, Any]:
        """Return the fields of the episode whose step came last."""
        assert self.last is not None
        spec = self.last.spec
        return {
            "sample": spec.sample or 0,
            "prompt_tokens": self.prompt_tokens.pop(spec, None),
            "completion_tokens": self.completion_tokens.pop(spec, None),
            "duration_s": round(self.last.elapsed_s, 3),
            "failure_message": str(self.last.info.get("failure_message", "")),
        }


class _Pool(EnvPool):
    """Closes environments of tasks that have no further episode waiting."""

    def __init__(self, specs: Sequence[EpisodeSpec], **more: Any) -> None:
        super().__init__(**more)
        self._waiting = Counter(spec.task for spec in specs)

    def take(self, task: str) -> RolloutEnv:
        self._waiting[task] -= 1
        return super().take(task)

    def give(self, task: str, env: RolloutEnv) -> None:
        if self._waiting[task] > 0:
            super().give(task, env)
        else:
            env.close()


def play(
    folder: EvaluationFolder,
    plan: Plan,
    policy: Policy,
    *,
    settler: Settler | None = None,
    concurrency: int = 32,
    on_episode: Callable[[EpisodeResult], None] | None = None,
) -> float:
    """Play the episodes of a plan that a folder lacks or that the machine broke, and write them down.

    Args:
        folder: open for writing.
        plan: the episodes.
        policy: what acts.
        settler: asks the model and the judge; None: nobody is asked, and milestones of meaning stay open.
        concurrency: most episodes alive at once.
        on_episode: called as each episode ends, before its reward is settled.

    Returns:
        Seconds that playing took.
    """
    asking = Settler() if settler is None else settler
    if asking.unscored is Unscored.CARRY:
        asking = replace(asking, unscored=Unscored.MASK)
    missing = [spec for spec in plan.specs() if not _is_done(folder, spec)]
    waves = [missing]
    if asking.layers:
        size = max(WAVE, concurrency)
        waves = [missing[i : i + size] for i in range(0, len(missing), size)]
    times, meter = RolloutTimes(), _Meter()
    kinds = kinds_for(policy, plan.tasks)
    with _Pool(missing, ledger_dir=folder.ledger_dir, observations=kinds) as pool:
        for wave in waves:
            ended: list[tuple[Trajectory, dict[str, Any]]] = []

            def note(_: int, trajectory: Trajectory, ended: list[tuple[Trajectory, dict[str, Any]]] = ended) -> None:
                more = meter.read()
                if on_episode is not None:
                    on_episode(result_of(trajectory, **more))
                ended.append((trajectory, more))
                if not asking.layers:
                    _settle(folder, asking, ended)
                    ended.clear()

            run_episodes(
                wave, policy, pool=pool, concurrency=concurrency, times=times, on_step=meter.step, on_episode=note
            )
            _settle(folder, asking, ended)
    return times.sampling_s + times.browser_s


def _is_done(folder: EvaluationFolder, spec: EpisodeSpec) -> bool:
    found = folder.episodes.get((spec.task, spec.seed, spec.sample or 0))
    return found is not None and found.failure is None


def _settle(folder: EvaluationFolder, settler: Settler, ended: Sequence[tuple[Trajectory, Mapping[str, Any]]]) -> None:
    """Settle the rewards of episodes that have ended, and write them down."""
    if not ended:
        return
    settled, stats = settler.settle([trajectory for trajectory, _ in ended])
    results = []
    for trajectory, (_, more) in zip(settled, ended, strict=True):
        path = trajectory.ledger_path
        ledger = None if path is None else f"{folder.ledger_dir.name}/{Path(path).name}"
        results.append(result_of(trajectory, ledger_path=ledger, **more))
    folder.append(results, stats.counts())


def summary_of(folder: EvaluationFolder) -> Summary:
    """Return the figures of an evaluation, as far as it has got."""
    tasks = folder.settings["tasks"]
    milestones = {task: facts["milestones"] for task, facts in tasks.items()}
    return summarise(ordered(folder.episodes.values(), list(tasks)), milestones)


def result_in(folder: EvaluationFolder, summary: Summary, *, policy: str, wall_s: float) -> EvaluationResult:
    """Return an evaluation in the form that `milepost eval` has always shown."""
    stats = SettlementStats()
    for counts in folder.settlements:
        stats.add(SettlementStats.of(counts))
    reward = folder.settings.get("reward") or {}
    return EvaluationResult(
        policy=policy,
        first_seed=folder.settings["first_seed"],
        seeds=folder.settings["seeds"],
        wall_s=wall_s,
        tasks=dict(summary.scores),
        mode=Mode(reward.get("mode", Mode.RULES)),
        layers=tuple(reward.get("layers", ())),
        settlement=stats,
    )


__all__ = ["Plan", "default_name", "play", "result_in", "settings_of", "summary_of"]
