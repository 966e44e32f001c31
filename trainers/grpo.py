"""GRPO on real pages: `python -m milepost.trainers.grpo CONFIG.yaml [key=value ...]`.

The loop, top to bottom: evaluate the untrained model, warm it up on a few oracle demonstrations, then per iteration
sample groups of episodes, credit each step, replace the groups that teach nothing, update, checkpoint; evaluate again
and write the report. The mathematics are in `advantages`, `objectives` and `policy_update`.

Deviations from Shao et al. 2024 (GRPO):

1. Credit is per step, not per episode: by default the return-to-go against siblings that stood at the same milestones.
2. Clip-higher and token-level normalisation (Yu et al. 2025); dead groups are left out of the loss.
3. Old log-probabilities are those of the sampler, stored with each token, not recomputed.
4. Negative advantages are multiplied by `negative_scale`, by default 0.5: at full weight a 135 M model lost action
   verbs, in one run that had another learning rate too (docs/decisions.md). 1 is the plain objective.
5. An iteration's remaining minibatches are left once the policy is `target_kl` away from the sampler.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..agents.engines.hf import HFEngine
from ..agents.evaluate import HELD_OUT_SEED, EvaluationResult, evaluate_policy
from ..agents.loading import load_model
from ..agents.lora import add_lora, load_lora, trainable_parameters
from ..agents.policies import LanguageModelPolicy
from ..agents.precision import resolve_precision
from ..agents.records import Trajectory
from ..agents.rollout import EnvPool, EpisodeSpec, RolloutTimes, run_episodes
from ..agents.settlement import SettlementStats, Settler, tier_totals
from ..agents.task_scores import as_percent
from ..envs.registration import task_for
from ..envs.suites import Split, expand
from ..rewards.router import Mode, Unscored
from ..sandbox.errors import MilepostError
from .advantages import AdvantageStats, step_advantages
from .checkpoint import TrainingState, checkpoints, generator_state, load_optimizer, read_state, save_checkpoint
from .config import GRPOConfig, load_config
from .curriculum import GroupSampler
from .examples import record_example
from .metrics import MetricsWriter, Stage, TaskEvaluation, read_evaluations, task_label, write_evaluation
from .objectives import Objective
from .policy_update import TokenSample, UpdateConfig, update_policy
from .progress import TrainingProgress
from .replacement import GroupReplacer
from .report import build_report
from .reward_layers import build_settler
from .run_folder import RunFolder
from .schedule import TimeBudget, scheduled
from .sft import collect_demonstrations, train_on_demonstrations

FINAL_LEARNING_RATE = 0.1  # of the highest
MAY_CHANGE = ("iterations", "time_budget_s", "concurrency", "run")
"""Settings in which a resumed run may differ from how it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What a run ended with: held-out success by stage (absent stages were not evaluated), and where to look."""

    success: dict[Stage, float]
    iterations: int
    elapsed_s: float
    run: Path
    report: Path


def train(config: GRPOConfig, *, progress: TrainingProgress) -> TrainingResult:
    """Run GRPO as configured, resuming the run's folder if it holds a part of this very run.

    Raises:
        MilepostError: the model, the browser, a task or the run folder is not usable; says what to do.
    """
    tasks = list(expand(config.tasks, bare=Split.TRAIN))
    folder = RunFolder.create(config.run, config.to_plain(), config.seed, may_change=MAY_CHANGE)
    with folder, MetricsWriter(folder) as metrics, EnvPool() as pool:
        progress.start(total_iterations=config.iterations, time_budget_s=config.time_budget_s)
        progress.phase("loading the model")
        dtype = resolve_precision(config.precision)
        base, tokenizer = load_model(config.model, dtype=dtype)
        progress.message(f"{config.model} in {str(dtype).removeprefix('torch.')}")
        saved = checkpoints(folder.checkpoints_dir)
        state = read_state(saved[-1]) if saved else None
        model = load_lora(base, saved[-1] / "adapter") if saved else _fresh_adapter(base, config)
        optimizer = torch.optim.AdamW(
            list(trainable_parameters(model)), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0
        )
        sampler = GroupSampler(tasks, np.random.default_rng(config.seed), held_out_seeds=config.evaluation_seeds)
        generator = torch.Generator().manual_seed(config.seed)
        clock = TimeBudget(limit_s=config.time_budget_s, before_s=folder.wall_s)
        if state is not None:
            clock.before_s, clock.began_s, clock.closing_s = state.elapsed_s, state.began_s, state.closing_s
        engine = HFEngine(model)
        settler = build_settler(config.reward)
        run = _Run(config, tasks, folder, progress, pool, clock, engine, tokenizer, generator, settler)
        metrics.truncate_after(-1 if state is None else state.iteration)
        folder.discard_trajectories_after(-1 if state is None else state.iteration)

        if state is None:
            first: dict[str, float] = {}
            first["time/evaluate_s"] = evaluate_s = run.evaluate("untrained")
            example_s = run.example("early", "before training")
            first["time/warm_start_s"] = run.warm_start(model, sampler)
            if config.warm_start.demonstrations:
                evaluate_s = run.evaluate("warm_start")
                first["time/evaluate_s"] += evaluate_s
            clock.closing_s = example_s
            if config.evaluation_seeds:
                clock.closing_s += evaluate_s * config.seeds_of("trained") / config.seeds_of("untrained")
            metrics.log(0, first)
            clock.began_s = clock.elapsed_s()
            state = TrainingState(
                iteration=0, updates=0, elapsed_s=clock.began_s, began_s=clock.began_s, closing_s=clock.closing_s,
                entropy_coef=config.entropy_coef, solved=0, sampler=sampler.state(),
                generator=generator_state(generator),
            )  # fmt: skip
            save_checkpoint(folder.checkpoints_dir, model, optimizer, state)
            folder.mark("running", wall_s=clock.elapsed_s())
        else:
            load_optimizer(saved[-1], optimizer)
            sampler.restore(state.sampler)
            state.restore_generator(generator)
            progress.message(f"resumed after iteration {state.iteration}, {clock.elapsed_s():.0f} s into the run")

        iteration, updates, entropy_coef, solved = state.iteration, state.updates, state.entropy_coef, state.solved
        iteration_s = 0.0
        while iteration < config.iterations and solved < config.solved_for and clock.allows(iteration_s):
            iteration += 1
            started = time.monotonic()
            trajectories, replaced, times, settlement = run.sample_groups(sampler, iteration, updates)
            advantages, stats = step_advantages(trajectories, credit=config.advantage, gamma=config.gamma)
            batch = to_token_samples(trajectories, advantages, negative_scale=config.negative_scale)
            update: dict[str, float] = {}
            if batch:
                progress.phase("update")
                done = max((iteration - 1) / config.iterations, clock.spent())
                update = update_policy(
                    model, optimizer, batch, _update_config(config, entropy_coef), generator=generator,
                    learning_rate=partial(_learning_rate, config, updates, done),
                )  # fmt: skip
                updates += int(update["optimizer_steps"])
                engine.weights_changed()
            values = iteration_metrics(trajectories, stats, replaced, update, times, config.reward.mode)
            if config.reward.mode is not Mode.RULES:
                values |= settlement.metrics() | _said_in_all(trajectories)
            if config.entropy_target is not None:
                entropy_coef = adapt_entropy_coef(entropy_coef, values["train/entropy"], config.entropy_target)
            solved = solved + 1 if values["train/success"] >= config.solved_at else 0
            sampler.update(trajectories)
            folder.write_trajectories(iteration, trajectories)
            iteration_s = time.monotonic() - started
            values |= {"time/iteration_s": iteration_s, "train/learning_rate": optimizer.param_groups[0]["lr"]}
            values["train/entropy_coef"] = entropy_coef
            metrics.log(iteration, values)
            state = TrainingState(
                iteration=iteration, updates=updates, elapsed_s=clock.elapsed_s(), began_s=clock.began_s,
                closing_s=clock.closing_s, entropy_coef=entropy_coef, solved=solved, sampler=sampler.state(),
                generator=generator_state(generator),
            )  # fmt: skip
            save_checkpoint(folder.checkpoints_dir, model, optimizer, state)
            folder.mark("running", wall_s=clock.elapsed_s())
            progress.iteration(iteration, values)

        if config.time_budget_s is not None and iteration < config.iterations and solved < config.solved_for:
            progress.message(_out_of_time(config.time_budget_s, iteration))
        if iteration or not config.iterations:  # else nothing has changed since the evaluation before
            if evaluate_s := run.evaluate("trained"):
                metrics.log(iteration + 1, {"time/evaluate_s": evaluate_s})
            run.example("late", f"after {iteration} iterations")
        folder.mark("finished", wall_s=clock.elapsed_s())
        report = build_report(folder)
        return TrainingResult(
            success={stage: _overall(scores) for stage, scores in read_evaluations(folder).items()},
            iterations=iteration,
            elapsed_s=clock.elapsed_s(),
            run=folder.path,
            report=report,
        )


@dataclass(slots=True)
class _Run:
    """What the phases of one run share."""

    config: GRPOConfig
    tasks: list[str]
    folder: RunFolder
    progress: TrainingProgress
    pool: EnvPool
    clock: TimeBudget
    engine: HFEngine
    tokenizer: Any
    generator: torch.Generator
    settler: Settler

    @property
    def evaluation_settler(self) -> Settler:
        """The settler by which runs are compared: rules wherever they speak, whatever the policy learns from."""
        return replace(self.settler, mode=Mode.RULES, unscored=Unscored.MASK)

    def policy(self, temperature: float) -> LanguageModelPolicy:
        return LanguageModelPolicy(
            engine=self.engine,
            tokenizer=self.tokenizer,
            generator=self.generator,
            temperature=temperature,
            max_new_tokens=self.config.max_new_tokens,
        )

    def evaluate(self, stage: Stage) -> float:
        """Evaluate greedily on the held-out seeds and write the result down; return the seconds it took."""
        seeds = self.config.seeds_of(stage)
        if not seeds:
            return 0.0
        started = time.monotonic()
        self.progress.phase(f"evaluating ({stage.replace('_', ' ')})")
        total = seeds * len(self.tasks)
        result = evaluate_policy(
            self.tasks,
            self.policy(0.0),
            name=stage,
            seeds=seeds,
            pool=self.pool,
            concurrency=self.config.concurrency,
            settler=self.evaluation_settler,
            on_episode=lambda done, _: self.progress.advance_within(done, total),
        )
        write_evaluation(self.folder, stage, _by_label(result))
        evaluate_s = time.monotonic() - started
        rates = ", ".join(f"{task_label(t)} {as_percent(s.success_rate)}" for t, s in result.tasks.items())
        total_rate = as_percent(result.success_rate, digits=1)
        self.progress.message(f"held-out success, {stage.replace('_', ' ')}: {total_rate} ({rates})")
        return evaluate_s

    def example(self, label: Any, when: str) -> float:
        """Record the report's example, the first held-out seed of the first task; return the seconds it took."""
        started = time.monotonic()
        spec = EpisodeSpec(task=self.tasks[0], seed=HELD_OUT_SEED)
        record_example(self.folder, label, spec, self.policy(0.0), when=when)
        return time.monotonic() - started

    def warm_start(self, model: Any, sampler: GroupSampler) -> float:
        """Fit the adapter to a few oracle demonstrations; return the seconds it took."""
        settings = self.config.warm_start
        if not settings.demonstrations:
            return 0.0
        started = time.monotonic()
        self.progress.phase("warm start")
        specs = sampler.draw_evenly(settings.demonstrations)
        demonstrations = collect_demonstrations(specs, self.tokenizer, pool=self.pool)
        losses = train_on_demonstrations(
            model,
            demonstrations,
            settings,
            pack_tokens=self.config.pack_tokens,
            generator=self.generator,
            on_step=lambda done, total, _: self.progress.advance_within(done, total),
        )
        self.engine.weights_changed()
        self.progress.message(f"warm start on {len(specs)} demonstrations: loss {losses[0]:.2f} to {losses[-1]:.2f}")
        return time.monotonic() - started

    def sample_groups(
        self, sampler: GroupSampler, iteration: int, policy_version: int
    ) -> tuple[list[Trajectory], int, RolloutTimes, SettlementStats]:
        """Sample an iteration's groups, settle their rewards, and replace dead groups.

        Returns:
            Episodes, groups replaced, times, and how the reward's layers were used.
        """
        config, times, settlement = self.config, RolloutTimes(), SettlementStats()
        self.progress.phase("sampling")
        self.pool.ledger_dir = self.folder.ledger_dir(iteration)

        def play(groups: Sequence[EpisodeSpec], replacer: GroupReplacer | None = None) -> list[Trajectory]:
            specs = [spec for spec in groups for _ in range(config.group_size)]
            played = run_episodes(
                specs,
                self.policy(config.temperature),
                pool=self.pool,
                concurrency=config.concurrency,
                policy_version=policy_version,
                times=times,
                on_episode=lambda done, _: self.progress.advance_within(done, max(done, len(specs))),
                refill=replacer,
            )
            settled, stats = self.settler.settle(played)
            settlement.add(stats)
            return settled

        def dead_groups(trajectories: Sequence[Trajectory]) -> tuple[tuple[str, int], ...]:
            return step_advantages(trajectories, credit=config.advantage, gamma=config.gamma)[1].dead

        def draw() -> EpisodeSpec | None:
            return sampler.draw(1)[0] if min(sampler.success.values()) < config.solved_at else None

        replacer = GroupReplacer(
            config.groups,
            size=config.group_size,
            most=config.max_replacements,
            is_dead=lambda group: bool(dead_groups(group)),
            draw=draw,
        )
        if self.settler.changes_rewards(self.tasks):  # only then it shows which groups are dead
            trajectories = play(sampler.draw(config.groups))
            dead = dead_groups(trajectories)[: config.max_replacements]
            fresh = [spec for _ in dead if (spec := draw()) is not None]
            replacer.dead += dead[: len(fresh)]
            trajectories = replacer.without_dead(trajectories) + (play(fresh) if fresh else [])
        else:
            trajectories = replacer.without_dead(play(sampler.draw(config.groups), replacer))
        self.pool.ledger_dir = None
        return trajectories, len(replacer.dead), times, settlement


def to_token_samples(
    trajectories: Sequence[Trajectory],
    advantages: Sequence[Sequence[float | None]],
    *,
    negative_scale: float = 1.0,
) -> list[TokenSample]:
    """Return the steps that have something to teach: masked ones and those without advantage are left out.

    Args:
        trajectories: the episodes.
        advantages: of each step of each episode; None is masked.
        negative_scale: negative advantages are multiplied by this.
    """
    return [
        TokenSample(
            prompt_ids=step.prompt_ids,
            response_ids=step.response_ids,
            behaviour_logprobs=step.behaviour_logprobs,
            advantage=advantage * (negative_scale if advantage < 0 else 1.0),
        )
        for trajectory, row in zip(trajectories, advantages, strict=True)
        for step, advantage in zip(trajectory.steps, row, strict=True)
        if advantage
    ]


def adapt_entropy_coef(coef: float, entropy: float, target: float, *, rate: float = 0.5, most: float = 0.05) -> float:
    """Return the next entropy weight: it grows while the policy's entropy is below the target and shrinks above it.

    Args:
        coef: current weight.
        entropy: mean token entropy just seen, nats.
        target: wanted, nats.
        rate: how much of the relative gap one iteration makes up, times `most`.
        most: upper bound of the weight.
    """
    gap = (target - entropy) / max(target, 1e-6)
    return min(most, max(0.0, coef + rate * most * gap))


def iteration_metrics(
    trajectories: Sequence[Trajectory],
    stats: AdvantageStats,
    replaced: int,
    update: dict[str, float],
    times: RolloutTimes,
    mode: Mode = Mode.RULES,
) -> dict[str, float]:
    """Return an iteration's measurements by the names of `metrics`.

    Success, milestones and the share of the reward are the rules' in every mode: what a policy is for, beside what it
    learns from.
    """
    scored = [t for t in trajectories if t.failure is None]
    values = {
        "train/episodes": float(len(trajectories)),
        "train/steps": float(times.steps),
        "train/failed_episodes": float(len(trajectories) - len(scored)),
        "train/groups": float(stats.groups),
        "train/dead_groups": float(stats.dead_groups),
        "train/replaced_groups": float(replaced),
        "train/backed_off": stats.backed_off,
        "train/samples": update.get("samples", 0.0),
        "train/optimizer_steps": update.get("optimizer_steps", 0.0),
        "train/trie_tokens": update.get("trie_tokens", 0.0),
        "train/plain_tokens": update.get("plain_tokens", 0.0),
        "time/sampling_s": times.sampling_s,
        "time/browser_s": times.browser_s,
        "time/update_s": update.get("update_s", 0.0),
    }
    renamed = {
        "loss": "train/loss", "grad_norm": "train/grad_norm", "clip_fraction": "train/clip_fraction",
        "kl_reference": "train/kl", "mismatch": "train/sampler_mismatch", "approx_kl": "train/approx_kl",
    }  # fmt: skip
    values |= {name: update[key] for key, name in renamed.items() if key in update}
    entropies = [s.entropy for t in trajectories for s in t.steps if s.entropy is not None]
    values["train/entropy"] = sum(entropies) / max(len(entropies), 1)
    fractions: dict[str, list[float]] = {}
    for t in scored:
        instance = task_for(t.task).instantiate(t.seed)
        label = task_label(t.task)
        earned = t.rule_reward if mode in (Mode.MODEL, Mode.JUDGE, Mode.BLEND) else t.total_reward
        fractions.setdefault(label, []).append(earned / instance.max_reward)
    for label, shares in fractions.items():
        mine = [t for t in scored if task_label(t.task) == label]
        values[f"train/success/{label}"] = sum(t.success for t in mine) / len(mine)
        values[f"train/reward_fraction/{label}"] = sum(shares) / len(shares)
        for i, milestone in enumerate(task_for(mine[0].task).instantiate(mine[0].seed).milestones):
            reached = sum(bool(t.steps) and t.steps[-1].milestones_after >> i & 1 for t in mine)
            values[f"milestone/{label}/{milestone.id}"] = reached / len(mine)
    values["train/success"] = sum(t.success for t in scored) / max(len(scored), 1)
    values["train/reward_fraction"] = sum(sum(x) for x in fractions.values()) / max(len(scored), 1)
    return values


def _said_in_all(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    return {f"router/total/{layer}": total for layer, total in tier_totals(trajectories).items()}


def _fresh_adapter(base: Any, config: GRPOConfig) -> Any:
    return add_lora(base, rank=config.lora.rank, alpha=config.lora.alpha, seed=config.seed)


def _learning_rate(config: GRPOConfig, updates: int, progress: float, steps: int) -> float:
    return scheduled(
        config.learning_rate, step=updates + steps, warmup_steps=config.warmup_updates, progress=progress,
        decay_from=config.decay_from, final_fraction=FINAL_LEARNING_RATE,
    )  # fmt: skip


def _update_config(config: GRPOConfig, entropy_coef: float) -> UpdateConfig:
    return UpdateConfig(
        objective=Objective(
            eps_low=config.clip_low, eps_high=config.clip_high, kl_coef=config.kl_coef, entropy_coef=entropy_coef
        ),
        minibatches=config.minibatches,
        max_grad_norm=config.max_grad_norm,
        temperature=config.temperature,
        max_pack_tokens=config.pack_tokens,
        target_kl=config.target_kl,
        kl_fraction=config.kl_fraction,
    )


def _out_of_time(time_budget_s: float, iteration: int) -> str:
    """Say that the time is used up, and how to go on."""
    if not iteration:
        return (
            f"time_budget_s={time_budget_s:g} is used up before the first iteration: this machine is slow for it. The "
            f"same command with a larger one goes on from here, for example time_budget_s={4 * time_budget_s:g}"
        )
    return (
        f"time_budget_s={time_budget_s:g} is used up after {iteration} iterations; the same command with a larger one "
        f"goes on from here, for example time_budget_s={2 * time_budget_s:g}"
    )


def _by_label(result: EvaluationResult) -> dict[str, TaskEvaluation]:
    return {
        task_label(task): TaskEvaluation(
            episodes=s.decided,
            successes=s.successes,
            mean_reward_fraction=s.mean_reward_fraction,
            mean_steps=s.mean_steps,
            milestones=s.milestones,
        )
        for task, s in result.tasks.items()
    }


def _overall(scores: dict[str, TaskEvaluation]) -> float:
    return sum(s.successes for s in scores.values()) / max(sum(s.episodes for s in scores.values()), 1)


def main(argv: Sequence[str] | None = None) -> TrainingResult:
    """Run the script: a configuration file, then `key=value` overrides."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        raise SystemExit(0 if arguments else 2)
    config = load_config(Path(arguments[0]), arguments[1:])
    labels = ", ".join(task_label(t) for t in config.tasks)
    with TrainingProgress(f"GRPO on {labels}") as progress:
        result = train(config, progress=progress)
    names: dict[Stage, str] = {"untrained": "untrained", "warm_start": "after warm start", "trained": "after GRPO"}
    shown = "  ".join(f"{names[stage]} {rate:.1%}" for stage, rate in result.success.items())
    print(f"held-out success: {shown or 'not evaluated'}   {result.iterations} iterations in {result.elapsed_s:.0f} s")
    print(f"report: {result.report}")
    return result


if __name__ == "__main__":
    try:
        main()
    except MilepostError as problem:
        raise SystemExit(f"error: {problem}") from None
    except KeyboardInterrupt:
        raise SystemExit("interrupted: the same command resumes after the last finished iteration") from None
