"""The recipes in examples/: their settings are read, their tasks are there, and what they measured is told whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from milepost.envs.suites import Split, expand
from milepost.trainers.config import GRPOConfig, load_config, load_settings
from milepost.trainers.offline_config import SFTConfig

ROOT = Path(__file__).parents[2]
RECIPES = sorted(ROOT.glob("examples/*/recipe.yaml"))


def read(recipe: Path):
    return yaml.safe_load(recipe.read_text(encoding="utf-8"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_every_stage_is_read_and_learns_nothing_that_is_held_out(recipe: Path):
    plan = read(recipe)
    unseen = set(expand([plan["measure"]["parts"]["unseen"]]))
    for stage in plan["stages"].values():
        path = ROOT / stage["config"]
        config: GRPOConfig | SFTConfig
        if stage["trainer"] == "sft":
            config = load_settings(path, stage["set"], SFTConfig, kind="SFT", example="examples/core/sft.yaml")
        else:
            config = load_config(path, stage["set"])
        learnt = set(expand(config.tasks, bare=Split.TRAIN))
        assert learnt == set(expand([plan["measure"]["parts"]["seen"]]))
        assert not learnt & unseen
        assert config.evaluation_seeds >= plan["measure"]["seeds"], "instances that are measured would be learnt from"


@pytest.mark.parametrize("recipe", [r for r in RECIPES if r.with_name("result.json").is_file()], ids=str)
def test_a_committed_result_says_how_it_was_come_by(recipe: Path):
    result = json.loads(recipe.with_name("result.json").read_text(encoding="utf-8"))
    assert result["recipe"] == read(recipe), "the recipe has changed since: measure it again"
    for run in result["seeds"].values():
        for stage in run["stages"].values():
            assert stage["command"].startswith("milepost train ")
            assert stage["wall_s"] > 0
            assert stage["settings"]["tasks"]
            assert stage["versions"]["git_commit"]
        for parts in run["measured"].values():
            for part in parts.values():
                assert part["all"]["episodes"] > 0
                value, low, high = part["all"]["success"]
                assert low <= value <= high
