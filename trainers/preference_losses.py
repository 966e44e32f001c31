"""Losses of a scalar reward model on preferences.

Shape legend: P pairs, K trajectories of one ranking, H heads of the ensemble. Scores are log-odds: a trajectory's is
the sum of its steps'.

Deviations from InstructGPT's K-wise loss (Ouyang et al. 2022, equation 1):
1. Ties are allowed. A tied pair has no term, and the divisor is the number of pairs that do, which is C(K, 2) without
   ties.
2. A margin may be asked for, as in Llama 2 (Touvron et al. 2023, equation 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..rewards.preferences import ordered_pairs


def bradley_terry(winner_P: Tensor, loser_P: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """Return -log sigma(winner - loser - margin), elementwise.

    Args:
        winner_P: scores of the preferred trajectories, any shape.
        loser_P: scores of the others, the same shape.
        margin: by how much the winner should lead, 0 or more; a number, or a tensor that broadcasts.

    Source:
        Bradley and Terry 1952; as a reward model's loss: Christiano et al. 2017.
    """
    return -functional.logsigmoid(winner_P - loser_P - margin)


def ranking_loss(scores_KH: Tensor, ranks: Sequence[int], margin: float | None = None) -> Tensor:
    """Return each head's mean Bradley-Terry loss over all ordered pairs of one ranking, (H,): one batch element.

    Args:
        scores_KH: the trajectories' scores by each head.
        ranks: their ranks, 0 the best; equal ranks are a tie.
        margin: asked of every ordered pair; None: none.

    Raises:
        ValueError: ranks and scores differ in number, or no two ranks differ.
    """
    if len(ranks) != scores_KH.shape[0]:
        raise ValueError(f"expected a rank for each of {scores_KH.shape[0]} trajectories, got {len(ranks)}")
    pairs = ordered_pairs(ranks)
    if not pairs:
        raise ValueError("all ranks are equal: a ranking without an ordered pair has no loss; leave it out")
    better, worse = torch.tensor(pairs, device=scores_KH.device).unbind(1)
    return bradley_terry(scores_KH[better], scores_KH[worse], margin or 0.0).mean(0)


__all__ = ["bradley_terry", "ranking_loss"]
