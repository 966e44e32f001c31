"""The pages on a real Chromium: each begins and takes a step; seeds, scores, and what an agent's text cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from milepost.envs import MilepostEnv, StopReason, reset_many, step_many
from milepost.envs.apps import register_app
from milepost.envs.miniwob import Scores, miniwob_task, scores_of
from milepost.envs.miniwob import app as app_module
from milepost.envs.miniwob.app import MiniwobApp
from milepost.envs.miniwob.pages import miniwob_pages

from .site import seen, task_on, write_site

pytestmark = pytest.mark.browser

AT_ONCE = 8
GRADED = "click-checkboxes"


@pytest.fixture
def env(request: pytest.FixtureRequest) -> Iterator[MilepostEnv]:
    made = MilepostEnv(miniwob_task(request.param))
    yield made
    made.close()


def on_page(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("env", [name], indirect=True)


@pytest.mark.parametrize("first", range(0, len(miniwob_pages()), AT_ONCE))
def test_every_page_begins_and_takes_a_step(first: int):
    names = list(miniwob_pages())[first : first + AT_ONCE]
    envs = [MilepostEnv(miniwob_task(name)) for name in names]
    try:
        for name, (observation, info) in zip(names, reset_many(envs, [7] * len(envs)), strict=True):
            assert info["failure"] is None, (name, info["failure_message"])
            assert len(observation["goal"]) > 10, name
            assert "START" not in observation["page"], f"{name} still waits to be begun"
            assert "Episodes done" not in observation["page"], f"{name} shows the score board"
            assert not info["milestones"], name
        for name, (observation, *_, info) in zip(
            names, step_many(envs, ["mouse_click(80, 130)"] * len(envs)), strict=True
        ):
            assert info["failure"] is None, (name, info["failure_message"])
            assert observation["last_action_error"] == "", name
    finally:
        for env in envs:
            env.close()


@on_page("click-checkboxes")
def test_seeds_name_problems(env: MilepostEnv):
    first = [seen(env, seed) for seed in range(20)]
    assert len({goal for goal, _, _ in first}) == 20, "different seeds, different problems"
    assert [seen(env, seed) for seed in reversed(range(20))] == first[::-1], (
        "the same seed, the same problem, in any order"
    )


@on_page("enter-text")
def test_seeds_far_apart_differ(env: MilepostEnv):
    goals = {seen(env, seed)[0] for seed in (0, 34, 2**31, 2**31 + 34, 2**32, 2**32 + 1, 2**40)}
    assert len(goals) >= 6, "fifty names, and no two of these seeds are one"


@pytest.mark.parametrize(
    "name", ["click-collapsible-2", "login-user-popup", "email-inbox", "choose-list", "click-dialog-2"]
)
def test_a_warm_reset_shows_what_a_cold_one_shows(name: str):
    warm, cold = MilepostEnv(miniwob_task(name)), MilepostEnv(miniwob_task(name), warm_resets=False)
    try:
        warm.reset(seed=99)
        warm.step("mouse_click(80, 90)")  # leave something behind
        for seed in (1, 2, 3):
            assert seen(warm, seed) == seen(cold, seed)
            warm.step("mouse_click(60, 80)")
    finally:
        warm.close()
        cold.close()


@on_page("login-user")
def test_a_warm_reset_stays_in_its_document_and_starts_clean(env: MilepostEnv):
    env.reset(seed=1)
    page = env._episode._page  # type: ignore[union-attr]
    context = page._tab.clock.context_id
    env.step('fill(2, "somebody")')
    observation, info = env.reset(seed=2)
    assert env._episode._page is page  # type: ignore[union-attr]
    assert page._tab.clock.context_id == context, "the document is the same"
    assert "somebody" not in observation["page"]
    assert info["milestones"] == frozenset()
    assert observation["last_action"] == ""


@on_page(GRADED)
def test_a_part_of_the_score_is_compatible_and_no_success(env: MilepostEnv):
    for seed in range(30):
        observation, _ = env.reset(seed=seed)
        wanted = observation["goal"].removeprefix("Select ").removesuffix(" and click Submit.").split(", ")
        boxes = observation["page"].count("checkbox")
        if wanted != ["nothing"] and 2 * len(wanted) < boxes:
            break
    *_, terminated, truncated, info = env.step('click("Submit")')
    assert scores_of(info) == Scores(strict=False, compatible=True)
    assert (terminated, truncated) == (True, False)
    assert info["success"] is False
    assert info["stop_reason"] is StopReason.MILESTONE


@on_page("click-test-2")
def test_the_full_score_is_success_and_ends_the_episode(env: MilepostEnv):
    env.reset(seed=5)
    _, reward, terminated, _, info = env.step('click("ONE")')
    assert scores_of(info) == Scores(strict=True, compatible=True)
    assert (reward, terminated, info["success"]) == (1.0, True, True)


@on_page("click-test-2")
def test_a_wrong_answer_ends_the_episode_without_anything(env: MilepostEnv):
    env.reset(seed=5)
    _, reward, terminated, _, info = env.step('click("TWO")')
    assert scores_of(info) == Scores(strict=False, compatible=False)
    assert (reward, terminated, info["success"]) == (0.0, True, False)


def test_time_limits_are_off_unless_asked_for():
    free, bound = (
        MilepostEnv(miniwob_task("click-test")),
        MilepostEnv(miniwob_task("click-test", time_limits="published")),
    )
    try:
        reset_many([free, bound], [1, 1])
        (*_, going), (*_, over) = step_many([free, bound], ["wait(11000)"] * 2)
        assert going["stop_reason"] is None
        assert over["stop_reason"] is StopReason.MILESTONE
        assert not scores_of(over).compatible
        reset_many([free, bound], [2, 2])
        (*_, early), _ = step_many([bound, free], ["wait(9000)"] * 2)
        assert early["stop_reason"] is None, "each problem has its whole time"
    finally:
        free.close()
        bound.close()


FORGERIES = {
    "an image's handler": '<img src=x onerror="core.endEpisode(1)">',
    "a script": "<script>core.endEpisode(1)</script>",
    "a link's address": "<a href='javascript:core.endEpisode(1)'>go</a>",
    "the report itself": "<img src=x onerror=\"fetch('/outcome',{method:'POST',body:'{}'})\">",
}


@on_page("terminal")
def test_text_that_a_page_turns_into_html_is_not_run(env: MilepostEnv):
    env.reset(seed=3)  # the terminal writes each line that was entered into its own markup
    env.step("wait(300)")
    env.step("click(5)")
    env.step('type("<img src=x onerror=core.endEpisode(1)>")')
    observation, *_, info = env.step('press("Enter")')
    assert "Command not found." in observation["page"]
    assert "onerror" not in observation["page"], "what was typed is no text any more"
    assert env.step("wait(500)")[-1]["milestones"] == info["milestones"] == frozenset()


@pytest.fixture
def own_app(tmp_path: Path) -> str:
    area = "<input id=in aria-label=In><button id=go>Go</button><div id=out></div>"
    problem = f"document.getElementById('area').innerHTML = '{area}';"
    problem += "document.getElementById('go').onclick = () => { $OUT };"
    show = "document.getElementById('out').innerHTML = document.getElementById('in').value"
    pages = {"echo": {"query": "Write something.", "area": "", "problem": problem.replace("$OUT", show)}}
    app = MiniwobApp(write_site(tmp_path, pages))
    app.name = "own-pages"
    register_app(app)
    return app.name


@pytest.mark.parametrize("text", FORGERIES.values(), ids=FORGERIES)
def test_no_forgery_scores_on_a_page_that_shows_what_it_is_given(own_app: str, text: str):
    env = MilepostEnv(task_on(own_app, "echo"))
    try:
        env.reset(seed=1)
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        env.step(f'fill("In", "{quoted}")')
        observation, *_, info = env.step('click("Go")')
        if 'link "go"' in observation["page"]:
            *_, info = env.step('click("go")')
        assert info["milestones"] == frozenset()
        assert info["stop_reason"] is None
    finally:
        env.close()


def test_the_same_text_does_score_without_the_policy(own_app: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app_module, "_POLICY", "base-uri 'none'")
    env = MilepostEnv(task_on(own_app, "echo"))
    try:
        env.reset(seed=1)
        env.step('fill("In", "<img src=x onerror=core.endEpisode(1)>")')
        *_, info = env.step('click("Go")')
        assert info["success"], "else the tests above would show nothing"
    finally:
        env.close()


@on_page("login-user")
def test_milestones_are_paid_on_the_way(env: MilepostEnv):
    env.reset(seed=11)
    user = env.instance.parameters["username"]
    _, reward, *_, info = env.step(f'fill(2, "{user}")')
    assert info["milestones"] == {"username_filled"}
    assert 0 < reward < 1
    assert env.step('fill(2, "other")')[1] == 0.0


def test_the_goal_is_the_page_s_own_and_stands_in_the_ledger(tmp_path: Path):
    env = MilepostEnv(miniwob_task("login-user"), ledger_dir=tmp_path)
    try:
        observation, info = env.reset(seed=11)
        user = env.instance.parameters["username"]
        assert f'"{user}"' in observation["goal"] == env.instance.goal
        env.step('click("Login")')
        assert user in Path(info["ledger_path"]).read_text(encoding="utf-8").splitlines()[0]
    finally:
        env.close()


def test_what_one_episode_copies_no_other_pastes():
    task = miniwob_task("copy-paste-2").model_copy(update={"max_steps": 100})
    paster, *copiers = (MilepostEnv(task) for _ in range(5))
    envs = [paster, *copiers]
    try:
        reset_many(envs, [1, 2, 3, 4, 5])
        step_many(envs, ['clipboard_copy("mine")', *["click(1)"] * 4])
        step_many(envs, ["click(4)", *['press("Control+A")'] * 4])
        for _ in range(12):
            paster.step('press("Control+A")')
            (observation, *_), *_ = step_many(envs, ["clipboard_paste()", *['press("Control+C")'] * 4])
            assert '[4] textbox "mine"' in observation["page"]
    finally:
        for env in envs:
            env.close()
