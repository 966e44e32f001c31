"""A change to what is seen, paid or ended needs a new version number; other changes do not."""

import json
from pathlib import Path

import pytest

from milepost.envs.checks.static import check_file
from milepost.envs.registration import BUNDLED_TASKS, env_id_of
from milepost.envs.task import Task, load_tasks
from milepost.envs.task_versions import LOCK_FILE, digest_of, record, recorded
from milepost.errors import TaskError

SOURCE = """\
name: own-task
version: 2
family: web
description: Go there.
site: ./pages
workspace: ./inbox
goal: Go to {where}.
max_steps: 5
parameters: {where: {choice: [there, elsewhere]}}
milestones:
  - {id: there, detector: url_loaded, path: "/{where}*", reward: 1.0, description: It is there.}
oracle: ['goto("/{where}")']
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for folder, name in (("pages", "index.html"), ("inbox", "a.txt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("x")
    (tmp_path / "t.yaml").write_text(SOURCE)
    return tmp_path / "t.yaml"


def load(path: Path) -> Task:
    return load_tasks(path)[0]


def test_a_digest_does_not_depend_on_where_the_task_lies_or_how_it_is_written(path, tmp_path):
    digest = digest_of(load(path))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("pages", "inbox", "t.yaml"):
        (tmp_path / name).rename(moved / name)
    assert digest_of(load(moved / "t.yaml")) == digest
    (moved / "t.yaml").write_text("# a comment\n" + SOURCE.replace("max_steps: 5", "start: /\nmax_steps:   5"))
    assert digest_of(load(moved / "t.yaml")) == digest


FREE = [
    ("description: Go there.", "description: Go."),
    ("family: web", "family: other"),
    ("oracle: ['goto(\"/{where}\")']", "oracle: ['goto(\"/{where}.html\")']"),
    ("description: It is there.", "description: Arrived."),
    ("version: 2", "version: 3"),
]
BOUND = [
    ("goal: Go to", "goal: Please go to"),
    ("max_steps: 5", "max_steps: 6"),
    ("reward: 1.0", "reward: 0.5"),
    ('path: "/{where}*"', 'path: "/{where}"'),
    ("[there, elsewhere]", "[there, away]"),
    ("max_steps: 5", "max_steps: 5\nmax_idle_steps: 2"),
    ("max_steps: 5", "max_steps: 5\nactions: [basic, files]"),
    ("max_steps: 5", "max_steps: 5\nfiles: {b.txt: x}"),
    ("workspace: ./inbox\n", ""),
]


@pytest.mark.parametrize(("old", "new"), FREE)
def test_what_nobody_sees_or_earns_may_change(path, old, new):
    digest = digest_of(load(path))
    assert old in SOURCE
    path.write_text(SOURCE.replace(old, new))
    assert digest_of(load(path)) == digest


@pytest.mark.parametrize(("old", "new"), BOUND)
def test_what_is_seen_paid_or_ended_changes_the_digest(path, old, new):
    digest = digest_of(load(path))
    assert old in SOURCE
    path.write_text(SOURCE.replace(old, new))
    assert digest_of(load(path)) != digest


@pytest.mark.parametrize("name", ["pages/index.html", "inbox/a.txt", "pages/new.html"])
def test_pages_and_files_count(path, name):
    digest = digest_of(load(path))
    (path.parent / name).write_text("changed")
    assert digest_of(load(path)) != digest


def test_a_change_without_a_new_number_is_an_error_of_the_check(path):
    assert [f.rule for f in check_file(path)[0].findings if f.rule == "version"] == []
    assert record(load_tasks(path), path.parent) == {"milepost/own-task-v2": digest_of(load(path))}
    assert record(load_tasks(path), path.parent) == {}
    assert check_file(path)[0].ok
    path.write_text(SOURCE.replace("max_steps: 5", "max_steps: 6"))
    (found,) = [f for f in check_file(path)[0].findings if f.rule == "version"]
    assert found.severity == "error"
    assert found.place == f"{path}:2"
    assert "raise `version` to 3" in found.message
    with pytest.raises(TaskError, match=r"own-task-v2 has changed.* to 3, or pass --force"):
        record(load_tasks(path), path.parent)
    path.write_text(SOURCE.replace("max_steps: 5", "max_steps: 6").replace("version: 2", "version: 3"))
    assert check_file(path)[0].ok
    assert set(record(load_tasks(path), path.parent)) == {"milepost/own-task-v3"}
    assert set(recorded(path.parent)) == {"milepost/own-task-v2", "milepost/own-task-v3"}


def test_it_may_be_forced(path):
    record(load_tasks(path), path.parent)
    path.write_text(SOURCE.replace("max_steps: 5", "max_steps: 6"))
    record(load_tasks(path), path.parent, force=True)
    assert check_file(path)[0].ok


def test_a_broken_record_is_told_as_such(path):
    (path.parent / LOCK_FILE).write_text("{")
    (found,) = [f for f in check_file(path)[0].findings if f.rule == "version"]
    assert "restore it" in found.message
    (path.parent / LOCK_FILE).write_text('{"a": 1}')
    assert not check_file(path)[0].ok


def test_functions_cannot_be_recorded(path):
    with pytest.raises(TaskError, match="only tasks that are files"):
        digest_of(load(path).model_copy(update={"setup": print}))


@pytest.mark.parametrize("lock", sorted(BUNDLED_TASKS.rglob(LOCK_FILE)), ids=lambda path: path.parent.name)
def test_the_bundled_tasks_are_what_was_recorded(lock):
    """A failure here means: raise the task's `version`, then `milepost tasks lock` its file."""
    tasks = {env_id_of(t.name, t.version): t for path in lock.parent.glob("*.yaml") for t in load_tasks(path)}
    kept = json.loads(lock.read_text())
    assert kept
    assert {env_id: digest_of(tasks[env_id]) for env_id in kept if env_id in tasks} == {
        env_id: digest for env_id, digest in kept.items() if env_id in tasks
    }


def test_the_bundled_tasks_are_recorded():
    assert (BUNDLED_TASKS / LOCK_FILE).exists()
