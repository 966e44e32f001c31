"""Playing a task: a sound one passes, and each way of being unsound is named with what was seen."""

import uuid
from dataclasses import fields
from pathlib import Path
from typing import ClassVar

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from milepost.agents.task_check import TaskCheck, check_task, check_tasks
from milepost.agents.task_check_plan import CheckPlan, quick_plan, thorough_plan
from milepost.agents.task_check_rows import ORACLE, Row, RowStatus
from milepost.envs.apps import register_app
from milepost.envs.apps.website import Website
from milepost.envs.checks.static import check_file
from milepost.envs.registration import BUNDLED_TASKS

GOOD = """\
name: file-claim
family: form
description: File a claim.
app: expenses
start: /new
goal: 'Claim {amount} for {person}.'
max_steps: 6
parameters:
  person: {choice: [Ada Byron, Alan Turing, Grace Hopper]}
  amount: {integer: [11, 99]}
  wrong: {integer: [111, 999]}
milestones:
  - {id: named, catalogue: field_filled, name: Name, value: "{person}"}
  - {id: saved, detector: server_state, reward: 1, query: "expenses[?name == {person} && amount == {amount}]"}
  - {id: confirmed, catalogue: success_banner, text_contains: Saved as, after: [saved]}
success: [saved, confirmed]
oracle:
  - fill("Name", "{person}")
  - fill("Amount", "{amount}")
  - fill("Purpose", "Tea")
  - click("Submit")
near_miss:
  - name: wrong amount
    actions: ['fill("Name", "{person}")', 'fill("Amount", "{wrong}")', 'fill("Purpose", "Tea")', click("Submit")]
    not_reached: [saved, confirmed]
"""


def played(tmp_path: Path, *changes: tuple[str, str], text: str = GOOD) -> TaskCheck:
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "t.yaml"
    path.write_text(text)
    (report,) = check_file(path)
    return check_task(report, seeds=2, null_steps=12)


def row(check: TaskCheck, name: str) -> Row:
    (found,) = [row for row in check.rows if row.name.partition(":")[0] == name]
    return found


def test_a_task_with_errors_is_not_played(tmp_path):
    check = played(tmp_path, ("max_steps: 6", "max_steps: 3"))
    assert check.rows == ()
    assert not check.ok


@pytest.mark.browser
def test_a_sound_task_passes_every_row(tmp_path):
    seen: list[str] = []
    path = tmp_path / "t.yaml"
    path.write_text(GOOD)
    (report,) = check_file(path)
    check = check_task(report, seeds=3, null_steps=12, on_row=lambda row: seen.append(row.name))
    assert check.ok
    assert [row.status for row in check.rows] == [RowStatus.OK] * 8, check.rows
    assert [row.name for row in check.rows] == seen
    assert seen == [
        "start", "oracle", "oracle again", "near miss: wrong amount", "no-op", "submit only",
        "click everything once", "random, 12 steps",
    ]  # fmt: skip
    assert row(check, "oracle").seen == "3 of 3 earn everything, 1.70, in 4 steps"
    assert row(check, "near miss").seen == "3 episodes reach named"
    assert check.to_json()["ok"] is True


@pytest.mark.browser
def test_advice_on_what_comes_after_the_end_goes_when_the_oracle_earns_it(tmp_path):
    change = ("success: [saved, confirmed]", "success: [saved]")
    path = tmp_path / "static.yaml"
    path.write_text(GOOD.replace(*change))
    assert [f.rule for f in check_file(path)[0].findings] == ["after-end"]
    path.unlink()
    assert played(tmp_path, change).findings == ()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("changes", "name", "status", "words"),
    [
        ([('click("Submit")\nnear', 'click("Send")\nnear')], ORACLE, "failed", ["seed 0", "action 4", "was refused"]),
        (
            [('fill("Purpose", "Tea")\n', 'fill("Purpose", "")\n')],
            ORACLE,
            "failed",
            ["0 of 2", "does not reach confirmed, saved"],
        ),
        (
            [
                (
                    "success: [",
                    "  - {id: trap, detector: clicked, name: Submit, reward: -1, forbidden: true}\nsuccess: [",
                )
            ],
            ORACLE,
            "failed",
            ["forbidden trap"],
        ),
        (
            [("success: [", "  - {id: there, catalogue: url_loaded, path: /new}\nsuccess: [")],
            "start",
            "failed",
            ["there holds at 2 of 2 starts", "can pay nothing"],
        ),
        (
            [('"Amount", "{wrong}"', '"Amount", "{amount}"'), ("  wrong: {integer: [111, 999]}\n", "")],
            "near miss",
            "failed",
            ["reaches confirmed, saved", "ask for more"],
        ),
        (
            [('\'fill("Amount", "{wrong}")\'', '\'fill("Price", "{wrong}")\'')],
            "near miss",
            "advice",
            ["action 2", "was refused"],
        ),
        (
            [("success: [", "  - {id: tried, detector: clicked, name: Submit, reward: 0.1}\nsuccess: [")],
            "submit only",
            "failed",
            ["it reaches tried"],
        ),
        (
            [
                ("success: [saved, confirmed]", "success: [tried]"),
                ("after: [saved]}", "after: [saved]}\n  - {id: tried, detector: clicked, name: Submit, reward: 3}"),
            ],
            "click everything once",
            "failed",
            ["2 of 2 succeed", "forbid the wrong choices"],
        ),
    ],
)
def test_each_way_of_being_unsound_is_named(tmp_path, changes, name, status, words):
    check = played(tmp_path, *changes)
    found = row(check, name)
    assert found.status == status, check.rows
    assert check.ok is (status == "advice")
    text = f"{found.seen} {found.cure}"
    assert all(word in text for word in words), text


@pytest.mark.browser
def test_after_an_oracle_that_fails_nothing_more_is_played(tmp_path):
    check = played(tmp_path, ('click("Submit")\nnear', 'click("Send")\nnear'))
    assert [row.name for row in check.rows] == ["start", "oracle"]


def test_a_quick_check_plays_the_oracle_as_often_and_agents_without_sense_less():
    (report,) = check_file(BUNDLED_TASKS / "expense-form.yaml")
    assert report.task is not None
    quick, thorough = quick_plan(report.task), thorough_plan(report.task, seeds=5)
    assert quick.seeds == thorough.seeds == 5
    assert all(1 <= getattr(quick, field.name) <= getattr(thorough, field.name) for field in fields(CheckPlan))
    assert quick_plan(report.task, seeds=1, null_steps=7).random_steps == 7
    assert quick_plan(report.task, seeds=1).near_miss_seeds == 1


@pytest.mark.browser
def test_tasks_side_by_side_come_out_in_order_and_as_alone(tmp_path):
    texts = {"file-claim": GOOD, "file-wrong": GOOD.replace("file-claim", "file-wrong")}
    texts["file-wrong"] = texts["file-wrong"].replace('click("Submit")\nnear', 'click("Send")\nnear')
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    seen: list[str] = []
    reports = check_file(tmp_path)
    checks = list(check_tasks(reports, quick_plan, seeds=2, on_row=lambda name, row: seen.append(f"{name} {row.name}")))
    assert [(check.name, check.ok) for check in checks] == [("file-claim", True), ("file-wrong", False)]
    assert [row.name for row in checks[1].rows] == ["start", "oracle"]
    assert set(seen) == {f"{check.name} {row.name}" for check in checks for row in check.rows}
    assert row(checks[0], "oracle").seen == "2 of 2 earn everything, 1.70, in 4 steps"


class Lottery(Website):
    """One page that looks different each time."""

    name = "lottery"
    brand: ClassVar[str] = "Lottery"
    folder: ClassVar[Path] = Path(__file__).parent

    def create_schema(self, db) -> None:
        pass

    def seed(self, db, rng, parameters) -> None:
        pass

    def state(self, db):
        return {}

    def routes(self) -> list[BaseRoute]:
        return [Route("/", self._start)]

    async def _start(self, request: Request) -> Response:
        return HTMLResponse(f"<title>Lottery</title><h1>{uuid.uuid4()}</h1><button>Draw</button>")


@pytest.mark.browser
def test_an_application_that_draws_from_outside_is_found_out(tmp_path):
    register_app(Lottery())
    check = played(tmp_path, text="""\
name: draw-lot
family: game
description: Draw a lot.
app: lottery
goal: Draw.
max_steps: 3
milestones:
  - {id: drawn, detector: clicked, name: Draw, reward: 1}
oracle: [click("Draw")]
""")  # fmt: skip
    found = row(check, "oracle again")
    assert found.status is RowStatus.FAILED
    assert "differ at step 1" in found.seen


@pytest.mark.browser
@pytest.mark.parametrize("path", sorted(BUNDLED_TASKS.glob("*.yaml")), ids=lambda path: path.stem)
def test_bundled_tasks_are_solved_missed_and_idled_as_they_say(path: Path):
    for report in check_file(path):
        # Clicking about has a test of its own, with more episodes.
        check = check_task(report, seeds=4, null_steps=1)
        assert [(row.name, row.seen) for row in check.rows if row.status is not RowStatus.OK] == []
        assert [f for f in check.findings if f.rule == "after-end"] == []
