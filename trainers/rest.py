"""Expert iteration: `python -m milepost.trainers.rest CONFIG.yaml [key=value ...]`.

The loop, top to bottom: evaluate the policy where it starts; then per round play groups of episodes with it (grow), and
for each of a few rising thresholds fit it to the episodes that earned at least that share of their task's reward
(improve); evaluate again and write the report. Only what was measured decides what is kept.

Deviations from Gulcehre et al. 2023 (ReST, 2308.08998):

1. A threshold is a share of the task's own reward, so that it means the same for every task.
2. Of one task and seed at most `keep` episodes are learnt from: else the easy instances would be most of the data.
3. Episodes of the last `memory` rounds count, not those of all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..agents.lora import trainable_parameters
from ..agents.records import Trajectory
from ..agents.rollout import EnvPool, RolloutTimes, run_episodes
from ..envs.registration import task_for
from ..envs.suites import Split, expand
from ..sandbox.errors import MilepostError
from .advantages import step_advantages
from .config import load_settings
from .curriculum import GroupSampler
from .grpo import iteration_metrics
from .metrics import MetricsWriter, task_label
from .offline_config import ReSTConfig
from .offline_episodes import is_whole
from .offline_run import OfflineResult, OfflineRun, batches, open_folder
from .preference_pairs import distinct
from .progress import TrainingProgress
from .recorded import read_trajectories
from .report import build_report
from .sft import likelihood_step
from .turns import Example, OfflineData, Tokens, Turns

_START = "start.pt"


def train(config: ReSTConfig, *, progress: TrainingProgress) -> OfflineResult:
    """Train as configured, resuming the run's folder if it holds a part of this very run.

    Raises:
        MilepostError: the model, the browser, a task or the run folder is not usable.
    """
    tasks = list(expand(config.tasks, bare=Split.TRAIN))
    folder = open_folder(config, may_change=("rounds",))
    with folder, MetricsWriter(folder, wandb=config.wandb) as metrics, EnvPool() as pool:
        fits = len(config.thresholds)
        progress.start(total_iterations=config.rounds * fits, time_budget_s=None)
        run = OfflineRun.begin(
            config, tasks, folder=folder, progress=progress, pool=pool, metrics=metrics, plays=True
        )  # fmt: skip
        sampler = GroupSampler(tasks, np.random.default_rng(config.seed), held_out_seeds=config.evaluation_seeds)
        generator = run.generator(2)
        if run.state is None:
            evaluate_s = run.evaluate(run.first_stage) if config.evaluate_before else 0.0
            run.example("early", "before training")
            torch.save([p.detach() for p in trainable_parameters(run.model)], folder.path / _START)
            metrics.log(0, {"time/evaluate_s": evaluate_s})
            run.checkpoint(0, 0, sampler=sampler.state(), generator=generator)
        else:
            sampler.restore(run.state.sampler)
            run.state.restore_generator(generator)
        learnt = 0
        while run.iteration < config.rounds * fits:
            began = time.monotonic()
            rounds, fit = divmod(run.iteration, fits)
            first = rounds * fits + 1  # the iteration that a round's episodes are filed under
            values: dict[str, float] = {}
            if fit == 0:
                values = grow(run, config, sampler, generator, first)
            episodes = [
                episode
                for r in range(max(0, rounds + 1 - config.memory), rounds + 1)
                for episode in read_trajectories(folder.trajectories_path(r * fits + 1))
            ]
            kept = select(episodes, threshold=config.thresholds[fit], keep=config.keep)
            asked = f"{config.thresholds[fit]:.0%}"
            progress.message(f"round {rounds + 1}: learning from {len(kept)} of {len(episodes)} episodes ({asked})")
            learnt += len(kept)
            updates, measured = improve(run, config, kept)
            values |= measured | {"train/kept": float(len(kept)), "train/threshold": config.thresholds[fit]}
            values["time/iteration_s"] = time.monotonic() - began
            iteration = run.iteration + 1
            metrics.log(iteration, values)
            done = 0 if run.state is None else run.state.updates
            run.checkpoint(iteration, done + updates, sampler=sampler.state(), generator=generator)
            progress.iteration(iteration, values)
        evaluate_s = run.evaluate("trained")
        metrics.log(run.iteration + 1, {"time/evaluate_s": evaluate_s})
        run.example("late", f"after {config.rounds} rounds")
        folder.mark("finished", wall_s=run.clock.elapsed_s())
        return run.result(examples=learnt, report=build_report(folder))


def grow(
    run: OfflineRun, config: ReSTConfig, sampler: GroupSampler, generator: torch.Generator, iteration: int
) -> dict[str, float]:
    """Play a round's groups with the policy as it is, write them down, and return what was measured."""
    run.progress.phase("sampling")
    times = RolloutTimes()
    specs = [spec for spec in sampler.draw(config.groups) for _ in range(config.group_size)]
    assert run.state is not None
    played = run_episodes(
        specs,
        run.policy(config.temperature, generator),
        pool=run.pool,
        concurrency=config.concurrency,
        policy_version=run.state.updates,
        times=times,
        on_episode=lambda done, _: run.progress.advance_within(done, len(specs)),
    )
    sampler.update(played)
    run.folder.write_trajectories(iteration, played, with_tokens=True)
    _, stats = step_advantages(played, credit="outcome")
    return iteration_metrics(played, stats, 0, {}, times)


def select(episodes: Sequence[Trajectory], *, threshold: float, keep: int) -> list[Trajectory]:
    """Return the distinct episodes that earned enough, of each task and seed at most `keep`.

    Args:
        episodes: recorded ones; what the machine broke or left unscored is not taken.
        threshold: least share of the most that the task can pay.
        keep: most of one task and seed, those that earned most first, then the shortest.
    """
    usable = [e for e in episodes if is_whole(e) and all(step.reward is not None for step in e.steps)]
    kept: list[Trajectory] = []
    for group in distinct(usable):
        most = task_for(group[0].task).instantiate(group[0].seed).max_reward
        enough = [e for e in group if most > 0 and e.total_reward >= threshold * most - 1e-9]
        kept += sorted(enough, key=lambda e: (-e.total_reward, len(e.steps)))[:keep]
    return kept


def improve(run: OfflineRun, config: ReSTConfig, kept: Sequence[Trajectory]) -> tuple[int, dict[str, float]]:
    """Fit the policy to the episodes and return the optimiser steps made, and the means of what was measured."""
    if not kept:
        return 0, {}
    run.progress.phase("update")
    turns, tokens = Turns(), Tokens(run.tokenizer)
    examples = [Example(task=e.task, chosen=tuple(map(turns.add, tokens.turns(e)))) for e in kept]
    learn = likelihood_step(run, OfflineData(turns=turns, examples=tuple(examples)))
    if config.improve_from == "start":
        restore_start(run)
    run.optimizer.state.clear()  # each fit is one of its own
    plan = batches(len(examples), config)
    began = time.monotonic()
    seen: list[dict[str, float]] = []
    for done, batch in enumerate(plan):
        seen.append(run.step(learn, batch, done / len(plan), done))
        run.progress.advance_within(done + 1, len(plan))
    run.optimizer.zero_grad(set_to_none=True)
    values = {name: sum(row[name] for row in seen) / len(seen) for name in seen[0]}
    return len(plan), values | {"time/update_s": time.monotonic() - began, "train/optimizer_steps": float(len(plan))}


def restore_start(run: OfflineRun) -> None:
    """Set the adapter back to where the run began."""
    saved: list[Any] = torch.load(run.folder.path / _START, weights_only=True)
    with torch.no_grad():
        for parameter, value in zip(trainable_parameters(run.model), saved, strict=True):
            parameter.copy_(value)


def main(argv: Sequence[str] | None = None) -> OfflineResult:
    """Run the script: a configuration file, then `key=value` overrides."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        raise SystemExit(0 if arguments else 2)
    config = load_settings(
        Path(arguments[0]), arguments[1:], ReSTConfig, kind="expert iteration", example="examples/offline/rest.yaml"
    )
    with TrainingProgress(f"expert iteration on {', '.join(task_label(t) for t in config.tasks)}") as progress:
        result = train(config, progress=progress)
    print(result.summary())
    return result


__all__ = ["grow", "improve", "main", "restore_start", "select", "train"]

if __name__ == "__main__":
    try:
        main()
    except MilepostError as problem:
        raise SystemExit(f"error: {problem}") from None
    except KeyboardInterrupt:
        raise SystemExit("interrupted: the same command resumes after the last fit") from None
