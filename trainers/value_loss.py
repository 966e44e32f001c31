"""The critic's loss and how good it is, as pure functions.

Shape legend: T states (steps, or tokens). Tensors are fp32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def value_loss(
    values_T: Tensor, old_T: Tensor, targets_T: Tensor, weight_T: Tensor, *, clip: float | None = None
) -> tuple[Tensor, Tensor]:
    """Half the weighted squared error, of the worse of V and V held within `clip` of what it was.

    Args:
        values_T: V, with gradient.
        old_T: V when the batch was collected.
        targets_T: what it should have been.
        weight_T: of each state; they sum to 1 over the batch.
        clip: how far V may move for its loss to shrink, above 0; None: as far as it likes.

    Returns:
        The loss, and the weighted share of states at which the clip bound.

    Source: Schulman et al. 2017 (PPO) section 5, eq. 9; the clipped form is that of its reference implementation.
    """
    error_T = (values_T - targets_T).square()
    bound_T = torch.zeros_like(error_T, dtype=torch.bool)
    if clip is not None:
        held_T = old_T + (values_T - old_T).clamp(-clip, clip)
        held_error_T = (held_T - targets_T).square()
        bound_T = held_error_T > error_T
        error_T = torch.maximum(error_T, held_error_T)
    return 0.5 * (error_T * weight_T).sum(), (bound_T.float() * weight_T).sum().detach()


def explained_variance(values: Sequence[float], targets: Sequence[float]) -> float:
    """1 - Var(target - V) / Var(target): 1 is perfect, 0 no better than a constant; NaN where all targets agree."""
    told, wanted = np.asarray(values, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    spread = float(wanted.var()) if len(wanted) else 0.0
    return float("nan") if spread < 1e-12 else 1.0 - float((wanted - told).var()) / spread


__all__ = ["explained_variance", "value_loss"]
