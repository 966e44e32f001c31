"""The suite core: what it is made of, and that its tasks are sound as far as can be told without a browser."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

import milepost.envs
from milepost.envs.checks.findings import Severity
from milepost.envs.checks.static import check_static
from milepost.envs.registration import BUNDLED_TASKS
from milepost.envs.task import load_tasks

SUITE = yaml.safe_load((Path(milepost.envs.__file__).parent / "suites" / "core.yaml").read_text(encoding="utf-8"))
CORE = {task.name: task for task in load_tasks(str(BUNDLED_TASKS / "core" / "*" / "*.yaml"))}
TASKS = CORE | {task.name: task for task in load_tasks(BUNDLED_TASKS)}
FAMILIES = ("files", "form", "mail", "reports", "search", "settings")
STEPS = {"easy": range(1, 4), "medium": range(4, 8), "hard": range(8, 16)}


def difficulty(task):
    return next(name for name, lengths in STEPS.items() if len(task.oracle) in lengths)


def kinds(names):
    return Counter((TASKS[name].family, difficulty(TASKS[name])) for name in names)


def test_every_family_has_twelve_tasks_four_of_each_difficulty():
    assert kinds([*SUITE["tasks"], *SUITE["held_out"]]) == {
        (family, level): 4 for family in FAMILIES for level in STEPS
    }


def test_a_quarter_is_held_out_of_every_family_and_difficulty():
    assert kinds(SUITE["held_out"]) == {(family, level): 1 for family in FAMILIES for level in STEPS}
    assert not set(SUITE["tasks"]) & set(SUITE["held_out"])


def test_all_bundled_tasks_are_in_it_once():
    assert sorted([*SUITE["tasks"], *SUITE["held_out"]]) == sorted(TASKS)


def test_a_file_is_named_as_its_task_and_lies_in_its_family():
    for path in BUNDLED_TASKS.glob("core/*/*.yaml"):
        assert (CORE[path.stem].name, CORE[path.stem].family) == (path.stem, path.parent.name)


@pytest.mark.parametrize("task", CORE.values(), ids=CORE)
def test_a_task_is_worth_training_on(task):
    assert task.instance_count >= 100
    instances = [task.instantiate(seed) for seed in range(60)]
    told = {instance.goal for instance in instances} | {str(instance.parameters) for instance in instances}
    assert len(told) > 50
    assert len(task.near_miss) >= 2
    assert len(task.oracle) < task.max_steps
    serious = [f for f in check_static(task).findings if f.severity is not Severity.ADVICE]
    assert [f.message for f in serious if f.rule != "goal-silent"] == []


def test_agents_can_do_harm_in_most_tasks():
    """Tasks that only ask for an answer, or for a page, have nothing to break."""
    harmless = {name for name, task in CORE.items() if not any(m.forbidden for m in task.milestones)}
    assert len(harmless) <= 12
