"""Training of R_phi, the learned reward model, on preferences over recorded episodes.

    milepost train rm examples/reward_model/config.yaml key=value

What the loop does: read the preferences and the episodes that they name; keep some (task, seed) groups, and whole tasks
if asked, from training; fit the heads to the untrained backbone, then adapter and heads together, by Bradley-Terry over
each ranking; measure accuracy on what was kept; fit the temperature and centre on demonstrations; write the result as a
new version. A version that goes on from an earlier one and orders the held-out pairs worse is put aside, with the
reason, and the earlier one stays in use.

Left out: there are no checkpoints. Training takes minutes, a version appears whole at the end or not at all, and a
killed training is started again.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..agents.engines.token_trie import build_trie
from ..agents.lora import save_lora
from ..agents.precision import resolve_precision
from ..agents.reward_model.learned import load_network, step_encoder
from ..agents.reward_model.network import RewardNetwork, add_adapter, load_backbone
from ..rewards.reward_model.text import TextBudgets
from ..rewards.reward_model.versions import (
    ADAPTER,
    HEADS,
    REFUSED,
    Manifest,
    Measured,
    latest_version,
    new_version,
    next_version,
    read_manifest,
)
from .config import load_settings
from .progress import TrainingProgress
from .reward_model_config import RewardModelConfig
from .reward_model_data import RankedEpisodes, Sides, encode_rankings, load_rankings, split_rankings
from .reward_model_fit import bootstrap_weights, calibrate, fit, measure, score_rankings
from .reward_model_heads import fit_heads

_MEASURING_SHARE = 0.5
"""Time of a token without gradient as a share of one with: a forward pass is a third, the rest is margin."""
_HEADS_SHARE = 0.4
"""Most of the training's time that the heads' fit may take: a token teaches more there than in the adapter's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardModelResult:
    """What a training came to.

    Attributes:
        version: name of the new version.
        folder: where it lies.
        refused: why it is not to be used; None if it is.
        held_out: measured on held-out seeds.
        unseen: measured on tasks kept out of training; None if there were none.
        wall_s: seconds in all.
    """

    version: str
    folder: Path
    refused: str | None
    held_out: Measured
    unseen: Measured | None
    wall_s: float


@dataclass(slots=True, kw_only=True)
class _Start:
    """What training begins with."""

    network: RewardNetwork
    tokenizer: Any
    backbone: str
    layers: int | None
    budgets: TextBudgets
    parent: Manifest | None


def train_reward_model(config: RewardModelConfig, *, progress: TrainingProgress | None = None) -> RewardModelResult:
    """Train one version; see the module's docstring.

    Raises:
        RewardError: a file of preferences or an earlier version is wrong, or the new one cannot be written.
        RunError: an episode is missing, or a side of the split is empty.
        EngineError: the backbone cannot be loaded.
    """
    show = TrainingProgress("reward model") if progress is None else progress
    began = time.perf_counter()
    with show:
        show.start(total_iterations=0, time_budget_s=config.time_budget_s)
        show.phase("reading preferences")
        rankings = load_rankings(config.preferences)
        start = _start(config)
        ranked = encode_rankings(rankings, step_encoder(start.tokenizer, start.budgets))
        sides = split_rankings(ranked, share=config.held_out, unseen_tasks=config.unseen_tasks)
        show.message(
            f"{len(sides.train)} rankings to train on, {len(sides.held_out)} held out, {len(sides.unseen)} of unseen "
            f"tasks; {'from ' + start.parent.version if start.parent else 'from the backbone'}"
        )
        before = None if start.parent is None else _accuracy(start.network, sides.held_out, config, show, "earlier")
        if before is not None:
            show.message(f"the earlier version orders {before:.3f} of the held-out pairs rightly")
        computed = start.network.computed_tokens
        _fit(start, sides, config, show, began)
        trained_tokens = start.network.computed_tokens - computed
        scored = _scored(start.network, sides.held_out, config, show, "held-out rankings")
        calibration = calibrate(scored)
        held_out = measure(scored)
        unseen = None
        if sides.unseen:
            apart = _scored(start.network, sides.unseen, config, show, "unseen tasks")
            unseen = measure(apart, temperature=calibration.temperature)
        manifest = Manifest(
            version=next_version(config.out),
            parent=None if start.parent is None else start.parent.version,
            created=datetime.now(UTC),
            refused=refusal(before, held_out.accuracy, config.guard_tolerance),
            backbone=start.backbone,
            layers=start.layers,
            pooling=start.network.pooling,
            heads=start.network.heads,
            budgets={name: getattr(start.budgets, name) for name in TextBudgets.__slots__},
            calibration=calibration,
            held_out=held_out,
            unseen=unseen,
            trained_on={str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in config.preferences},
            rankings=len(sides.train),
            trained_tokens=trained_tokens,
            wall_s=round(time.perf_counter() - began, 1),
        )
        with new_version(config.out, manifest) as folder:
            save_lora(start.network.backbone, folder / ADAPTER)
            start.network.save_heads(folder / HEADS)
    place = config.out if manifest.refused is None else config.out / REFUSED
    return RewardModelResult(
        version=manifest.version,
        folder=place / manifest.version,
        refused=manifest.refused,
        held_out=held_out,
        unseen=unseen,
        wall_s=time.perf_counter() - began,
    )


def refusal(before: float | None, after: float | None, tolerance: float) -> str | None:
    """Return why a version may not replace the one it came from, by their held-out accuracies; None if it may."""
    if before is None or after is None or after >= before - tolerance:
        return None
    return (
        f"held-out accuracy fell from {before:.4f} to {after:.4f}, and at most {tolerance:g} may be lost. Train with "
        "the earlier preferences among the new ones, or with a lower learning_rate or fewer epochs."
    )


def _start(config: RewardModelConfig) -> _Start:
    dtype = resolve_precision(config.precision)
    latest = latest_version(config.out) if config.start == "latest" else None
    if latest is not None:
        manifest = read_manifest(latest)
        network, tokenizer = load_network(latest, manifest, trainable=True, dtype=dtype)
        return _Start(
            network=network,
            tokenizer=tokenizer,
            backbone=manifest.backbone,
            layers=manifest.layers,
            budgets=manifest.text_budgets(),
            parent=manifest,
        )
    backbone, tokenizer, pooling = load_backbone(config.backbone, layers=config.layers, dtype=dtype)
    adapted = add_adapter(backbone, rank=config.lora.rank, alpha=config.lora.alpha, seed=config.seed).eval()
    return _Start(
        network=RewardNetwork(adapted, heads=config.heads, pooling=pooling, seed=config.seed),
        tokenizer=tokenizer,
        backbone=config.backbone,
        layers=config.layers,
        budgets=TextBudgets(**config.text.model_dump()),
        parent=None,
    )


def _fit(start: _Start, sides: Sides, config: RewardModelConfig, show: TrainingProgress, began: float) -> None:
    """Fit within the time budget, with time left to measure."""
    network, train = start.network, sides.train
    weights_RH = bootstrap_weights(len(train), network.heads, config.seed)
    ahead_tokens = _tokens((*sides.held_out, *sides.unseen)) * _MEASURING_SHARE
    train_tokens = _tokens(train) * config.epochs

    def time_for(tokens: float) -> float | None:
        """The part of what is left of the budget that falls to so many tokens' training, with what comes after."""
        if config.time_budget_s is None:
            return None
        left_s = config.time_budget_s - (time.perf_counter() - began)
        return max(left_s, 0.0) * tokens / max(tokens + ahead_tokens, 1.0)

    if start.parent is None:
        show.phase("fitting the heads")
        left_s = time_for(_tokens(train) * max(config.epochs, 1))
        deadline_s = None if left_s is None else left_s * (_HEADS_SHARE if config.epochs else 1.0)
        used, loss = fit_heads(
            network, train, weights_RH, config, deadline_s=deadline_s, on_ranking=show.advance_within
        )
        show.message(f"heads fitted to {used} rankings, loss {loss:.3f}")
    if config.epochs == 0:
        return
    show.phase("training")
    recent: list[float] = []
    told = time.perf_counter()

    def on_step(done: float, loss: float) -> None:
        nonlocal told
        recent.append(loss)
        show.advance_within(round(100 * min(done, 1.0)), 100)
        if time.perf_counter() - told > 30.0:
            told = time.perf_counter()
            show.message(f"training {min(done, 1.0):.0%}, loss {_mean(recent[-8:]):.3f}")

    losses = fit(network, train, weights_RH, config, deadline_s=time_for(train_tokens), on_step=on_step)
    show.message(f"{len(losses)} optimiser steps, loss {_mean(losses[:8]):.3f} to {_mean(losses[-8:]):.3f}")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _tokens(rankings: Sequence[RankedEpisodes]) -> int:
    return sum(len(build_trie([ids for episode in r.steps for ids in episode])) for r in rankings)


def _scored(
    network: RewardNetwork, side: Sequence[RankedEpisodes], config: RewardModelConfig, show: TrainingProgress, what: str
) -> Any:
    show.phase(f"measuring {what}")
    return score_rankings(
        network, side, max_tokens=config.pack_tokens, on_ranking=lambda done: show.advance_within(done, len(side))
    )


def _accuracy(
    network: RewardNetwork, side: Sequence[RankedEpisodes], config: RewardModelConfig, show: TrainingProgress, what: str
) -> float | None:
    return measure(_scored(network, side, config, show, f"the {what} version")).accuracy


def summary(result: RewardModelResult) -> str:
    """Return a few lines for people on what a training came to."""
    lines = [f"{result.version}: {_shown('held-out seeds', result.held_out)}"]
    lines += [f"  {task.removeprefix('milepost/')} {share:.3f}" for task, share in result.held_out.by_task.items()]
    if result.unseen is not None:
        lines.append(_shown("unseen tasks", result.unseen))
        lines += [f"  {task.removeprefix('milepost/')} {share:.3f}" for task, share in result.unseen.by_task.items()]
    if result.refused is None:
        lines.append(f"in use from now on: {result.folder} ({result.wall_s / 60:.1f} minutes)")
    else:
        lines.append(f"REFUSED, the earlier version stays in use: {result.refused} It is kept in {result.folder}.")
    return "\n".join(lines)


def _shown(what: str, measured: Measured) -> str:
    if measured.accuracy is None or measured.ece is None:
        return f"{what}: nothing to measure"
    return (
        f"{what}: {measured.accuracy:.3f} of {measured.pairs} pairs right ({measured.rankings} rankings), "
        f"calibration error {measured.ece:.3f}"
    )


def main(argv: Sequence[str] | None = None) -> RewardModelResult:
    """Read the configuration, train, print the summary."""
    parser = argparse.ArgumentParser(prog="milepost train rm", description="Train a reward model on preferences.")
    parser.add_argument("config", type=Path, help="YAML file, such as examples/reward_model/config.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that replace the file's")
    arguments = parser.parse_args(argv)
    config = load_settings(
        arguments.config,
        arguments.overrides,
        RewardModelConfig,
        kind="reward model",
        example="examples/reward_model/config.yaml",
    )
    result = train_reward_model(config)
    print(summary(result))
    return result


__all__ = ["RewardModelResult", "main", "refusal", "summary", "train_reward_model"]

if __name__ == "__main__":
    main()
