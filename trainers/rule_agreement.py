"""How far an annotator's rankings agree with the rules: a poor judge shows where rules can tell.

Counted are the pairs of episodes of one task and seed that the rules tell apart. With A pairs ordered alike, R ordered
the other way round and T tied by the annotator, Somers' D of the annotator given the rules is (A - R) / (A + R + T):
1 for an annotator that repeats the rules, 0 for one that tosses coins or tells nothing apart, -1 for the reverse.

Source: Somers 1962, "A new asymmetric measure of association for ordinal variables".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAgreement:
    """Pairs that the rules tell apart, by what an annotator says of them.

    Attributes:
        agreed: ordered as the rules order them.
        reversed: ordered the other way round.
        tied: not told apart by the annotator.
    """

    agreed: int = 0
    reversed: int = 0
    tied: int = 0

    def plus(self, other: RuleAgreement) -> RuleAgreement:
        """Return the counts of both."""
        return RuleAgreement(
            agreed=self.agreed + other.agreed, reversed=self.reversed + other.reversed, tied=self.tied + other.tied
        )

    @property
    def pairs(self) -> int:
        """Pairs that the rules tell apart."""
        return self.agreed + self.reversed + self.tied

    @property
    def rate(self) -> float | None:
        """Share ordered alike of the pairs that both tell apart; None if there are none."""
        ordered = self.agreed + self.reversed
        return self.agreed / ordered if ordered else None

    @property
    def somers_d(self) -> float | None:
        """Somers' D of the annotator given the rules, -1 to 1; None if the rules tell no pair apart."""
        return (self.agreed - self.reversed) / self.pairs if self.pairs else None


def rule_agreement(totals: Sequence[float | None], ranks: Sequence[int]) -> RuleAgreement:
    """Compare one ranking with the rules.

    Args:
        totals: what the rules measured of each episode, more being better; None: nothing.
        ranks: the annotator's rank of each episode, 0 the best.
    """
    agreed = against = tied = 0
    for (total, rank), (other_total, other_rank) in combinations(zip(totals, ranks, strict=True), 2):
        if total is None or other_total is None or total == other_total:
            continue
        if rank == other_rank:
            tied += 1
        elif (rank < other_rank) == (total > other_total):
            agreed += 1
        else:
            against += 1
    return RuleAgreement(agreed=agreed, reversed=against, tied=tied)


__all__ = ["RuleAgreement", "rule_agreement"]
