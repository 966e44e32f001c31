"""Writing tasks from the command line: a new one, the schema, the record of versions; and playing by hand."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from .conftest import Run

KINDS = ("site", "app", "files")


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_task_is_sound_at_once(milepost: Run, tmp_path: Path, kind: str):
    answer = milepost("tasks", "new", "my-own", "--kind", kind, "--folder", "tasks", "--description", 'It\'s "mine".')
    assert answer.code == 0, answer
    assert "milepost tasks check tasks/my-own.yaml" in answer.out
    checked = milepost("tasks", "check", "tasks/my-own.yaml", "--static", "--json").document()
    assert checked["tasks"][0]["findings"] == []
    shown = milepost("tasks", "show", "tasks/my-own.yaml", "--json").document()
    assert shown["description"] == 'It\'s "mine".'
    assert shown["instances"] >= 100
    text = (tmp_path / "tasks" / "my-own.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=./task.schema.json\n")
    schema = json.loads((tmp_path / "tasks" / "task.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_task_passes_its_check_and_its_own_test(milepost: Run, tmp_path: Path, kind: str):
    made = milepost("tasks", "new", "my-own", "--kind", kind, "--json").document()
    assert [Path(p).name for p in made["files"]][-1] == "test_my_own.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_own.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_nothing_is_overwritten(milepost: Run, tmp_path: Path):
    assert milepost("tasks", "new", "my-own", "--kind", "site").code == 0
    before = (tmp_path / "my-own.yaml").read_text()
    assert "my-own.yaml is there already" in milepost("tasks", "new", "my-own", "--kind", "app").one_paragraph()
    assert (tmp_path / "my-own.yaml").read_text() == before
    assert not (tmp_path / "my_own_server.py").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ["expected a name", "milepost tasks new claim-lunch --kind site"]),
        (("My Task", "--kind", "site"), ["joined by hyphens", "'My Task'"]),
        (("../out", "--kind", "site"), ["joined by hyphens"]),
        (("x",), ["expected --kind site, app, files, got none", "files only"]),
        (("x", "--kind", "web"), ["got web"]),
    ],
)
def test_without_a_terminal_what_is_missing_is_told(milepost: Run, tmp_path: Path, arguments, words):
    message = milepost("tasks", "new", *arguments).one_paragraph()
    assert all(word in message for word in words), message
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_asks_and_opens(tmp_path: Path):
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    editor.chmod(0o755)
    parent, child = pty.openpty()
    environ = {**os.environ, "EDITOR": str(editor), "TERM": "dumb"} | {"VISUAL": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "milepost", "tasks", "new"], cwd=tmp_path, env=environ,
        stdin=child, stdout=child, stderr=child, start_new_session=True,
    )  # fmt: skip
    os.close(child)
    os.write(parent, b"claim-lunch\n3\nClaim a lunch.\ny\n")
    seen = b""
    try:
        while chunk := os.read(parent, 4096):
            seen += chunk
    except OSError:  # the other end was closed
        pass
    os.close(parent)
    assert process.wait(60) == 0, seen
    task = yaml.safe_load((tmp_path / "claim-lunch.yaml").read_text())
    assert task["description"] == "Claim a lunch."
    assert task["workspace"] == "./claim-lunch"
    assert "claim-lunch.yaml" in (tmp_path / "opened").read_text()
    assert all(
        question in seen for question in (b"Name", b"What does it run on?", b"HTML files", b"Description", b"Open")
    )


def test_the_schema_is_printed_or_written(milepost: Run, tmp_path: Path):
    printed = milepost("tasks", "schema")
    assert printed.document()["title"] == "milepost task"
    assert milepost("tasks", "schema", "s.json").code == 0
    assert (tmp_path / "s.json").read_text() == printed.out


def test_versions_are_recorded_and_kept(milepost: Run, tmp_path: Path):
    milepost("tasks", "new", "my-own", "--kind", "files")
    first = milepost("tasks", "lock", "my-own.yaml", "--json").document()
    assert list(first["recorded"]) == ["milepost/my-own-v0"]
    assert milepost("tasks", "lock", ".", "--json").document() == {"recorded": {}}
    path = tmp_path / "my-own.yaml"
    path.write_text(path.read_text().replace("max_steps: 8", "max_steps: 9"))
    assert "raise its `version` to 1" in milepost("tasks", "lock", "my-own.yaml").one_paragraph()
    assert milepost("tasks", "check", "my-own.yaml", "--static").code == 1
    assert milepost("tasks", "lock", "my-own.yaml", "--force").code == 0
    assert milepost("tasks", "check", "my-own.yaml", "--static").code == 0


@pytest.mark.browser
def test_a_task_is_played_by_hand(milepost: Run, tmp_path: Path):
    milepost("tasks", "new", "my-own", "--kind", "site")
    watched = milepost("play", "my-own.yaml", "--seed", "3", "--oracle", COLUMNS="200")
    assert watched.code == 0, watched
    assert "over: success, earned 1.40 of 1.40" in watched.out
    assert "ordered +1.00" in watched.out
    done = subprocess.run(
        [sys.executable, "-m", "milepost", "play", "my-own.yaml"],
        cwd=tmp_path, input='click("Nowhere")\nfill("Boxes", "3")\nquit\n', capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Nowhere" in done.stdout
    assert "earned 0.00 of 1.40" in done.stdout
    assert 'textbox "Boxes"' in done.stdout


def test_a_python_file_is_checked_like_any(milepost: Run, tmp_path: Path):
    (tmp_path / "tasks.py").write_text(
        "import milepost\n\n@milepost.register_task\nclass WriteIt:\n    'Write it.'\n"
        "    family, goal = 'files', 'Write a.txt.'\n"
        "    files = {'in.txt': 'x'}\n    max_steps = 3\n    oracle = ['write_file(\"a.txt\", \"x\")']\n"
        "    milestones = [{'id': 'written', 'detector': 'file_created', 'path': 'a.txt', 'reward': 1.0}]\n"
    )
    checked = milepost("tasks", "check", "tasks.py", "--static", "--json").document()
    assert (checked["ok"], checked["tasks"][0]["name"]) == (True, "write-it")
    assert milepost("tasks", "show", "tasks.py", "--json").document()["app"] == "files"
