"""Files that a task puts into the workspace before its episode begins."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from milepost.envs.initial_files import fill_files, path_problem
from milepost.envs.task import Task, load_tasks
from milepost.errors import TaskError
from milepost.sandbox.workspace import QUOTA_BYTES

SOURCE = """\
name: send-letter
family: mail
description: Send a letter.
app: mail
goal: Send {file}.
max_steps: 3
parameters:
  person: {choice: [Ada, Ben]}
  file: {template: "letters/{person}.txt"}
  text: {template: "Dear {person}"}
  text_sha256: {sha256: "{text}"}
files:
  "{file}": "{text}"
  notes.txt: ""
milestones:
  - {id: there, catalogue: file_matches, sha256: "{text_sha256}"}
oracle: [noop()]
"""


def load(tmp_path: Path, text: str) -> Task:
    (tmp_path / "t.yaml").write_text(text)
    return load_tasks(tmp_path / "t.yaml")[0]


def test_paths_and_texts_are_filled(tmp_path):
    task = load(tmp_path, SOURCE)
    for seed in range(5):
        instance = task.instantiate(seed)
        person = instance.parameters["person"]
        assert dict(instance.files) == {f"letters/{person}.txt": f"Dear {person}", "notes.txt": ""}


def test_a_parameter_is_the_digest_of_a_text(tmp_path):
    drawn = {p["person"]: p["text_sha256"] for p in map(load(tmp_path, SOURCE).draw_parameters, range(10))}
    # printf 'Dear Ada' | sha256sum, and so on
    assert drawn == {
        "Ada": "733f04181cd249cfd815f06ae53225b26c8d7b78f5cb464db6f156d3ffe9aed9",
        "Ben": "7df7b9ddcc0d7d76a802b3186238796e515cd23dbca8515e2215d5f3b20c5c12",
    }


def test_the_digest_adds_no_instances(tmp_path):
    assert load(tmp_path, SOURCE).instance_count == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("notes.txt:", "../notes.txt:", 14, ["leads out of the workspace", "such as 'notes.txt'"]),
        ("notes.txt:", "/etc/passwd:", 14, ["relative to the workspace"]),
        ('"{file}":', '"{fil}":', 13, ["expected the name of a parameter, got 'fil'", "did you mean 'file'"]),
        ('"{text}"\n  notes', '"{txt}"\n  notes', 13, ["got 'txt'", "did you mean 'text'"]),
        ('sha256: "{text}"', 'sha256: "{later}"', 11, ["an earlier parameter, got 'later'"]),
        ("files:", "file:", 12, ["unknown key 'file'", "did you mean 'files'"]),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, old, new, line, words):
    assert SOURCE.count(old) == 1
    with pytest.raises(TaskError) as caught:
        load(tmp_path, SOURCE.replace(old, new))
    message = str(caught.value)
    assert f"t.yaml:{line}: " in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("files", "parameters", "reason"),
    [
        ({"{a}": ""}, {"a": "../x"}, "no path within the workspace"),
        ({"{a}": "", "{b}": ""}, {"a": "x", "b": "./x"}, "each path once"),
        ({"{a}": "", "{a}/b": ""}, {"a": "x"}, "'x' is a file and a folder"),
        ({"a": "{a}"}, {"a": "x" * (QUOTA_BYTES + 1)}, "quota"),
        ({"a": "{a}"}, {"a": "\ud800"}, "cannot be written as UTF-8"),
    ],
)
def test_what_only_the_parameters_make_wrong_is_the_authors_to_mend(
    files: dict[str, str], parameters: dict[str, Any], reason: str
):
    with pytest.raises(TaskError, match=reason):
        fill_files(files, parameters)


def test_paths_are_written_in_their_plain_form():
    assert fill_files({"./a//b.txt": "x"}, {}) == {"a/b.txt": "x"}


def test_a_parameter_may_stand_anywhere_in_a_path():
    assert path_problem("{a}/{b}.txt") is None
    assert path_problem("{a}/../b") is not None


def test_at_most_so_many(tmp_path):
    data = load(tmp_path, SOURCE).model_dump(by_alias=True)
    with pytest.raises(ValidationError, match="at most 100 items"):
        Task.model_validate(data | {"files": {f"{n}.txt": "" for n in range(101)}})
