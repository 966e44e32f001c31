"""A whole run is scored again: every ledger's fate, and what a changed task would have paid."""

import io
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from milepost.agents.rescore_run import find_ledgers, rescore_run
from milepost.envs.registration import task_for
from milepost.envs.task import load_tasks
from milepost.rescore_view import show_rescored
from milepost.rewards.rescoring import Verdict
from milepost.sandbox.errors import RunError
from tests.rewards.written import edit, lines_of, remake

from .recorded_run import PLANS, record, record_run

HERE = Path(__file__).parent


@pytest.fixture
def run(tmp_path):
    return record_run(tmp_path / "run").path


def ledger_of(run: Path, seed: int) -> Path:
    return run / "trajectories" / "iteration_000" / f"milepost_expense-form-v0-seed{seed}.jsonl"


def verdicts(run: Path) -> dict[int, Verdict]:
    """Verdicts by seed, those that are not ok."""
    report = rescore_run(run)
    assert report.passed == all(episode.verdict in (Verdict.OK, Verdict.TORN) for episode in report.episodes)
    return {
        seed: episode.verdict
        for episode in report.episodes
        for seed in PLANS
        if episode.path.name.endswith(f"seed{seed}.jsonl") and episode.verdict is not Verdict.OK
    }


def test_a_run_as_it_was_recorded(run):
    seen = []
    report = rescore_run(run, on_episode=lambda done, total, episode: seen.append((done, total, episode.verdict)))
    assert report.passed
    assert report.counts == {"ok": 4}
    assert (report.unsealed, report.other_tasks, report.findings) == (0, 0, ())
    assert report.old_total == report.new_total == pytest.approx(1.9 * 2 + 0.4 + 0.2)
    assert seen == [(i, 4, "ok") for i in (1, 2, 3, 4)]
    assert report.to_json() == {
        "path": str(run),
        "passed": True,
        "episodes": 4,
        "verdicts": {"ok": 4},
        "unsealed": 0,
        "old_total": report.old_total,
        "new_total": report.new_total,
        "success_rate": 0.5,
        "findings": [],
    }


def test_the_run_its_iteration_and_one_ledger_are_found(run):
    ledgers = [ledger_of(run, seed) for seed in PLANS]
    iteration = ledgers[0].parent
    assert find_ledgers(run) == find_ledgers(run / "trajectories") == find_ledgers(iteration) == ledgers
    assert find_ledgers(ledgers[0]) == [ledgers[0]]


def test_where_there_are_no_ledgers_it_says_where_they_would_be(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(RunError, match=r"found no ledger at .*trajectories/iteration_NNN/"):
            rescore_run(path)


def test_an_edited_ledger(run):
    edit(ledger_of(run, 2), 2, lambda r: r["reward"].update(total=5.0))
    assert verdicts(run) == {2: Verdict.TAMPERED}


@pytest.mark.parametrize("where", ["run", "iteration", "ledger"])
def test_a_chain_made_anew_is_found_by_the_hash_that_the_run_kept(run, where):
    ledger = ledger_of(run, 2)
    edit(ledger, 2, lambda r: r.update(action="another"))
    remake(ledger)
    report = rescore_run({"run": run, "iteration": ledger.parent, "ledger": ledger}[where])
    assert report.counts["tampered"] == 1
    (run / "trajectories" / "iteration_000.jsonl").unlink()
    assert rescore_run(run).passed  # nothing is left to tell it from the one that was written


def test_a_reward_changed_behind_a_chain_made_anew_differs_without_the_runs_record_too(run):
    ledger = ledger_of(run, 2)
    edit(ledger, 2, lambda r: r["reward"].update(total=5.0))
    remake(ledger)
    (run / "trajectories" / "iteration_000.jsonl").unlink()
    report = rescore_run(run)
    assert report.counts == {"ok": 3, "differs": 1}
    (finding,) = report.to_json()["findings"]
    assert finding["ledger"] == str(ledger)
    assert finding["seed"] == 2
    assert [(d["step"], d["what"], d["recorded"], d["again"]) for d in finding["differences"]] == [
        (1, "total", 5.0, 0.2)
    ]


def test_lines_cut_off_a_finished_episode(run):
    ledger = ledger_of(run, 1)
    ledger.write_bytes(b"".join(lines_of(ledger)[:-2]))
    assert verdicts(run) == {1: Verdict.TAMPERED}


def test_an_episode_that_was_never_finished_is_torn_and_passes(run):
    whole = lines_of(ledger_of(run, 1))
    unfinished = ledger_of(run, 9)
    unfinished.write_bytes(b"".join(whole[:3]) + whole[3][:50])
    report = rescore_run(run)
    assert report.passed
    assert report.counts == {"ok": 4, "torn": 1}


def test_ledgers_taken_away(run):
    ledger_of(run, 3).unlink()
    assert verdicts(run) == {3: Verdict.MISSING}
    for seed in (1, 2, 4):
        ledger_of(run, seed).unlink()
    ledger_of(run, 1).parent.rmdir()
    record(run / "trajectories" / "iteration_001" / "another.jsonl", 5, "all")
    assert rescore_run(run).counts == {"ok": 1, "missing": 4}


def test_episodes_that_the_machine_broke_are_not_held_to_their_hash(run):
    record_file = run / "trajectories" / "iteration_000.jsonl"
    records = [orjson.loads(line) for line in lines_of(record_file)]
    records[0] |= {"failure": "browser_crashed", "ledger_hash": "0" * 64}
    record_file.write_bytes(b"".join(orjson.dumps(r) + b"\n" for r in records))
    assert verdicts(run) == {}


def test_a_run_of_before_ledgers_were_sealed(run):
    record_file = run / "trajectories" / "iteration_000.jsonl"
    records = [orjson.loads(line) for line in lines_of(record_file)]
    for old in records:
        del old["ledger_hash"]
    record_file.write_bytes(b"".join(orjson.dumps(r) + b"\n" for r in records))
    assert rescore_run(run).passed


def test_the_same_task_moves_nothing(run):
    report = rescore_run(run, tasks=[task_for("expense-form")])
    assert report.findings == ()
    assert (report.old_successes, report.new_successes) == (2, 2)
    assert all(row.gained == row.lost == row.earlier == row.later == 0 for row in report.milestones())


def test_a_changed_task_shows_what_moved(run, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    tasks = load_tasks(HERE / "changed_expense_form.yaml")
    report = rescore_run(run, tasks=tasks)
    rows = {row.milestone: row for row in report.milestones()}
    assert (rows["saved"].old_count, rows["saved"].new_count, rows["saved"].gained) == (2, 3, 1)
    assert (rows["confirmed"].lost, rows["receipt_opened"].gained) == (2, 3)
    assert (report.old_successes, report.new_successes) == (2, 3)
    assert report.passed  # a move is what was asked for
    text = io.StringIO()
    show_rescored(report, Console(file=text, width=120, color_system=None))
    golden = HERE / "golden" / "changed_task.txt"
    assert text.getvalue() == golden.read_text(encoding="utf-8")
    document = orjson.loads(orjson.dumps(report.to_json()))
    for finding in document["findings"]:
        finding["ledger"] = Path(finding["ledger"]).name
    del document["path"]
    assert document == orjson.loads((HERE / "golden" / "changed_task.json").read_bytes())


def test_a_changed_task_that_asks_for_what_was_not_drawn(run, tmp_path):
    text = (HERE / "changed_expense_form.yaml").read_text(encoding="utf-8")
    text = text.replace("parameters:", "parameters:\n  colour: {choice: [red]}", 1)
    (tmp_path / "t.yaml").write_text(text.replace('value: "{person}"', 'value: "{colour}"'), encoding="utf-8")
    report = rescore_run(run, tasks=load_tasks(tmp_path / "t.yaml"))
    assert not report.passed
    assert report.counts == {"not re-scorable": 4}
    assert "did not draw" in report.episodes[0].note
    assert "'colour'" in report.episodes[0].note


def test_episodes_of_other_tasks_are_left_out_and_counted(run):
    with pytest.raises(RunError, match=r"expected episodes of search-open in .*, found 4 of other tasks only"):
        rescore_run(run, tasks=[task_for("search-open")])
    report = rescore_run(run, tasks=[task_for("search-open"), task_for("expense-form")])
    assert (len(report.episodes), report.other_tasks) == (4, 0)
