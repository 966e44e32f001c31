import re
import subprocess
import sys
from pathlib import Path

import pytest

from milepost.envs.registration import BUNDLED_TASKS
from milepost.envs.suites.oracle_times import bundled_times

from .conftest import Run

BUNDLED = {f"milepost/{path.stem}-v0" for path in BUNDLED_TASKS.glob("*.yaml")}


def test_bare_command_shows_the_way(milepost: Run):
    answer = milepost()
    assert answer.code == 0
    assert all(word in answer.out for word in ("doctor", "tasks", "train", "eval"))


def test_list_is_one_document_with_the_bundled_tasks(milepost: Run):
    answer = milepost("tasks", "list", "--json")
    rows = {row["id"]: row for row in answer.document()["tasks"]}
    assert rows.keys() >= BUNDLED
    assert answer.err == ""
    assert all(row["instances"] >= 100 and row["milestones"] >= 3 for row in rows.values())


def test_list_for_people_names_every_task(milepost: Run):
    answer = milepost("tasks", "list", COLUMNS="200")
    assert answer.code == 0
    assert all(task in answer.out for task in BUNDLED)


SUITE = "name: pair\ntasks: [expense-form, report-download]\nheld_out: [mail-attach]\n"


def test_list_gives_a_task_a_line_on_a_terminal_of_80_columns(milepost: Run):
    lines = milepost("tasks", "list", "--suite", "core", COLUMNS="80").out.splitlines()
    assert len(lines) == 1 + 72
    assert max(map(len, lines)) <= 80
    assert all(heading in lines[0] for heading in ("task", "family", "instances", "milestones", "length", "oracle"))
    assert [line.split()[2:] for line in lines if line.startswith("claim-largest-v0")] == [
        ["8,001", "5", "6", "medium", f"{bundled_times()['milepost/claim-largest-v0']:.1f}", "s"]
    ]
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)


def test_list_and_check_take_a_suite_or_a_part_of_it(milepost: Run, tmp_path: Path):
    path = tmp_path / "pair.yaml"
    path.write_text(SUITE, encoding="utf-8")
    listed = milepost("tasks", "list", "--suite", path, "--json").document()["tasks"]
    assert [row["id"].partition("/")[2] for row in listed] == [
        "expense-form-v0",
        "report-download-v0",
        "mail-attach-v0",
    ]
    assert all(row["oracle_seconds"] == bundled_times().get(row["id"]) for row in listed)
    assert [(row["oracle_actions"], row["level"]) for row in listed] == [(4, "medium"), (4, "medium"), (5, "medium")]
    checked = milepost("tasks", "check", "--suite", path, "--static", "--json").document()
    assert [row["name"] for row in checked["tasks"]] == ["expense-form", "report-download", "mail-attach"]
    assert checked["ok"]


def test_check_wants_a_task_or_a_suite(milepost: Run):
    assert "or --suite NAME" in milepost("tasks", "check").one_paragraph()
    assert "did you mean expense-form" in milepost("tasks", "check", "expens-form", "--static").one_paragraph()
    assert "no suite 'nobody'" in milepost("tasks", "list", "--suite", "nobody:train").one_paragraph()


@pytest.mark.parametrize(
    "arguments",
    [["tasks", "list", "--json"], ["tasks", "explain", "search-open"], ["tasks", "check", "search-open", "--static"]],
)
def test_looking_at_tasks_loads_neither_torch_nor_playwright(arguments):
    code = (
        "import sys, milepost.cli\n"
        f"try: milepost.cli.main({arguments!r})\n"
        "except SystemExit as done: assert done.code == 0, done.code\n"
        "heavy = {'torch', 'transformers', 'playwright'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_show_depends_on_the_seed_alone(milepost: Run):
    first, again, other = (milepost("tasks", "show", "expense-form", "--seed", s, "--json").document() for s in "778")
    assert first == again
    assert first["parameters"] != other["parameters"]
    assert first["goal"] != other["goal"]


def test_show_tells_what_a_task_pays(milepost: Run):
    shown = milepost("tasks", "show", "report-download", "--json").document()
    assert shown["id"] == "milepost/report-download-v0"
    assert sum(m["reward"] for m in shown["milestones"] if m["reward"] > 0) == shown["max_reward"]
    assert any(m["success"] for m in shown["milestones"])
    assert len(shown["oracle"]) >= 3


def test_show_for_people_has_goal_milestones_and_solution(milepost: Run):
    shown = milepost("tasks", "show", "search-open", "--json").document()
    answer = milepost("tasks", "show", "search-open", COLUMNS="200")
    assert shown["goal"] in answer.out
    assert all(milestone["id"] in answer.out for milestone in shown["milestones"])
    assert all(action in answer.out for action in shown["oracle"])


def test_explain_says_what_every_milestone_asks_and_pays(milepost: Run):
    answer = milepost("tasks", "explain", "expense-form", COLUMNS="300")
    document = milepost("tasks", "explain", "expense-form", "--json").document()
    assert answer.code == 0, answer.err
    assert document["seed"] is None
    for row in document["milestones"]:
        assert row["id"] in answer.out
        assert row["when"][1:] in answer.out
    assert all(rule in answer.out for rule in document["rules"])
    assert "amount: a whole number from 11 to 99" in answer.out


def test_explain_fills_in_what_a_seed_draws(milepost: Run):
    shown = milepost("tasks", "show", "expense-form", "--seed", "5", "--json").document()
    explained = milepost("tasks", "explain", "expense-form", "--seed", "5", "--json").document()
    assert explained["goal"] == shown["goal"]
    assert explained["max_reward"] == shown["max_reward"]
    assert f'"{shown["parameters"]["person"]}"' in explained["milestones"][0]["when"]


def test_static_check_of_sound_tasks_is_quiet_and_needs_no_browser(milepost: Run, tmp_path: Path):
    absent = str(tmp_path / "absent")
    answer = milepost("tasks", "check", BUNDLED_TASKS, "--static", "--json", MILEPOST_CHROMIUM=absent, PATH="")
    document = answer.document()
    assert answer.code == 0
    assert document["ok"] is True
    assert len(document["tasks"]) >= 3
    assert milepost("tasks", "check", "search-open", "--static").code == 0


def test_check_names_file_line_and_cure_of_every_problem_and_exits_1(milepost: Run, tmp_path: Path):
    broken = tmp_path / "broken.yaml"
    whole = (BUNDLED_TASKS / "search-open.yaml").read_text(encoding="utf-8")
    broken.write_text(whole.replace("max_steps: 6", "max_steps: 2").replace("app: library", "app: libary"))
    lines = broken.read_text(encoding="utf-8").splitlines()
    answer = milepost("tasks", "check", broken, COLUMNS="80")
    assert answer.code == 1
    assert "not ok" in answer.out
    for wrong in ("max_steps: 2", "app: libary"):
        assert f"{broken}:{lines.index(wrong) + 1}: " in answer.out
    found = milepost("tasks", "check", broken, "--json").document()["tasks"][0]["findings"]
    assert {f["rule"] for f in found if f["severity"] == "error"} == {"oracle-too-long", "application"}


def test_check_of_what_is_no_task_at_all_is_one_paragraph(milepost: Run, tmp_path: Path):
    assert "search-open" in milepost("tasks", "check", "serch-open").one_paragraph()
    (tmp_path / "t.yaml").write_text("goal: a: b")
    assert "t.yaml:1" in milepost("tasks", "check", tmp_path / "t.yaml").one_paragraph()


@pytest.mark.browser
def test_check_plays_the_task_and_shows_what_it_saw(milepost: Run):
    arguments = ("tasks", "check", "expense-form", "--seeds", "2", "--null-steps", "10")
    answer = milepost(*arguments, COLUMNS="200")
    assert answer.code == 0, answer
    for shown in ("expense-form  ok", "2 of 2 earn everything, 1.90", "near miss: wrong amount", "no-op", "random"):
        assert shown in answer.out
    document = milepost(*arguments, "--json").document()
    assert document["ok"] is True
    assert {row["status"] for row in document["tasks"][0]["rows"]} == {"ok"}


def test_unknown_task_names_a_close_one(milepost: Run):
    assert "expense-form" in milepost("tasks", "show", "expence-form").one_paragraph()


def test_broken_task_file_is_one_paragraph_with_file_line_and_cure(milepost: Run, tmp_path: Path):
    broken = tmp_path / "broken.yaml"
    whole = (BUNDLED_TASKS / "search-open.yaml").read_text(encoding="utf-8")
    broken.write_text(re.sub(r"^max_steps: .*$", "max_steps: many", whole, flags=re.MULTILINE), encoding="utf-8")
    line = broken.read_text(encoding="utf-8").splitlines().index("max_steps: many") + 1
    message = milepost("tasks", "show", broken).one_paragraph()
    assert f"{broken}:{line}" in message
    assert "max_steps" in message


def test_missing_task_file_is_named(milepost: Run, tmp_path: Path):
    assert "absent.yaml" in milepost("tasks", "show", tmp_path / "absent.yaml").one_paragraph()


def test_debug_shows_the_traceback(milepost: Run):
    answer = milepost("tasks", "show", "nope", MILEPOST_DEBUG="1")
    assert answer.code != 0
    assert "Traceback" in answer.err


def test_errors_are_red_unless_no_color(milepost: Run):
    red = "\x1b[31m"
    assert red in milepost("tasks", "show", "nope", FORCE_COLOR="1").err
    assert red not in milepost("tasks", "show", "nope", FORCE_COLOR="1", NO_COLOR="1").err


def test_mistyped_command_is_a_usage_error(milepost: Run):
    answer = milepost("tsaks")
    assert answer.code == 2
    assert "tasks" in answer.err
    assert "Traceback" not in answer.err
