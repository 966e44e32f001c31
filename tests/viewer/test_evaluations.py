"""Evaluations in the viewer: what their lines say, and what happened in their episodes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from milepost.agents.evaluation.folder import EvaluationFolder
from milepost.agents.evaluation.outcome import success_rate
from milepost.agents.rescore_run import rescore_run
from milepost.sandbox.errors import RunError
from milepost.trainers.viewing.episode import episode_document
from milepost.trainers.viewing.index import Outcome, RunIndex
from milepost.trainers.viewing.overview import run_document
from milepost.trainers.viewing.tokens import TokenTexts
from tests.rewards.written import edit

from .runs import PLANS, TASK, record_evaluation


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    return record_evaluation(tmp_path / "evaluation")


def test_the_newest_of_an_episode_counts(evaluation: Path):
    rows = RunIndex.open(evaluation).rows
    assert len(rows) == 2 * len(PLANS)
    assert [row.outcome for row in rows[:4]] == [Outcome.SUCCESS, Outcome.FAILED, Outcome.FAILED, Outcome.SUCCESS]
    assert [row.sample for row in rows[:4]] == [0, 1, 2, 3]
    assert RunIndex.open(evaluation).rows == rows


def test_the_viewer_says_what_the_evaluation_says(evaluation: Path):
    index = RunIndex.open(evaluation)
    results = list(EvaluationFolder.open(evaluation).episodes.values())
    summary = run_document(index)["summary"]["all"]
    assert summary["success_rate"] == success_rate(result.success for result in results)
    again = rescore_run(evaluation)
    assert (again.passed, summary["successes"]) == (True, again.old_successes)
    assert [row.total for row in index.rows] == [result.reward for result in results]
    assert run_document(index)["batch"] == "sample"
    shown = run_document(index)["tasks"][0]["milestones"]
    for row, result in zip(index.rows, results, strict=True):
        reached = [milestone["id"] for bit, milestone in enumerate(shown) if row.bits >> bit & 1]
        assert reached == list(result.milestones)


def test_an_episode_comes_from_its_ledger(evaluation: Path):
    index = RunIndex.open(evaluation)
    told = episode_document(index, 0, TokenTexts(evaluation))
    assert (told["task"], told["sample"], told["total"]) == (TASK.removeprefix("milepost/"), 0, index.rows[0].total)
    assert told["goal"].startswith("Submit an expense")
    assert told["moments"][0]["action"].startswith("fill(")
    assert told["moments"][0]["target"]["what"] == 'textbox "Name"'
    assert '[2] textbox "Name" ""' in told["moments"][0]["page"]
    assert told["reached"]["saved"] == {"step": 4, "reward": 0.5}
    assert sum(moment["reward"] for moment in told["moments"][:-1]) == pytest.approx(told["total"])


def test_an_altered_ledger_leaves_the_line(evaluation: Path):
    edit(evaluation / "episodes" / "e0-0.jsonl", 2, lambda line: line["reward"].update(total=5.0))
    told = episode_document(RunIndex.open(evaluation), 0, TokenTexts(evaluation))
    assert told["ledger"]["state"] == "tampered"
    assert [moment.get("action") for moment in told["moments"]] == [None]
    assert told["total"] == pytest.approx(1.9)


def test_a_line_that_is_no_episode_is_named(evaluation: Path):
    with (evaluation / "episodes.jsonl").open("ab") as file:
        file.write(orjson.dumps({"task": TASK}) + b"\n")
    with pytest.raises(RunError, match=r"episodes\.jsonl:10: expected an episode of an evaluation"):
        RunIndex.open(evaluation)
