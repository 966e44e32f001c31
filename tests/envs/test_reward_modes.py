"""Every way to pay, on real pages: what an episode earns, that its last step knows it is the last, and the replay."""

from __future__ import annotations

from math import fsum
from pathlib import Path
from typing import Any

import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import milepost
from milepost.envs import MilepostEnv, MilepostVectorEnv, Task, task_for
from milepost.rewards.ledger import read_ledger, rescore
from milepost.rewards.types import Ending, StepReward

pytestmark = pytest.mark.browser

COMPONENTS = {
    "mode": "components",
    "weights": {"nav": 0.1, "ui": 0.1, "form": 0.2, "file": 0.2, "goal": 0.4},
    "pages": ["/expenses/*", "/**"],
    "clicks": [{"role": "button", "name": "Submit"}],
    "fields": {"Name": "{person}", "Amount": "{amount}", "Purpose": "{purpose}"},
    "files": [],
}
SHAPED = {"shaping": "potential"}
WAYS: dict[str, dict[str, Any]] = {
    "raw": {},
    "none": {"shaping": "none"},
    "potential": SHAPED,
    "close": SHAPED | {"truncation": "close"},
    "components": COMPONENTS,
    "components, potential": COMPONENTS | SHAPED,
}


def paid_by(reward: dict[str, Any], **more: Any) -> Task:
    data = task_for("expense-form").model_dump(by_alias=True) | {"reward": reward, "max_idle_steps": None} | more
    return Task.model_validate(data)


def play(task: Task, actions: int, last: tuple[str, ...], folder: Path) -> tuple[MilepostEnv, list[StepReward], Any]:
    """Play so many of the oracle's actions, then others, and close; hold the ledger against what was paid."""
    env = milepost.make(task, ledger_dir=folder)
    _, info = env.reset(seed=3)
    rewards: list[StepReward] = []
    ended = (False, False)
    for action in (*env.instance.oracle[:actions], *last):
        assert ended == (False, False)
        _, total, *over, info = env.step(action)
        ended = (bool(over[0]), bool(over[1]))
        rewards.append(info["reward"])
        assert total == info["reward"].total
        ending = info["reward"].ending
        assert ended == (ending is Ending.TERMINATED, ending is Ending.TRUNCATED)
    env.close()
    assert [step.reward for step in read_ledger(info["ledger_path"]).steps][1:] == rewards
    assert rescore(info["ledger_path"])[1:] == rewards
    return env, rewards, info


def total(rewards: list[StepReward]) -> float:
    return fsum(reward.total for reward in rewards if reward.total is not None)


@pytest.mark.parametrize("way", WAYS)
def test_success_earns_what_the_instance_says_and_shaping_adds_up_to_nothing(way: str, tmp_path: Path):
    env, rewards, info = play(paid_by(WAYS[way]), 4, (), tmp_path)
    assert info["success"]
    assert rewards[-1].ending is Ending.TERMINATED
    assert fsum(reward.shaping for reward in rewards) == pytest.approx(0.0, abs=1e-12)
    if way.startswith("components"):  # one submit lands on one new page, so of two pages one is never paid
        assert total(rewards) == pytest.approx(0.1 + 0.1 + 0.2 + 0.4)
        assert env.instance.max_reward == pytest.approx(0.9)
    else:
        assert total(rewards) == pytest.approx(env.instance.max_reward)


@pytest.mark.parametrize(
    ("way", "expected"), [("raw", 0.4), ("none", 0.0), ("potential", 0.0), ("close", 0.0), ("components", 0.4 / 3)]
)
def test_giving_up_halfway(way: str, expected: float, tmp_path: Path):
    _, rewards, info = play(paid_by(WAYS[way]), 2, ('done("no")',), tmp_path)
    assert info["stop_reason"] == "done"
    assert total(rewards) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("way", "keeps"), [("none", False), ("potential", True), ("close", False)])
def test_being_cut_halfway(way: str, keeps: bool, tmp_path: Path):
    env, rewards, info = play(paid_by(WAYS[way], max_steps=3), 2, ("noop()",), tmp_path)
    assert info["stop_reason"] == "step_limit"
    assert total(rewards) == pytest.approx(0.4 / env.instance.max_reward if keeps else 0.0, abs=1e-12)


def test_an_idle_limit_is_a_truncation_that_the_last_step_knows_of(tmp_path: Path):
    _, rewards, info = play(paid_by(WAYS["close"], max_idle_steps=2), 1, ("noop()", "noop()"), tmp_path)
    assert info["stop_reason"] == "idle_limit"
    assert rewards[-1].shaping == pytest.approx(-rewards[0].shaping)
    assert rewards[-1].shaping < 0


def test_success_in_the_last_step_allowed_terminates(tmp_path: Path):
    _, rewards, info = play(paid_by(WAYS["potential"], max_steps=4), 4, (), tmp_path)
    assert (info["stop_reason"], rewards[-1].ending) == ("success", Ending.TERMINATED)


def test_the_sixty_fourth_milestone_shows_in_batched_infos():
    data = task_for("expense-form").model_dump(by_alias=True)
    never = [{"id": f"never{i}", "detector": "clicked", "name": f"No such {i}", "reward": 0.01} for i in range(63)]
    filled = next(m for m in data["milestones"] if m["id"] == "name_filled")
    task = Task.model_validate(data | {"milestones": [*never, filled], "success": ["name_filled"], "near_miss": []})
    ours = MilepostVectorEnv(task, num_envs=2)
    theirs: SyncVectorEnv[Any, Any] = SyncVectorEnv(
        [lambda: MilepostEnv(task)] * 2, autoreset_mode=AutoresetMode.NEXT_STEP
    )
    for envs in (ours, theirs):
        envs.reset(seed=[3, 4])
        instance = ours.envs[0].instance
        _, _, terminated, _, infos = envs.step((instance.oracle[0], "noop()"))
        assert terminated.tolist() == [True, False]
        assert infos["milestone_bits"].tolist() == [2**63, 0]
        envs.close()
