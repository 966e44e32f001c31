"""The router: order, thresholds, weights, and that silence never becomes a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.rewards.router import ORDER, Thresholds, Weights, blend, cascade, only
from milepost.rewards.types import Source, TierScore
from milepost.sandbox.errors import RewardError

unit = st.floats(0, 1)
raw = st.none() | st.floats(-2, 2)


@st.composite
def answers(draw):
    asked = draw(st.sets(st.sampled_from(ORDER)))
    return [TierScore(tier=source, raw=draw(raw), confidence=draw(st.none() | unit)) for source in asked]


@st.composite
def weights(draw):
    parts = [draw(st.integers(0, 10)) for _ in range(3)]
    total = sum(parts) or 1
    parts = parts if sum(parts) else [1, 0, 0]
    return Weights(rule=parts[0] / total, model=parts[1] / total, judge=parts[2] / total)


def said(rule=None, model=None, judge=None):
    """(raw, confidence) of each layer that was asked."""
    given_by = {Source.RULE: rule, Source.MODEL: model, Source.JUDGE: judge}
    return [TierScore(tier=s, raw=x[0], confidence=x[1]) for s, x in given_by.items() if x is not None]


@pytest.mark.parametrize(
    ("heard", "score", "tier"),
    [
        (said(rule=(0.0, 1.0), model=(0.9, 1.0), judge=(1.0, 1.0)), 0.0, Source.RULE),  # measured: nothing happened
        (said(rule=(None, None), model=(0.4, 0.8), judge=(1.0, 1.0)), 0.4, Source.MODEL),
        (said(rule=(None, None), model=(0.4, 0.79), judge=(1.0, 0.6)), 1.0, Source.JUDGE),
        (said(model=(0.4, None), judge=(1.0, 0.59)), None, None),
        (said(model=(None, 1.0), judge=(None, None)), None, None),
        ([], None, None),
    ],
)
def test_the_cascade_believes_the_first_that_is_sure(heard, score, tier):
    routed = cascade(heard, Thresholds())
    assert (routed.score, routed.tier) == (score, tier)
    assert len(routed.tiers) == len(heard)


def test_thresholds_of_a_milestone_go_before_its_tasks():
    thresholds = Thresholds(tasks={"note": {Source.MODEL: 0.5}}, milestones={"note/summarised": {Source.MODEL: 0.95}})
    assert thresholds.of(Source.MODEL) == 0.8
    assert thresholds.of(Source.MODEL, task="note") == 0.5
    assert thresholds.of(Source.MODEL, task="note", milestone="summarised") == 0.95
    assert thresholds.of(Source.MODEL, task="note", milestone="other") == 0.5
    assert thresholds.of(Source.JUDGE, task="note", milestone="summarised") == 0.6
    heard = said(model=(0.3, 0.9), judge=(0.7, 0.9))
    assert cascade(heard, thresholds, task="note").tier is Source.MODEL
    assert cascade(heard, thresholds, task="note", milestone="summarised").tier is Source.JUDGE


def test_a_blend_by_hand():
    heard = said(rule=(1.0, 1.0), model=(0.5, 0.2), judge=(0.0, 0.9))
    assert blend(heard, Weights(rule=0.5, model=0.3, judge=0.2)).score == pytest.approx(0.65)
    without = said(rule=(1.0, 1.0), model=(0.5, 0.2), judge=(None, None))
    assert blend(without, Weights(rule=0.5, model=0.3, judge=0.2)).score == pytest.approx((0.5 + 0.15) / 0.8)
    assert blend(said(judge=(1.0, 1.0)), Weights(rule=0.5, model=0.5, judge=0.0)).score is None


@pytest.mark.parametrize("wrong", [(0.5, 0.5, 0.5), (1.5, -0.5, 0.0), (0.3, 0.3, 0.3), (float("nan"), 0.5, 0.5)])
def test_weights_that_are_none_are_refused(wrong):
    with pytest.raises(RewardError, match="blend's weights"):
        Weights(rule=wrong[0], model=wrong[1], judge=wrong[2])


def test_two_answers_of_a_layer_are_refused():
    twice = said(model=(0.1, 1.0)) + said(model=(0.9, 1.0))
    with pytest.raises(RewardError, match="at most one answer"):
        cascade(twice, Thresholds())


@given(answers(), weights())
def test_a_blend_lies_between_its_parts_and_silence_stays_silence(heard, weighed):
    routed = blend(heard, weighed)
    counted = [a.raw for a in heard if a.raw is not None and weighed.of(a.tier) > 0]
    if not counted:
        assert routed.score is None
    else:
        assert routed.score is not None
        assert min(counted) - 1e-9 <= routed.score <= max(counted) + 1e-9


@given(answers(), unit, unit)
def test_the_cascade_says_what_some_layer_said(heard, model, judge):
    thresholds = Thresholds(model=model, judge=judge)
    routed = cascade(heard, thresholds)
    by_tier = {a.tier: a for a in heard}
    passed_over = ORDER if routed.tier is None else ORDER[: ORDER.index(routed.tier)]
    for answer in (by_tier[source] for source in passed_over if source in by_tier):
        unsure = answer.confidence is None or answer.confidence < thresholds.of(answer.tier)
        assert answer.raw is None or (answer.tier is not Source.RULE and unsure)
    assert routed.score == (None if routed.tier is None else by_tier[routed.tier].raw)
    assert (routed.score is None) == (routed.tier is None)


def test_who_does_not_say_how_sure_it_is_is_not_believed_even_where_nothing_is_asked():
    heard = [TierScore(tier=Source.MODEL, raw=0.5, confidence=None, latency_ms=0.0, cost=0.0), *said(judge=(0.0, 0.0))]
    assert cascade(heard, Thresholds(model=0.0, judge=0.0)).tier is Source.JUDGE


@given(answers())
def test_one_layer_alone(heard):
    for source in ORDER:
        expected = next((a.raw for a in heard if a.tier is source), None)
        assert only(heard, source).score == expected
