"""The statistics against hand-worked numbers, brute force and laws."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.agents.evaluation.statistics import clustered_interval, mean_of, paired_p_value, pass_at_k


def test_pass_at_k_by_hand():
    assert pass_at_k(5, 2, 1) == pytest.approx(2 / 5)
    assert pass_at_k(5, 2, 2) == pytest.approx(1 - 3 / 10)  # of ten pairs three are of the three failures
    assert pass_at_k(4, 1, 4) == 1.0
    assert pass_at_k(4, 0, 4) == 0.0


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_success(data: st.DataObject):
    outcomes = data.draw(st.lists(st.booleans(), min_size=1, max_size=7))
    k = data.draw(st.integers(1, len(outcomes)))
    subsets = list(combinations(outcomes, k))
    estimate = pass_at_k(len(outcomes), sum(outcomes), k)
    assert estimate == pytest.approx(sum(map(any, subsets)) / len(subsets))
    assert k == 1 or estimate >= pass_at_k(len(outcomes), sum(outcomes), k - 1)


@pytest.mark.parametrize(("n", "c", "k"), [(3, 1, 4), (3, 1, 0), (3, 4, 1), (3, -1, 1)])
def test_what_pass_at_k_cannot_tell_is_refused(n: int, c: int, k: int):
    with pytest.raises(ValueError, match="expected"):
        pass_at_k(n, c, k)


def test_an_interval_is_that_of_the_clusters_not_of_the_values():
    alone = clustered_interval([[0.0], [1.0]] * 20, resamples=2000)
    copied = clustered_interval([[0.0] * 10, [1.0] * 10] * 20, resamples=2000)
    assert copied == alone, "ten copies of a value tell no more than one"
    assert alone.low is not None
    assert alone.high is not None
    # 40 draws of a fair coin: 0.5 give or take 1.96 * 0.5 / sqrt(40) = 0.155
    assert alone.low == pytest.approx(0.345, abs=0.03)
    assert alone.high == pytest.approx(0.655, abs=0.03)


def test_an_interval_is_drawn_alike_by_the_same_seed():
    values = [[1 / (n + 1)] for n in range(60)]  # many sums, so that other draws show
    assert clustered_interval(values, resamples=500) == clustered_interval(values, resamples=500)
    assert clustered_interval(values, resamples=500, seed=1) != clustered_interval(values, resamples=500)
    assert clustered_interval([]).low is None
    assert clustered_interval([[], []]).high is None


@given(st.lists(st.lists(st.floats(-3, 3), max_size=3), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_an_interval_lies_within_the_values_and_around_nothing_else(clusters: list[list[float]]):
    values = [v for cluster in clusters for v in cluster]
    found = clustered_interval(clusters, resamples=200)
    if not values:
        assert found.low is None
        return
    assert found.low is not None
    assert found.high is not None
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


def test_the_permutation_test_by_hand():
    assert paired_p_value([]) is None
    assert paired_p_value([0.0, 0.0]) == 1.0
    assert paired_p_value([1.0] * 5) == pytest.approx(2 / 32)  # all signs alike, either way
    assert paired_p_value([1.0, 1.0, 1.0, 1.0, -1.0]) == pytest.approx(2 * (1 + 5) / 32)  # |sum| >= 3
    assert paired_p_value([2.0, 0.0, -2.0]) == 1.0


def test_many_clusters_are_tried_by_chance():
    many = [1.0] * 12 + [-1.0] * 6
    # exactly: twice the upper tail of a binomial of 18 from 12 on
    exact = 2 * sum(math.comb(18, i) for i in range(12, 19)) / 2**18
    assert paired_p_value(many) == pytest.approx(exact, abs=0.02)
    assert paired_p_value([1.0] * 40) == pytest.approx(1 / 10_001)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=9))
@settings(max_examples=40, deadline=None)
def test_swapping_the_sides_changes_nothing(differences: list[float]):
    assert paired_p_value(differences) == paired_p_value([-d for d in differences])


def test_the_mean_is_summed_without_loss():
    assert mean_of([]) is None
    assert mean_of([0.1] * 10) == 0.1
