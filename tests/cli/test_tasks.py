import re
import subprocess
import sys
from pathlib import Path

from milepost.envs.registration import BUNDLED_TASKS

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


def test_list_loads_neither_torch_nor_playwright():
    code = (
        "import sys, milepost.cli\n"
        "try: milepost.cli.main(['tasks', 'list', '--json'])\n"
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
