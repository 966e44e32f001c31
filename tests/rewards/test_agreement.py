from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.rewards.agreement import binomial_p_value, cohen_kappa, krippendorff_alpha, observed_agreement

VALUES = st.sampled_from("abc")


def table(**counts: int) -> list[tuple[str, str]]:
    return [(pair[0], pair[1]) for pair, count in counts.items() for _ in range(count)]


def test_kappa_of_a_hand_worked_table():
    # 35 of 50 agree; by chance 25/50 * 30/50 + 25/50 * 20/50 = 0.5; (0.7 - 0.5) / 0.5
    pairs = table(yy=20, yn=5, ny=10, nn=15)
    assert observed_agreement(pairs) == 0.7
    assert cohen_kappa(pairs) == pytest.approx(0.4)


def test_kappa_with_three_categories():
    # 6 of 10 agree; first: a 5, b 3, c 2; second: a 4, b 4, c 2; by chance (20 + 12 + 4) / 100 = 0.36
    pairs = table(aa=3, ab=2, bb=2, bc=1, cc=1, ca=1)
    assert cohen_kappa(pairs) == pytest.approx((0.6 - 0.36) / 0.64)


def test_kappa_at_its_ends():
    assert cohen_kappa([("a", "a"), ("b", "b")]) == 1.0
    assert cohen_kappa([("a", "b"), ("b", "a")]) == -1.0
    assert cohen_kappa([]) is None
    assert cohen_kappa([("a", "a")] * 3) is None
    assert observed_agreement([]) is None


def test_alpha_of_two_judges_worked_by_hand():
    # coincidences: 8 values, 3 a and 5 b; unlike ordered pairs 2, expected 2 * 3 * 5 / 7; 1 - 2 / (30 / 7)
    assert krippendorff_alpha(["aa", "ab", "bb", "bb"]) == pytest.approx(1 - 14 / 30)


def test_alpha_with_missing_answers_worked_by_hand():
    # the last unit says nothing; 5 values, 2 a and 3 b; the first unit has 4 unlike ordered pairs, weighing 1/2 each
    assert krippendorff_alpha(["aab", "bb", "a"]) == pytest.approx(1 - 2 / (2 * 2 * 3 / 4))


def test_alpha_at_its_ends():
    assert krippendorff_alpha(["aaa", "bb"]) == 1.0
    assert krippendorff_alpha(["a", "b"]) is None
    assert krippendorff_alpha(["aa", "aaa"]) is None
    assert krippendorff_alpha([]) is None


def alpha_by_coincidences(units: list[str]) -> float | None:
    """The matrix of coincidences, entry by entry."""
    matrix = {(x, y): 0.0 for x in "abc" for y in "abc"}
    for unit in units:
        for x, y in permutations(unit, 2):
            matrix[x, y] += 1 / (len(unit) - 1)
    totals = {x: sum(matrix[x, y] for y in "abc") for x in "abc"}
    n = sum(totals.values())
    expected = sum(totals[x] * totals[y] for x in "abc" for y in "abc" if x != y)
    if expected == 0:
        return None
    return 1 - (n - 1) * sum(matrix[x, y] for x in "abc" for y in "abc" if x != y) / expected


@given(st.lists(st.text(VALUES, max_size=5), max_size=12))
def test_alpha_equals_that_of_the_coincidence_matrix(units: list[str]):
    expected = alpha_by_coincidences(units)
    found = krippendorff_alpha(units)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=20))
def test_kappa_takes_neither_order_nor_names_into_account(pairs: list[tuple[str, str]]):
    kappa = cohen_kappa(pairs)
    same = None if kappa is None else pytest.approx(kappa)
    assert cohen_kappa([(b, a) for a, b in pairs]) == same
    renamed = dict(zip("abc", "xyz", strict=True))
    assert cohen_kappa([(renamed[a], renamed[b]) for a, b in reversed(pairs)]) == same
    assert kappa is None or kappa <= 1.0


def test_binomial_probabilities_worked_by_hand():
    assert binomial_p_value(8, 10) == binomial_p_value(2, 10) == 2 * (1 + 10 + 45) / 1024
    assert binomial_p_value(0, 5) == 2 / 32
    assert binomial_p_value(5, 10) == binomial_p_value(0, 0) == 1.0
    assert binomial_p_value(600, 1000) == pytest.approx(2.7e-10, rel=0.1)
    with pytest.raises(ValueError, match="0 to 3"):
        binomial_p_value(4, 3)
