"""Estimates of KL divergence from sampled tokens, and how their coefficients adapt.

Shape legend: R response tokens, flat. The tokens were drawn from the first policy named. Tensors are fp32.

Source of k1, k2 and k3: Schulman 2020, "Approximating KL divergence"; k3 as a loss: Shao et al. 2024 (GRPO) equation 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .objective import KLEstimator


def k1(logprobs_R: Tensor, reference_R: Tensor) -> Tensor:
    """Log pi - log pi_ref: unbiased, of either sign. As a loss its expected gradient is 0; meant for rewards."""
    return logprobs_R - reference_R


def k2(logprobs_R: Tensor, reference_R: Tensor) -> Tensor:
    """(log pi - log pi_ref)^2 / 2: biased, at least 0; its expected gradient is that of KL(pi || pi_ref)."""
    return 0.5 * (logprobs_R - reference_R).square()


def k3(logprobs_R: Tensor, reference_R: Tensor) -> Tensor:
    """pi_ref/pi - log(pi_ref/pi) - 1 for each sampled token, at least 0; its mean estimates KL(policy || reference)."""
    gap_R = reference_R - logprobs_R
    return torch.exp(gap_R) - gap_R - 1.0


def kl_of(estimator: KLEstimator, logprobs_R: Tensor, reference_R: Tensor) -> Tensor:
    """Return the chosen estimate of KL(policy || reference) for each token."""
    return {"k1": k1, "k2": k2, "k3": k3}[estimator](logprobs_R, reference_R)


def penalty_after(coef: float, kl: float, target: float) -> float:
    """Return PPO-penalty's next coefficient: half below target / 1.5, double above 1.5 * target, else the same.

    Args:
        coef: beta of the update just made, above 0.
        kl: KL(old || new) after it, nats a token.
        target: d_targ, above 0.

    Source: Schulman et al. 2017 (1707.06347), section 4.
    """
    if kl < target / 1.5:
        return coef / 2.0
    return coef * 2.0 if kl > target * 1.5 else coef


def kl_coef_after(coef: float, kl: float, target: float, *, rate: float = 0.1, most: float = 0.2) -> float:
    """Return the next weight of the KL to the reference, in proportion to how far the KL is from its target.

    Args:
        coef: weight of the iteration just made, above 0.
        kl: KL(policy || reference) in it, nats a token.
        target: wanted, above 0.
        rate: share of the relative error that one iteration makes up.
        most: bound of the relative error.

    Source: Ziegler et al. 2019 (1909.08593), section 2.2.
    """
    error = max(-most, min(most, kl / target - 1.0))
    return coef * (1.0 + rate * error)


__all__ = ["k1", "k2", "k3", "kl_coef_after", "kl_of", "penalty_after"]
