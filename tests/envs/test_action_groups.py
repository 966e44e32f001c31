from __future__ import annotations

from typing import Any

import pytest
import yaml

from milepost.envs.actions import ACTION_TYPES, DEFAULT_VERBS
from milepost.envs.registration import registered_ids, task_for
from milepost.envs.task import Task, load_tasks
from milepost.errors import TaskError

TASK = """\
name: some-task
family: form
description: Do something.
app: expenses
goal: Do it.
max_steps: 3
actions: {actions}
milestones:
  - {{id: there, catalogue: url_loaded, path: /new}}
oracle:
  - goto("/new")
"""


def task(actions: Any) -> Task:
    return Task.model_validate(yaml.safe_load(TASK.format(actions=actions)))


def test_a_task_allows_the_default_actions_unless_it_says_otherwise():
    for name in registered_ids():
        if task_for(name).actions == ("basic",):
            assert task_for(name).verbs == DEFAULT_VERBS
    assert task_for("expense-form").verbs == DEFAULT_VERBS


def test_a_task_names_groups_and_single_actions():
    assert task("[basic, tabs, hover]").verbs == DEFAULT_VERBS | {"tab_new", "tab_switch", "tab_close", "hover"}
    assert task("[click]").verbs == {"click", "done", "noop"}
    assert task(sorted(ACTION_TYPES)).verbs == set(ACTION_TYPES)


@pytest.mark.parametrize(
    ("actions", "reason"),
    [
        ("[basic, tab]", r":7: .*name of a group of actions or of a single action, got 'tab'; did you mean 'tabs'\?"),
        ("[]", r":7: .*at least 1 item"),
        ("basic", r":7: .*"),
        ("[3]", r":7: .*"),
    ],
)
def test_what_is_no_action_is_refused_with_its_line(tmp_path, actions, reason):
    path = tmp_path / "task.yaml"
    path.write_text(TASK.format(actions=actions), encoding="utf-8")
    with pytest.raises(TaskError, match=reason):
        load_tasks(path)
