from pathlib import Path

import pytest

from tests.agents.recorded_run import record_run
from tests.rewards.written import edit

from .conftest import Run

CHANGED = Path(__file__).parent.parent / "agents" / "changed_expense_form.yaml"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return record_run(tmp_path / "run").path


def test_a_whole_run_passes(milepost: Run, run: Path):
    answer = milepost("rescore", run)
    assert answer.code == 0
    assert answer.out.splitlines() == ["4 episodes: 4 ok", "reward: recorded 4.40, scored again 4.40"]


def test_tampering_fails_and_is_named(milepost: Run, run: Path):
    ledger = next((run / "trajectories" / "iteration_000").glob("*seed2.jsonl"))
    edit(ledger, 2, lambda r: r["reward"].update(total=5.0))
    answer = milepost("rescore", run)
    assert answer.code == 1
    assert "tampered  trajectories/iteration_000/milepost_expense-form-v0-seed2.jsonl" in answer.out
    assert "line 3 was edited: its content does not match its hash" in answer.out
    assert "4 episodes: 3 ok, 1 tampered" in answer.out
    document = milepost("rescore", run, "--json").document()
    assert (document["passed"], document["verdicts"]) == (False, {"ok": 3, "tampered": 1})


def test_a_changed_task_by_file_and_by_id(milepost: Run, run: Path):
    document = milepost("rescore", run, "--task", CHANGED, "--json").document()
    assert {row["milestone"]: row["gained"] for row in document["milestones"]}["receipt_opened"] == 3
    answer = milepost("rescore", run, "--task", CHANGED, COLUMNS="120")
    assert answer.code == 0
    assert "successes: recorded 2, scored again 3" in answer.out
    same = milepost("rescore", run, "--task", "expense-form", "--json").document()
    assert (same["findings"], same["passed"]) == ([], True)


def test_errors_are_one_paragraph(milepost: Run, run: Path, tmp_path: Path):
    assert "found no ledger at" in milepost("rescore", tmp_path / "nothing").one_paragraph()
    assert "expense-form" in milepost("rescore", run, "--task", "expence-form").one_paragraph()
