"""How far people who judge the same things agree, and whether a share is more than chance.

Notation: a unit is one thing judged; its values are the categories it was given, by whichever judges saw it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import comb


def observed_agreement(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Return the share of units on which two judges gave the same category; None without units."""
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else None


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Return the agreement of two judges beyond what their own shares of each category would give by chance.

    Args:
        pairs: the categories that the two gave each unit.

    Returns:
        1 for full agreement, 0 for what chance gives, below 0 for less; None where it is not defined: there are no
        units, or both gave every unit one and the same category.

    Source: Cohen 1960, "A coefficient of agreement for nominal scales".
    """
    observed = observed_agreement(pairs)
    if observed is None:
        return None
    n = len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    by_chance = sum(count * second[category] for category, count in first.items())  # times n * n
    return None if by_chance == n * n else (observed - by_chance / n**2) / (1 - by_chance / n**2)


def krippendorff_alpha(units: Sequence[Sequence[Hashable]]) -> float | None:
    """Return the agreement of any number of judges, of whom each may have left units out; categories are nominal.

    Args:
        units: for each unit the categories it was given; units with fewer than two say nothing and are left out.

    Returns:
        1 for full agreement, 0 for what chance gives, below 0 for less; None where it is not defined: no unit was
        judged twice, or one category was given throughout.

    Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C.
    """
    judged = [Counter(values) for values in units if len(values) >= 2]
    totals: Counter[Hashable] = Counter()
    disagreeing = 0.0  # ordered pairs of unlike values within a unit, each unit weighing as many as its values
    for counts in judged:
        m = counts.total()
        totals.update(counts)
        disagreeing += (m * m - sum(c * c for c in counts.values())) / (m - 1)
    n = totals.total()
    expected = n * n - sum(c * c for c in totals.values())  # times n * (n - 1)
    return None if expected == 0 else 1 - (n - 1) * disagreeing / expected


def binomial_p_value(successes: int, trials: int) -> float:
    """Return the two-sided probability of a count at least as far from half, if the odds are even.

    Args:
        successes: 0 to `trials`.
        trials: 0 or more; 0 gives 1.

    Raises:
        ValueError: the counts do not fit each other.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"expected 0 to {trials} successes in {trials} trials, got {successes}")
    tail = sum(comb(trials, i) for i in range(min(successes, trials - successes) + 1))
    return min(1.0, 2 * tail / (1 << trials))


__all__ = ["binomial_p_value", "cohen_kappa", "krippendorff_alpha", "observed_agreement"]
