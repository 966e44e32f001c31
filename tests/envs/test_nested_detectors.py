"""Detectors within detectors in a task file: loaded, filled, written again, described to editors, told when wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from milepost.envs.task import Task, load_tasks
from milepost.rewards.sequences import Then
from milepost.sandbox.errors import TaskError

NESTED = """\
name: mail-report
family: reports
description: Export, then mail.
app: reports
goal: Mail the report {report}.
max_steps: 20
parameters:
  report: {choice: [Costs, Plans]}
milestones:
  - id: exported
    catalogue: file_downloaded
    path: "downloads/{report}.csv"
  - id: mailed
    detector: then
    reward: 0.5
    after: [exported]
    steps:
      - {detector: file_created, path: "downloads/{report}.csv"}
      - detector: not
        of:
          detector: clicked
          name: Delete
      - detector: any
        of:
          - detector: server_state
            query: "length(mails[?subject == {report}])"
            equals: 1
          - detector: banner
            text_contains: "{report} sent"
  - id: soon
    detector: within
    of: {detector: banner, text: Sent}
    steps: 3
    since_milestone: exported
    reward: 0.25
    after: [exported]
oracle:
  - click("Export CSV")
"""


def complaint(tmp_path: Path, text: str) -> str:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(TaskError) as caught:
        load_tasks(tmp_path / "t.yaml")
    return str(caught.value).removeprefix(str(tmp_path / "t.yaml"))


@pytest.fixture
def task(tmp_path) -> Task:
    (tmp_path / "t.yaml").write_text(NESTED)
    return load_tasks(tmp_path / "t.yaml")[0]


def test_it_is_filled_down_to_the_last_text(task):
    milestone = next(m for m in task.instantiate(0).milestones if m.id == "mailed")
    report = task.draw_parameters(0)["report"]
    steps = milestone.detector.spec.steps
    assert isinstance(milestone.detector.spec, Then)
    assert steps[0].path == f"downloads/{report}.csv"
    assert steps[2].of[0].query == f'length(mails[?subject == `"{report}"`])'
    assert steps[2].of[1].text_contains == f"{report} sent"


def test_it_is_written_as_it_was_and_reads_again(task):
    written = task.model_dump(mode="json")
    mailed = written["milestones"][1]
    assert mailed["detector"] == "then"
    assert mailed["steps"][1] == {"detector": "not", "of": {"detector": "clicked", "name": "Delete"}, "now": False}
    assert Task.model_validate(json.loads(json.dumps(written))) == task


def test_editors_are_told_what_may_stand_there(task):
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(Task.model_json_schema())
    written = task.model_dump(mode="json", exclude_none=True)
    check.validate(written)
    changes: list[dict[str, Any]] = [
        {"steps": [{"detector": "clicked", "nam": "x"}]},
        {"steps": [{"detector": "clickd", "name": "x"}]},
        {"steps": [{"kind": "clicked", "name": "x"}]},
        {"steps": []},
    ]
    for change in changes:
        wrong = json.loads(json.dumps(written))
        wrong["milestones"][1].update(change)
        assert not check.is_valid(wrong), change


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (
            "          name: Delete",
            "          nam: Delete",
            22,
            ["milestones.1.steps.1.of", "'nam'", "did you mean 'name'"],
        ),
        (
            "detector: clicked",
            "detector: clickd",
            21,
            ["milestones.1.steps.1.of", "'clickd'", "did you mean 'clicked'"],
        ),
        ("          detector: clicked\n", "", 20, ["milestones.1.steps.1.of", "detector: KIND"]),
        ("          name: Delete\n", "", 20, ["milestones.1.steps.1.of", "a role or a name"]),
        (
            "          - detector: server_state\n            query:",
            "          - query:",
            25,
            ["steps.2.of.0", "detector: KIND"],
        ),
        ("mails[?subject == {report}]", "mails[?subject == {reprt}]", 26, ["'reprt'", "did you mean 'report'"]),
        ("mails[?subject == {report}]", "mails[?subject ==", 26, ["milestones.1.steps.2.of.0.query", "JMESPath"]),
        ("text: Sent}", "text: 7}", 32, ["milestones.2.of.text", "string", "got 7"]),
        ("    steps: 3", "    steps: -1", 33, ["milestones.2.steps", "greater than or equal to 0"]),
        ("since_milestone: exported", "since_milestone: mailed", 30, ["stands in `after`", "'mailed'"]),
        (
            "      - detector: any\n",
            "      - detector: not\n        of: {detector: clicked, name: x}\n      - detector: any\n",
            0,
            [],
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, old, new, line, words):
    assert old in NESTED
    if not line:  # two guards in a row are right
        (tmp_path / "t.yaml").write_text(NESTED.replace(old, new, 1))
        assert load_tasks(tmp_path / "t.yaml")
        return
    message = complaint(tmp_path, NESTED.replace(old, new, 1))
    assert message.startswith(f":{line}: "), message
    for word in words:
        assert word in message, message


def test_a_not_alone_is_refused_where_it_stands(tmp_path):
    alone = NESTED.replace("detector: within", "detector: not")
    alone = alone.replace("    steps: 3\n", "").replace("    since_milestone: exported\n", "")
    message = complaint(tmp_path, alone)
    assert message.startswith(":30: ")
    assert "would pay for doing nothing" in message
    assert "forbidden" in message


def test_guards_only_are_refused(tmp_path):
    last = NESTED.index("      - detector: any")
    message = complaint(tmp_path, NESTED[:last] + NESTED[NESTED.index("  - id: soon") :])
    assert message.startswith(":13: ")
    assert "last part of `then`" in message
