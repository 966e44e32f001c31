"""The two things done with a reward network and rankings: fitting the one to the other, and measuring how well it does.

Shape legend: R rankings, K episodes of one ranking, H heads, P pairs. The heads alone are fitted in reward_model_heads.

A ranking is one batch element with one forward pass over its distinct steps, and its gradient is computed before the
next one's, so memory holds one ranking. The ensemble is a Bayesian bootstrap: each head weighs the training rankings by
exponential draws of its own (whole rankings, since the pairs of one are anything but independent).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..agents.lora import trainable_parameters
from ..agents.reward_model.network import Ids, RewardNetwork
from ..rewards.preferences import ordered_pairs
from ..rewards.reward_model.calibration import (
    Floats,
    crossfit_probabilities,
    expected_calibration_error,
    fit_temperature,
    pairwise_accuracy,
    preference_probability,
)
from ..rewards.reward_model.versions import Calibration, Measured
from .preference_losses import ranking_loss
from .reward_model_config import RewardModelConfig
from .reward_model_data import RankedEpisodes
from .schedule import scheduled


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A ranking's episodes as the network scores them.

    Attributes:
        ranked: the ranking.
        steps: each episode's raw step scores, (steps, heads).
    """

    ranked: RankedEpisodes
    steps: tuple[Floats, ...]

    @property
    def totals_KH(self) -> Floats:
        """Each episode's score by each head: the sum of its steps'."""
        return np.stack([s.sum(axis=0) for s in self.steps])

    @property
    def winner_leads_PH(self) -> Floats:
        """Each head's score of the better episode less that of the worse, for every ordered pair."""
        better, worse = np.array(ordered_pairs(self.ranked.ranks)).T
        leads: Floats = self.totals_KH[better] - self.totals_KH[worse]
        return leads


def bootstrap_weights(rankings: int, heads: int, seed: int) -> Tensor:
    """Draw how each head weighs each training ranking, (R, H): exponential, of mean 1 for each head."""
    weights_RH = torch.from_numpy(np.random.default_rng([seed, rankings]).exponential(size=(rankings, heads))).float()
    return weights_RH / weights_RH.mean(0)


def episode_scores(network: RewardNetwork, steps: Sequence[Sequence[Ids]], *, max_tokens: int) -> Tensor:
    """Return each head's score of each episode, (K, H): sums of step scores, each distinct step computed once."""
    step_SH = network.scores([ids for episode in steps for ids in episode], max_tokens=max_tokens)
    episode_S = torch.repeat_interleave(torch.arange(len(steps)), torch.tensor([len(episode) for episode in steps]))
    return step_SH.new_zeros(len(steps), network.heads).index_add(0, episode_S, step_SH)


def fit(
    network: RewardNetwork,
    train: Sequence[RankedEpisodes],
    weights_RH: Tensor,
    config: RewardModelConfig,
    *,
    deadline_s: float | None = None,
    on_step: Callable[[float, float], None] = lambda progress, loss: None,
) -> list[float]:
    """Fit the network's adapter and heads to rankings.

    Args:
        network: with an adapter.
        train: the rankings.
        weights_RH: how each head weighs them, see `bootstrap_weights`.
        config: see `RewardModelConfig`.
        deadline_s: seconds after which no further optimiser step is begun; None: none.
        on_step: told how far the training is, 0 to 1, and the loss of the step.

    Returns:
        The loss of each optimiser step.
    """
    began = time.perf_counter()
    rng = np.random.default_rng([config.seed, len(train), 1])
    adapter = list(trainable_parameters(network.backbone))
    heads = [network.weight_HE, network.bias_H]
    optimizer = torch.optim.AdamW(
        [
            {"params": adapter, "peak": config.learning_rate, "weight_decay": 0.0},
            {"params": heads, "peak": config.head_learning_rate, "weight_decay": config.weight_decay},
        ],
        lr=config.learning_rate,
        betas=(0.9, 0.95),
    )
    batches = [
        order[start : start + config.batch_rankings]
        for order in (rng.permutation(len(train)) for _ in range(config.epochs))
        for start in range(0, len(train), config.batch_rankings)
    ]
    losses: list[float] = []
    for done, batch in enumerate(batches):
        elapsed = time.perf_counter() - began
        progress = max(done / len(batches), 0.0 if deadline_s is None else elapsed / max(deadline_s, 1e-9))
        if progress >= 1.0 and losses:
            break
        optimizer.zero_grad(set_to_none=True)
        loss_value = 0.0
        for r in batch.tolist():
            loss = _loss(network, train[r], weights_RH[r], config, rng) / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            loss_value += float(loss.detach())
        torch.nn.utils.clip_grad_norm_([*adapter, *heads], config.max_grad_norm)
        _set_learning_rates(optimizer, done, min(progress, 1.0), config.warmup_updates)
        optimizer.step()
        losses.append(loss_value)
        on_step(max((done + 1) / len(batches), progress), loss_value)
    optimizer.zero_grad(set_to_none=True)
    return losses


def _loss(
    network: RewardNetwork,
    ranked: RankedEpisodes,
    weight_H: Tensor,
    config: RewardModelConfig,
    rng: np.random.Generator,
) -> Tensor:
    chosen = draw_episodes(ranked.ranks, config.trajectories, rng)
    scores_KH = episode_scores(network, [ranked.steps[i] for i in chosen], max_tokens=config.pack_tokens)
    return (weight_H * ranking_loss(scores_KH, [ranked.ranks[i] for i in chosen], ranked.margin)).mean()


def draw_episodes(ranks: Sequence[int], most: int, rng: np.random.Generator) -> list[int]:
    """Draw at most so many episodes of a ranking, in their order; at least two ranks are among them."""
    if len(ranks) <= most:
        return list(range(len(ranks)))
    order = rng.permutation(len(ranks)).tolist()
    first = order[0]
    other = next(i for i in order if ranks[i] != ranks[first])
    return sorted([first, other, *(i for i in order[1:] if i != other)][:most])


def _set_learning_rates(optimizer: Any, done: int, progress: float, warmup: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = scheduled(
            group["peak"], step=done, warmup_steps=warmup, progress=progress, decay_from=0.0, final_fraction=0.1
        )


@torch.no_grad()
def score_rankings(
    network: RewardNetwork,
    rankings: Sequence[RankedEpisodes],
    *,
    max_tokens: int,
    on_ranking: Callable[[int], None] = lambda done: None,
) -> list[Scored]:
    """Score every episode of some rankings, without gradient."""
    scored = []
    for done, ranked in enumerate(rankings, start=1):
        step_SH = network.scores([ids for episode in ranked.steps for ids in episode], max_tokens=max_tokens)
        cuts = np.cumsum([len(episode) for episode in ranked.steps])[:-1]
        parts: list[Floats] = np.split(step_SH.double().numpy(), cuts)
        scored.append(Scored(ranked=ranked, steps=tuple(parts)))
        on_ranking(done)
    return scored


def calibrate(scored: Sequence[Scored]) -> Calibration:
    """Fit the temperature to held-out rankings, and centre on their demonstrations."""
    leads_PH = np.concatenate([s.winner_leads_PH for s in scored])
    shown = [s.steps[i].mean(axis=1) for s in scored for i in s.ranked.demonstrations()]
    return Calibration(
        temperature=fit_temperature(leads_PH),
        offset=float(np.mean([steps.sum() for steps in shown])),
        demonstration_step=float(np.concatenate(shown).mean()),
    )


def measure(scored: Sequence[Scored], *, temperature: float | None = None) -> Measured:
    """Measure accuracy and calibration on rankings that were not trained on.

    Args:
        scored: the rankings.
        temperature: the one to use; None: each half's is fitted on the other half (by ranking), so that the calibration
            error is of pairs that the temperature has not seen.
    """
    if not scored:
        return Measured(pairs=0, rankings=0, accuracy=None, ece=None)
    leads = [s.winner_leads_PH for s in scored]
    leads_PH = np.concatenate(leads)
    if temperature is None:
        folds = np.repeat(np.arange(len(leads)) % 2, [len(x) for x in leads])
        probability_P = crossfit_probabilities(leads_PH, folds)
    else:
        probability_P = preference_probability(leads_PH, temperature)
    tasks = sorted({s.ranked.task for s in scored})
    return Measured(
        pairs=len(leads_PH),
        rankings=len(scored),
        accuracy=pairwise_accuracy(leads_PH),
        ece=expected_calibration_error(probability_P),
        by_task={
            task: pairwise_accuracy(
                np.concatenate([x for x, s in zip(leads, scored, strict=True) if s.ranked.task == task])
            )
            for task in tasks
        },
    )


__all__ = [
    "Scored",
    "bootstrap_weights",
    "calibrate",
    "draw_episodes",
    "episode_scores",
    "fit",
    "measure",
    "score_rankings",
]
