"""Two evaluations side by side, episode against episode.

Only pairs count: the same task, seed and sample, played to its end and decided on both sides. Both policies met the
same instances, so what differs between instances drops out of the differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...sandbox.errors import RunError
from .outcome import EpisodeResult, success_rate
from .statistics import clustered_interval, mean_of, paired_p_value


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedScore:
    """How two evaluations differ on the episodes that both have; differences are this one less the other.

    Attributes:
        pairs: episodes decided on both sides.
        success: success rate of this one over the pairs.
        other_success: of the other.
        difference: of the rates.
        low: of its 95 % bootstrap interval over (task, seed) clusters.
        high: of the same.
        p_value: of the sign-flip permutation test over those clusters; None without pairs.
        better: pairs in which only this one succeeded.
        worse: pairs in which only the other did.
        reward_fraction_difference: mean difference of the share of the reward earned, where both are known.
        steps_difference: mean difference of the number of actions, where both succeeded.
    """

    pairs: int
    success: float | None
    other_success: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    better: int
    worse: int
    reward_fraction_difference: float | None
    steps_difference: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Paired differences.

    Attributes:
        other: name of the evaluation compared with.
        all: over all pairs.
        tasks: by task.
        unpaired: decided episodes of either side without a partner.
    """

    other: str
    all: PairedScore
    tasks: Mapping[str, PairedScore]
    unpaired: int

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)


Pair = tuple[EpisodeResult, EpisodeResult]


def compare(episodes: Iterable[EpisodeResult], others: Iterable[EpisodeResult], *, other: str) -> Comparison:
    """Compare the episodes of two evaluations.

    Raises:
        RunError: they have no episode in common.
    """
    mine = {e.key: e for e in episodes if e.failure is None and e.success is not None}
    theirs = {e.key: e for e in others if e.failure is None and e.success is not None}
    pairs = [(episode, theirs[key]) for key, episode in mine.items() if key in theirs]
    if not pairs:
        raise RunError(
            f"expected {other} to have decided episodes in common with this evaluation (same task, seed and sample), "
            f"found none among {len(mine)} and {len(theirs)}. Evaluate both on the same tasks and seeds."
        )
    by_task: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_task.setdefault(pair[0].task, []).append(pair)
    return Comparison(
        other=other,
        all=paired_score(pairs),
        tasks={task: paired_score(members) for task, members in by_task.items()},
        unpaired=len(mine) + len(theirs) - 2 * len(pairs),
    )


def paired_score(pairs: Sequence[Pair]) -> PairedScore:
    """Return the figures of some pairs."""
    clusters: dict[tuple[str, int], list[float]] = {}
    for a, b in pairs:
        clusters.setdefault((a.task, a.seed), []).append(float(bool(a.success)) - float(bool(b.success)))
    interval = clustered_interval(list(clusters.values()))
    return PairedScore(
        pairs=len(pairs),
        success=success_rate(a.success for a, _ in pairs),
        other_success=success_rate(b.success for _, b in pairs),
        difference=mean_of([d for cluster in clusters.values() for d in cluster]),
        low=interval.low,
        high=interval.high,
        p_value=paired_p_value([sum(cluster) for cluster in clusters.values()]),
        better=sum(bool(a.success) and not b.success for a, b in pairs),
        worse=sum(bool(b.success) and not a.success for a, b in pairs),
        reward_fraction_difference=_mean_difference(pairs, lambda e: e.reward_fraction),
        steps_difference=_mean_difference([p for p in pairs if p[0].success and p[1].success], lambda e: e.steps),
    )


def _mean_difference(pairs: Sequence[Pair], value_of: Callable[[EpisodeResult], float | None]) -> float | None:
    values = [(value_of(a), value_of(b)) for a, b in pairs]
    return mean_of([a - b for a, b in values if a is not None and b is not None])


__all__ = ["Comparison", "PairedScore", "compare", "paired_score"]
