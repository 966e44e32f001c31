"""The oracles: how they read, that they solve a sample of pages, and that the milestones of pages can be reached."""

from __future__ import annotations

import pytest

from milepost.agents.evaluate import evaluate
from milepost.agents.miniwob_oracles import MiniwobOracle, has_oracle, oracles
from milepost.agents.miniwob_oracles.reading import act, read
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.envs import parse_action, task_for
from milepost.envs.action_basic import Fill
from milepost.envs.miniwob.pages import miniwob_pages

SEEDS = (20, 21)
SAMPLE = (
    "book-flight-nodelay", "choose-date-easy", "click-checkboxes-soft", "click-menu",
    "click-tab-2-hard", "copy-paste-2", "drag-items", "email-inbox-forward",
    "form-sequence-3", "guess-number", "login-user-popup", "multi-layouts",
    "navigate-tree", "read-table-2", "search-engine", "social-media-some",
    "text-editor", "use-autocomplete", "use-slider-2",
)  # fmt: skip


def look_at(page: str, goal: str = ""):
    return read({"goal": goal, "page": page, "last_action_error": ""})


def test_a_line_is_read_as_it_is_written():
    look = look_at(
        'Name:\n[2] textbox "Na\\"me" "A \\\\ b" readonly\n[3] combobox "" (a, b)\nrow "x · y"\n'
        '[4] checkbox "On" checked'
    )
    text, field, box, row, tick = look.lines
    assert (text.ref, text.role, text.name) == (None, "text", "Name:")
    assert (field.ref, field.name, field.value, field.states) == (2, 'Na"me', "A \\ b", {"readonly"})
    assert (box.name, box.value, box.options) == ("", "", ("a", "b"))
    assert (row.ref, row.role, row.name) == (None, "row", "x · y")
    assert (tick.name, tick.value, tick.states) == ("On", None, {"checked"})


def test_actions_are_written_so_that_they_are_read():
    line = look_at('[7] textbox ""').lines[0]
    action = parse_action(act("fill", line, 'a "b"\n', nth=2))
    assert isinstance(action, Fill)
    assert (action.target, action.text, action.nth) == (7, 'a "b"\n', 2)


def test_what_only_says_something_cannot_be_acted_on():
    with pytest.raises(ValueError, match="cannot be acted on"):
        act("click", look_at("Hello").lines[0])


def test_at_least_seventy_pages_have_an_oracle():
    assert len(oracles()) >= 70
    assert set(oracles()) <= set(miniwob_pages())
    assert has_oracle("miniwob-click-test")
    assert not has_oracle("miniwob-draw-circle")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, len(SAMPLE), 5))
def test_oracles_solve_their_pages_and_reach_their_milestones(first: int):
    names = SAMPLE[first : first + 5]
    tasks = {name: f"milepost/miniwob-{name}-v0" for name in names}
    with EnvPool(observations=MiniwobOracle.observations) as pool:
        specs = [EpisodeSpec(task=task, seed=seed) for seed in SEEDS for task in tasks.values()]
        played = run_episodes(specs, MiniwobOracle(), pool=pool, concurrency=len(names))
    for name, task in tasks.items():
        episodes = [t for t in played if t.task == task]
        assert [t.success for t in episodes] == [True] * len(SEEDS), name
        reached = episodes[0].steps[-1].milestones_after | episodes[1].steps[-1].milestones_after
        own = len(task_for(task).milestones) - 3
        assert reached & (2**own - 1) == 2**own - 1, f"{name} has milestones that its oracle does not reach"


@pytest.mark.browser
def test_the_oracle_policy_plays_them_too():
    result = evaluate(["miniwob-click-option", "expense-form"], "oracle", seeds=2)
    assert {task: score.successes for task, score in result.tasks.items()} == {
        "milepost/miniwob-click-option-v0": 2,
        "milepost/expense-form-v0": 2,
    }
