from pathlib import Path

import pytest

from milepost.rewards.router import Mode, Unscored
from milepost.sandbox.errors import RunError
from milepost.trainers.config import load_config, load_reward


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text("tasks: [search-open]\nrun: runs/x\n", encoding="utf-8")
    return file


def test_overrides_reach_into_sections(path: Path):
    config = load_config(path, ["groups=3", "warm_start.epochs=7", "tasks=[a, b]", "time_budget_s=null"])
    assert (config.groups, config.warm_start.epochs, config.tasks, config.time_budget_s) == (3, 7, ("a", "b"), None)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("grups=3", "grups"),
        ("groups", "key=value"),
        ("group_size=1", "group_size"),
        ("warm_start.epoch=1", "warm_start.epoch"),
        ("groups.x=1", "groups"),
        ("clip_low=2", "clip_low"),
        ("tasks=[a", "no YAML"),
    ],
)
def test_a_wrong_override_is_told(path: Path, override: str, told: str):
    with pytest.raises(RunError, match=told):
        load_config(path, [override] if override != "groups.x=1" else ["groups=3", override])


@pytest.mark.parametrize(("text", "told"), [("- a", "mapping"), ("tasks: [", "YAML"), ("run: x", "tasks")])
def test_a_broken_file_is_told(path: Path, text: str, told: str):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=told):
        load_config(path)


def test_the_shipped_quickstart_is_valid():
    config = load_config(Path(__file__).parents[2] / "examples/quickstart/config.yaml")
    assert config.warm_start.demonstrations <= 48
    assert config.evaluation_seeds == 64
    assert config.time_budget_s == 600


def test_evaluations_before_grpo_may_take_fewer_seeds(path: Path):
    def seeds(*overrides: str) -> list[int]:
        config = load_config(path, ["evaluation_seeds=8", *overrides])
        return [config.seeds_of(stage) for stage in ("untrained", "warm_start", "trained")]

    assert seeds() == [8, 8, 8]
    assert seeds("interim_evaluation_seeds=3") == [3, 3, 8]
    assert seeds("interim_evaluation_seeds=30") == [8, 8, 8]


def test_an_evaluation_takes_the_reward_of_a_trainings_configuration(path: Path):
    path.write_text(path.read_text() + "reward: {mode: cascade, unscored: carry, thresholds: {judge: 0.5}}\n")
    overrides = ["reward.thresholds.judge=0.75", "reward.thresholds.milestones.write-note/faithful.judge=0.9"]
    reward = load_reward(path, overrides)
    assert (reward.mode, reward.unscored, reward.thresholds.judge) == (Mode.CASCADE, Unscored.CARRY, 0.75)
    assert reward.thresholds.milestones == {"write-note/faithful": {"judge": 0.9}}
    assert load_reward(None, ["reward.judge.model=m"]).judge is not None
    assert load_reward(None).mode is Mode.RULES


@pytest.mark.parametrize(
    ("text", "override", "told"),
    [
        ("mode: rules", "reward.mode=rules", "`reward:` section, got mode"),
        ("reward: {mode: rules}", "mode=rules", "begins with `reward.`"),
        ("reward: {moode: rules}", "reward.unscored=mask", r"moode.*Known settings: mode, model, judge"),
        ("reward:", "reward.mode=rules", "is a value, not a section"),
    ],
)
def test_a_wrong_reward_is_told(path: Path, text: str, override: str, told: str):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=told):
        load_reward(path, [override])


def test_the_examples_of_reward_layers_are_valid():
    examples = Path(__file__).parents[2] / "examples" / "reward_layers"
    assert [load_reward(file).judge is not None for file in examples.glob("*.yaml")] == [True]
