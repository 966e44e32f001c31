from __future__ import annotations

from pathlib import Path

import pytest

from milepost.rewards.labels import Choice, Purpose
from milepost.rewards.preferences import read_all, read_preferences
from milepost.sandbox.errors import RunError
from milepost.trainers.labelling.plan import PlanSettings, make_plan
from milepost.trainers.labelling.session import LabelSession, NotTheCurrentPairError, checked_annotator
from milepost.trainers.recorded import RecordedEpisodes

from .choices import record_seeds


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return record_seeds(tmp_path / "run", range(4))


def session(run: Path, annotator: str = "kim", **settings: object) -> LabelSession:
    plan = make_plan([run], annotator, PlanSettings(**settings))  # type: ignore[arg-type]
    return LabelSession(plan, run / "labels.jsonl")


def answer(session: LabelSession, choice: Choice, **said: object) -> None:
    session.choose(session.ahead(1)[0].id, choice, **said)  # type: ignore[arg-type]


def test_a_choice_names_the_episode_that_was_on_that_side(run: Path):
    labelling = session(run)
    (slot,) = labelling.ahead(1)
    answer(labelling, Choice.RIGHT, reason="  it\nsaved ", seconds=3.14159)
    (ranking,) = read_all(run / "labels.jsonl")
    (best,) = [item.trajectory for item in ranking.items if item.rank == 0]
    assert best == slot.shown[1]
    assert ranking.label is not None
    assert (ranking.reason, ranking.label.seconds, ranking.label.left) == ("it saved", 3.14, slot.left)
    assert (ranking.annotator, ranking.time.tzinfo is not None) == ("kim", True)
    RecordedEpisodes().trajectory(best)  # which refuses another episode than was ranked


def test_it_goes_on_where_it_stopped(run: Path):
    labelling = session(run, pairs=10)
    order = [slot.id for slot in labelling.ahead(100)]
    for choice in (Choice.LEFT, Choice.TIE, Choice.SKIP):
        answer(labelling, choice)
    again = session(run, pairs=10)
    assert (again.done, again.total) == (3, len(order))
    assert [slot.id for slot in again.ahead(100)] == order[3:]


def test_every_pair_is_asked_once(run: Path):
    labelling = session(run, pairs=10, repeats=0.3)
    while labelling.ahead(1):
        answer(labelling, Choice.LEFT)
    assert labelling.done == labelling.total
    labels = [ranking.label for ranking in read_all(run / "labels.jsonl")]
    purposes = [label.purpose for label in labels if label is not None]
    assert (purposes.count(Purpose.NEW), purposes.count(Purpose.SWAPPED)) == (10, 3)
    assert sum(label.expected is not None for label in labels if label) == purposes.count(Purpose.CALIBRATION) > 0
    assert len(read_preferences(run / "labels.jsonl")) == 10


def test_undo_asks_again_and_takes_the_choice_out_of_what_is_learned(run: Path):
    labelling = session(run, calibration=0.0)
    order = [slot.id for slot in labelling.ahead(3)]
    answer(labelling, Choice.LEFT)
    answer(labelling, Choice.LEFT)
    assert labelling.undo()
    assert labelling.undo()
    assert not labelling.undo()
    assert [slot.id for slot in labelling.ahead(3)] == order
    assert read_preferences(run / "labels.jsonl") == []
    answer(labelling, Choice.RIGHT)
    assert [r.label.choice for r in read_preferences(run / "labels.jsonl") if r.label] == [Choice.RIGHT]
    assert session(run, calibration=0.0).done == 1


def test_undo_after_a_restart_takes_back_the_last_choice(run: Path):
    labelling = session(run)
    for choice in (Choice.LEFT, Choice.RIGHT):
        answer(labelling, choice)
    second = session(run)
    expected = second.ahead(1)[0].id
    second.undo()
    assert second.ahead(2)[1].id == expected


def test_two_annotators_in_one_file_do_not_see_each_other(run: Path):
    kim, lee = session(run, "kim"), session(run, "lee")
    answer(kim, Choice.LEFT)
    answer(lee, Choice.RIGHT)
    answer(kim, Choice.LEFT)
    assert (session(run, "kim").done, session(run, "lee").done) == (2, 1)


def test_a_choice_for_another_pair_is_refused(run: Path):
    labelling = session(run)
    first, second = labelling.ahead(2)
    with pytest.raises(NotTheCurrentPairError, match="load the page again"):
        labelling.choose(second.id, Choice.LEFT)
    labelling.choose(first.id, Choice.LEFT)
    with pytest.raises(NotTheCurrentPairError):
        labelling.choose(first.id, Choice.LEFT)
    assert len(read_all(run / "labels.jsonl")) == 1


def test_a_long_reason_is_cut(run: Path):
    labelling = session(run)
    answer(labelling, Choice.LEFT, reason="x" * 9999)
    (ranking,) = read_all(run / "labels.jsonl")
    assert len(ranking.reason) == 500


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 81, "kim\u202e"])
def test_a_name_that_cannot_be_used_is_refused(name: str):
    with pytest.raises(RunError, match="--annotator"):
        checked_annotator(name)
    assert checked_annotator(" Kim Ø ") == "Kim Ø"
