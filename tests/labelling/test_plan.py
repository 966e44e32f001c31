from __future__ import annotations

from pathlib import Path

import pytest

from milepost.rewards.labels import Purpose
from milepost.sandbox.errors import FailureKind, RunError
from milepost.trainers.labelling.plan import LabelPlan, PlanSettings, Slot, make_plan
from milepost.trainers.recorded import RecordedEpisodes

from .choices import episode, record, record_seeds


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_seeds(tmp_path_factory.mktemp("plan") / "run", range(10))


def plan(run: Path, annotator: str = "kim", **settings: object) -> LabelPlan:
    return make_plan([run], annotator, PlanSettings(**settings))  # type: ignore[arg-type]


def pairs(slots: LabelPlan, purpose: Purpose) -> set[str]:
    return {slot.pair.name for slot in slots.slots if slot.purpose is purpose}


def test_as_many_of_each_kind_as_asked_for(run: Path):
    made = plan(run, pairs=20, calibration=0.2, repeats=0.1)
    assert [made.count(p) for p in (Purpose.NEW, Purpose.CALIBRATION, Purpose.SWAPPED)] == [20, 4, 2]
    assert (made.episodes, made.groups, len(made.slots)) == (40, 10, 26)
    assert len({slot.id for slot in made.slots}) == 26
    assert not pairs(made, Purpose.NEW) & pairs(made, Purpose.CALIBRATION)


def test_pairs_are_of_one_task_and_seed_and_come_from_all_groups(run: Path):
    made = plan(run, pairs=10, calibration=0.0, repeats=0.0)
    assert {slot.pair.seed for slot in made.slots} == set(range(10))
    read = RecordedEpisodes().trajectory
    for slot in made.slots:
        assert {read(ref).seed for ref in slot.shown} == {slot.pair.seed}


def test_a_known_answer_is_a_success_against_a_far_smaller_total(run: Path):
    made = plan(run, pairs=40, calibration=1.0)
    read = RecordedEpisodes().trajectory
    known = [slot.pair for slot in made.slots if slot.pair.expected is not None]
    assert known
    for pair in known:
        better, worse = read(pair.episodes[pair.expected or 0]), read(pair.episodes[1 - (pair.expected or 0)])
        assert better.success
        assert not worse.success
        assert better.total_reward - worse.total_reward >= 0.5
    assert all(slot.pair.expected is None for slot in made.slots if slot.purpose is not Purpose.CALIBRATION)


def test_no_answer_is_known_where_the_gap_is_small_or_something_was_not_scored_or_not_judged(tmp_path: Path):
    close = record(tmp_path / "close", [episode("a()", total=1.0), episode("b()", total=0.9)])
    unscored = record(tmp_path / "unscored", [episode("a()", total=1.0, seed=1), episode("b()", total=None, seed=1)])
    undecided = episode("b()", total=0.1, seed=2, unjudged=("faithful",))
    unjudged = record(tmp_path / "unjudged", [episode("a()", total=1.0, seed=2), undecided])
    for run in (close, unscored, unjudged):
        made = plan(run, calibration=1.0)
        assert (made.count(Purpose.NEW), made.count(Purpose.CALIBRATION)) == (1, 0)


def test_the_same_command_gives_the_same_plan(run: Path):
    assert plan(run) == plan(run)


def test_annotators_see_the_same_pairs_in_another_order_and_on_other_sides(run: Path):
    kim, lee = plan(run, "kim"), plan(run, "lee")
    for purpose in (Purpose.NEW, Purpose.CALIBRATION):
        assert pairs(kim, purpose) == pairs(lee, purpose)
    assert [s.pair.name for s in kim.slots] != [s.pair.name for s in lee.slots]
    sides = {s.pair.name: s.left for s in kim.slots if s.purpose is Purpose.NEW}
    other = {s.pair.name: s.left for s in lee.slots if s.purpose is Purpose.NEW}
    assert 0 < sum(sides[name] != other[name] for name in sides) < len(sides)
    assert 0 < sum(sides.values()) < len(sides)


def test_asking_for_more_keeps_what_was_asked_for(run: Path):
    few, many = plan(run, pairs=10), plan(run, pairs=30)
    for purpose in (Purpose.NEW, Purpose.CALIBRATION):
        assert pairs(few, purpose) <= pairs(many, purpose)
    ids = {slot.id for slot in many.slots if slot.purpose is Purpose.NEW}
    assert {slot.id for slot in few.slots if slot.purpose is Purpose.NEW} <= ids


def test_repeats_come_later_with_the_sides_swapped(run: Path):
    slots = plan(run, pairs=20, repeats=0.5).slots
    first = {slot.pair.name: n for n, slot in enumerate(slots) if slot.purpose is Purpose.NEW}
    again = [(n, slot) for n, slot in enumerate(slots) if slot.purpose is Purpose.SWAPPED]
    assert len(again) == 10
    half = (20 + sum(slot.purpose is Purpose.CALIBRATION for slot in slots)) / 2
    for n, slot in again:
        before: Slot = slots[first[slot.pair.name]]
        assert first[slot.pair.name] < half <= n
        assert slot.shown == before.shown[::-1]
        assert slot.id != before.id


def test_fewer_seeds(run: Path):
    assert {slot.pair.seed for slot in plan(run, seeds=3).slots} == {0, 1, 2}


def test_what_cannot_be_compared_is_left_out(tmp_path: Path):
    run = record(
        tmp_path / "run",
        [
            episode("a()"),
            episode("a()", total=1.0),
            episode("b()", failure=FailureKind.PAGE_HUNG),
            episode("c()", seed=1),
        ],
    )
    with pytest.raises(RunError, match="two or more episodes of the same task and seed"):
        plan(run)


def test_runs_are_compared_with_each_other(tmp_path: Path):
    first = record(tmp_path / "first", [episode("a()")])
    second = record(tmp_path / "second", [episode("b()")])
    (slot,) = make_plan([first, second], "kim", PlanSettings(repeats=0.0)).slots
    assert {ref.run for ref in slot.shown} == {first, second}
