"""Tasks on several applications: what their files may say, and that the applications of an episode stay apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from milepost.envs import MilepostEnv, Task
from milepost.envs.explain import explain
from milepost.envs.places import app_seeds
from milepost.envs.registration import BUNDLED_TASKS, task_for

LETTER = BUNDLED_TASKS / "cross" / "cross-letter-comment.yaml"
ACROSS = ("cross-letter-comment", "cross-letter-invite", "cross-price-letter", "cross-revenue-comment")


def written(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(LETTER.read_text(encoding="utf-8"))
    return {key: value for key, value in {**data, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"apps": ["post"]}, "expected two or more applications, each once, got post"),
        ({"apps": ["post", "post"]}, "expected two or more applications, each once"),
        ({"app": "shop"}, "expected one of app, apps, site and hosts, got app and apps"),
        ({"apps": ["post", "shop"]}, "one of the task's `apps`, got 'claims'"),
        ({"apps": None, "app": "post"}, "one of the task's `apps`, got"),
        ({"apps": ["post", "./server.py:app"]}, "String should match pattern"),
    ],
)
def test_what_does_not_fit_is_told(changes: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=r"validation error") as caught:
        Task.model_validate(written(**changes))
    assert said in str(caught.value)


def test_each_application_has_a_seed_of_its_own_and_the_first_what_it_always_had():
    one, three = app_seeds(7, 1), app_seeds(7, 3)
    assert one[0].generate_state(2).tolist() == three[0].generate_state(2).tolist()
    assert len({tuple(seed.generate_state(2).tolist()) for seed in three}) == 3


@pytest.mark.parametrize("name", ACROSS)
def test_the_bundled_ones_say_of_every_milestone_which_application_it_is_about(name: str):
    task = task_for(name)
    assert len(task.apps) == 2
    assert all(milestone.apps() <= set(task.apps) and milestone.apps() for milestone in task.milestones)
    told = explain(task)
    assert any(f"it starts in {task.apps[0]}" in rule for rule in told.rules)
    assert all(f"in the application {app}" in told.milestones[0].when for app in task.milestones[0].apps())


@pytest.fixture(scope="module")
def env() -> Iterator[MilepostEnv]:
    env = MilepostEnv(task_for("cross-letter-comment"))
    yield env
    env.close()


@pytest.mark.browser
def test_pages_link_to_one_another_and_addresses_are_shown_alike_in_every_episode(env: MilepostEnv):
    seen = []
    for _ in range(2):
        first, _ = env.reset(seed=4)
        linked, *_ = env.step('click("Harbor Claims")')
        back, *_ = env.step('click("Harbor Post")')
        gone, *_ = env.step('goto("http://claims.local/people")')
        refused, *_ = env.step('goto("http://shop.local/")')
        assert [o["url"] for o in (first, linked, back, gone)] == [
            "http://post.local/", "http://claims.local/", "http://post.local/", "http://claims.local/people",
        ]  # fmt: skip
        assert "refused" in refused["last_action_error"]
        seen.append((first, linked, back, gone))
    assert seen[0] == seen[1]
    assert "apps.localhost" not in str(seen)


@pytest.mark.browser
def test_one_application_cannot_earn_the_other_s_milestones(env: MilepostEnv):
    _, info = env.reset(seed=4)
    episode = env._episode
    assert episode is not None
    assert set(episode.snapshot.app_state) == {"post", "claims"}
    drawn = episode.instance.parameters
    # In the mailbox the paths and the words of the other application's milestones, none of its deeds.
    for action in (f'goto("/claims/{drawn["claim"]}")', 'goto("/compose")', f'fill("Body", "{drawn["order"]}")'):
        _, reward, _, _, info = env.step(action)
        assert (reward, info["milestones"]) == (0.0, frozenset()), action
    _, reward, _, _, info = env.step(f'goto("http://claims.local/claims/{drawn["claim"]}")')
    assert info["milestones"] == {"claim_opened"}
    assert reward == 0.25
