"""Agents that understand nothing: what they do on a page, and that no registered task pays them."""

import os
from collections.abc import Callable

import numpy as np
import pytest

from milepost.agents.evaluate import HELD_OUT_SEED, SCRIPTED_POLICIES
from milepost.agents.null_policies import (
    NULL_STEPS,
    ClickEverythingPolicy,
    RestThenSubmitPolicy,
    SubmitOnlyPolicy,
    ending_at_faults,
    for_null_agents,
    shown_elements,
)
from milepost.agents.policies import NoopPolicy, Policy, RandomPolicy, View
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.envs.registration import BUNDLED_TASKS, isolated_registry, register_task, registered_ids, task_for
from milepost.envs.task import Task, load_tasks

FORM = 'heading "Sign up"\n[1] link "Home"\n[2] textbox "Name" ""\n[3] button "Help"\n[4] button "Save all"\n'


@pytest.fixture(scope="module")
def task() -> Task:
    (loaded,) = load_tasks(BUNDLED_TASKS / "expense-form.yaml")
    return loaded


def views(task: Task, *pages: tuple[str, str]) -> list[View]:
    """One episode's views: (url, page) of each step."""
    rng, instance = np.random.default_rng(0), task.instantiate(0)
    return [
        View(observation={"url": url, "page": page, "goal": instance.goal}, instance=instance, step=step, rng=rng)
        for step, (url, page) in enumerate(pages)
    ]


def acts(policy: Policy, episode: list[View]) -> list[str]:
    return [policy.decide([view])[0].action for view in episode]


def test_elements_are_read_off_the_page_as_it_is_shown():
    page = FORM + '  [5] checkbox checked\n[6] link "a "quoted" name"\ntext [7] button "no"\n'
    found = [(e.ref, e.role, e.name) for e in shown_elements({"page": page})]
    assert found[:4] == [(1, "link", "Home"), (2, "textbox", "Name"), (3, "button", "Help"), (4, "button", "Save all")]
    assert found[4:] == [(5, "checkbox", ""), (6, "link", "a ")]


@pytest.mark.parametrize(
    ("page", "action"),
    [
        (FORM, "click(4)"),
        ('[1] link "Save"\n[2] button "Help"\n[3] button "More"', "click(2)"),
        ('[1] button "Token"\n[2] button "OK"', "click(2)"),
        ('heading "Nothing here"\n[1] link "Save"', "noop()"),
    ],
)
def test_submit_only_takes_the_button_that_looks_like_it_or_the_first(task, page, action):
    assert acts(SubmitOnlyPolicy(), views(task, ("/", page))) == [action]


def test_who_rests_then_submits_stops_when_pressing_changes_nothing(task):
    saved = ("/", f'{FORM}status "Saved"')
    episode = views(task, ("/", FORM), ("/", FORM), ("/", FORM), saved, saved, saved)
    assert acts(RestThenSubmitPolicy(2), episode) == [
        "noop()", "noop()", "click(4)", "click(4)", "done()", "done()",
    ]  # fmt: skip
    assert acts(RestThenSubmitPolicy(1), views(task, ("/", "nothing"), ("/", "nothing"))) == ["noop()", "done()"]


def test_episodes_can_be_made_to_end_where_they_can_no_longer_succeed():
    (task,) = load_tasks(BUNDLED_TASKS / "core" / "search" / "shop-wish.yaml")
    ending = ending_at_faults(task)
    forbidden = [milestone.forbidden for milestone in task.milestones]
    assert any(forbidden)
    assert [m.ends_episode or not m.forbidden for m in ending.milestones] == [True] * len(forbidden)


def test_click_everything_takes_each_element_of_each_page_once_then_goes_back_then_is_done(task):
    a, b = ("/a", '[1] link "B"\n[2] link "B"\n[3] textbox "T" ""'), ("/b", '[7] link "A"')
    again = ("/a", '[11] link "B"\n[12] link "B"\n[13] textbox "T" ""')  # the same page, drawn anew
    episode = views(task, a, b, again, b, again, again, b, b)
    assert acts(ClickEverythingPolicy(), episode) == [
        "click(1)",
        "click(7)",
        "click(12)",
        "back()",  # everything on /b was clicked
        "click(13)",
        "back()",
        "done()",
        "done()",
    ]


def test_tours_of_episodes_side_by_side_do_not_mix(task):
    policy, first, second = ClickEverythingPolicy(), views(task, ("/", FORM), ("/", FORM)), views(task, ("/", FORM))
    assert [d.action for d in policy.decide([first[0], second[0]])] == ["click(1)", "click(1)"]
    assert [d.action for d in policy.decide([first[1]])] == ["click(2)"]
    assert acts(policy, views(task, ("/", FORM))) == ["click(1)"]


def test_a_dialog_that_holds_the_page_up_is_accepted_where_the_task_allows_it(task):
    page = 'alert dialog "Sure?": dialog_accept() or dialog_dismiss() answers it\n[1] button "Save"'
    allowed = task.model_copy(update={"actions": ("basic", "dialogs")})
    for policy in (SubmitOnlyPolicy(), ClickEverythingPolicy()):
        assert acts(policy, views(allowed, ("/", page))) == ["dialog_accept()"]
        assert acts(policy, views(task, ("/", page))) == ["click(1)"]


def test_null_agents_get_more_steps_than_the_task_gives_and_may_idle(task):
    longer = for_null_agents(task)
    assert (longer.max_steps, longer.max_idle_steps) == (NULL_STEPS, None)
    assert longer.milestones == task.milestones


def test_they_can_be_evaluated_by_name():
    assert isinstance(SCRIPTED_POLICIES["submit-only"](), SubmitOnlyPolicy)
    assert isinstance(SCRIPTED_POLICIES["click-everything"](), ClickEverythingPolicy)


NULL_AGENTS: dict[str, tuple[Callable[[], Policy], int]] = {
    "no-op": (NoopPolicy, 20),
    "submit only": (SubmitOnlyPolicy, 20),
    "click everything once": (ClickEverythingPolicy, NULL_STEPS),
    "random": (RandomPolicy, NULL_STEPS),
}
SEEDS = int(os.environ.get("MILEPOST_NULL_SEEDS", "4"))
"""Episodes per task and agent; with fewer than a hundred none may succeed. More by the environment variable. Of the
suites `milepost tasks check` plays these agents: all their tasks for so many steps would take too long."""


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(600 + 20 * SEEDS)
@pytest.mark.parametrize("agent", NULL_AGENTS)
@pytest.mark.parametrize("task_id", [f"milepost/{task.name}-v{task.version}" for task in load_tasks(BUNDLED_TASKS)])
def test_null_agents_succeed_in_at_most_one_episode_of_a_hundred(task_id: str, agent: str):
    policy, steps = NULL_AGENTS[agent]
    with isolated_registry(), EnvPool() as pool:
        played = register_task(for_null_agents(task_for(task_id), steps))
        specs = [EpisodeSpec(task=played, seed=HELD_OUT_SEED + k) for k in range(SEEDS)]
        trajectories = run_episodes(specs, policy(), pool=pool, concurrency=25)
    assert [t.failure for t in trajectories if t.failure is not None] == []
    successes = [t.seed for t in trajectories if t.success]
    assert len(successes) <= 0.01 * SEEDS, f"{len(successes)} of {SEEDS} succeed, seeds {successes}"


def test_the_registered_tasks_include_the_bundled_ones():
    bundled = {f"milepost/{task.name}-v{task.version}" for task in load_tasks(BUNDLED_TASKS)}
    assert bundled <= set(registered_ids())
