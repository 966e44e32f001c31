"""The container's files, as far as they can be checked without Docker."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

import milepost
from milepost.envs.action_base import MAX_ACTION_CHARS
from milepost.envs.registration import task_for

PACKAGE = Path(__file__).parents[2] / "docker"


def test_the_probe_plays_a_task_that_the_container_serves():
    dockerfile = (PACKAGE / "Dockerfile").read_text()
    manifest = yaml.safe_load((PACKAGE / "openenv.yaml").read_text())
    served = re.search(r"^ENV TASK=(\S+)", dockerfile, re.MULTILINE)
    assert served is not None
    plan = json.loads((PACKAGE / manifest["validation"]["execution"]["probe_path"]).read_text())
    oracle = task_for(served[1]).instantiate(plan["reset"]["seed"]).oracle
    assert [step["action"] for step in plan["actions"][-len(oracle) :]] == list(oracle)
    assert all(len(step["action"]) <= MAX_ACTION_CHARS for step in plan["actions"])
    assert f"--port {manifest['port']}" in dockerfile
    assert f"EXPOSE {manifest['port']}" in dockerfile


def test_the_manifest_says_what_is_so():
    manifest = yaml.safe_load((PACKAGE / "openenv.yaml").read_text())
    assert milepost.__version__.startswith(manifest["version"])
    low, high = manifest["validation"]["reward"]["range"]
    for milestone in task_for("expense-form").milestones:
        assert low <= milestone.reward <= high
    assert task_for("expense-form").instantiate(0).max_reward <= high
