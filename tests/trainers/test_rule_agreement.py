from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from milepost.trainers.rule_agreement import RuleAgreement, rule_agreement


def test_by_hand():
    # Rules: a > b > c = d, e unknown. The annotator: b first, then a and c tied, then d; e somewhere.
    found = rule_agreement([2.0, 1.0, 0.0, 0.0, None], [1, 0, 1, 2, 0])
    # a-b reversed; a-c tied; a-d agreed; b-c, b-d agreed; c-d and all pairs of e are no pairs of the rules.
    assert found == RuleAgreement(agreed=3, reversed=1, tied=1)
    assert (found.pairs, found.rate, found.somers_d) == (5, 0.75, 0.4)


def test_of_nothing_nothing_is_said():
    assert (RuleAgreement().rate, RuleAgreement().somers_d) == (None, None)
    only_ties = RuleAgreement(tied=3)
    assert (only_ties.rate, only_ties.somers_d) == (None, 0.0)


@given(st.lists(st.tuples(st.integers(0, 3) | st.none(), st.integers(0, 3)), max_size=8))
def test_it_is_the_sum_of_signs_over_ordered_pairs(episodes):
    totals = [None if total is None else float(total) for total, _ in episodes]
    found = rule_agreement(totals, [rank for _, rank in episodes])
    signs = []
    for (total, rank), (other_total, other_rank) in permutations(episodes, 2):
        if total is not None and other_total is not None and total > other_total:
            signs.append((other_rank > rank) - (other_rank < rank))
    assert found.pairs == len(signs)
    assert found.agreed - found.reversed == sum(signs)
    assert found.tied == signs.count(0)


def test_counts_add_up():
    one, other = RuleAgreement(agreed=1, reversed=2, tied=3), RuleAgreement(agreed=10, tied=5)
    assert one.plus(other) == RuleAgreement(agreed=11, reversed=2, tied=8)
