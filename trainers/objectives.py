"""Policy-gradient objectives over the response tokens of a batch, as pure functions.

Shape legend: R response tokens of all samples, flat; S samples. Every tensor is fp32. `sample_R` maps a token to its
sample (0 .. S-1); tokens that the policy did not sample are never in these tensors, so there is no mask to forget. A
`weight_R` of 0 leaves a token out of loss and diagnostics.

Sources: clipped surrogate Schulman et al. 2017 (1707.06347) eq. 7; clip-higher and token-level normalisation Yu et al.
2025 (DAPO, 2503.14476); k3 Schulman 2020 and Shao et al. 2024 (GRPO, 2402.03300) eq. 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Normalisation = Literal["token", "sequence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What is maximised: the clipped surrogate, less KL to the reference, plus entropy.

    Attributes:
        eps_low: ratios below 1 - eps_low earn nothing more, in (0, 1).
        eps_high: ratios above 1 + eps_high earn nothing more, above 0.
        kl_coef: weight of the k3 estimate of KL(policy || reference), at least 0.
        entropy_coef: weight of the policy's mean entropy over the vocabulary, at least 0.
        normalisation: "token": the mean over all tokens; "sequence": the mean over samples of each sample's token mean.
    """

    eps_low: float = 0.2
    eps_high: float = 0.28
    kl_coef: float = 0.0
    entropy_coef: float = 0.0
    normalisation: Normalisation = "token"


def token_weights(sample_R: Tensor, n_samples: int, normalisation: Normalisation) -> Tensor:
    """(R,) weights that sum to 1: 1/R each ("token"), or 1/(S * length of the token's sample) ("sequence")."""
    if normalisation == "token":
        return torch.full(sample_R.shape, 1.0 / max(sample_R.numel(), 1))
    lengths_S = torch.bincount(sample_R, minlength=n_samples).clamp_min(1)
    present = int((torch.bincount(sample_R, minlength=n_samples) > 0).sum())
    return 1.0 / (lengths_S[sample_R].float() * max(present, 1))


def clipped_surrogate(
    logprobs_R: Tensor, behaviour_R: Tensor, advantages_R: Tensor, *, eps_low: float, eps_high: float
) -> tuple[Tensor, Tensor, Tensor]:
    """min(rho A, clip(rho, 1 - eps_low, 1 + eps_high) A) for each token, with rho and whether the clip bound.

    Returns:
        The surrogate (R,) to maximise, the ratio rho (R,), and (R,) bool: the clipped branch was the smaller.
    """
    ratio_R = torch.exp(logprobs_R - behaviour_R)
    free_R = ratio_R * advantages_R
    clipped_R = ratio_R.clamp(1.0 - eps_low, 1.0 + eps_high) * advantages_R
    return torch.minimum(free_R, clipped_R), ratio_R, clipped_R < free_R


def k3(logprobs_R: Tensor, reference_R: Tensor) -> Tensor:
    """pi_ref/pi - log(pi_ref/pi) - 1 for each sampled token, at least 0; its mean estimates KL(policy || reference)."""
    gap_R = reference_R - logprobs_R
    return torch.exp(gap_R) - gap_R - 1.0


def policy_loss(
    objective: Objective,
    *,
    logprobs_R: Tensor,
    behaviour_R: Tensor,
    advantages_R: Tensor,
    weight_R: Tensor,
    entropy_R: Tensor | None = None,
    reference_R: Tensor | None = None,
    reference_weight_R: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss to minimise, and weighted sums of diagnostics (add them over packs whose weights sum to 1 together).

    Args:
        objective: coefficients.
        logprobs_R: under the policy being trained, with gradient.
        behaviour_R: under the distribution the tokens were sampled from.
        advantages_R: of each token.
        weight_R: see `token_weights`; may be a part of a larger batch's weights.
        entropy_R: of the policy at each token; needed if entropy_coef > 0.
        reference_R: under the reference policy; needed if kl_coef > 0.
        reference_weight_R: the tokens' weights in the KL, 0 where `reference_R` was not computed; None: `weight_R`.

    Returns:
        Scalar loss, and detached scalars: policy_loss, ratio, clip_fraction, approx_kl (k3 of policy to behaviour),
        mismatch (mean absolute gap of log-probabilities to the sampler's), and kl_reference and entropy where given.
    """
    gain_R, ratio_R, bound_R = clipped_surrogate(
        logprobs_R, behaviour_R, advantages_R, eps_low=objective.eps_low, eps_high=objective.eps_high
    )
    policy = -(gain_R * weight_R).sum()
    loss = policy
    sums = {"policy_loss": policy}
    if objective.kl_coef > 0 and reference_R is None:
        raise ValueError("kl_coef > 0 needs reference_R; give the reference's log-probabilities or set kl_coef to 0")
    if objective.entropy_coef > 0 and entropy_R is None:
        raise ValueError("entropy_coef > 0 needs entropy_R; give the policy's entropies or set entropy_coef to 0")
    if reference_R is not None:
        sums["kl_reference"] = (
            k3(logprobs_R, reference_R) * (weight_R if reference_weight_R is None else reference_weight_R)
        ).sum()
        loss = loss + objective.kl_coef * sums["kl_reference"]
    if entropy_R is not None:
        sums["entropy"] = (entropy_R * weight_R).sum()
        loss = loss - objective.entropy_coef * sums["entropy"]
    with torch.no_grad():
        gap_R = logprobs_R - behaviour_R
        sums["ratio"] = (ratio_R * weight_R).sum()
        sums["clip_fraction"] = (bound_R.float() * weight_R).sum()
        sums["approx_kl"] = (k3(logprobs_R, behaviour_R) * weight_R).sum()
        sums["mismatch"] = (gap_R.abs() * weight_R).sum()
    return loss, {k: v.detach() for k, v in sums.items()}


__all__ = ["Normalisation", "Objective", "clipped_surrogate", "k3", "policy_loss", "token_weights"]
