"""The catalogue of ready-made milestones against the bundled tasks: each is earned somewhere, and missed nearby."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import milepost
from milepost.envs import MilepostEnv, Task, task_for
from milepost.envs.registration import BUNDLED_TASKS
from milepost.rewards.catalogue import CATALOGUE

TASKS: dict[str, Task] = {path.stem: task_for(path.stem) for path in sorted(BUNDLED_TASKS.glob("*.yaml"))}
SEED = 3

Use = tuple[str, str]
"""A task's name, and the id of one of its milestones."""


def uses_of(name: str) -> list[Use]:
    return [(task.name, m.id) for task in TASKS.values() for m in task.milestones if m.catalogue == name]


def test_there_are_eighteen():
    assert len(CATALOGUE) == 18


def test_every_file_holds_the_task_of_its_name():
    assert all(stem == task.name for stem, task in TASKS.items())


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_task_uses_it_with_its_own_reward(name: str):
    uses = uses_of(name)
    assert uses, f"no bundled task uses {name!r}"
    rewards = [m.reward for task, milestone in uses for m in TASKS[task].milestones if m.id == milestone]
    assert CATALOGUE[name].reward in rewards


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_near_miss_leaves_it_out(name: str):
    assert any(milestone in miss.not_reached for task, milestone in uses_of(name) for miss in TASKS[task].near_miss)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_has_two_near_misses(task: Task):
    assert len(task.near_miss) >= 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """Which milestones an oracle and each near miss of a task reached."""

    oracle: frozenset[str]
    near_misses: dict[str, frozenset[str]]


def reached(env: MilepostEnv, actions: tuple[str, ...]) -> frozenset[str]:
    _, info = env.reset(seed=SEED)
    for action in actions:
        observation, _, terminated, truncated, info = env.step(action)
        assert (observation["last_action_error"], info["failure"]) == ("", None), action
        if terminated or truncated:
            break
    milestones: frozenset[str] = info["milestones"]
    return milestones


@pytest.fixture(scope="module")
def played() -> dict[str, Played]:
    found = {}
    for name in TASKS:
        env = milepost.make(name)
        instance = env.task.instantiate(SEED)
        found[name] = Played(
            oracle=reached(env, instance.oracle),
            near_misses={miss.name: reached(env, miss.actions) for miss in instance.near_misses},
        )
        env.close()
    return found


@pytest.mark.browser
@pytest.mark.parametrize("name", CATALOGUE)
def test_the_oracle_earns_it(played: dict[str, Played], name: str):
    for task, milestone in uses_of(name):
        assert milestone in played[task].oracle, task


@pytest.mark.browser
@pytest.mark.parametrize("name", CATALOGUE)
def test_near_misses_do_not(played: dict[str, Played], name: str):
    for task, milestone in uses_of(name):
        for miss in TASKS[task].near_miss:
            if milestone in miss.not_reached:
                assert milestone not in played[task].near_misses[miss.name], (task, miss.name)


TRAPS = {
    ("report-download", "wrong_export"): "another report of the same section",
    ("mail-send", "deleted"): "a message of the inbox deleted",
    ("mail-attach", "leaked"): "the other file",
    ("settings-toggle", "other_changed"): "another switch turned off",
}


def test_every_trap_is_known():
    assert TRAPS.keys() == {(task.name, m.id) for task in TASKS.values() for m in task.milestones if m.forbidden}


@pytest.mark.browser
@pytest.mark.parametrize(("task", "trap"), TRAPS)
def test_a_trap_catches_who_walks_into_it_and_not_the_oracle(played: dict[str, Played], task: str, trap: str):
    assert trap in played[task].near_misses[TRAPS[task, trap]]
    assert trap not in played[task].oracle
