from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from milepost.rewards.reward_model.calibration import (
    centred,
    crossfit_probabilities,
    expected_calibration_error,
    fit_temperature,
    pairwise_accuracy,
    preference_probability,
    sigmoid,
    step_confidence,
)

scores = st.floats(-20, 20)
leads = hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=scores)
temperatures = st.floats(0.05, 50)


def test_hand_worked_probability():
    odds = np.log([[3.0, 1.0]])
    assert preference_probability(odds) == pytest.approx([(0.75 + 0.5) / 2])
    assert preference_probability(odds, 0.5) == pytest.approx([(0.9 + 0.5) / 2])


@settings(deadline=None)
@given(leads, temperatures)
def test_swapping_a_pair_gives_the_other_probability(leads_PH, temperature):
    there, back = (preference_probability(sign * leads_PH, temperature) for sign in (1, -1))
    assert there + back == pytest.approx(np.ones(len(leads_PH)))


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 12), st.just(1)), elements=st.integers(-20, 20)), temperatures)
def test_temperature_does_not_change_a_heads_order(leads_P1, temperature):
    cold, warm = preference_probability(leads_P1), preference_probability(leads_P1, max(temperature, 1.0))
    order = np.argsort(leads_P1[:, 0], kind="stable")
    assert (np.diff(cold[order]) >= 0).all()
    assert (np.diff(warm[order]) >= 0).all()
    assert ((cold > 0.5) == (warm > 0.5)).all()


def test_the_fitted_temperature_is_the_one_the_outcomes_were_drawn_at():
    rng = np.random.default_rng(0)
    lead = rng.normal(0, 6, size=20_000)
    outcome = rng.random(len(lead)) < sigmoid(lead / 3.0)
    winner_leads = np.where(outcome, lead, -lead)[:, None]
    assert fit_temperature(winner_leads) == pytest.approx(3.0, rel=0.05)


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(1)), elements=scores), st.floats(0.2, 5))
def test_one_heads_temperature_scales_with_its_scores(leads_PH, factor):  # several heads have flat likelihoods
    fitted = fit_temperature(leads_PH)
    if 0.1 < fitted < 100 and leads_PH.any():
        assert fit_temperature(leads_PH * factor) == pytest.approx(fitted * factor, rel=0.02)


def test_a_model_that_is_always_right_does_not_become_certain():
    sure = preference_probability(np.full((10, 1), 2.0), fit_temperature(np.full((10, 1), 2.0)))
    assert sure == pytest.approx(np.full(10, 11 / 12), abs=1e-3)


def test_no_pairs_no_temperature_and_no_measures():
    none = np.zeros((0, 3))
    assert fit_temperature(none) == 1.0
    assert np.isnan(pairwise_accuracy(none))
    assert np.isnan(expected_calibration_error(none[:, 0]))


def test_a_model_that_diverged_is_named():
    with pytest.raises(ValueError, match="diverged"):
        fit_temperature(np.array([[np.nan, 1.0]]))


def test_hand_worked_accuracy_and_calibration_error():
    assert pairwise_accuracy(np.array([[1.0, -0.5], [-1.0, 0.5], [0.0, 0.0], [2.0, 2.0]])) == pytest.approx(2.5 / 4)
    # sure 0.95 twice, right once; sure 0.62 once, right
    error = expected_calibration_error(np.array([0.95, 0.05, 0.62]), bins=10)
    assert error == pytest.approx(2 / 3 * 0.45 + 1 / 3 * 0.38)


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_calibration_error_is_a_share(probability):
    assert 0.0 <= expected_calibration_error(probability) <= 1.0


def test_a_folds_own_pairs_do_not_move_its_temperature():
    rng = np.random.default_rng(1)
    first, second = rng.normal(1, 2, (30, 2)), rng.normal(1, 2, (30, 2))
    fold = [0] * 30 + [1] * 30
    one = crossfit_probabilities(np.concatenate([first, second]), fold)
    other = crossfit_probabilities(np.concatenate([first * 5, second]), fold)
    assert one[:30] == pytest.approx(preference_probability(first, fit_temperature(second)))
    assert one[30:] != pytest.approx(other[30:])


@settings(deadline=None)
@given(st.lists(scores, min_size=1, max_size=9), scores)
def test_centring_moves_every_sum_alike(raw, offset):
    assert sum(centred(raw, offset)) == pytest.approx(sum(raw) - offset, abs=1e-9)
    assert centred(raw, offset)[1:] == raw[1:]


def test_a_step_is_sure_far_from_the_line_and_unsure_on_it():
    confidence = step_confidence(np.array([[1.0, 1.0], [9.0, 9.0], [-7.0, -7.0], [9.0, -7.0]]), 1.0, 2.0)
    assert confidence[0] == pytest.approx(0.5)
    assert confidence[1] == pytest.approx(sigmoid(np.array(8.0)))
    assert confidence[2] == pytest.approx(confidence[1])
    assert confidence[3] == pytest.approx(0.5)  # heads that disagree are no knowledge
