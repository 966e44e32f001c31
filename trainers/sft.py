"""Supervised learning from demonstrations: `python -m milepost.trainers.sft CONFIG.yaml [key=value ...]`.

Demonstrations are played by the tasks' own oracles in the real environment (what the policy would have been shown is
the prompt, what the oracle did the response), or taken from recorded runs' successful episodes. The loss is the mean
negative log-likelihood of the response tokens. `train_on_demonstrations` is also the optional warm start of other runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..agents.lora import trainable_parameters
from ..agents.policies import Decision, OraclePolicy, View
from ..agents.prompts import build_prompt_ids, render_observation
from ..agents.records import Trajectory
from ..agents.rollout import EnvPool, EpisodeSpec, run_episodes
from ..envs.suites import Split, expand
from ..sandbox.errors import MilepostError, RunError, TaskError
from .config import WarmStartConfig, load_settings
from .curriculum import GroupSampler
from .metrics import MetricsWriter, task_label
from .offline_config import SFTConfig
from .offline_episodes import is_of_training, read_episodes
from .offline_run import DATA, OfflineResult, OfflineRun, open_folder
from .offline_update import backward_weighted
from .policy_update import response_logprobs
from .preference_pairs import distinct
from .progress import TrainingProgress
from .report import build_report
from .schedule import scheduled
from .trie import make_packs
from .turns import Example, OfflineData, Tokens, Turns, load_data, save_data

Pair = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(slots=True)
class _TokenisedOracle:
    """The oracle, with the tokens a language model would have seen and said."""

    tokenizer: Any
    oracle: OraclePolicy

    def decide(self, views: Sequence[View]) -> list[Decision]:
        decisions = []
        for view, decision in zip(views, self.oracle.decide(views), strict=True):
            response = self.tokenizer(decision.action, add_special_tokens=False)["input_ids"]
            prompt_ids = build_prompt_ids(
                self.tokenizer, render_observation(view.observation), verbs=view.drawn.task.verbs
            )
            response_ids = (*map(int, response), int(self.tokenizer.eos_token_id))
            decisions.append(Decision(action=decision.action, prompt_ids=prompt_ids, response_ids=response_ids))
        return decisions


def collect_demonstrations(specs: Sequence[EpisodeSpec], tokenizer: Any, *, pool: EnvPool) -> list[list[Pair]]:
    """Play the oracle and return each demonstration as its (prompt_ids, response_ids) steps.

    Raises:
        TaskError: an oracle did not succeed, so its task is broken.
    """
    trajectories = run_episodes(specs, _TokenisedOracle(tokenizer, OraclePolicy()), pool=pool)
    for t in trajectories:
        if not t.success:
            raise TaskError(
                f"the oracle of {t.task} did not succeed with seed {t.seed} ({t.stop_reason}; its last actions: "
                f"{[s.action for s in t.steps][-3:]}; error: {t.steps[-1].error or 'none'}). "
                "Mend the task's oracle or its app."
            )
    return [[(s.prompt_ids, s.response_ids) for s in t.steps] for t in trajectories]


def train_on_demonstrations(
    model: Any,
    demonstrations: Sequence[Sequence[Pair]],
    config: WarmStartConfig,
    *,
    pack_tokens: int,
    generator: torch.Generator,
    on_step: Callable[[int, int, float], None] = lambda done, total, loss: None,
) -> list[float]:
    """Fit the model's adapter to demonstrations.

    Args:
        model: model with an adapter.
        demonstrations: steps of each demonstration.
        config: epochs, learning rate, batch.
        pack_tokens: most tokens in one packed forward pass.
        generator: shuffles the demonstrations.
        on_step: told (optimiser steps done, in all, loss).

    Returns:
        The mean loss of each optimiser step, nats per token. The learning rate rises over three steps and falls
        linearly to a fifth.
    """
    parameters = list(trainable_parameters(model))
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    per_epoch = -(-len(demonstrations) // config.batch_demonstrations)
    total = per_epoch * config.epochs
    losses: list[float] = []
    model.eval()
    for _ in range(config.epochs):
        order = torch.randperm(len(demonstrations), generator=generator).tolist()
        for start in range(0, len(order), config.batch_demonstrations):
            pairs = [pair for i in order[start : start + config.batch_demonstrations] for pair in demonstrations[i]]
            tokens = sum(len(response) for _, response in pairs)
            done = len(losses)
            for group in optimizer.param_groups:
                group["lr"] = scheduled(
                    config.learning_rate, step=done, warmup_steps=2, progress=done / total, decay_from=0.0,
                    final_fraction=0.2,
                )  # fmt: skip
            optimizer.zero_grad(set_to_none=True)
            loss_value = 0.0
            for pack in make_packs(pairs, max_tokens=pack_tokens):
                logprobs_R, _ = response_logprobs(model, pack)
                loss = -logprobs_R.sum() / tokens
                loss.backward()  # type: ignore[no-untyped-call]
                loss_value += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            losses.append(loss_value)
            on_step(len(losses), total, loss_value)
    return losses


def train(config: SFTConfig, *, progress: TrainingProgress) -> OfflineResult:
    """Train as configured, resuming the run's folder if it holds a part of this very run.

    Raises:
        MilepostError: the model, the browser, a task, the recorded episodes or the run folder are not usable.
    """
    tasks = list(expand(config.tasks, bare=Split.TRAIN))
    folder = open_folder(config)
    with folder, MetricsWriter(folder, wandb=config.wandb) as metrics, EnvPool() as pool:
        progress.start(total_iterations=0, time_budget_s=None)
        run = OfflineRun.begin(
            config, tasks, folder=folder, progress=progress, pool=pool, metrics=metrics,
            plays=bool(config.demonstrations),
        )  # fmt: skip
        if run.state is None:
            evaluate_s = run.evaluate(run.first_stage) if config.evaluate_before else 0.0
            run.example("early", "before training")
            data = demonstrations(config, run)
            save_data(folder.path / DATA, data)
            metrics.log(0, {"train/examples": float(len(data.examples)), "time/evaluate_s": evaluate_s})
            run.checkpoint(0, 0)
        else:
            data = load_data(folder.path / DATA)
        updates = run.fit(len(data.examples), likelihood_step(run, data))
        evaluate_s = run.evaluate("trained")
        metrics.log(run.iteration + 1, {"time/evaluate_s": evaluate_s})
        run.example("late", f"after {updates} updates")
        folder.mark("finished", wall_s=run.clock.elapsed_s())
        return run.result(examples=len(data.examples), report=build_report(folder))


def demonstrations(config: SFTConfig, run: OfflineRun) -> OfflineData:
    """Play the oracles and read the recorded successes.

    Raises:
        RunError: there is nothing to learn from.
    """
    turns, tokens = Turns(), Tokens(run.tokenizer)
    examples: list[Example] = []
    if config.demonstrations:
        run.progress.phase("playing oracles")
        sampler = GroupSampler(
            run.tasks, np.random.default_rng(config.seed), held_out_seeds=config.evaluation_seeds
        )  # fmt: skip
        specs = sampler.draw_evenly(config.demonstrations)
        for spec, steps in zip(specs, collect_demonstrations(specs, run.tokenizer, pool=run.pool), strict=True):
            examples.append(Example(task=spec.task, chosen=tuple(turns.add(turn) for turn in steps)))
    if config.episodes:
        run.progress.phase("reading episodes")
        read = read_episodes(config.episodes, model=config.model, tasks=run.tasks)
        kept = successes([e for e in read if is_of_training(e, config.evaluation_seeds)], most=config.most)
        for episode in kept:
            examples.append(Example(task=episode.task, chosen=tuple(map(turns.add, tokens.turns(episode)))))
    if not examples:
        raise RunError(
            f"no demonstration: the runs in `episodes` hold no successful episode of {', '.join(run.tasks)} outside "
            "the held-out instances. Give other runs, or set demonstrations above 0."
        )
    run.progress.message(f"{len(examples)} demonstrations with {len(turns)} distinct steps")
    return OfflineData(turns=turns, examples=tuple(examples))


def successes(episodes: Sequence[Trajectory], *, most: int) -> list[Trajectory]:
    """Return the distinct successful episodes, of each task and seed at most so many, the shortest first."""
    kept: list[Trajectory] = []
    for group in distinct(episodes):
        good = [episode for episode in group if episode.success and not episode.unjudged]
        kept += sorted(good, key=lambda episode: len(episode.steps))[:most]
    return kept


def likelihood_step(run: OfflineRun, data: OfflineData) -> Callable[[Sequence[int]], dict[str, float]]:
    """Return what adds the gradient of a batch's mean negative log-likelihood of a token, see `OfflineRun.fit`."""

    def learn(chosen: Sequence[int]) -> dict[str, float]:
        of_batch = [turn for i in chosen for turn in data.examples[i].chosen]
        indices = list(dict.fromkeys(of_batch))
        tokens = data.turns.tokens(of_batch)
        weights_T = torch.tensor([-of_batch.count(turn) / tokens for turn in indices])
        turns = [data.turns[i] for i in indices]
        loss, computed = backward_weighted(run.model, turns, weights_T, pack_tokens=run.config.pack_tokens)
        return {"train/loss": loss, "train/trie_tokens": float(computed)}

    return learn


def main(argv: Sequence[str] | None = None) -> OfflineResult:
    """Run the script: a configuration file, then `key=value` overrides."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        raise SystemExit(0 if arguments else 2)
    config = load_settings(
        Path(arguments[0]), arguments[1:], SFTConfig, kind="SFT", example="examples/offline/sft.yaml"
    )  # fmt: skip
    with TrainingProgress(f"SFT on {', '.join(task_label(t) for t in config.tasks)}") as progress:
        result = train(config, progress=progress)
    print(result.summary())
    return result


__all__ = ["Pair", "collect_demonstrations", "likelihood_step", "main", "successes", "train", "train_on_demonstrations"]

if __name__ == "__main__":
    try:
        main()
    except MilepostError as problem:
        raise SystemExit(f"error: {problem}") from None
    except KeyboardInterrupt:
        raise SystemExit("interrupted: the same command resumes after the last checkpoint") from None
