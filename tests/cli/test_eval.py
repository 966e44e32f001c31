from pathlib import Path

import pytest

from .conftest import Run


@pytest.mark.browser
def test_oracle_solves_what_noop_does_not(milepost: Run):
    oracle = milepost("eval", "expense-form", "--policy", "oracle", "--seeds", "2", "--json").document()
    noop = milepost("eval", "expense-form", "--policy", "noop", "--seeds", "2", "--json").document()
    assert oracle["success_rate"] == 1.0
    assert noop["success_rate"] == 0.0
    score = oracle["tasks"]["milepost/expense-form-v0"]
    assert score["episodes"] == 2
    assert score["mean_reward_fraction"] == pytest.approx(1.0)


@pytest.mark.browser
def test_for_people_a_table_and_a_summary(milepost: Run):
    answer = milepost("eval", "search-open", "--policy", "oracle", "--seeds", "1", COLUMNS="200")
    assert answer.code == 0, answer.err
    assert "1/1" in answer.out
    assert "oracle: 100.0% success" in answer.out


def test_unknown_policy_names_those_there_are(milepost: Run):
    message = milepost("eval", "expense-form", "--policy", "orcale", "--seeds", "1").one_paragraph()
    assert "oracle" in message
    assert "orcale" in message


def test_unknown_task_is_refused_before_anything_starts(milepost: Run):
    assert "search-open" in milepost("eval", "serch-open", "--policy", "oracle").one_paragraph()


def test_missing_browser_names_its_cure(milepost: Run, tmp_path: Path):
    absent = str(tmp_path / "absent")
    arguments = ("eval", "expense-form", "--policy", "noop", "--seeds", "1")
    message = milepost(*arguments, MILEPOST_CHROMIUM=absent, PATH="").one_paragraph()
    assert "MILEPOST_CHROMIUM" in message
