"""What becomes of an episode when it is scored again: a verdict for whatever state its ledger is in."""

import dataclasses

import pytest

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.ledger import LedgerWriter, read_ledger
from milepost.rewards.ledger_records import LedgerHeader
from milepost.rewards.rescoring import EpisodeReport, Reached, Rules, Verdict, examine
from milepost.rewards.scorer import RewardScheme
from milepost.rewards.tracker import Tracker
from milepost.rewards.types import Evidence, Milestone
from milepost.sandbox.errors import TaskError

from .written import as_format_1, edit, episode, milestones, remake, write


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "a.jsonl"
    write(path)
    return path


def changed(**fields) -> list[Milestone]:
    """The milestones, m1 with other fields."""
    return [dataclasses.replace(m, **fields) if m.id == "m1" else m for m in milestones()]


def by(chosen: list[Milestone], success=()):
    return lambda header: Rules(milestones=tuple(chosen), scheme=RewardScheme(success=frozenset(success)))


def test_a_ledger_as_it_was_written(ledger):
    report = examine(ledger, head=read_ledger(ledger).head)
    assert (report.verdict, report.note, report.differences, report.moved) == (Verdict.OK, "", (), ())
    assert (report.task, report.version, report.seed, report.steps) == ("expense-form", 0, 7, 4)
    assert (report.sealed, report.old_success, report.new_success) == (True, True, None)
    assert report.old_total == report.new_total == pytest.approx(1.7)
    assert report.old_reached == report.new_reached
    assert report.old_reached["m1"] == Reached(step=2, reward=0.2)


def test_every_difference_is_reported_not_only_the_first(ledger):
    edit(ledger, 2, lambda r: r["reward"].update(total=5.0))
    edit(ledger, 3, lambda r: r["reward"]["milestones"].pop(0))
    edit(ledger, 4, lambda r: r["reward"]["milestones"][0]["evidence"].update(summary="!"))
    edit(ledger, 4, lambda r: r["reward"].update(shaping=0.5))
    edit(ledger, 5, lambda r: r.update(total=9.0))
    remake(ledger)
    report = examine(ledger)
    assert report.verdict is Verdict.DIFFERS
    assert [(d.step, d.milestone, d.what) for d in report.differences] == [
        (1, None, "total"),
        (2, "m1", "milestone"),
        (3, "m5", "evidence"),
        (3, None, "shaping"),
        (None, None, "total"),
    ]
    first, second = report.differences[:2]
    assert (first.recorded, first.again) == (5.0, 0.1)
    assert (second.recorded, second.again) == (None, 0.2)
    assert report.note == first.message == "step 1: recorded reward 5.0, re-scored 0.1 " \
        "(recorded milestones m0, re-scored m0)"  # fmt: skip


def test_where_evidence_was_seen_counts_as_evidence(ledger):
    edit(ledger, 2, lambda r: r["reward"]["milestones"][0]["evidence"]["where"].update(step=2))
    remake(ledger)
    assert [d.what for d in examine(ledger).differences] == ["evidence"]


def test_a_milestone_paid_otherwise_is_told_apart_from_other_evidence(ledger):
    edit(ledger, 2, lambda r: r["reward"]["milestones"][0].update(reward=0.4))
    remake(ledger)
    assert examine(ledger).note == "step 1: m0 is recorded with the reward 0.4, re-scored 0.1"


def test_an_edited_ledger_is_tampered_with(ledger):
    edit(ledger, 2, lambda r: r["reward"].update(total=5.0))
    report = examine(ledger)
    assert (report.verdict, report.task, report.new_total) == (Verdict.TAMPERED, None, None)
    assert report.note.startswith("line 3 was edited")


def test_a_chain_made_anew_does_not_match_the_runs_record(ledger):
    head = read_ledger(ledger).head
    edit(ledger, 1, lambda r: r.update(action="another"))
    remake(ledger)
    assert examine(ledger).verdict is Verdict.OK  # whole in itself, and it pays what it records
    report = examine(ledger, head=head)
    assert report.verdict is Verdict.TAMPERED
    assert "made anew, or lines were cut off" in report.note


def test_a_ledger_turned_into_the_old_format_does_not_match_the_runs_record(ledger):
    head = read_ledger(ledger).head
    as_format_1(ledger, episode())
    report = examine(ledger)
    assert (report.verdict, report.sealed) == (Verdict.OK, False)
    assert examine(ledger, head=head).verdict is Verdict.TAMPERED


@pytest.mark.parametrize("cut", [1, 40])
def test_a_ledger_that_was_cut_is_scored_as_far_as_it_goes(ledger, cut):
    whole = ledger.read_bytes()
    head = read_ledger(ledger).head
    footer = len(whole.splitlines(keepends=True)[-1])
    ledger.write_bytes(whole[: -footer - cut])
    report = examine(ledger)
    assert (report.verdict, report.note) == (Verdict.TORN, "the last line is cut short")
    assert (report.steps, report.old_success) == (3, None)
    ledger.write_bytes(whole[:-footer])
    assert examine(ledger).verdict is Verdict.TORN
    assert "no footer" in examine(ledger).note
    assert examine(ledger, head=head).verdict is Verdict.TAMPERED


def test_what_is_no_ledger_is_unreadable(tmp_path):
    (tmp_path / "a").write_text("hello\n")
    for name in ("a", "none"):
        report = examine(tmp_path / name)
        assert report.verdict is Verdict.UNREADABLE
        assert report.note


def test_a_detector_that_is_code_needs_the_task(tmp_path):
    coded = Milestone(id="a", description="", detector=lambda m: Evidence(summary="x") if m.step else None, reward=1.0)
    ledger = LedgerWriter(tmp_path / "a", task="t", version=0, seed=0, parameters={}, milestones=[coded])
    tracker = Tracker([coded])
    for moment in episode():
        ledger.write_step(moment, tracker.update(moment))
    ledger.finish(stop_reason="done", success=False)
    assert examine(tmp_path / "a").verdict is Verdict.NOT_RESCORABLE
    report = examine(tmp_path / "a", rules=by([coded]))
    assert (report.verdict, report.new_total, report.moved) == (Verdict.OK, 1.0, ())


def test_a_question_that_the_recorded_state_cannot_answer(ledger):
    asks = DETECTOR_ADAPTER.validate_python({"kind": "server_state", "query": "length(nothing)"})
    broken = Milestone(id="broken", description="", detector=asks.build({}), reward=1.0)
    report = examine(ledger, rules=by([broken]))
    assert report.verdict is Verdict.DIFFERS
    assert "cannot be scored" in report.note


def test_the_same_rules_move_nothing(ledger):
    report = examine(ledger, rules=by(milestones(), success=["m5"]))
    assert (report.verdict, report.moved, report.old_total) == (Verdict.OK, (), report.new_total)
    assert (report.old_success, report.new_success) == (True, True)


def moves(report: EpisodeReport):
    return {name: (report.old_reached.get(name), report.new_reached.get(name)) for name in report.moved}


def test_other_rules_move_milestones(ledger):
    assert moves(examine(ledger, rules=by(changed(reward=0.7)))) == {"m1": (Reached(step=2, reward=0.2),
                                                                           Reached(step=2, reward=0.7))}  # fmt: skip
    late = examine(ledger, rules=by(changed(after=("m5",))))
    assert moves(late) == {"m1": (Reached(step=2, reward=0.2), None)}
    assert late.new_total == pytest.approx(1.5)
    new = dataclasses.replace(milestones()[0], id="again", after=())
    assert moves(examine(ledger, rules=by([*milestones(), new]))) == {"again": (None, Reached(step=1, reward=0.1))}
    assert examine(ledger, rules=by(milestones()[:1])).moved == ("m1", "m2", "m4", "m5")


def test_scoring_stops_where_other_rules_would_have_ended_the_episode(ledger):
    for rules in (by(changed(ends_episode=True)), by(milestones(), success=["m1"])):
        report = examine(ledger, rules=rules)
        assert report.moved == ("m5",)
    assert report.new_success is True


def test_rules_that_do_not_fit_the_episode_say_why(ledger):
    def rules(header: LedgerHeader) -> Rules:
        raise TaskError(f"{header.task} has no colour")

    report = examine(ledger, rules=rules)
    assert (report.verdict, report.note) == (Verdict.NOT_RESCORABLE, "expense-form has no colour")
