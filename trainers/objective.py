"""What an objective is composed of; `objectives` computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KLEstimator = Literal["k1", "k2", "k3"]
Normalisation = Literal["token", "sequence", "constant"]
Surrogate = Literal["clip", "ratio", "log", "cispo"]
RatioLevel = Literal["token", "sequence", "product"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What is maximised: a surrogate of the advantages, less KL terms, plus entropy.

    Attributes:
        surrogate: "clip": min(rho A, clip(rho) A); "ratio": rho A; "log": A log pi, the plain policy gradient; "cispo":
            sg(clip(rho)) A log pi, so that a clipped token still has a gradient.
        ratio: rho of each token; "sequence": the geometric mean over the sample's tokens; "product": of the whole
            response, one action as a whole.
        eps_low: ratios below 1 - eps_low earn nothing more, in (0, 1]; 1: no lower bound.
        eps_high: ratios above 1 + eps_high earn nothing more, above 0.
        dual_clip: c above 1: a negative advantage counts at most c times; None: without bound.
        kl_coef: weight of the estimate of KL(policy || reference), at least 0.
        kl_estimator: which estimate.
        penalty_coef: weight of KL(old || policy), at least 0 (PPO-penalty's beta).
        entropy_coef: weight of the policy's mean entropy over the vocabulary, at least 0.
        normalisation: "token": the mean over all tokens; "sequence": the mean over samples of each sample's token mean;
            "constant": the mean over samples of each sample's sum over `length_tokens`.
        length_tokens: what "constant" divides by, above 0.
        importance_cap: a token counts min(pi_old / pi_sampler, cap) times where both are known; None: always once.
    """

    surrogate: Surrogate = "clip"
    ratio: RatioLevel = "token"
    eps_low: float = 0.2
    eps_high: float = 0.28
    dual_clip: float | None = None
    kl_coef: float = 0.0
    kl_estimator: KLEstimator = "k3"
    penalty_coef: float = 0.0
    entropy_coef: float = 0.0
    normalisation: Normalisation = "token"
    length_tokens: int | None = None
    importance_cap: float | None = None


__all__ = ["KLEstimator", "Normalisation", "Objective", "RatioLevel", "Surrogate"]
