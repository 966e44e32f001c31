"""From an ensemble's scores to probabilities that mean what they say.

Shape legend: P pairs, S steps, H heads of the ensemble, B bins. All scores are log-odds.

A head's probability that episode A is preferred to B is sigma((R(A) - R(B)) / temperature), and the ensemble's is the
heads' mean: where they disagree it is nearer to one half. The temperature is the one under which held-out preferences
are most likely; it changes how sure the model is, never a head's order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LOWEST, _HIGHEST = 1e-2, 1e3  # temperatures outside are those of a model that knows nothing, or of too few pairs


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    out: Floats = 0.5 * (1.0 + np.tanh(0.5 * x))
    return out


def preference_probability(leads_PH: Floats, temperature: float = 1.0) -> Floats:
    """Return the ensemble's probability, (P,), that the first of each pair is preferred.

    Args:
        leads_PH: each head's score of the first less that of the second.
        temperature: above 0.
    """
    probability: Floats = sigmoid(np.asarray(leads_PH, dtype=np.float64) / temperature).mean(axis=-1)
    return probability


def fit_temperature(winner_leads_PH: Floats) -> float:
    """Return the temperature that makes held-out preferences most likely.

    Args:
        winner_leads_PH: each head's score of the preferred episode less that of the other, of held-out pairs.

    Returns:
        Between 0.01 and 1000; 1 if there is no pair, or no lead. When every pair is right, the likelihood rises as the
        temperature falls, so one imaginary pair of each outcome at the mean lead is added.

    Raises:
        ValueError: a lead is not finite.
    """
    leads = np.asarray(winner_leads_PH, dtype=np.float64)
    if not leads.any():
        return 1.0
    if not np.isfinite(leads).all():
        raise ValueError("expected finite leads, got NaN or infinity: the model diverged; lower its learning rate")
    typical = np.abs(leads).mean(axis=0, keepdims=True)
    padded = np.concatenate([leads, typical, -typical])

    def loss(log_temperature: float) -> float:
        probability = preference_probability(padded, float(np.exp(log_temperature)))
        return float(-np.log(np.clip(probability, 1e-12, 1.0)).mean())

    grid = np.linspace(np.log(_LOWEST), np.log(_HIGHEST), 97)
    best = int(np.argmin([loss(x) for x in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(40):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2.0))


def pairwise_accuracy(winner_leads_PH: Floats) -> float:
    """Return the share of pairs that the ensemble's mean orders rightly; an undecided one counts half. NaN of none."""
    leads = np.asarray(winner_leads_PH, dtype=np.float64)
    if leads.size == 0:
        return float("nan")
    mean = leads.mean(axis=-1)
    return float(np.where(mean == 0.0, 0.5, mean > 0.0).mean())


def expected_calibration_error(winner_probability_P: Floats, bins: int = 10) -> float:
    """Return the mean distance between how sure the model is and how often it is right.

    Args:
        winner_probability_P: the probability given to what was preferred, for each pair. The model's guess is the more
            probable one of the pair, its sureness that probability.
        bins: of equal width between 0.5 and 1.

    Returns:
        Between 0 and 1, each bin weighed by its pairs; NaN without pairs.

    Source:
        Guo et al. 2017, equation 3.
    """
    probability = np.asarray(winner_probability_P, dtype=np.float64)
    if probability.size == 0:
        return float("nan")
    sure = np.maximum(probability, 1.0 - probability)
    right = np.where(probability == 0.5, 0.5, probability > 0.5)
    at_B = np.minimum(((sure - 0.5) * 2 * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        inside = at_B == b
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    return float(error)


def crossfit_probabilities(winner_leads_PH: Floats, fold_P: npt.ArrayLike) -> Floats:
    """Return each pair's probability, (P,), at the temperature fitted on the pairs of all other folds.

    So that the calibration error is measured on pairs that its temperature has not seen.
    """
    leads = np.asarray(winner_leads_PH, dtype=np.float64)
    folds = np.asarray(fold_P)
    out = np.zeros(len(leads))
    for fold in np.unique(folds):
        inside = folds == fold
        others = leads[~inside]
        out[inside] = preference_probability(leads[inside], fit_temperature(others if len(others) else leads))
    return out


def step_confidence(raw_SH: Floats, temperature: float, demonstration_step: float) -> Floats:
    """Return the calibrated probability, (S,), that a step is on its side of half a demonstration's step.

    Args:
        raw_SH: each head's raw score of each step.
        temperature: the fitted one.
        demonstration_step: mean raw score of a demonstration's steps.
    """
    towards = preference_probability(np.asarray(raw_SH, dtype=np.float64) - demonstration_step / 2.0, temperature)
    confidence: Floats = np.maximum(towards, 1.0 - towards)
    return confidence


def centred(raw: Sequence[float], offset: float) -> list[float]:
    """Return an episode's centred step scores: the offset is taken off its first step.

    The sum of an episode then is its raw sum less the offset, whatever its length, so the order of episodes stays as
    it was, and as every episode has a first step, which begins alike for all of one task and seed, no advantage
    changes. Taking a part off every step instead would favour the short.

    Args:
        raw: raw scores from the episode's first step on.
        offset: mean raw sum of demonstrations.
    """
    return [raw[0] - offset, *raw[1:]] if raw else []


__all__ = [
    "centred",
    "crossfit_probabilities",
    "expected_calibration_error",
    "fit_temperature",
    "pairwise_accuracy",
    "preference_probability",
    "sigmoid",
    "step_confidence",
]
