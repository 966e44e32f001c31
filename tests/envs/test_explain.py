"""The reward table in words."""

import re
from pathlib import Path

import pytest
import yaml

from milepost.envs.explain import explain
from milepost.envs.milestone_spec import MilestoneSpec
from milepost.envs.registration import BUNDLED_TASKS
from milepost.envs.reward_spec import ComponentReward, MilestoneReward
from milepost.envs.task import Task, load_tasks
from milepost.rewards.shaping import Shaping

SOURCE = """
name: tidy-desk
family: form
description: Tidy a desk.
app: expenses
goal: 'Put {things} into drawer {drawer}, for {price}.'
max_steps: 1
max_idle_steps: 1
parameters:
  drawer: {integer: [1, 3]}
  things: {sample: {from: [pen, cup, book, lamp, key], count: 2}}
  price: {decimal: [0.5, 2, 1]}
  other: {sample: {from: [1, 2, 3], distinct_from: [drawer]}}
  room: {choice: [attic]}
milestones:
  - {id: opened, detector: clicked, name: "Drawer {drawer}", reward: 0.25}
  - {id: put, detector: clicked, name: Put, reward: 1, after: [opened]}
  - {id: closed, detector: clicked, name: Close, reward: 0.5, after: [opened, put]}
  - {id: dropped, detector: clicked, name: Drop, reward: -0.5, forbidden: true, ends_episode: true}
success: [put]
oracle: [noop()]
"""


@pytest.fixture
def task() -> Task:
    return Task.model_validate(yaml.safe_load(SOURCE))


def test_every_milestone_is_a_sentence(task):
    assert [row.sentence for row in explain(task).milestones] == [
        'opened pays 0.25 when the agent clicks the element "Drawer {drawer}".',
        'put pays 1.00 when the agent clicks the element "Put". It counts only once opened is reached. '
        "Success needs it.",
        'closed pays 0.50 when the agent clicks the element "Close". It counts only once opened and put are reached.',
        'dropped costs 0.50 when the agent clicks the element "Drop". It is forbidden: an episode that reaches it is '
        "no success. It ends the episode.",
    ]


def test_the_rules_say_what_success_and_the_end_are_and_what_there_is_to_earn(task):
    explanation = explain(task)
    assert explanation.max_reward == 1.75
    assert explanation.rules == (
        "Success: put reached, and none of the forbidden (dropped).",
        "A perfect episode earns 1.75. Reaching everything that is forbidden costs 0.50.",
        "The episode ends at success, when dropped is reached, at done(...), after 1 action or after one action that "
        "changes nothing.",
        "Each milestone pays once in an episode. What already holds at the start pays nothing.",
    )


def test_without_a_seed_it_says_how_parameters_are_drawn_and_with_one_what_was(task):
    assert explain(task).drawn == {
        "drawer": "a whole number from 1 to 3",
        "things": "2 of pen, cup, book, lamp and 1 more",
        "price": "a number from 0.5 to 2 with 1 decimal place",
        "other": "one of 1, 2, 3, other than drawer",
        "room": "attic",
    }
    seeded, instance = explain(task, 4), task.instantiate(4)
    assert seeded.goal == instance.goal
    assert seeded.drawn["drawer"] == str(instance.parameters["drawer"])
    assert f'"Drawer {instance.parameters["drawer"]}"' in seeded.milestones[0].when


def test_keys_that_are_newer_than_the_wording_are_told_too(task):
    class NewerMilestone(MilestoneSpec):
        rests_after: int | None = None

    class NewerTask(Task):
        weather: str = "none"

    milestones = (NewerMilestone.model_construct(**dict(task.milestones[0]), rests_after=3), *task.milestones[1:])
    newer = NewerTask.model_construct(**{**dict(task), "milestones": milestones}, weather="rain")
    explanation = explain(newer)
    assert explanation.milestones[0].sentence.endswith(" Rests after: 3.")
    assert explanation.rules[-1] == "Weather: rain."


def test_expiry_shaping_components_and_files_are_told(task):
    first = task.milestones[0].model_copy(update={"expires_after": 1})
    shaped = task.model_copy(
        update={
            "milestones": (first, *task.milestones[1:]),
            "reward": MilestoneReward(shaping=Shaping.POTENTIAL, gamma=0.9),
            "files": {"notes/a.txt": "x"},
        }
    )
    explanation, most = explain(shaped), task.instantiate(0).max_reward
    assert "It counts only within one step from the start on." in explanation.milestones[0].conditions
    assert explanation.rules[-3:] == (
        f"The milestones' rewards are not paid one by one: success pays {most:.2f} at once; a milestone that costs "
        "something still does.",
        "Potential-based shaping (gamma 0.9) rewards progress and takes it back at the end.",
        "The workspace holds notes/a.txt at the start.",
    )
    weights = {"nav": 0, "ui": 0, "form": 0.25, "file": 0.25, "goal": 0.5}
    components = ComponentReward.model_validate({"mode": "components", "weights": weights, "fields": {"Name": "Ada"}})
    (rule,) = explain(task.model_copy(update={"reward": components})).rules[4:]
    assert "(form 0.25, file 0.25 and goal 0.5)" in rule


@pytest.mark.parametrize("path", sorted(BUNDLED_TASKS.glob("*.yaml")), ids=lambda path: path.stem)
def test_bundled_tasks_are_explained_for_every_instance(path: Path):
    for task in load_tasks(path):
        for seed in (None, 0, 1):
            explanation = explain(task, seed)
            assert [row.id for row in explanation.milestones] == [m.id for m in task.milestones]
            left = re.findall(r"(?<!\{)\{([a-z_]\w*)\}", " ".join(row.sentence for row in explanation.milestones))
            assert (left != []) is (seed is None)
            assert explanation.to_json()["milestones"][0]["sentence"] == explanation.milestones[0].sentence
