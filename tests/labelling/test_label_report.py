from __future__ import annotations

import json

import pytest

from milepost.rewards.labels import Choice, Purpose
from milepost.rewards.preferences import Ranking
from milepost.trainers.labelling.label_report import label_report

from .choices import choice

LEFT, RIGHT, TIE, SKIP = Choice.LEFT, Choice.RIGHT, Choice.TIE, Choice.SKIP


def answers(annotator: str, *choices: Choice, left: int = 0) -> list[Ranking]:
    return [choice(one, pair=n, annotator=annotator, left=left) for n, one in enumerate(choices)]


def test_agreement_of_two_worked_by_hand():
    # 7 of 10 agree; chance: kim 5 first, 3 second, 2 tie; lee 4, 4, 2: 0.36
    kim = [LEFT] * 5 + [RIGHT] * 3 + [TIE] * 2
    lee = [LEFT] * 4 + [RIGHT] * 3 + [TIE, RIGHT, TIE]
    report = label_report([*answers("kim", *kim), *answers("lee", *lee)])
    (two,) = report.agreement
    assert (two.first, two.second, two.pairs) == ("kim", "lee", 10)
    assert two.observed == 0.7
    assert two.kappa == pytest.approx((0.7 - 0.36) / 0.64)


def test_sides_do_not_matter_to_agreement():
    report = label_report([*answers("kim", LEFT, RIGHT, LEFT), *answers("lee", RIGHT, LEFT, RIGHT, left=1)])
    assert report.agreement[0].observed == 1.0
    assert report.alpha == 1.0


def test_alpha_of_three_with_missing_answers_worked_by_hand():
    # units: first first second | second second | (one answer) ; see tests/rewards/test_agreement.py
    report = label_report([
        *answers("kim", LEFT, RIGHT, LEFT),
        *answers("lee", LEFT, RIGHT, SKIP),
        *answers("max", RIGHT, SKIP),
    ])  # fmt: skip
    assert report.alpha == pytest.approx(1 / 3)
    assert (report.choices, report.pairs, report.shared_pairs) == (8, 3, 2)


def test_a_favoured_side_shows():
    report = label_report(answers("kim", *[LEFT] * 8, *[RIGHT] * 2, TIE, SKIP))
    side = report.annotators["kim"].side
    assert (side.left, side.chosen, side.share) == (8, 10, 0.8)
    assert side.p_value == pytest.approx(0.109375)
    assert report.annotators["kim"].choices == {"left": 8, "right": 2, "tie": 1, "skip": 1}


def test_repeats_do_not_hide_a_favoured_side():
    shown = answers("kim", LEFT, LEFT)
    again = [choice(RIGHT, pair=n, left=1, purpose=Purpose.SWAPPED) for n in range(2)]
    report = label_report([*shown, *again])
    assert (report.side.left, report.side.chosen) == (2, 2)


def test_what_becomes_of_choices_when_sides_are_swapped():
    def again(one: Choice, pair: int) -> Ranking:
        return choice(one, pair=pair, left=1, purpose=Purpose.SWAPPED)

    shown = answers("kim", LEFT, LEFT, LEFT, TIE, TIE, SKIP)
    swapped = [again(RIGHT, 0), again(LEFT, 1), again(TIE, 2), again(TIE, 3), again(LEFT, 4), again(LEFT, 5)]
    found = label_report([*shown, *swapped, again(LEFT, 6)]).annotators["kim"].swapped
    assert (found.same, found.followed_side, found.to_or_from_tie, found.shown, found.share) == (2, 1, 2, 5, 0.4)


def test_known_answers_and_seconds():
    known = [
        choice(one, pair=n, purpose=Purpose.CALIBRATION, expected=0, seconds=s)
        for n, (one, s) in enumerate([(LEFT, 2.0), (RIGHT, 4.0), (TIE, 9.0), (SKIP, 1000.0)])
    ]
    kim = label_report(known).annotators["kim"]
    assert (kim.calibration_right, kim.calibration_answered) == (1, 3)
    assert kim.calibration_accuracy == pytest.approx(1 / 3)
    assert kim.seconds == 4.0


def test_it_is_plain_data():
    document = json.loads(json.dumps(label_report(answers("kim", LEFT, SKIP)).to_json()))
    assert document["annotators"]["kim"]["side"] == {"left": 1, "chosen": 1, "p_value": 1.0, "share": 1.0}
    assert document["annotators"]["kim"]["swapped"]["share"] is None
    assert document["alpha"] is None
    assert document["agreement"] == []
