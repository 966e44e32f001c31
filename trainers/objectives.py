"""Policy-gradient objectives over the response tokens of a batch, composed of a few parts, as pure functions.

Shape legend: R response tokens of all samples, flat; S samples. Every tensor is fp32. `sample_R` maps a token to its
sample (0 .. S-1); tokens that the policy did not sample are never in these tensors, so there is no mask to forget. A
`weight_R` of 0 leaves a token out of loss and diagnostics.

A sample is one action of the agent: the tokens of one response. What papers on single-turn tasks say of a sequence
holds here for an action.

Sources: clipped surrogate Schulman et al. 2017 (PPO, 1707.06347) eq. 7, penalty eq. 8; dual clip Ye et al. 2020
(1912.09729) eq. 8; clip-higher and token-level normalisation Yu et al. 2025 (DAPO, 2503.14476); constant length Liu et
al. 2025 (Dr. GRPO, 2503.20783); sequence ratio Zheng et al. 2025 (GSPO, 2507.18071) eq. 7; clipped weight MiniMax 2025
(CISPO, 2506.13585) eq. 4; truncated importance sampling Yao et al. 2025 ("Your efficient RL framework secretly brings
you off-policy RL training").
"""

from __future__ import annotations

import torch
from torch import Tensor

from .divergence import k3, kl_of
from .objective import Normalisation, Objective, RatioLevel


def token_weights(
    sample_R: Tensor, n_samples: int, normalisation: Normalisation, length_tokens: int | None = None
) -> Tensor:
    """(R,) weights, for R tokens of S samples.

    "token": 1/R each; "sequence": 1/(S * the length of its sample); both sum to 1. "constant": 1/(S * length_tokens).
    """
    if normalisation == "token":
        return torch.full(sample_R.shape, 1.0 / max(sample_R.numel(), 1))
    lengths_S = torch.bincount(sample_R, minlength=n_samples).clamp_min(1)
    present = int((torch.bincount(sample_R, minlength=n_samples) > 0).sum())
    if normalisation == "constant":
        if not length_tokens or length_tokens < 1:
            raise ValueError(f"constant normalisation needs length_tokens of at least 1, got {length_tokens}")
        return torch.full(sample_R.shape, 1.0 / (max(present, 1) * length_tokens))
    return 1.0 / (lengths_S[sample_R].float() * max(present, 1))


def clipped_surrogate(
    logprobs_R: Tensor, behaviour_R: Tensor, advantages_R: Tensor, *, eps_low: float, eps_high: float
) -> tuple[Tensor, Tensor, Tensor]:
    """min(rho A, clip(rho, 1 - eps_low, 1 + eps_high) A) for each token, with rho and whether the clip bound.

    Returns:
        The surrogate (R,) to maximise, the ratio rho (R,), and (R,) bool: the clipped branch was the smaller.
    """
    ratio_R = torch.exp(logprobs_R - behaviour_R)
    gain_R, bound_R = _clipped(ratio_R, advantages_R, eps_low, eps_high)
    return gain_R, ratio_R, bound_R


def _clipped(ratio_R: Tensor, advantages_R: Tensor, eps_low: float, eps_high: float) -> tuple[Tensor, Tensor]:
    free_R = ratio_R * advantages_R
    clipped_R = ratio_R.clamp(1.0 - eps_low, 1.0 + eps_high) * advantages_R
    return torch.minimum(free_R, clipped_R), clipped_R < free_R


def ratios(logprobs_R: Tensor, behaviour_R: Tensor, level: RatioLevel, sample_R: Tensor | None = None) -> Tensor:
    """Rho of each token (R,), at the chosen level; the tokens of a sample share it but at the token level.

    Raises:
        ValueError: the level is above the token's and `sample_R` is missing.
    """
    gap_R = logprobs_R - behaviour_R
    if level == "token":
        return torch.exp(gap_R)
    if sample_R is None:
        raise ValueError(f"a ratio at the level of {level!r} needs sample_R; give each token's sample")
    n_samples = int(sample_R.max()) + 1 if sample_R.numel() else 0
    gap_S = gap_R.new_zeros(n_samples).index_add(0, sample_R, gap_R)
    if level == "sequence":
        gap_S = gap_S / torch.bincount(sample_R, minlength=n_samples).clamp_min(1)
    return torch.exp(gap_S)[sample_R]


def surrogate(
    objective: Objective,
    logprobs_R: Tensor,
    behaviour_R: Tensor,
    advantages_R: Tensor,
    sample_R: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The surrogate (R,) to maximise, the ratio rho (R,), and (R,) bool: a bound was in force."""
    ratio_R = ratios(logprobs_R, behaviour_R, objective.ratio, sample_R)
    unbound_R = torch.zeros_like(ratio_R, dtype=torch.bool)
    if objective.surrogate == "log":
        return logprobs_R * advantages_R, ratio_R, unbound_R
    if objective.surrogate == "cispo":
        held_R = ratio_R.detach().clamp(1.0 - objective.eps_low, 1.0 + objective.eps_high)
        return held_R * advantages_R * logprobs_R, ratio_R, held_R != ratio_R.detach()
    if objective.surrogate == "ratio":
        gain_R, bound_R = ratio_R * advantages_R, unbound_R
    else:
        gain_R, bound_R = _clipped(ratio_R, advantages_R, objective.eps_low, objective.eps_high)
    if objective.dual_clip is not None:
        floor_R = torch.where(advantages_R < 0, objective.dual_clip * advantages_R, -torch.inf)
        bound_R = bound_R | (gain_R < floor_R)
        gain_R = torch.maximum(gain_R, floor_R)
    return gain_R, ratio_R, bound_R


def policy_loss(
    objective: Objective,
    *,
    logprobs_R: Tensor,
    behaviour_R: Tensor,
    advantages_R: Tensor,
    weight_R: Tensor,
    sample_R: Tensor | None = None,
    entropy_R: Tensor | None = None,
    reference_R: Tensor | None = None,
    reference_weight_R: Tensor | None = None,
    sampler_R: Tensor | None = None,
    share_R: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss to minimise, and weighted sums of diagnostics (add them over packs whose weights sum to 1 together).

    Args:
        objective: coefficients.
        logprobs_R: under the policy being trained, with gradient.
        behaviour_R: under the old policy, which the ratio compares with: the distribution that the tokens were sampled
            from, by the sampler's arithmetic or the trainer's.
        advantages_R: of each token.
        weight_R: see `token_weights`; may be a part of a larger batch's weights.
        sample_R: each token's sample, all of its tokens being here; needed for ratios above the token level.
        entropy_R: of the policy at each token; needed if entropy_coef > 0.
        reference_R: under the reference policy; needed if kl_coef > 0.
        reference_weight_R: the tokens' weights in the KL, 0 where `reference_R` was not computed; None: `weight_R`.
        sampler_R: by the sampler's arithmetic, where `behaviour_R` is the trainer's; None: they are the same.
        share_R: the tokens' weights in the diagnostics; None: `weight_R`.

    Returns:
        Scalar loss, and detached scalars: policy_loss, ratio, clip_fraction, approx_kl (k3 of policy to behaviour),
        mismatch (mean absolute gap of log-probabilities to the sampler's), importance_weight (mean, after the cap)
        where tokens are weighed, and kl_reference, kl_old and entropy where given.
    """
    share_R = weight_R if share_R is None else share_R
    gain_R, ratio_R, bound_R = surrogate(objective, logprobs_R, behaviour_R, advantages_R, sample_R)
    sums: dict[str, Tensor] = {}
    if objective.importance_cap is not None and sampler_R is not None:
        importance_R = torch.exp(behaviour_R - sampler_R).clamp_max(objective.importance_cap).detach()
        gain_R = gain_R * importance_R
        sums["importance_weight"] = (importance_R * share_R).sum()
    policy = -(gain_R * weight_R).sum()
    loss = policy
    sums["policy_loss"] = policy
    if objective.kl_coef > 0 and reference_R is None:
        raise ValueError("kl_coef > 0 needs reference_R; give the reference's log-probabilities or set kl_coef to 0")
    if objective.entropy_coef > 0 and entropy_R is None:
        raise ValueError("entropy_coef > 0 needs entropy_R; give the policy's entropies or set entropy_coef to 0")
    if reference_R is not None:
        sums["kl_reference"] = (
            kl_of(objective.kl_estimator, logprobs_R, reference_R)
            * (weight_R if reference_weight_R is None else reference_weight_R)
        ).sum()
        loss = loss + objective.kl_coef * sums["kl_reference"]
    if objective.penalty_coef > 0:
        sums["kl_old"] = (k3(behaviour_R, logprobs_R) * share_R).sum()
        loss = loss + objective.penalty_coef * sums["kl_old"]
    if entropy_R is not None:
        sums["entropy"] = (entropy_R * share_R).sum()
        loss = loss - objective.entropy_coef * sums["entropy"]
    with torch.no_grad():
        gap_R = logprobs_R - (behaviour_R if sampler_R is None else sampler_R)
        sums["ratio"] = (ratio_R * share_R).sum()
        sums["clip_fraction"] = (bound_R.float() * share_R).sum()
        sums["approx_kl"] = (k3(logprobs_R, behaviour_R) * share_R).sum()
        sums["mismatch"] = (gap_R.abs() * share_R).sum()
    return loss, {k: v.detach() for k, v in sums.items()}


__all__ = [
    "Normalisation",
    "Objective",
    "clipped_surrogate",
    "k3",
    "policy_loss",
    "ratios",
    "surrogate",
    "token_weights",
]
