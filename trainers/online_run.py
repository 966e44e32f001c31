"""What the runs of all online trainers share: opening, warm start, evaluations, checkpoints, and the end.

A trainer's loop is its own (`grpo`, `ppo`) and calls, in this order:

    with open_run(config, progress=progress) as run:
        run.prepare()                       # evaluate, warm up, evaluate; or resume
        while run.goes_on():
            run.begin_iteration()
            ...                             # sample, credit, learn: see `group_sampling` and `learning_phase`
            run.end_iteration(sampled, stats, update)
        return run.close()

Where a launcher has started several processes, each goes through all of this, and what only one may do (evaluate, write
down, speak) is done by rank 0; see `ranks`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..agents.engines.base import Engine
from ..agents.engines.opening import open_engine
from ..agents.engines.vllm import VLLMOptions
from ..agents.loading import load_model
from ..agents.lora import add_lora, load_lora, trainable_parameters
from ..agents.policies import LanguageModelPolicy
from ..agents.precision import resolve_precision
from ..agents.rollout import EnvPool
from ..agents.settlement import Settler, tier_totals
from ..envs.suites import Split, expand
from ..rewards.router import Mode, Unscored
from .advantages import AdvantageStats
from .checkpoint import TrainingState, checkpoints, generator_state, load_optimizer, read_state, save_checkpoint
from .coefficients import Coefficients
from .curriculum import GroupSampler
from .group_sampling import Sampled
from .held_out import evaluate_stage, record_held_out
from .iteration_metrics import iteration_metrics
from .metrics import MetricsWriter, Stage, overall_success, read_evaluations
from .online_config import OnlineConfig
from .parity import gap_of_episodes
from .progress import TrainingProgress
from .ranks import Ranks, joined
from .reference import AveragedReference
from .report import ExampleLabel, build_report
from .reward_layers import build_settler
from .run_folder import RunFolder
from .schedule import TimeBudget, out_of_time
from .sft import Pair, collect_demonstrations, train_on_demonstrations
from .shared_folder import shared_folder
from .start import start_adapter
from .validation import Best, is_due, validate

MAY_CHANGE = ("iterations", "time_budget_s", "concurrency", "run", "wandb")
"""Settings in which a resumed run may differ from how it began."""
_DEMONSTRATIONS = "demonstrations.json"
_REFERENCE = "reference.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What a run ended with: held-out success by stage (absent stages were not evaluated), and where to look."""

    success: dict[Stage, float]
    iterations: int
    elapsed_s: float
    run: Path
    report: Path


@dataclass(slots=True)
class OnlineRun:
    """One run: its means, and where it stands.

    Attributes:
        config: what it was asked for.
        tasks: environment ids.
        folder, metrics, progress, pool, clock: where it lies, what it logs (None: another rank does), shows, plays in,
            and its time.
        model, tokenizer, engine, optimizer, dtype: the policy.
        sampler, generator, settler: where groups, random draws and rewards come from.
        saved: the checkpoint that it goes on from; None: it is new.
        coefficients: weights of the loss that adapt.
        reference: the averaged reference policy, if one was asked for.
        demonstrations: the warm start's actions, if `ptx_coef` needs them.
        parts: what a checkpoint holds besides, by name: each writes itself to the path that it is given.
        ranks: the processes that train together.
        iteration, updates, solved: finished iterations, optimiser steps, iterations in a row that were solved.
        best: the policy with the most held-out success while training; None: none was validated yet.
    """

    config: OnlineConfig
    tasks: list[str]
    folder: RunFolder
    metrics: MetricsWriter | None
    progress: TrainingProgress
    pool: EnvPool
    clock: TimeBudget
    model: Any
    tokenizer: Any
    engine: Engine
    optimizer: torch.optim.Optimizer
    dtype: torch.dtype
    sampler: GroupSampler
    generator: torch.Generator
    settler: Settler
    saved: Path | None
    coefficients: Coefficients
    reference: AveragedReference | None = None
    demonstrations: list[Pair] = field(default_factory=list)
    parts: dict[str, Callable[[Path], None]] = field(default_factory=dict)
    ranks: Ranks = field(default_factory=Ranks)
    iteration: int = 0
    updates: int = 0
    solved: int = 0
    best: Best | None = None
    _iteration_s: float = 0.0
    _validation_s: float = 0.0
    _started: float = 0.0

    @property
    def evaluation_settler(self) -> Settler:
        """The settler by which runs are compared: rules wherever they speak, whatever the policy learns from."""
        return replace(self.settler, mode=Mode.RULES, unscored=Unscored.MASK)

    @property
    def done(self) -> float:
        """How much of the run is behind the current iteration, 0 to 1, in iterations or time, whichever is further.

        Collective: the ranks' clocks differ, and rank 0's counts.
        """
        return self.ranks.agreed(max((self.iteration - 1) / self.config.iterations, self.clock.spent()))

    def policy(self, temperature: float, *, by_episode: bool = False) -> LanguageModelPolicy:
        """Return the policy that samples at this temperature (0 is greedy), each episode by itself if that is asked."""
        return LanguageModelPolicy(
            engine=self.engine,
            tokenizer=self.tokenizer,
            generator=self.generator,
            temperature=temperature,
            max_new_tokens=self.config.max_new_tokens,
            by_episode=by_episode,
        )

    def prepare(self) -> None:
        """Evaluate, warm up and evaluate again, as configured; or take up the checkpoint."""
        state = None if self.saved is None else read_state(self.saved)
        kept = -1 if state is None else state.iteration
        if self.metrics is not None:
            self.metrics.truncate_after(kept)
            self.folder.discard_trajectories_after(kept)
        self.ranks.wait()
        if state is None or self.saved is None:
            self._begin()
            return
        self.clock.before_s, self.clock.began_s, self.clock.closing_s = state.elapsed_s, state.began_s, state.closing_s
        load_optimizer(self.saved, self.optimizer)
        self.sampler.restore(state.sampler)
        state.restore_generator(self.generator)
        self.iteration, self.updates, self.solved = state.iteration, state.updates, state.solved
        self.best = None if state.best is None else Best(**state.best)
        self.coefficients = Coefficients.of(self.config).resumed(state)
        if self.config.ptx_coef > 0:
            known = self.folder.read_json(_DEMONSTRATIONS) or []
            self.demonstrations = [(tuple(prompt), tuple(response)) for prompt, response in known]
        self._average()
        if self.reference is not None:
            self.reference.load(self.saved / _REFERENCE)
        self.progress.message(f"resumed after iteration {self.iteration}, {self.clock.elapsed_s():.0f} s into the run")

    def _begin(self) -> None:
        config, clock = self.config, self.clock
        first: dict[str, float] = {}
        before: Stage = "untrained" if config.start is None else "warm_start"
        first["time/evaluate_s"] = evaluate_s = self.evaluate(before)
        example_s = self.example("early", "before training")
        first["time/warm_start_s"] = self.warm_start()
        if config.warm_start.demonstrations:
            evaluate_s = self.evaluate("warm_start")
            first["time/evaluate_s"] += evaluate_s
        clock.closing_s = example_s
        if config.evaluation_seeds:
            clock.closing_s += evaluate_s * config.seeds_of("trained") / config.seeds_of("untrained")
        first["time/evaluate_s"] += self._validate(first)
        if self.metrics is not None:
            self.metrics.log(0, first)
        clock.began_s = clock.elapsed_s()
        self._average()
        self.engine.forget()  # what the evaluation left there would round sums otherwise than a resumed run
        self._save(elapsed_s=clock.began_s)

    def _average(self) -> None:
        if self.config.reference_decay is not None:
            self.reference = AveragedReference(self.model, self.config.reference_decay)
            self.parts[_REFERENCE] = self.reference.save

    def goes_on(self) -> bool:
        """Tell whether there is another iteration: neither the last one, nor solved, nor out of time."""
        config = self.config
        ahead_s = self._iteration_s + (self._validation_s if is_due(config, self.iteration + 1) else 0.0)
        return self.ranks.agreed(
            self.iteration < config.iterations and self.solved < config.solved_for and self.clock.allows(ahead_s)
        )

    def begin_iteration(self) -> None:
        """Count an iteration and start its clock; a following reference takes in the policy as it is."""
        self.iteration += 1
        self._started = time.monotonic()
        if self.reference is not None:
            self.reference.follow()

    def end_iteration(self, sampled: Sampled, stats: AdvantageStats, update: dict[str, float]) -> None:
        """Log what an iteration measured, adapt coefficients, and write trajectories and a checkpoint."""
        config = self.config
        self.updates += int(update.get("optimizer_steps", 0.0))
        if "logprob_gap" not in update:  # nothing was learnt, so the policy is still the one that sampled
            update = update | gap_of_episodes(
                self.model,
                sampled.trajectories,
                temperature=config.temperature,
                max_pack_tokens=config.pack_tokens,
            )
        values = iteration_metrics(
            sampled.trajectories, stats, sampled.replaced, update, sampled.times, config.reward.mode
        )
        if config.reward.mode is not Mode.RULES:
            totals = {f"router/total/{layer}": total for layer, total in tier_totals(sampled.trajectories).items()}
            values |= sampled.settlement.metrics() | totals
        self.coefficients.adapt(config, update, values["train/entropy"])
        self.solved = self.solved + 1 if values["train/success"] >= config.solved_at else 0
        self.sampler.update(sampled.trajectories, sampled.dead)
        if self.metrics is None:
            return
        self.folder.write_trajectories(self.iteration, sampled.trajectories)
        self._iteration_s = time.monotonic() - self._started
        values |= {
            "time/iteration_s": self._iteration_s,
            "train/learning_rate": self.optimizer.param_groups[0]["lr"],
        }
        values |= self.coefficients.metrics(config)
        if validation_s := self._validate(values):
            values["time/evaluate_s"] = validation_s
        self.metrics.log(self.iteration, values)
        self._save(elapsed_s=self.clock.elapsed_s())
        self.progress.iteration(self.iteration, values)

    def _validate(self, values: dict[str, float]) -> float:
        """Validate the policy if it is time to, add what was measured to `values`; return the seconds it took."""
        if not is_due(self.config, self.iteration) or not self.ranks.main:
            return 0.0
        started = time.monotonic()
        values |= validate(self)
        self.engine.forget()  # see `_begin`
        self._validation_s = time.monotonic() - started
        return self._validation_s

    def _save(self, *, elapsed_s: float) -> None:
        if not self.ranks.main:
            return
        clock, weights = self.clock, self.coefficients
        state = TrainingState(
            iteration=self.iteration, updates=self.updates, elapsed_s=elapsed_s, began_s=clock.began_s,
            closing_s=clock.closing_s, entropy_coef=weights.entropy, kl_coef=weights.kl, penalty_coef=weights.penalty,
            solved=self.solved, sampler=self.sampler.state(), generator=generator_state(self.generator),
            best=None if self.best is None else asdict(self.best),
        )  # fmt: skip
        save_checkpoint(self.folder.checkpoints_dir, self.model, self.optimizer, state, parts=self.parts)
        self.folder.mark("running", wall_s=clock.elapsed_s())

    def close(self) -> TrainingResult:
        """Evaluate what was trained, write the report, and say how it went."""
        result = self.ranks.agreed(self._result() if self.ranks.main else None)
        assert result is not None
        return result

    def _result(self) -> TrainingResult:
        config, iteration = self.config, self.iteration
        if config.time_budget_s is not None and iteration < config.iterations and self.solved < config.solved_for:
            self.progress.message(out_of_time(config.time_budget_s, iteration))
        if iteration or not config.iterations:  # else nothing has changed since the evaluation before
            if (evaluate_s := self.evaluate("trained")) and self.metrics is not None:
                self.metrics.log(iteration + 1, {"time/evaluate_s": evaluate_s})
            self.example("late", f"after {iteration} iterations")
        self.folder.mark("finished", wall_s=self.clock.elapsed_s())
        report = build_report(self.folder)
        return TrainingResult(
            success={stage: overall_success(scores) for stage, scores in read_evaluations(self.folder).items()},
            iterations=iteration,
            elapsed_s=self.clock.elapsed_s(),
            run=self.folder.path,
            report=report,
        )

    def evaluate(self, stage: Stage) -> float:
        """Evaluate greedily on the held-out seeds and write the result down; return the seconds it took."""
        seeds = self.config.seeds_of(stage)
        if not seeds or not self.ranks.main:
            return 0.0
        settler, concurrency = self.evaluation_settler, self.config.concurrency
        return evaluate_stage(self, self.policy(0.0), stage, seeds=seeds, concurrency=concurrency, settler=settler)

    def example(self, label: ExampleLabel, when: str) -> float:
        """Record an example for the report; return the seconds it took."""
        return record_held_out(self, self.policy(0.0), label, when) if self.ranks.main else 0.0

    def warm_start(self) -> float:
        """Fit the adapter to a few oracle demonstrations; return the seconds it took."""
        settings = self.config.warm_start
        if not settings.demonstrations:
            return 0.0
        started = time.monotonic()
        self.progress.phase("warm start")
        specs = self.sampler.draw_evenly(settings.demonstrations)
        mine = collect_demonstrations(self.ranks.share(specs), self.tokenizer, pool=self.pool)
        parts = self.ranks.gathered(mine)
        demonstrations = [parts[i % len(parts)][i // len(parts)] for i in range(len(specs))]
        losses = train_on_demonstrations(
            self.model,
            demonstrations,
            settings,
            pack_tokens=self.config.pack_tokens,
            generator=self.generator,
            on_step=lambda done, total, _: self.progress.advance_within(done, total),
        )
        self.ranks.share_parameters(trainable_parameters(self.model))  # each rank has fitted its own
        self.engine.weights_changed()
        if self.config.ptx_coef > 0:
            self.demonstrations = [pair for steps in demonstrations for pair in steps]
            if self.ranks.main:
                self.folder.write_json(_DEMONSTRATIONS, self.demonstrations)
        self.progress.message(f"warm start on {len(specs)} demonstrations: loss {losses[0]:.2f} to {losses[-1]:.2f}")
        return time.monotonic() - started


@contextmanager
def open_run(config: OnlineConfig, *, progress: TrainingProgress) -> Iterator[OnlineRun]:
    """Open the run's folder, load the policy, and give what the loop needs; everything is closed afterwards.

    Raises:
        MilepostError: the model, the browser, a task or the run folder is not usable; says what to do.
    """
    tasks = list(expand(config.tasks, bare=Split.TRAIN))
    with (
        joined() as ranks,
        shared_folder(config, ranks, may_change=MAY_CHANGE) as folder,
        MetricsWriter(folder, wandb=config.wandb) if ranks.main else nullcontext() as metrics,
        EnvPool() as pool,
        ExitStack() as opened,
    ):
        progress.start(total_iterations=config.iterations, time_budget_s=config.time_budget_s)
        progress.phase("loading the model")
        dtype = resolve_precision(config.precision)
        base, tokenizer = load_model(config.model, dtype=dtype)
        progress.message(f"{config.model} in {str(dtype).removeprefix('torch.')}")
        found = checkpoints(folder.checkpoints_dir)
        saved = ranks.agreed(found[-1] if found else None)
        model = load_lora(base, saved / "adapter") if saved else _first_adapter(base, config)
        yield OnlineRun(
            config=config,
            tasks=tasks,
            folder=folder,
            metrics=metrics,
            progress=progress,
            pool=pool,
            clock=TimeBudget(limit_s=config.time_budget_s, before_s=folder.wall_s),
            model=model,
            tokenizer=tokenizer,
            engine=opened.enter_context(
                open_engine(config.engine, model, config.model, vllm=VLLMOptions(**config.vllm.model_dump()))
            ),
            optimizer=torch.optim.AdamW(
                list(trainable_parameters(model)), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0
            ),
            dtype=dtype,
            sampler=GroupSampler(
                tasks,
                np.random.default_rng(config.seed),
                held_out_seeds=config.held_out_seeds,
                curriculum=config.curriculum,
            ),
            generator=torch.Generator().manual_seed(config.seed),
            settler=build_settler(config.reward),
            saved=saved,
            coefficients=Coefficients.of(config),
            ranks=ranks,
        )


def _first_adapter(base: Any, config: OnlineConfig) -> Any:
    if config.start is not None:
        return load_lora(base, start_adapter(config.start, config.model))
    return add_lora(base, rank=config.lora.rank, alpha=config.lora.alpha, seed=config.seed)


__all__ = ["MAY_CHANGE", "OnlineRun", "TrainingResult", "open_run"]
