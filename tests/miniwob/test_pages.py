"""What is known of the pages without a browser: their names, their tasks, the absent package."""

from __future__ import annotations

import subprocess
import sys

import gymnasium
import pytest

from milepost.envs import task_for
from milepost.envs.apps import get_app
from milepost.envs.miniwob import miniwob_task, miniwob_task_names, pages
from milepost.envs.miniwob.app import MiniwobApp
from milepost.envs.miniwob.pages import miniwob_page, miniwob_pages, package_folder
from milepost.envs.task import NOT_TOLD
from milepost.errors import TaskError


def test_the_list_has_every_page_of_the_package():
    assert {path.stem for path in (package_folder() / "miniwob").glob("*.html")} == set(miniwob_pages())
    assert sum(page.registered for page in miniwob_pages().values()) == 125


def test_every_page_is_registered_with_gymnasium():
    import milepost  # noqa: F401

    assert {f"milepost/{name}-v0" for name in miniwob_task_names()} <= set(gymnasium.registry)


@pytest.mark.parametrize("name", miniwob_task_names())
def test_every_task_is_whole(name: str):
    task = task_for(name)
    assert task.name == name
    assert task.success_ids == {"solved"}
    assert task.max_steps >= 10
    assert not task.verbs & {"goto", "back", "reload", "tab_new", "run"}, "nothing leads away from the page"
    ids = [milestone.id for milestone in task.milestones]
    assert ids[-3:] == ["solved", "compatible", "failed"]
    task.instantiate(0)


def test_at_least_twenty_pages_have_milestones_of_their_own():
    assert sum(len(task_for(name).milestones) > 3 for name in miniwob_task_names()) >= 20


def test_milestones_pay_less_than_the_score():
    for name in miniwob_task_names():
        rewards = [m.reward for m in task_for(name).milestones if m.id != "solved"]
        assert sum(rewards) <= 1.0, name


def test_what_the_goal_tells_becomes_a_parameter():
    task = miniwob_task("login-user")
    assert task.instantiate(3).parameters == {"username": NOT_TOLD, "password": NOT_TOLD}
    goal = 'Enter the username "ada" and the password "x7" into the text fields and press login.'
    told = task.instantiate(3).told(goal)
    assert told.goal == goal
    assert told.parameters == {"username": "ada", "password": "x7"}
    assert told.seed == 3


def test_an_unknown_page_is_told_with_close_ones():
    with pytest.raises(TaskError, match="did you mean click-test"):
        miniwob_task("click-tests")


def test_an_unknown_time_limit_is_told():
    with pytest.raises(TaskError, match="'off' or 'published'"):
        miniwob_task("click-test", time_limits="short")  # type: ignore[arg-type]


def test_page_names_may_have_the_prefix():
    assert miniwob_page("miniwob-click-test") is miniwob_page("click-test")


def test_without_the_package_the_cure_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    with pytest.raises(TaskError, match=r"pip install 'milepost\[miniwob\]'"):
        MiniwobApp()


def test_another_package_of_that_name_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path):
    class Spec:
        origin = str(tmp_path / "miniwob" / "__init__.py")

    monkeypatch.setattr(pages, "find_spec", lambda name: Spec)
    with pytest.raises(TaskError, match="another or a broken one"):
        MiniwobApp()


def test_the_application_is_known_by_name():
    assert isinstance(get_app("miniwob"), MiniwobApp)


def test_the_package_itself_is_never_imported():
    code = "import sys\nfrom milepost.envs.apps import get_app\nget_app('miniwob')\nassert 'miniwob' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_faulty_pages_say_what_is_wrong():
    assert all(len(page.fault) > 20 for page in miniwob_pages().values() if page.fault)
    assert sum(bool(page.fault) for page in miniwob_pages().values()) >= 5
