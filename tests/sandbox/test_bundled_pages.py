"""What agents read of the bundled tasks, byte for byte: the trained quickstart has learned these texts.

The file was written before the tree learned to agree with Chromium's; it is changed only on purpose.
"""

import json
from pathlib import Path

import pytest

from milepost.envs.env import MilepostEnv
from milepost.envs.registration import register_bundled_tasks, task_for

pytestmark = pytest.mark.browser

GOLDEN = json.loads(Path(__file__).with_name("bundled_pages.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["expense-form", "report-download", "search-open"])
def test_pages_read_as_they_always_did(name):
    register_bundled_tasks()
    env = MilepostEnv(task_for(name))
    try:
        for seed in range(6):
            observation, _ = env.reset(seed=seed)
            read = [[observation["page"], observation["focused"]]]
            for action in env.task.instantiate(seed).oracle:
                observation, *_ = env.step(action)
                read.append([observation["page"], observation["focused"]])
            assert read == GOLDEN[f"{name}/{seed}"]
    finally:
        env.close()
