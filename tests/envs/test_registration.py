from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest

import milepost
from milepost.envs import MilepostEnv
from milepost.envs.registration import BUNDLED_TASKS, isolated_registry, registered_ids, resolve_id, task_for
from milepost.errors import TaskError

BUNDLED = tuple(f"milepost/{path.stem}-v0" for path in sorted(BUNDLED_TASKS.glob("*.yaml")))


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with isolated_registry():
        yield


def test_the_bundled_tasks_are_in_gymnasium():
    assert set(BUNDLED) <= set(registered_ids())
    assert set(BUNDLED) <= set(gymnasium.registry)


def test_registering_the_bundled_tasks_again_changes_nothing():
    before = dict(gymnasium.registry)
    milepost.register_bundled_tasks()
    assert dict(gymnasium.registry) == before


@pytest.mark.parametrize(
    "name", ["expense-form", "expense-form-v0", "milepost/expense-form", "milepost/expense-form-v0"]
)
def test_tasks_are_found_by_name_and_by_id(name: str):
    assert task_for(name).name == "expense-form"
    assert milepost.make(name).task.name == "expense-form"


def test_the_listed_versions_are_those_of_the_files():
    for env_id in BUNDLED:
        task = task_for(env_id)
        assert env_id == f"milepost/{task.name}-v{task.version}"


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("expens-form", "did you mean expense-form"),
        ("milepost/expense-form-v7", "did you mean milepost/expense-form-v0"),
        ("xyzzy", "registered are milepost/expense-form-v0"),
        ("../../etc/passwd", "no task"),
        ("", "registered are"),
    ],
)
def test_an_unknown_task_names_close_ones(name: str, cure: str):
    with pytest.raises(TaskError, match=cure):
        task_for(name)
    with pytest.raises(TaskError, match=cure):
        milepost.make(name)


def test_own_tasks_are_registered_from_a_file(tmp_path: Path):
    text = (BUNDLED_TASKS / "expense-form.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("name: expense-form", "name: my-form\nversion: 3", 1), encoding="utf-8")
    assert milepost.register_tasks(path) == ["milepost/my-form-v3"]
    assert resolve_id("my-form") == "milepost/my-form-v3"
    env = gymnasium.make("milepost/my-form-v3")
    assert isinstance(env.unwrapped, MilepostEnv)
    assert env.unwrapped.task.version == 3
    env.close()


def test_the_newest_version_answers_to_the_bare_name():
    task = task_for("search-open")
    newer = task.model_copy(update={"version": 10})
    assert milepost.register_task(newer) == "milepost/search-open-v10"
    assert task_for("search-open") is newer
    assert task_for("search-open-v0") is task


def test_a_block_undoes_its_registrations():
    with isolated_registry():
        milepost.register_task(task_for("search-open").model_copy(update={"name": "gone"}))
        assert "milepost/gone-v0" in gymnasium.registry
    assert "milepost/gone-v0" not in gymnasium.registry
    with pytest.raises(TaskError):
        task_for("gone")


def test_a_broken_file_breaks_no_other_task(tmp_path: Path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: broken\nno such field: 1\n", encoding="utf-8")
    with pytest.raises(TaskError):
        milepost.register_tasks(broken)
    assert task_for("expense-form").name == "expense-form"
