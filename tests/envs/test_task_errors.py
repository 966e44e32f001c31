"""A broken task file: one paragraph that names file and line, what was expected, what came, and the cure."""

from pathlib import Path

import pytest

from milepost.envs.task import load_tasks
from milepost.sandbox.errors import TaskError

GOOD = """\
name: file-claim
family: form
description: File a claim.
app: expenses
goal: Claim for {person}.
max_steps: 9
parameters:
  person: {choice: [Ada, Alan]}
  other: {sample: {from: [Ada, Alan], distinct_from: [person]}}
milestones:
  - id: filled
    catalogue: field_filled
    name: Name
    value: "{person}"
  - id: sent
    catalogue: success_banner
    text: Saved
    after: [filled]
  - id: deleted
    detector: clicked
    name: Delete
    reward: -0.5
    forbidden: true
success: [sent]
oracle:
  - fill("Name", "{person}")
near_miss:
  - name: wrong
    actions: ['fill("Name", "{other}")']
    not_reached: [filled]
"""


def complaint(tmp_path: Path, text: str) -> str:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(TaskError) as caught:
        load_tasks(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message.removeprefix(str(path))


def test_the_good_one_loads(tmp_path):
    (tmp_path / "t.yaml").write_text(GOOD)
    assert load_tasks(tmp_path / "t.yaml")[0].name == "file-claim"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("max_steps: 9", "max_stepz: 9", 6, ["unknown key 'max_stepz'", "did you mean 'max_steps'"]),
        ("max_steps: 9\n", "", 1, ["max_steps is missing"]),
        ("max_steps: 9", "max_steps: many", 6, ["max_steps", "integer", "'many'"]),
        ("max_steps: 9", "max_steps: 0", 6, ["greater than or equal to 1", "got 0"]),
        ("name: file-claim", "name: File Claim", 1, ["name", "pattern", "'File Claim'"]),
        ("goal: Claim for {person}.", "goal: Claim for {persn}.", 5, ["'persn'", "did you mean 'person'"]),
        ("goal: Claim", "goal: Claim: now", 5, ["expected YAML", "mapping values", "quotes"]),
        ("{choice: [Ada, Alan]}", "{choise: [Ada, Alan]}", 8, ["unknown key 'choise'", "did you mean 'choice'"]),
        ("{choice: [Ada, Alan]}", "{integer: [5, 1]}", 8, ["[lowest, highest]", "[5, 1]", "swap"]),
        ("{choice: [Ada, Alan]}", "{decimal: [0.1, 0.2, 0]}", 8, ["[0.1, 0.2, 0]", "add places"]),
        ("{choice: [Ada, Alan]}", "{choice: []}", 8, ["at least 1"]),
        ("{choice: [Ada, Alan]}", "{choice: [Ada, Ada]}", 8, ["each value once"]),
        ("{choice: [Ada, Alan]}", "{choice: [Ada], template: x}", 8, ["exactly one of", "choice and template"]),
        ("{choice: [Ada, Alan]}", "{choice: [2024-01-01]}", 8, ["timestamp", "quotes"]),
        ("distinct_from: [person]", "distinct_from: [persn]", 9, ["'persn'", "did you mean 'person'"]),
        ("distinct_from: [person]", "distinct_from: [other]", 9, ["an earlier parameter", "'other'"]),
        ("catalogue: field_filled", "catalogue: field_fild", 12, ["'field_fild'", "did you mean 'field_filled'"]),
        ("    catalogue: field_filled\n", "", 11, ["catalogue: NAME", "detector: KIND"]),
        ("detector: clicked", "detector: click", 20, ["'click'", "did you mean 'clicked'"]),
        ("    reward: -0.5\n", "", 20, ["reward: NUMBER", "detector: clicked"]),
        ("reward: -0.5", "reward: 0.5", 19, ["forbidden", "0.5", "negative"]),
        ("reward: -0.5", "reward: .nan", 22, ["finite"]),
        ('    value: "{person}"', '    valu: "{person}"', 14, ["unknown key 'valu'", "did you mean 'value'"]),
        ('    value: "{person}"\n', "", 11, ["value or value_pattern", "neither"]),
        ('    value: "{person}"', '    value: "{person_}"', 14, ["'person_'", "did you mean 'person'"]),
        ('    value: "{person}"', "    value_pattern: '(a'", 14, ["regular expression", "'(a'"]),
        ("text: Saved", "text: 7", 17, ["string", "got 7"]),
        ("after: [filled]", "after: [fild]", 18, ["'fild'", "did you mean 'filled'"]),
        ("id: sent", "id: filled", 15, ["once", "'filled'", "rename"]),
        ("name: Name\n", "name: Name\n    after: [sent]\n", 10, ["circles", "filled", "sent"]),
        ("success: [sent]", "success: [snt]", 24, ["'snt'", "did you mean 'sent'"]),
        ("success: [sent]", "success: [deleted]", 24, ["forbidden 'deleted'", "take it out"]),
        ('fill("Name", "{person}")', 'fill("Name", "{prson}")', 26, ["'prson'", "did you mean 'person'"]),
        ("not_reached: [filled]", "not_reached: [filed]", 30, ["'filed'", "did you mean 'filled'"]),
        ("actions: [", "action: [", 29, ["unknown key 'action'", "did you mean 'actions'"]),
        ("family: form", "name: again", 2, ["each key once", "'name' a second time"]),
        ("family: form", "family: !!python/object/apply:os.system [ls]", 2, ["python", "quotes"]),
        ("family: form", "family: [form", 3, ["expected YAML"]),
        ("family: form", "family: {<<: {a: b}}", 2, ["family", "string", "<<"]),
    ],
)
def test_broken(tmp_path, old, new, line, words):
    assert old in GOOD
    message = complaint(tmp_path, GOOD.replace(old, new, 1))
    assert message.startswith(f":{line}: "), message
    for word in words:
        assert word in message


def test_a_query_with_quotes_round_a_parameter_or_bad_syntax(tmp_path):
    for query, words in (("a[?b == '{person}']", "inside quotes"), ("a[?b ==", "JMESPath expression")):
        wrong = GOOD.replace("detector: clicked\n    name: Delete", f'detector: server_state\n    query: "{query}"')
        message = complaint(tmp_path, wrong)
        assert message.startswith(":21: ")
        assert words in message


def test_not_a_task(tmp_path):
    assert "empty file" in complaint(tmp_path, "# nothing\n")
    assert "expected a task" in complaint(tmp_path, "- a\n- b\n")


def test_bombs_are_refused(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{n}: &{n} [{', '.join([f'*{p}'] * 9)}]" for p, n in zip("abcdefgh", "bcdefghi", strict=True)]
    assert "take out aliases" in complaint(tmp_path, "\n".join(lines))
    assert "take out aliases" in complaint(tmp_path, "a: &a [*a]")
    for opening in ("a: " + "[" * 5000 + "]" * 5000, "[" * 200_000, "{a: " * 50_000, "- " * 100_000):
        assert "plain mappings and lists" in complaint(tmp_path, opening)  # libyaml's composer would crash the process
    assert "262144 bytes" in complaint(tmp_path, "#" * 300_000)


def test_not_text(tmp_path):
    (tmp_path / "t.yaml").write_bytes(b"name: \xff")
    with pytest.raises(TaskError, match="UTF-8"):
        load_tasks(tmp_path / "t.yaml")


def test_nothing_there(tmp_path):
    with pytest.raises(TaskError, match="found none"):
        load_tasks(tmp_path / "*.yaml")
    with pytest.raises(TaskError, match="found none"):
        load_tasks(tmp_path)


def test_the_same_task_twice(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    with pytest.raises(TaskError, match=r"b\.yaml:1: the task 'file-claim' of version 0 is also in .*a\.yaml"):
        load_tasks(tmp_path)
