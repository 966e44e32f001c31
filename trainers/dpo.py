"""Preference learning from recorded episodes: `python -m milepost.trainers.dpo CONFIG.yaml [key=value ...]`.

The loop, top to bottom: make pairs of recorded episodes or of their steps, evaluate the policy where it starts, compute
once what it thinks of every response (that is the reference), then lower the chosen loss; evaluate again and write the
report. Nothing is played but the evaluations. The losses are in `preference_objectives`.

Left out, and why:

1. There is no second model for the reference: it is the policy before the first update, whose log-probabilities are
   cached with the data.
2. KTO's mismatched responses are drawn once for all passes, since the reference's log-probabilities of them are cached.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ..agents.rollout import EnvPool
from ..envs.suites import Split, expand
from ..sandbox.errors import MilepostError
from .config import load_settings
from .metrics import MetricsWriter, task_label
from .offline_config import UNPAIRED, WITHOUT_REFERENCE, PreferenceTrainingConfig
from .offline_run import DATA, OfflineResult, OfflineRun, open_folder
from .offline_update import backward, turn_logprobs
from .preference_batch import batch_loss, batch_turns, sample_weights
from .preference_examples import collect_examples
from .preference_objectives import reference_point
from .progress import TrainingProgress
from .report import build_report
from .turns import OfflineData, Tokens, load_data, save_data


def train(config: PreferenceTrainingConfig, *, progress: TrainingProgress) -> OfflineResult:
    """Train as configured, resuming the run's folder if it holds a part of this very run.

    Raises:
        MilepostError: the model, the browser, a task, the recorded episodes or the run folder are not usable.
    """
    tasks = list(expand(config.tasks, bare=Split.TRAIN))
    folder = open_folder(config)
    with folder, MetricsWriter(folder, wandb=config.wandb) as metrics, EnvPool() as pool:
        progress.start(total_iterations=0, time_budget_s=None)
        run = OfflineRun.begin(config, tasks, folder=folder, progress=progress, pool=pool, metrics=metrics)
        if run.state is None:
            data = collect(config, run)
            evaluate_s = run.evaluate(run.first_stage) if config.evaluate_before else 0.0
            run.example("early", "before training")
            data = with_reference(config, data, run)
            save_data(folder.path / DATA, data)
            metrics.log(0, {"train/examples": float(len(data.examples)), "time/evaluate_s": evaluate_s})
            run.checkpoint(0, 0)
        else:
            data = load_data(folder.path / DATA)
        weights = sample_weights(config.loss, data.examples)

        def learn(chosen: Sequence[int]) -> dict[str, float]:
            batch = [data.examples[i] for i in chosen]
            indices, turns = batch_turns(data, batch)
            z0 = 0.0
            if config.loss.objective == "kto":
                others = [turn for example in batch for turn in example.mismatched]
                seen_T = turn_logprobs(run.model, [data.turns[i] for i in others], pack_tokens=config.pack_tokens)
                z0 = kto_reference_point(data, [e.mismatched for e in batch], seen_T.tolist())
            loss_of = batch_loss(config.loss, data, batch, indices, z0=z0, weights=weights)
            loss, values, tokens = backward(run.model, turns, loss_of, pack_tokens=config.pack_tokens)
            return values | {"train/loss": loss, "train/trie_tokens": float(tokens)}

        updates = run.fit(len(data.examples), learn)
        evaluate_s = run.evaluate("trained")
        metrics.log(run.iteration + 1, {"time/evaluate_s": evaluate_s})
        run.example("late", f"after {updates} updates")
        folder.mark("finished", wall_s=run.clock.elapsed_s())
        return run.result(examples=len(data.examples), report=build_report(folder))


def collect(config: PreferenceTrainingConfig, run: OfflineRun) -> OfflineData:
    """Make the examples and say what they are."""
    run.progress.phase("reading episodes")
    made = collect_examples(config, run.tasks, Tokens(run.tokenizer), generator=run.generator(1))
    of = "" if made.same_prompt is None else f", of which {made.same_prompt} answer one prompt"
    what = "examples" if config.loss.objective in UNPAIRED else "pairs"
    examples, turns = made.data.examples, made.data.turns
    kinds = f" ({sum(bool(e.chosen) for e in examples)} desirable)" if config.loss.objective in UNPAIRED else of
    run.progress.message(
        f"{len(examples)} {what}{kinds} with {len(turns)} distinct turns, from {made.episodes} episodes"
    )
    return made.data


def with_reference(config: PreferenceTrainingConfig, data: OfflineData, run: OfflineRun) -> OfflineData:
    """Add the log-probability of each turn that is used under the policy as it is now, if the loss asks for it."""
    if config.loss.objective in WITHOUT_REFERENCE:
        return data
    run.progress.phase("computing the reference")
    used = sorted({turn for e in data.examples for turn in (*e.chosen, *e.rejected, *e.mismatched)})
    reference_T = torch.zeros(len(data.turns))
    reference_T[used] = turn_logprobs(
        run.model, [data.turns[i] for i in used], pack_tokens=config.pack_tokens, on_pack=run.progress.advance_within
    )
    return replace(data, reference_T=tuple(reference_T.tolist()))


def kto_reference_point(data: OfflineData, sides: Sequence[Sequence[int]], policy: Sequence[float]) -> float:
    """Return z0 of a batch.

    Args:
        data: with the reference's log-probabilities.
        sides: each example's mismatched turns.
        policy: log-probabilities under the policy, of all of them in order.
    """
    values = iter(policy)
    policy_U = torch.tensor([sum(next(values) for _ in side) for side in sides])
    reference_U = torch.tensor([sum(data.reference_T[i] for i in side) for side in sides])
    return float(reference_point(policy_U, reference_U))


def main(argv: Sequence[str] | None = None) -> OfflineResult:
    """Run the script: a configuration file, then `key=value` overrides."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        raise SystemExit(0 if arguments else 2)
    config = load_settings(
        Path(arguments[0]),
        arguments[1:],
        PreferenceTrainingConfig,
        kind="preference training",
        example="examples/offline/dpo.yaml",
    )
    labels = ", ".join(task_label(t) for t in config.tasks)
    with TrainingProgress(f"{config.loss.objective} on {labels}") as progress:
        result = train(config, progress=progress)
    print(result.summary())
    return result


if __name__ == "__main__":
    try:
        main()
    except MilepostError as problem:
        raise SystemExit(f"error: {problem}") from None
    except KeyboardInterrupt:
        raise SystemExit("interrupted: the same command resumes after the last checkpoint") from None
