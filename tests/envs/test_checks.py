"""What is said of a task file without playing it: each rule on a file that breaks it, and on one that does not."""

from pathlib import Path

import pytest

from milepost.envs.checks.findings import Severity
from milepost.envs.checks.static import StaticReport, check_file, check_static
from milepost.envs.registration import BUNDLED_TASKS
from milepost.envs.task import load_tasks
from milepost.sandbox.errors import TaskError

GOOD = """\
name: file-claim
family: form
description: File a claim.
app: expenses
start: /new
goal: 'Claim {amount} for {person}.'
max_steps: 6
parameters:
  person: {choice: [Ada, Alan, Grace]}
  amount: {integer: [11, 99]}
  wrong: {integer: [111, 999]}
milestones:
  - {id: named, catalogue: field_filled, name: Name, value: "{person}"}
  - {id: saved, detector: server_state, reward: 1, query: "expenses[?name == {person} && amount == {amount}]"}
  - {id: confirmed, catalogue: success_banner, text_contains: Saved as, after: [saved]}
  - {id: cleared, detector: clicked, name: Clear, reward: -0.5, forbidden: true, ends_episode: true}
success: [saved, confirmed]
oracle:
  - fill("Name", "{person}")
  - fill("Amount", "{amount}")
  - fill("Purpose", "Tea")
  - click("Submit")
near_miss:
  - name: wrong amount
    actions: ['fill("Name", "{person}")', 'fill("Amount", "{wrong}")', click("Submit")]
    not_reached: [saved, confirmed]
"""
LINES = {line.partition(":")[0]: i for i, line in enumerate(GOOD.splitlines(), 1) if not line.startswith(" ")}
NAMED, SAVED, CONFIRMED, CLEARED = range(13, 17)


def check(tmp_path: Path, *changes: tuple[str, str]) -> StaticReport:
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "t.yaml"
    path.write_text(text)
    (report,) = check_file(path)
    return report


def test_nothing_is_said_of_a_good_task(tmp_path):
    report = check(tmp_path)
    assert report.findings == ()
    assert report.ok


LATER = ("after: [saved]}", "after: [saved, cleared]}")


@pytest.mark.parametrize(
    ("changes", "severity", "rule", "line", "words"),
    [
        ([LATER], "error", "after-forbidden", CONFIRMED, ["'confirmed'", "'cleared'", "no episode can succeed"]),
        (
            [LATER, ("success: [saved, confirmed]", "success: [saved]")],
            "warning",
            "after-forbidden",
            CONFIRMED,
            ["only an episode that is no success"],
        ),
        (
            [("success: [saved, confirmed]", "success: [saved]")],
            "advice",
            "after-end",
            CONFIRMED,
            ["'confirmed'", "'saved'", "in one step"],
        ),
        (
            [("reward: 1, ", "reward: 1, ends_episode: true, ")],
            "advice",
            "after-end",
            CONFIRMED,
            ["'saved'"],
        ),
        (
            [("name: Name, value", "ends_episode: true, name: Name, value")],
            "warning",
            "ends-too-early",
            NAMED,
            ["'named'", "confirmed, saved", "after: [confirmed, saved]"],
        ),
        (
            [("reward: -0.5, forbidden: true, ", "reward: -0.5, ")],
            "warning",
            "negative-reward",
            CLEARED,
            ["costs 0.5", "forbidden: true"],
        ),
        ([("name: Name, value", "reward: 0, name: Name, value")], "advice", "no-reward", NAMED, ["pays nothing"]),
        (
            [
                ("catalogue: field_filled, ", "catalogue: field_filled, reward: 0, "),
                ("reward: 1, ", "reward: 0, "),
                ("text_contains: Saved as, ", "text_contains: Saved as, reward: 0, "),
            ],
            "error",
            "nothing-pays",
            LINES["milestones"],
            ["no milestone pays"],
        ),
        (
            [("catalogue: field_filled, ", "catalogue: field_filled, reward: 2, ")],
            "advice",
            "success-pays-less",
            LINES["milestones"],
            ["1.5", "2"],
        ),
        (
            [
                (
                    "  - {id: saved",
                    '  - {id: again, catalogue: field_filled, name: Name, value: "{person}"}\n  - {id: saved',
                )
            ],
            "warning",
            "same-twice",
            NAMED + 1,
            ["'again'", "'named'"],
        ),
        (
            [("  - {id: cleared", '  - {id: told, detector: answer, reward: 1, text: "{person}"}\n  - {id: cleared')],
            "error",
            "answer-not-given",
            LINES["oracle"] + 1,
            ["'told'", "done(...)"],
        ),
        (
            [
                ("  - {id: cleared", '  - {id: told, detector: answer, reward: 1, text: "x"}\n  - {id: cleared'),
                ('  - click("Submit")\n', '  - click("Submit")\n  - done("x")\n'),
            ],
            "advice",
            "answer-ends",
            CLEARED,
            ["ends_episode: true"],
        ),
        ([("max_steps: 6", "max_steps: 3")], "error", "oracle-too-long", LINES["max_steps"], ["4 actions", "after 3"]),
        ([("max_steps: 6", "max_steps: 4")], "advice", "no-step-to-spare", LINES["max_steps"], ["all 4 steps"]),
        (
            [('fill("Purpose", "Tea")', 'hover("Purpose")')],
            "error",
            "action",
            LINES["oracle"] + 3,
            ["oracle, action 3", "hover is not among this task's actions"],
        ),
        (
            [("'fill(\"Amount\", \"{wrong}\")'", "'fil(\"Amount\", \"{wrong}\")'")],
            "error",
            "action",
            LINES["near_miss"] + 2,
            ["near miss 'wrong amount', action 2", "unknown action"],
        ),
        (
            [("not_reached: [saved, confirmed]", "not_reached: [named]")],
            "warning",
            "near-miss-succeeds",
            LINES["near_miss"],
            ["confirmed or saved"],
        ),
        ([("integer: [11, 99]", "integer: [11, 12]"), ("integer: [111, 999]", "integer: [1, 5]")], "advice",
         "few-instances", LINES["parameters"], ["30 instances"]),
        (
            [('name: Name, value: "{person}"', 'name: Name, value_pattern: ".+"')],
            "warning",
            "fits-everything",
            NAMED,
            ["value_pattern '.+'", "every text"],
        ),
        (
            [('name: Name, value: "{person}"', 'name: Name, value_pattern: "({person})?.*"')],
            "warning",
            "fits-everything",
            NAMED,
            ["every text"],
        ),
        (
            [("text_contains: Saved as,", "text_contains: S,")],
            "warning",
            "fits-everything",
            CONFIRMED,
            ["text_contains 'S'", "one letter"],
        ),
        (
            [("  - {id: cleared", '  - {id: got, detector: file_created, reward: 0.1, path: "**"}\n  - {id: cleared')],
            "warning",
            "fits-everything",
            CLEARED,
            ["path '**'", "every path"],
        ),
        (
            [("  - {id: cleared", '  - {id: there, detector: url_loaded, reward: 0.1, path: "/**"}\n  - {id: cleared')],
            "warning",
            "fits-everything",
            CLEARED,
            ["every path"],
        ),
        (
            [("  wrong: {integer", "  idle: {integer: [1, 2]}\n  wrong: {integer")],
            "warning",
            "unused-parameter",
            LINES["parameters"] + 3,
            ["'idle'", "take it out"],
        ),
        (
            [("for {person}.", "for somebody.")],
            "warning",
            "goal-silent",
            NAMED,
            ["'named' asks for {person}"],
        ),
        ([("app: expenses", "app: expences")], "error", "application", LINES["app"], ["'expences'", "expenses"]),
        ([("app: expenses", "app: reports")], "error", "application", LINES["app"], ["'section'"]),
        (
            [("expenses[?name == {person} && amount == {amount}]", "length(claims) == `1`")],
            "error",
            "query",
            SAVED,
            ["length(claims)", "keys expenses"],
        ),
        (
            [("expenses[?name == {person} && amount == {amount}]", "length(expenses) < `9`")],
            "error",
            "holds-at-start",
            SAVED,
            ["'saved'", "already"],
        ),
        ([("max_steps: 6", "max_steps: many")], "error", "schema", LINES["max_steps"], ["max_steps", "'many'"]),
    ],
)  # fmt: skip
def test_each_rule_names_line_and_cure(tmp_path, changes, severity, rule, line, words):
    report = check(tmp_path, *changes)
    found = [f for f in report.findings if f.rule == rule]
    assert found, report.findings
    assert (found[0].severity, found[0].place) == (severity, f"{tmp_path / 't.yaml'}:{line}")
    assert "\n" not in found[0].message
    assert all(word in found[0].message for word in words), found[0].message
    assert report.ok is all(f.severity != "error" for f in report.findings)


def test_a_file_without_near_misses_is_told(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(GOOD.partition("near_miss:")[0].replace("  wrong: {integer: [111, 999]}\n", ""))
    (report,) = check_file(path)
    assert [(f.severity, f.rule) for f in report.findings] == [("warning", "no-near-miss")]


def test_every_problem_with_the_schema_is_told_not_only_the_first(tmp_path):
    report = check(tmp_path, ("max_steps: 6", "max_steps: many"), ("family: form\n", ""), ("start:", "star:"))
    assert report.task is None
    assert not report.ok
    places = [f.place.rpartition(":")[2] for f in report.findings]
    assert places == [str(LINES["start"] - 1), "1", str(LINES["max_steps"] - 1)]  # a line is gone


def test_what_follows_from_the_goal_is_told(tmp_path):
    parts = ("  wrong: {integer", '  who: {template: "{person} B."}\n  wrong: {integer')
    assert check(tmp_path, parts, ('name: Name, value: "{person}"', 'name: Name, value: "{who}"')).findings == ()
    whole = ("for {person}.", "for {who}.")
    assert check(tmp_path, parts, whole).findings == ()


def test_parameters_that_only_the_application_reads_are_not_called_unused(tmp_path):
    whole = (BUNDLED_TASKS / "search-open.yaml").read_text(encoding="utf-8")
    path = tmp_path / "t.yaml"
    path.write_text(whole.replace("{task} a {decoy_color} {thing}", "Back to search"))
    (report,) = check_file(path)
    assert "unused-parameter" not in {f.rule for f in report.findings}


def test_the_worst_comes_first_and_then_the_order_of_the_file(tmp_path):
    report = check(
        tmp_path,
        ("integer: [11, 99]", "integer: [11, 12]"),
        ("integer: [111, 999]", "integer: [1, 5]"),
        ("max_steps: 6", "max_steps: 3"),
        ("for {person}.", "for somebody."),
        ("text_contains: Saved as,", "text_contains: S,"),
    )
    assert [f.severity for f in report.findings] == ["error", "warning", "warning", "warning", "advice"]
    assert [f.rule for f in report.findings][1:4] == ["goal-silent", "goal-silent", "fits-everything"]


def test_the_bundled_tasks_have_neither_errors_nor_warnings():
    reports = check_file(BUNDLED_TASKS)
    assert len(reports) >= 3
    serious = [f for r in reports for f in r.findings if f.severity is not Severity.ADVICE]
    assert serious == []


def test_a_task_without_a_file_is_placed_by_its_keys():
    (task,) = load_tasks(BUNDLED_TASKS / "search-open.yaml")
    (finding,) = check_static(task.model_copy(update={"max_steps": 2})).findings[:1]
    assert finding.place == "search-open: max_steps"


def test_the_same_task_in_two_files_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    with pytest.raises(TaskError, match=r"b\.yaml:1: .*also in .*a\.yaml"):
        check_file(tmp_path)
