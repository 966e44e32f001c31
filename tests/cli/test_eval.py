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
