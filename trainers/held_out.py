"""What every trainer measures itself by: greedy episodes on held-out seeds, scored by the rules, written down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from ..agents.evaluate import HELD_OUT_SEED, evaluate_policy
from ..agents.policies import Policy
from ..agents.rollout import EnvPool, EpisodeSpec
from ..agents.settlement import Settler
from ..agents.task_scores import EvaluationResult
from .examples import record_example
from .metrics import Stage, by_label, told_of, write_evaluation
from .progress import TrainingProgress
from .report import ExampleLabel
from .run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Run(Protocol):
    """What is needed of a run, online or offline."""

    @property
    def tasks(self) -> Sequence[str]: ...
    @property
    def folder(self) -> RunFolder: ...
    @property
    def pool(self) -> EnvPool: ...
    @property
    def progress(self) -> TrainingProgress: ...


def play_held_out(
    run: _Run,
    policy: Policy,
    name: str,
    *,
    seeds: int,
    concurrency: int,
    first_seed: int = HELD_OUT_SEED,
    settler: Settler | None = None,
) -> EvaluationResult:
    """Play `seeds` episodes of every task of a run, from `first_seed` on, and score them.

    Args:
        run: whose tasks, in whose pages.
        policy: greedy.
        name: of the evaluation, for people.
        seeds: episodes of each task, at least 1.
        concurrency: most episodes side by side.
        first_seed: the first of the seeds.
        settler: where rewards come from; None: the rules alone.
    """
    run.progress.phase(f"evaluating ({name.replace('_', ' ')})")
    total = seeds * len(run.tasks)
    return evaluate_policy(
        run.tasks,
        policy,
        name=name,
        seeds=seeds,
        first_seed=first_seed,
        pool=run.pool,
        concurrency=concurrency,
        settler=settler,
        on_episode=lambda done, _: run.progress.advance_within(done, total),
    )


def evaluate_stage(
    run: _Run, policy: Policy, stage: Stage, *, seeds: int, concurrency: int, settler: Settler | None = None
) -> float:
    """Play the held-out episodes, write the result down as the run's at this stage; return the seconds it took.

    Arguments as for `play_held_out`.
    """
    started = time.monotonic()
    result = play_held_out(run, policy, stage, seeds=seeds, concurrency=concurrency, settler=settler)
    write_evaluation(run.folder, stage, by_label(result))
    evaluate_s = time.monotonic() - started
    run.progress.message(told_of(stage, result))
    return evaluate_s


def record_held_out(run: _Run, policy: Policy, label: ExampleLabel, when: str) -> float:
    """Record the report's example, the first held-out seed of the first task; return the seconds it took."""
    started = time.monotonic()
    record_example(run.folder, label, EpisodeSpec(task=run.tasks[0], seed=HELD_OUT_SEED), policy, when=when)
    return time.monotonic() - started


__all__ = ["evaluate_stage", "play_held_out", "record_held_out"]
