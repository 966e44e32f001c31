"""From a batch of examples to the chosen preference loss of it.

Shape legend: T turns of the batch, P pairs, U unpaired samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .offline_config import UNPAIRED, LossConfig
from .offline_update import LossOf, side_sums
from .preference_objectives import (
    PairLogprobs,
    UnpairedLogprobs,
    apo_down,
    apo_zero,
    apo_zero_unpaired,
    discopop,
    dpo,
    ipo,
    kto,
    negative_loglikelihood,
    orpo,
    simpo,
    slic,
)
from .turns import Example, OfflineData, Turn


def pair_loss(config: LossConfig, pairs: PairLogprobs) -> Tensor:
    """Return the chosen loss of each pair, (P,).

    Raises:
        ValueError: the objective is not one of pairs.
    """
    beta = config.scale
    match config.objective:
        case "dpo":
            loss_P = dpo(pairs, beta=beta, label_smoothing=config.label_smoothing)
        case "ipo":
            loss_P = ipo(pairs, beta=beta)
        case "apo-zero":
            loss_P = apo_zero(pairs, beta=beta)
        case "apo-down":
            loss_P = apo_down(pairs, beta=beta)
        case "simpo":
            loss_P = simpo(pairs, beta=beta, margin=0.5 if config.margin is None else config.margin)
        case "orpo":
            loss_P = orpo(pairs, weight=config.odds_weight)
        case "slic":
            loss_P = slic(pairs, beta=beta, margin=1.0 if config.margin is None else config.margin)
        case "discopop":
            loss_P = discopop(pairs, beta=beta, temperature=config.discopop_temperature)
        case _:
            raise ValueError(f"expected an objective of pairs, got {config.objective!r}, which takes single samples")
    return loss_P + config.nll_coef * negative_loglikelihood(pairs) if config.nll_coef else loss_P


def sample_loss(
    config: LossConfig, samples: UnpairedLogprobs, *, z0: Tensor | float, weights: tuple[float, float]
) -> Tensor:
    """Return the chosen loss of each sample, (U,).

    Args:
        config: which loss.
        samples: log-probabilities.
        z0: KTO's reference point.
        weights: of what is desirable and of what is not.

    Raises:
        ValueError: the objective is not one of single samples.
    """
    desirable_weight, undesirable_weight = weights
    match config.objective:
        case "kto":
            return kto(
                samples,
                beta=config.scale,
                z0=z0,
                desirable_weight=desirable_weight,
                undesirable_weight=undesirable_weight,
            )
        case "apo-zero-unpaired":
            weight_U = torch.where(samples.desirable_U, desirable_weight, undesirable_weight)
            return weight_U * apo_zero_unpaired(samples, beta=config.scale)
    raise ValueError(f"expected an objective of single samples, got {config.objective!r}, which takes pairs")


def sample_weights(config: LossConfig, examples: Sequence[Example]) -> tuple[float, float]:
    """Return the weights of desirable and undesirable samples.

    Where none is set, both kinds weigh the same in all, the rarer one more for each of its samples (the ratio of
    Ethayarajh et al. 2024, section 4.2, at its lower end), and their mean over the data is 1.
    """
    good = sum(bool(example.chosen) for example in examples)
    bad = len(examples) - good
    balanced = (len(examples) / (2 * max(good, 1)), len(examples) / (2 * max(bad, 1)))
    return (
        balanced[0] if config.desirable_weight is None else config.desirable_weight,
        balanced[1] if config.undesirable_weight is None else config.undesirable_weight,
    )


def batch_turns(data: OfflineData, batch: Sequence[Example]) -> tuple[list[int], list[Turn]]:
    """Return the distinct turns of a batch: their indices in the data, and what they are."""
    indices = list(dict.fromkeys(turn for example in batch for turn in (*example.chosen, *example.rejected)))
    return indices, [data.turns[i] for i in indices]


def batch_loss(
    config: LossConfig,
    data: OfflineData,
    batch: Sequence[Example],
    indices: Sequence[int],
    *,
    z0: Tensor | float,
    weights: tuple[float, float],
) -> LossOf:
    """Return the batch's mean loss as a function of its turns' log-probabilities.

    Args:
        config: which loss.
        data: turns and their log-probabilities under the reference.
        batch: examples, all pairs or all single samples as the objective wants them.
        indices: of the turns whose log-probabilities the function will be given, see `batch_turns`.
        z0: KTO's reference point.
        weights: see `sample_weights`.
    """
    place = {turn: i for i, turn in enumerate(indices)}
    reference_T = torch.tensor([data.reference_T[i] for i in indices]) if data.reference_T else None
    chosen = [[place[turn] for turn in example.chosen] for example in batch]
    rejected = [[place[turn] for turn in example.rejected] for example in batch]

    def of(logprobs_T: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        base_T = torch.zeros_like(logprobs_T) if reference_T is None else reference_T
        if config.objective in UNPAIRED:
            samples = UnpairedLogprobs(
                logprobs_U=side_sums(logprobs_T, chosen) + side_sums(logprobs_T, rejected),
                reference_U=side_sums(base_T, chosen) + side_sums(base_T, rejected),
                desirable_U=torch.tensor([bool(example.chosen) for example in batch]),
            )
            loss = sample_loss(config, samples, z0=z0, weights=weights).mean()
            return loss, _sample_metrics(samples, z0)
        pairs = PairLogprobs(
            chosen_P=side_sums(logprobs_T, chosen),
            rejected_P=side_sums(logprobs_T, rejected),
            reference_chosen_P=side_sums(base_T, chosen),
            reference_rejected_P=side_sums(base_T, rejected),
            chosen_tokens_P=torch.tensor([float(data.turns.tokens(example.chosen)) for example in batch]),
            rejected_tokens_P=torch.tensor([float(data.turns.tokens(example.rejected)) for example in batch]),
        )
        return pair_loss(config, pairs).mean(), _pair_metrics(pairs, with_reference=reference_T is not None)

    return of


def _pair_metrics(pairs: PairLogprobs, *, with_reference: bool) -> dict[str, Tensor]:
    if not with_reference:
        lead_P = pairs.chosen_mean_P - pairs.rejected_mean_P
        return {"train/pairs_right": (lead_P > 0).float().mean(), "train/lead_per_token": lead_P.mean()}
    return {
        "train/pairs_right": (pairs.gap_P > 0).float().mean(),
        "train/chosen_log_ratio": pairs.chosen_ratio_P.mean(),
        "train/rejected_log_ratio": pairs.rejected_ratio_P.mean(),
    }


def _sample_metrics(samples: UnpairedLogprobs, z0: Tensor | float) -> dict[str, Tensor]:
    metrics = {"train/reference_point": torch.as_tensor(z0)}
    for name, wanted_U in (("chosen", samples.desirable_U), ("rejected", ~samples.desirable_U)):
        if bool(wanted_U.any()):
            metrics[f"train/{name}_log_ratio"] = samples.ratio_U[wanted_U].mean()
    return metrics


__all__ = ["batch_loss", "batch_turns", "pair_loss", "sample_loss", "sample_weights"]
