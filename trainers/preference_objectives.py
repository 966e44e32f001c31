"""Offline preference losses over log-probabilities of policy and reference, as pure functions.

Shape legend: P pairs, U unpaired samples. A side (chosen or rejected) is one response or all responses of an episode;
its log-probability is the sum over its response tokens, in nats, fp32. Each function returns one loss for each pair or
sample, (P,) or (U,), to be minimised in the mean. Below, r = log pi - log pi_ref of a side, c is chosen, j rejected.

Deviations from the papers:
1. IPO divides each side's r by its number of tokens, which the authors of the paper do in practice and TRL does, too:
   else the target 1/(2 beta) would mean something else for every length.
2. SLiC's hinge is offered with the reference's gap taken off (RSO's normalised hinge) as well as without.
3. APO's losses have a constant added so that none is negative; the gradients are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLogprobs:
    """What a loss needs of P pairs.

    Attributes:
        chosen_P: log-probability of the better side under the policy, with gradient.
        rejected_P: of the worse side.
        reference_chosen_P: of the better side under the reference.
        reference_rejected_P: of the worse side under the reference.
        chosen_tokens_P: response tokens of the better side, at least 1.
        rejected_tokens_P: of the worse side.
    """

    chosen_P: Tensor
    rejected_P: Tensor
    reference_chosen_P: Tensor
    reference_rejected_P: Tensor
    chosen_tokens_P: Tensor
    rejected_tokens_P: Tensor

    @property
    def chosen_ratio_P(self) -> Tensor:
        """Log-ratio of policy to reference of the better side."""
        return self.chosen_P - self.reference_chosen_P

    @property
    def rejected_ratio_P(self) -> Tensor:
        """Log-ratio of policy to reference of the worse side."""
        return self.rejected_P - self.reference_rejected_P

    @property
    def gap_P(self) -> Tensor:
        """How much further the policy has moved towards the better side than towards the worse one."""
        return self.chosen_ratio_P - self.rejected_ratio_P

    @property
    def chosen_mean_P(self) -> Tensor:
        """Mean log-probability of a token of the better side."""
        return self.chosen_P / self.chosen_tokens_P

    @property
    def rejected_mean_P(self) -> Tensor:
        """Mean log-probability of a token of the worse side."""
        return self.rejected_P / self.rejected_tokens_P


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpairedLogprobs:
    """What a loss needs of U samples, each of which is known to be desirable or not.

    Attributes:
        logprobs_U: under the policy, with gradient.
        reference_U: under the reference.
        desirable_U: bool.
    """

    logprobs_U: Tensor
    reference_U: Tensor
    desirable_U: Tensor

    @property
    def ratio_U(self) -> Tensor:
        """Log-ratio of policy to reference."""
        return self.logprobs_U - self.reference_U


def dpo(pairs: PairLogprobs, *, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Return -(1 - e) log sigma(beta (r_c - r_j)) - e log sigma(-beta (r_c - r_j)).

    Args:
        pairs: log-probabilities.
        beta: strength of the KL constraint, above 0.
        label_smoothing: probability e that a preference is the wrong way round, in [0, 0.5).

    Source:
        Rafailov et al. 2023 (2305.18290) eq. 7; smoothing: Mitchell 2023 (conservative DPO).
    """
    logits_P = beta * pairs.gap_P
    right_P = -functional.logsigmoid(logits_P)
    return right_P if label_smoothing == 0.0 else (1.0 - label_smoothing) * right_P - (
        label_smoothing * functional.logsigmoid(-logits_P)
    )  # fmt: skip


def ipo(pairs: PairLogprobs, *, beta: float) -> Tensor:
    """Return (r_c / tokens_c - r_j / tokens_j - 1 / (2 beta))^2.

    Source:
        Azar et al. 2023 (2310.12036) eq. 17, beta being its tau; see deviation 1.
    """
    gap_P = pairs.chosen_ratio_P / pairs.chosen_tokens_P - pairs.rejected_ratio_P / pairs.rejected_tokens_P
    return (gap_P - 1.0 / (2.0 * beta)) ** 2


def reference_point(policy_U: Tensor, reference_U: Tensor) -> Tensor:
    """Return KTO's z0: the batch's mean log-ratio of mismatched responses, at least 0, without gradient.

    Args:
        policy_U: log-probabilities of other samples' responses to these samples' prompts under the policy.
        reference_U: the same under the reference.

    Source:
        Ethayarajh et al. 2024 (2402.01306) section 4.2.
    """
    return (policy_U - reference_U).mean().clamp_min(0.0).detach()


def kto(
    samples: UnpairedLogprobs,
    *,
    beta: float,
    z0: Tensor | float,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Tensor:
    """Return lambda_D (1 - sigma(beta (r - z0))) of what is desirable, lambda_U (1 - sigma(beta (z0 - r))) of the rest.

    Args:
        samples: log-probabilities.
        beta: how averse to risk the value function is, above 0.
        z0: see `reference_point`.
        desirable_weight: lambda_D, above 0.
        undesirable_weight: lambda_U, above 0.

    Source:
        Ethayarajh et al. 2024 (2402.01306) eq. 7 and 8.
    """
    shifted_U = beta * (samples.ratio_U - z0)
    return torch.where(
        samples.desirable_U,
        desirable_weight * (1.0 - torch.sigmoid(shifted_U)),
        undesirable_weight * (1.0 - torch.sigmoid(-shifted_U)),
    )


def apo_zero(pairs: PairLogprobs, *, beta: float) -> Tensor:
    """Return 1 - sigma(beta r_c) + sigma(beta r_j): up with the better side, down with the worse one.

    For data that is better than what the policy does by itself.

    Source:
        D'Oosterlinck et al. 2024 (2408.06266) eq. 7.
    """
    return 1.0 - torch.sigmoid(beta * pairs.chosen_ratio_P) + torch.sigmoid(beta * pairs.rejected_ratio_P)


def apo_zero_unpaired(samples: UnpairedLogprobs, *, beta: float) -> Tensor:
    """Return the term of `apo_zero` that each sample would have as its side of a pair."""
    moved_U = torch.sigmoid(beta * samples.ratio_U)
    return torch.where(samples.desirable_U, 1.0 - moved_U, moved_U)


def apo_down(pairs: PairLogprobs, *, beta: float) -> Tensor:
    """Return sigma(beta r_c) + 1 - sigma(beta (r_c - r_j)): down with both, and further with the worse one.

    For a policy that is better than both sides.

    Source:
        D'Oosterlinck et al. 2024 (2408.06266) eq. 8.
    """
    return torch.sigmoid(beta * pairs.chosen_ratio_P) + 1.0 - torch.sigmoid(beta * pairs.gap_P)


def simpo(pairs: PairLogprobs, *, beta: float, margin: float) -> Tensor:
    """Return -log sigma(beta (mean log pi_c - mean log pi_j) - margin); there is no reference.

    Args:
        pairs: log-probabilities.
        beta: scale of the means over tokens, above 0; 2 in the paper.
        margin: by how much the better side should lead (gamma), at least 0.

    Source:
        Meng et al. 2024 (2405.14734) eq. 6.
    """
    return -functional.logsigmoid(beta * (pairs.chosen_mean_P - pairs.rejected_mean_P) - margin)


def orpo(pairs: PairLogprobs, *, weight: float) -> Tensor:
    """Return NLL of the better side less weight times log sigma of the log odds ratio; there is no reference.

    odds = p / (1 - p) of a side's mean token probability p = exp(mean log pi). The NLL is the mean over its tokens.

    Args:
        pairs: log-probabilities.
        weight: lambda, at least 0.

    Source:
        Hong et al. 2024 (2403.07691) eq. 6 and 7.
    """
    log_odds_P = (
        pairs.chosen_mean_P - pairs.rejected_mean_P
        - _log_one_less_exp(pairs.chosen_mean_P) + _log_one_less_exp(pairs.rejected_mean_P)
    )  # fmt: skip
    return -pairs.chosen_mean_P - weight * functional.logsigmoid(log_odds_P)


def slic(pairs: PairLogprobs, *, beta: float, margin: float = 1.0, with_reference: bool = True) -> Tensor:
    """Return max(0, margin - beta (r_c - r_j)), or with log pi in place of r without a reference.

    Source:
        Zhao et al. 2023 (SLiC-HF, 2305.10425), whose regulariser is `negative_loglikelihood` of the better side; with a
        reference: Liu et al. 2024 (RSO, 2309.06657).
    """
    gap_P = pairs.gap_P if with_reference else pairs.chosen_P - pairs.rejected_P
    return torch.relu(margin - beta * gap_P)


def discopop(pairs: PairLogprobs, *, beta: float, temperature: float = 0.05) -> Tensor:
    """Return a blend of the logistic and the exponential loss of x = beta (r_c - r_j), gated by sigma(x / temperature).

    Source:
        Lu et al. 2024 (2406.08414) eq. 5, temperature being its tau.
    """
    logits_P = beta * pairs.gap_P
    gate_P = torch.sigmoid(logits_P / temperature)
    return (1.0 - gate_P) * -functional.logsigmoid(logits_P) + gate_P * torch.exp(-logits_P)


def negative_loglikelihood(pairs: PairLogprobs) -> Tensor:
    """Return the better side's mean negative log-likelihood of a token: the regulariser that any loss may add."""
    return -pairs.chosen_mean_P


def _log_one_less_exp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x below 0, in full precision near 0 and far from it."""
    near = x > -0.6931471805599453
    return torch.where(
        near,
        torch.log(-torch.expm1(torch.where(near, x, -1.0))),
        torch.log1p(-torch.exp(torch.where(near, -1.0, x))),
    )


__all__ = [
    "PairLogprobs",
    "UnpairedLogprobs",
    "apo_down",
    "apo_zero",
    "apo_zero_unpaired",
    "discopop",
    "dpo",
    "ipo",
    "kto",
    "negative_loglikelihood",
    "orpo",
    "reference_point",
    "simpo",
    "slic",
]
