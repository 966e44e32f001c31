"""The first step of a reward model's training: its heads, fitted to what the untrained backbone makes of the steps.

Shape legend: R rankings, K episodes of one ranking, P pairs, E model width, H heads.

An episode's score is linear in the sum of its steps' hidden states, so the heads' Bradley-Terry loss is that of a
logistic regression without intercept on the differences of two episodes' sums: convex, and solved in a second. It
needs one forward pass and no gradient of the backbone, and gives the adapter's training a direction from its first
step on; random heads would send noise through it instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..agents.reward_model.network import RewardNetwork
from ..rewards.preferences import ordered_pairs
from .reward_model_config import RewardModelConfig
from .reward_model_data import RankedEpisodes

_ITERATIONS = 80


@torch.no_grad()
def fit_heads(
    network: RewardNetwork,
    train: Sequence[RankedEpisodes],
    weights_RH: Tensor,
    config: RewardModelConfig,
    *,
    deadline_s: float | None = None,
    on_ranking: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[int, float]:
    """Standardise the network's hidden states and fit its heads to some of the rankings.

    Args:
        network: its mean, scale and heads are written.
        train: rankings to draw from.
        weights_RH: how each head weighs them.
        config: `head_rankings`, `head_penalty`, `pack_tokens`, `seed`.
        deadline_s: seconds after which no further ranking is read; at least two are.
        on_ranking: told how many rankings are read, of how many.

    Returns:
        How many rankings were used, and the mean loss over them and the heads.
    """
    began = time.perf_counter()
    order = np.random.default_rng([config.seed, len(train), 2]).permutation(len(train)).tolist()[: config.head_rankings]
    hidden: list[Tensor] = []
    for done, r in enumerate(order, start=1):
        sequences = [ids for episode in train[r].steps for ids in episode]
        hidden.append(network.hidden(sequences, max_tokens=config.pack_tokens))
        on_ranking(done, len(order))
        if deadline_s is not None and done >= 2 and time.perf_counter() - began > deadline_s:
            break
    used = order[: len(hidden)]
    network.standardise(torch.cat(hidden))
    leads, shares, margins = [], [], []
    for r, hidden_SE in zip(used, hidden, strict=True):
        sums_KE = _episode_features(network, train[r], hidden_SE)
        better, worse = torch.tensor(ordered_pairs(train[r].ranks)).unbind(1)
        leads.append(sums_KE[better] - sums_KE[worse])
        shares.append((weights_RH[r].double() / len(better) / len(used)).expand(len(better), -1))
        margins.append(torch.full((len(better), 1), train[r].margin or 0.0, dtype=torch.float64))
    solution_HE, loss = solve(torch.cat(leads), torch.cat(shares), torch.cat(margins), penalty=config.head_penalty)
    network.weight_HE.copy_(solution_HE[:, :-1])
    network.bias_H.copy_(solution_HE[:, -1])
    return len(used), loss


def _episode_features(network: RewardNetwork, ranked: RankedEpisodes, hidden_SE: Tensor) -> Tensor:
    """Each episode's sum of its steps' standardised states, and its number of steps, which the bias multiplies."""
    features_SE = ((hidden_SE - network.mean_E) / network.scale_E).double()
    features_SE = functional.pad(features_SE, (0, 1), value=1.0)
    episode_S = torch.repeat_interleave(torch.arange(len(ranked.steps)), torch.tensor([len(e) for e in ranked.steps]))
    return features_SE.new_zeros(len(ranked.steps), features_SE.shape[1]).index_add(0, episode_S, features_SE)


def solve(leads_PE: Tensor, weights_PH: Tensor, margins_P1: Tensor, *, penalty: float) -> tuple[Tensor, float]:
    """Minimise each head's weighted Bradley-Terry loss plus penalty * |w|^2.

    Args:
        leads_PE: features of the better episode less those of the worse, fp64.
        weights_PH: of each pair for each head.
        margins_P1: asked of each pair.
        penalty: above 0, which makes the solution unique.

    Returns:
        The heads' weights, (H, E), and the mean over the heads of their losses, the penalty left out.
    """
    solution = torch.zeros(weights_PH.shape[1], leads_PE.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([solution], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def losses_H() -> Tensor:
        return (weights_PH * functional.softplus(margins_P1 - leads_PE @ solution.t())).sum(0)

    def closure() -> Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = losses_H().sum() + penalty * solution.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return solution.detach().float(), float(losses_H().mean())


__all__ = ["fit_heads", "solve"]
