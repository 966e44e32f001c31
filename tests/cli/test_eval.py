import json
import re
from pathlib import Path

import pytest
import yaml

from tests.judge.scripted import Server, completion, serving, verdict

from .conftest import Run

JUDGED = Path(__file__).parents[2] / "examples" / "judged"


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


INVOICES = JUDGED / "mail-latest-invoice.yaml"


@pytest.mark.browser
def test_what_needs_a_judge_is_unknown_without_one(milepost: Run):
    arguments = ("eval", INVOICES, "--seeds", "2")
    answer = milepost(*arguments, "--policy", "oracle", "--json")
    document = answer.document()
    score = document["tasks"]["milepost/mail-latest-invoice-v0"]
    assert (document["success_rate"], document["undecided"]) == (None, 2)
    assert (score["successes"], score["undecided"], score["rule_successes"], score["mean_reward"]) == (0, 2, None, None)
    assert score["unjudged"] == {"meant": 2}
    assert score["milestones"] == {"read": 1.0}
    assert document["reward"]["mode"] == "rules"
    assert document["reward"]["layers"] == []
    assert "meant of milepost/mail-latest-invoice-v0 in 2 of 2 episodes" in answer.err
    assert "--reward FILE" in answer.err
    idle = milepost(*arguments, "--policy", "noop", COLUMNS="200")
    assert "noop: 0.0% success" in idle.out  # what comes first was not reached, so nobody need be asked
    assert "unjudged" not in idle.err


first_asked_about: dict[str, str] = {}


def answering(server: Server, number: int):
    """Passes the first episode that it is asked about, whichever that is, and no other."""
    shown = str(server.asked[number]["messages"][1]["content"])
    invoice = re.search(r'heading "(Invoice \d+)"', shown)
    assert invoice is not None
    passed = invoice[1] == first_asked_about.setdefault(server.url, invoice[1])
    return completion(verdict(passed, quotes=[invoice[1]]))


@pytest.mark.browser
def test_a_judge_settles_milestones_of_meaning(milepost: Run, tmp_path: Path):
    with serving(answering) as server:
        judge = server.config(samples=3, max_concurrency=1, budget={"prompt_price": 1.0, "completion_price": 1.0})
        (tmp_path / "reward.yaml").write_text(yaml.safe_dump({"reward": {"judge": judge.model_dump(mode="json")}}))
        arguments = ("eval", INVOICES, "--policy", "oracle", "--seeds", "2", "--reward", "reward.yaml")
        answer = milepost(*arguments, "--json")
        assert answer.code == 0, answer.err
        document = answer.document()
        score = document["tasks"]["milepost/mail-latest-invoice-v0"]
        assert (score["successes"], score["undecided"], score["scored"]) == (1, 0, 2)
        assert score["mean_reward"] == pytest.approx(0.25 + 0.5)
        assert score["milestones"] == {"read": 1.0, "meant": 0.5}
        reward = document["reward"]
        assert (reward["layers"], reward["asked"], reward["abstained"]) == (["judge"], {"judge": 2}, {})
        assert (reward["coverage"], reward["cost"]) == (1.0, pytest.approx(6 * 120e-6))
        shown = milepost(*arguments, "reward.judge.model=other", COLUMNS="200")
        assert "judge asked 2 times, believed 2 times, abstained 0 times" in shown.out
        assert "1/2" in shown.out
        assert "50.0% success" in shown.out


@pytest.mark.browser
def test_a_judge_that_cannot_be_reached_leaves_them_open(milepost: Run):
    settings = ("reward.judge.model=m", "reward.judge.base_url=http://127.0.0.1:9/v1", "reward.judge.max_retries=0")
    answer = milepost("eval", INVOICES, *settings, "--policy", "oracle", "--seeds", "1", COLUMNS="200")
    assert answer.code == 0, answer.err
    assert "oracle: unknown success on 1 seeds per task" in answer.out
    assert "The judge abstained: 1 unreachable" in answer.err
    assert "left unjudged" in answer.err


@pytest.mark.browser
def test_agreement_shows_where_rules_and_judge_both_speak(milepost: Run):
    with serving(lambda *_: completion(verdict(False, 0.0))) as server:
        settings = (
            "reward.mode=judge",
            "reward.judge.model=m",
            f"reward.judge.base_url={server.url}",
        )
        answer = milepost("eval", "search-open", *settings, "--policy", "oracle", "--seeds", "2", "--json")
        document = answer.document()
    assert document["success_rate"] == 1.0, "success is the rules' wherever they speak"
    assert document["reward"]["agreement"] == {"judge": 0.0}
    assert document["tasks"]["milepost/search-open-v0"]["mean_reward"] == 0.0


def test_wrong_settings_are_refused_before_anything_starts(milepost: Run, tmp_path: Path):
    arguments = ("eval", "expense-form", "--policy", "noop")
    assert "modes" in milepost(*arguments, "reward.modes=rules").one_paragraph()
    assert "reward.mode=judge needs a judge" in milepost(*arguments, "reward.mode=judge").one_paragraph()
    assert "expected one that begins with `reward.`" in milepost(*arguments, "seed=3").one_paragraph()
    (tmp_path / "reward.yaml").write_text("mode: rules\n")
    assert "`reward:` section" in milepost(*arguments, "--reward", "reward.yaml").one_paragraph()
    assert "judge.yaml" in milepost(*arguments, "--reward", "absent.yaml").one_paragraph()
    assert "expected a task" in milepost("eval", "reward.mode=rules", "--policy", "noop").one_paragraph()


@pytest.mark.browser
def test_it_is_kept_resumed_compared_and_reported(milepost: Run, tmp_path: Path):
    arguments = ("eval", "file-answer", "--seeds", "2")
    first = milepost(*arguments, "--policy", "oracle", "--json")
    document = first.document()
    folder = Path(document["folder"])
    assert folder.parent == tmp_path / "evals"
    assert folder.name.startswith("file-answer-oracle-")
    assert {"config.json", "episodes.jsonl", "summary.json", "summary.csv", "report.html"} <= {
        path.name for path in folder.iterdir()
    }
    assert document["all"]["success"]["value"] == document["success_rate"] == 1.0
    assert document["tasks"]["milepost/file-answer-v0"]["pass_at"]["1"]["value"] == 1.0
    again = milepost(*arguments, "--policy", "oracle", "--json")
    assert "All 2 episodes were there already" in again.err
    assert again.document()["all"] == document["all"]

    (tmp_path / "mine.py").write_text('def act(observation):\n    return "noop()"\n')
    compared = milepost(
        *arguments, "--policy", "mine.py:act", "--out", "evals/idle", "--compare", folder.name, "--json"
    ).document()
    assert (compared["success_rate"], compared["comparison"]["all"]["difference"]) == (0.0, -1.0)
    refused = milepost(*arguments, "--policy", "oracle", "--out", "evals/idle")
    assert "policy.kind: it has 'python', now asked for 'scripted'" in refused.one_paragraph()

    files = ("--html", "board.html", "--csv", "board.csv")
    board = milepost("report", "evals/idle", folder.name, *files, "--json").document()["evaluations"]
    assert [(row["policy"], row["success_rate"]) for row in board] == [("oracle", 1.0), ("mine.py:act", 0.0)]
    assert board[1]["versus_best"]["p_value"] == 0.5, "two instances, both lost: one of two sign patterns as far"
    assert (tmp_path / "board.html").read_text().startswith("<!doctype html>")
    assert len((tmp_path / "board.csv").read_text().splitlines()) == 3
    shown = milepost("report", folder.name, "idle", COLUMNS="200").out
    assert shown.index("oracle") < shown.index("mine.py:act")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["success_rate"] == document["success_rate"] == board[0]["success_rate"]
    assert milepost("rescore", folder, "--json").document()["success_rate"] == document["success_rate"]


def test_copies_are_no_samples_and_an_evaluation_is_no_other_folder(milepost: Run, tmp_path: Path):
    endpoint = "openai:m@http://127.0.0.1:9/v1"
    message = milepost("eval", "file-answer", "--policy", endpoint, "-k", "4", "--temperature", "0").one_paragraph()
    assert "4 copies of one" in message
    (tmp_path / "thesis").mkdir()
    assert "not an evaluation" in milepost("report", "thesis").one_paragraph()
    arguments = ("eval", "file-answer", "--policy", "oracle", "--seeds", "1")
    assert "not an evaluation" in milepost(*arguments, "--compare", "thesis").one_paragraph()
    assert (
        "MISSING_KEY" in milepost(*arguments[:2], "--policy", endpoint, "--api-key-env", "MISSING_KEY").one_paragraph()
    )
