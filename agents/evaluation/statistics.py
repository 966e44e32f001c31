"""The statistics of an evaluation, as pure functions of numbers.

C clusters, R resamples, k samples. A cluster is what was drawn independently: one task and seed. The samples of a
cluster share their start, so intervals and tests take or leave clusters whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
"""Resamples of a bootstrap, and of a permutation test that does not try every case."""

_EXACT_CLUSTERS = 16
_CHUNK = 1 << 22  # numbers drawn at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval; both ends None where there is nothing to draw from."""

    low: float | None
    high: float | None


def pass_at_k(samples: int, successes: int, k: int) -> float:
    """Return the chance that at least one of k samples succeeds, estimated without bias from n of them.

    1 - C(n - c, k) / C(n, k): the share of the k-subsets of the samples that hold a success.

    Args:
        samples: n, at least k.
        successes: c, 0 to n.
        k: 1 or more.

    Raises:
        ValueError: k or the successes are out of range.

    Source: Chen et al. 2021, "Evaluating large language models trained on code", equation 1.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"expected 1 <= k <= {samples} samples, got k = {k}; draw more samples or ask for a smaller k")
    if not 0 <= successes <= samples:
        raise ValueError(f"expected 0 to {samples} successes, got {successes}")
    return 1.0 - math.comb(samples - successes, k) / math.comb(samples, k)


def mean_of(values: Sequence[float]) -> float | None:
    """Return the mean, summed without loss; None of nothing."""
    return math.fsum(values) / len(values) if values else None


def clustered_interval(
    clusters: Sequence[Sequence[float]],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a percentile bootstrap interval of the mean over all values, clusters drawn whole with replacement.

    Args:
        clusters: the values of each cluster; empty ones are left out.
        level: coverage, in (0, 1).
        resamples: how many times to draw.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        The interval. With every value equal it has no width, whatever their number: where rates are 0 or 1 a binomial
        interval such as Wilson's says more.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife"; Davison and Hinkley 1997, section 2.4
    (resampling whole clusters).
    """
    sums_C = np.array([math.fsum(c) for c in clusters if len(c)])
    sizes_C = np.array([len(c) for c in clusters if len(c)], dtype=float)
    if not sums_C.size:
        return Interval(low=None, high=None)
    if len(same := {value for cluster in clusters for value in cluster}) == 1:  # no draw of them has another mean
        return Interval(low=min(same), high=max(same))
    means = _resampled(sums_C.size, resamples, seed, lambda drawn: sums_C[drawn].sum(1) / sizes_C[drawn].sum(1))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high))


def paired_p_value(differences: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> float | None:
    """Return the two-sided p-value of a sign-flip permutation test of "the mean difference is 0".

    If neither side is better, each cluster's difference is as likely to have the other sign. Every combination of
    signs is tried for up to 16 clusters that differ, beyond that `resamples` random ones, the observed one among them.

    Args:
        differences: one a cluster; those that are 0 change nothing.
        resamples: random combinations.
        seed: of their draws.

    Returns:
        The p-value in (0, 1]; None of no differences.

    Source: Fisher 1935, "The design of experiments", section 21; Phipson and Smyth 2010, "Permutation p-values should
    never be zero".
    """
    if not differences:
        return None
    values_C = np.array([d for d in differences if d != 0], dtype=float)
    if not values_C.size:
        return 1.0
    observed = abs(math.fsum(values_C)) - 1e-12 * float(np.abs(values_C).sum())  # equal sums must compare as equal
    count = values_C.size
    if count <= _EXACT_CLUSTERS:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        sums = (1 - 2 * bits) @ values_C
        return float(np.mean(np.abs(sums) >= observed))
    generator = np.random.default_rng(seed)
    beyond, left = 0, resamples
    while left:
        rows = min(left, max(1, _CHUNK // count))
        signs = 1 - 2 * generator.integers(0, 2, size=(rows, count), dtype=np.int8)
        beyond += int(np.sum(np.abs(signs @ values_C) >= observed))
        left -= rows
    return (beyond + 1) / (resamples + 1)


def _resampled(
    count: int, resamples: int, seed: int, statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the statistic of each resample; it is given the places of the clusters drawn, shape (rows, C)."""
    generator = np.random.default_rng(seed)
    found: list[NDArray[np.float64]] = []
    left = resamples
    while left:
        rows = min(left, max(1, _CHUNK // count))
        found.append(statistic(generator.integers(0, count, size=(rows, count))))
        left -= rows
    return np.concatenate(found)


__all__ = ["RESAMPLES", "Interval", "clustered_interval", "mean_of", "paired_p_value", "pass_at_k"]
