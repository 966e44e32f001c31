"""What the scripts of offline training share: the start, the held-out evaluation, and the loop over examples.

The order of examples depends on the seed and the pass alone, and a checkpoint holds adapter and optimiser: so a run
that was killed and resumed takes the same steps as one that was not, and ends with the same parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..agents.engines.hf import HFEngine
from ..agents.loading import load_model
from ..agents.lora import add_lora, load_lora, trainable_parameters
from ..agents.policies import LanguageModelPolicy
from ..agents.precision import resolve_precision
from ..agents.rollout import EnvPool
from ..sandbox.chromium import find_chromium
from .checkpoint import TrainingState, checkpoints, generator_state, load_optimizer, read_state, save_checkpoint
from .held_out import evaluate_stage, record_held_out
from .metrics import MetricsWriter, Stage, overall_success, read_evaluations
from .offline_config import OfflineConfig
from .progress import TrainingProgress
from .report import ExampleLabel
from .run_folder import RunFolder
from .schedule import TimeBudget, scheduled
from .start import start_adapter

DATA = "data.json"
"""Name of the file in a run's folder that holds what it learns from."""
MAY_CHANGE = ("run", "concurrency", "wandb")
"""Settings in which a resumed run may differ from how it began."""
_FINAL_LEARNING_RATE = 0.1  # of the highest


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineResult:
    """What a run ended with: held-out success by stage (absent stages were not evaluated), and where to look."""

    success: dict[Stage, float]
    examples: int
    updates: int
    elapsed_s: float
    run: Path
    report: Path

    def summary(self) -> str:
        """Return two lines for people."""
        names: dict[Stage, str] = {"untrained": "untrained", "warm_start": "at the start", "trained": "trained"}
        shown = "  ".join(f"{names[stage]} {rate:.1%}" for stage, rate in self.success.items())
        return (
            f"held-out success: {shown or 'not evaluated'}   {self.updates} updates on {self.examples} examples in "
            f"{self.elapsed_s:.0f} s\nreport: {self.report}"
        )


@dataclass(slots=True, kw_only=True)
class OfflineRun:
    """A run under way.

    Attributes:
        config: its settings.
        tasks: ids of its tasks.
        folder: where it is written.
        progress: what a person sees.
        pool: where environments come from.
        metrics: its log.
        model: the policy, with a trainable adapter.
        tokenizer: the policy's.
        optimizer: of the adapter.
        state: of the newest checkpoint; None before the first.
        clock: the run's wall time.
        engine: samples from the policy.
    """

    config: OfflineConfig
    tasks: list[str]
    folder: RunFolder
    progress: TrainingProgress
    pool: EnvPool
    metrics: MetricsWriter
    model: Any
    tokenizer: Any
    optimizer: torch.optim.Optimizer
    state: TrainingState | None
    clock: TimeBudget
    engine: HFEngine

    @classmethod
    def begin(
        cls,
        config: OfflineConfig,
        tasks: list[str],
        *,
        folder: RunFolder,
        progress: TrainingProgress,
        pool: EnvPool,
        metrics: MetricsWriter,
        plays: bool = False,
    ) -> OfflineRun:
        """Load the model where the run is: at its newest checkpoint, or at its start.

        Args:
            config: its settings.
            tasks: ids of its tasks.
            folder: where it is written.
            progress: what a person sees.
            pool: where environments come from.
            metrics: its log.
            plays: whether it plays episodes besides the evaluations.

        Raises:
            BrowserNotFoundError: episodes are to be played, and there is no Chromium.
            RunError: there is no checkpoint to start from, or it belongs to another model.
            EngineError: the model cannot be loaded.
        """
        if plays or config.evaluation_seeds:
            find_chromium()  # without one every episode would break down; better said at once
        progress.phase("loading the model")
        saved = checkpoints(folder.checkpoints_dir)
        state = read_state(saved[-1]) if saved else None
        start = None if saved or config.start is None else start_adapter(config.start, config.model)
        base, tokenizer = load_model(config.model, dtype=resolve_precision(config.precision))
        if saved:
            model = load_lora(base, saved[-1] / "adapter")
        elif start is not None:
            model = load_lora(base, start)
        else:
            model = add_lora(base, rank=config.lora.rank, alpha=config.lora.alpha, seed=config.seed)
        optimizer = torch.optim.AdamW(
            list(trainable_parameters(model)), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0
        )
        clock = TimeBudget(limit_s=None, before_s=folder.wall_s)
        metrics.truncate_after(-1 if state is None else state.iteration)
        folder.discard_trajectories_after(-1 if state is None else state.iteration)
        if saved and state is not None:
            load_optimizer(saved[-1], optimizer)
            clock.before_s = state.elapsed_s
            progress.message(f"resumed after {state.updates} updates, {clock.elapsed_s():.0f} s into the run")
        return cls(
            config=config, tasks=tasks, folder=folder, progress=progress, pool=pool, metrics=metrics,
            model=model.eval(), tokenizer=tokenizer, optimizer=optimizer, state=state, clock=clock,
            engine=HFEngine(model),
        )  # fmt: skip

    @property
    def first_stage(self) -> Stage:
        """What the policy is called before it has learnt anything here."""
        return "untrained" if self.config.start is None else "warm_start"

    def generator(self, stream: int) -> torch.Generator:
        """Return a generator that depends on the run's seed and this number only."""
        seed = np.random.SeedSequence([self.config.seed, stream]).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(seed >> np.uint64(1)))

    def policy(self, temperature: float = 0.0, generator: torch.Generator | None = None) -> LanguageModelPolicy:
        """Return the policy as it is now."""
        self.engine.weights_changed()
        return LanguageModelPolicy(
            engine=self.engine,
            tokenizer=self.tokenizer,
            generator=self.generator(0) if generator is None else generator,
            temperature=temperature,
            max_new_tokens=self.config.max_new_tokens,
        )

    def evaluate(self, stage: Stage) -> float:
        """Evaluate greedily on the held-out seeds and write the result down; return the seconds it took."""
        seeds = self.config.evaluation_seeds
        if not seeds:
            return 0.0
        return evaluate_stage(self, self.policy(), stage, seeds=seeds, concurrency=self.config.concurrency)

    def example(self, label: ExampleLabel, when: str) -> None:
        """Record an example for the report, unless nothing is evaluated."""
        if self.config.evaluation_seeds:
            record_held_out(self, self.policy(), label, when)

    def checkpoint(
        self,
        iteration: int,
        updates: int,
        *,
        sampler: dict[str, Any] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Save where the run is, with the states of what draws episodes if it plays any."""
        self.state = TrainingState(
            iteration=iteration, updates=updates, elapsed_s=self.clock.elapsed_s(), began_s=0.0, closing_s=0.0,
            entropy_coef=0.0, solved=0, sampler=sampler or {},
            generator=generator_state(self.generator(0) if generator is None else generator),
        )  # fmt: skip
        save_checkpoint(self.folder.checkpoints_dir, self.model, self.optimizer, self.state)
        self.folder.mark("running", wall_s=self.clock.elapsed_s())

    def step(
        self, learn: Callable[[Sequence[int]], dict[str, float]], batch: Sequence[int], at: float, done: int
    ) -> dict[str, float]:
        """Take one optimiser step and return what was measured.

        Args:
            learn: see `fit`.
            batch: the examples' indices.
            at: how much of the learning-rate schedule is done, 0 to 1.
            done: optimiser steps before this one in that schedule.
        """
        config = self.config
        learning_rate = scheduled(
            config.learning_rate, step=done, warmup_steps=config.warmup_updates, progress=at, decay_from=0.0,
            final_fraction=_FINAL_LEARNING_RATE,
        )  # fmt: skip
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        values = learn(batch)
        norm = torch.nn.utils.clip_grad_norm_(list(trainable_parameters(self.model)), config.max_grad_norm)
        self.optimizer.step()
        return values | {"train/grad_norm": float(norm), "train/learning_rate": learning_rate}

    def fit(self, count: int, learn: Callable[[Sequence[int]], dict[str, float]]) -> int:
        """Take the optimiser steps that are left, from the newest checkpoint on.

        Args:
            count: number of examples.
            learn: adds the gradient of a batch's loss, given the examples' indices; returns what it measured.

        Returns:
            Optimiser steps in all.
        """
        assert self.state is not None
        config, plan = self.config, batches(count, self.config)
        iteration, updates = self.state.iteration, self.state.updates
        self.progress.phase("update")
        seen: list[dict[str, float]] = []
        began_s = time.monotonic()
        while updates < len(plan):
            seen.append(self.step(learn, plan[updates], updates / len(plan), updates))
            updates += 1
            self.progress.advance_within(updates, len(plan))
            if updates % config.checkpoint_every == 0 or updates == len(plan):
                iteration += 1
                mean = _means(seen) | {"train/updates": float(updates), "time/update_s": time.monotonic() - began_s}
                mean["time/iteration_s"] = mean["time/update_s"]
                self.metrics.log(iteration, mean)
                self.checkpoint(iteration, updates)
                self.progress.message(_line(updates, len(plan), mean))
                seen, began_s = [], time.monotonic()
        self.optimizer.zero_grad(set_to_none=True)
        return updates

    @property
    def iteration(self) -> int:
        """Number of the newest checkpoint; 0 before the first."""
        return 0 if self.state is None else self.state.iteration

    def result(self, *, examples: int, report: Path) -> OfflineResult:
        """Return what the run has come to."""
        return OfflineResult(
            success={stage: overall_success(scores) for stage, scores in read_evaluations(self.folder).items()},
            examples=examples,
            updates=0 if self.state is None else self.state.updates,
            elapsed_s=self.clock.elapsed_s(),
            run=self.folder.path,
            report=report,
        )


def open_folder(config: OfflineConfig, *, may_change: Sequence[str] = ()) -> RunFolder:
    """Open the run's folder, new or as it was left.

    A run that was told what it lacks before its first checkpoint may be begun again with other settings.

    Args:
        config: the run.
        may_change: further settings in which a resumed run may differ.

    Raises:
        RunError: see `RunFolder.create`.
    """
    plain = config.to_plain()
    begun = bool(checkpoints(config.run / "checkpoints"))
    allowed = (*MAY_CHANGE, *may_change) if begun else tuple(plain)
    return RunFolder.create(config.run, plain, config.seed, may_change=allowed)


def batches(count: int, config: OfflineConfig) -> list[list[int]]:
    """Return the examples of every optimiser step of a run: each pass in an order of its own, drawn from the seed."""
    plan: list[list[int]] = []
    for epoch in range(config.epochs):
        order = np.random.default_rng([config.seed, epoch]).permutation(count).tolist()
        plan += [order[i : i + config.batch] for i in range(0, count, config.batch)]
    return plan[: config.max_updates]


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {n: sum(row[n] for row in rows if n in row) / sum(n in row for row in rows) for n in names}


def _line(updates: int, total: int, mean: dict[str, float]) -> str:
    shown = {"train/loss": "loss", "train/pairs_right": "pairs right", "train/reference_point": "z0"}
    parts = [f"{label} {mean[name]:.3f}" for name, label in shown.items() if name in mean]
    return f"update {updates}/{total}: {', '.join(parts)}"


__all__ = ["DATA", "MAY_CHANGE", "OfflineResult", "OfflineRun", "batches", "open_folder"]
