"""Offline runs end to end on a tiny model: they learn, and a killed one ends where a whole one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from milepost.agents.records import StepRecord, Trajectory
from milepost.envs.registration import task_for
from milepost.sandbox.errors import RunError
from milepost.trainers.dpo import main as dpo
from milepost.trainers.record import record_episodes
from milepost.trainers.rest import main as rest
from milepost.trainers.rest import select
from milepost.trainers.run_folder import RunFolder
from milepost.trainers.sft import main as sft

TASK = "milepost/search-open-v0"
pytestmark = pytest.mark.model


@pytest.fixture
def model(tiny_model: Path) -> Path:
    return tiny_model


def played(seed: int, *actions: str) -> Trajectory:
    """An episode whose every action is answered by a page of its own; a click on a result is what pays."""
    steps = tuple(
        StepRecord(
            prompt_ids=(), response_ids=(), behaviour_logprobs=(), action=action,
            observation=f'Goal: Open seed {seed}.\n[1] button "Result"\ntext "{" ".join(actions[:i])}"',
            reward=float(action.startswith("click")), milestones_before=0, milestones_after=0,
        )
        for i, action in enumerate(actions)
    )  # fmt: skip
    success = any(step.reward for step in steps)
    return Trajectory(
        task=TASK, seed=seed, steps=steps, success=success, terminated=success, truncated=not success,
        stop_reason="success" if success else "step_limit", failure=None, policy_version=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("recorded") / "run"
    with RunFolder.create(run, {}, seed=0) as folder:
        for seed in range(3):
            plans = [('click("Result")',), ("back()", 'click("Result")'), ("back()", "back()"), ("noop()",)]
            folder.write_trajectories(seed, [played(seed, *plan) for plan in plans])
    return run


def config(path: Path, model: Path, recorded: Path, run: str, **settings: object) -> Path:
    lines = {
        "tasks": ["search-open"], "run": str(path / run), "model": str(model), "precision": "float32", "batch": 4,
        "episodes": [str(recorded)], "evaluation_seeds": 0, "learning_rate": 3e-3, "checkpoint_every": 2, "epochs": 4,
        "lora": {"rank": 4, "alpha": 8},
    }  # fmt: skip
    file = path / f"{run}.yaml"
    file.write_text(json.dumps(lines | settings), encoding="utf-8")  # JSON is YAML
    return file


def records(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("unit", ["step", "trajectory"])
@pytest.mark.parametrize("objective", ["dpo", "kto", "simpo"])
def test_the_better_sides_become_likelier_than_the_worse_ones(tmp_path, model, recorded, objective, unit):
    settings = {"loss": {"objective": objective}, "pairs": {"unit": unit}, "batch": 64, "epochs": 12}
    file = config(tmp_path, model, recorded, "run", **settings)
    result = dpo([str(file)])
    logged = [r for r in records(tmp_path / "run") if "train/loss" in r]
    assert logged[-1]["train/loss"] < logged[0]["train/loss"]
    if objective == "simpo":
        assert logged[-1]["train/lead_per_token"] > logged[0]["train/lead_per_token"]
    else:
        assert logged[-1]["train/chosen_log_ratio"] > logged[-1]["train/rejected_log_ratio"]
    assert result.examples >= 6
    assert result.report.is_file()
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "finished"


def test_a_killed_run_ends_with_the_parameters_of_a_whole_one(tmp_path, model, recorded):
    settings = {"epochs": 15, "loss": {"objective": "kto"}}
    whole = config(tmp_path, model, recorded, "whole", **settings)
    killed = config(tmp_path, model, recorded, "killed", **settings)
    command = [sys.executable, "-m", "milepost.trainers.dpo", str(killed)]
    environ = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            while not (tmp_path / "killed/checkpoints/iteration_0003").exists():
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.002)
        finally:  # the test's own time limit, too, must not leave it behind
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    left_at = len(records(tmp_path / "killed"))
    resumed, straight = dpo([str(killed)]), dpo([str(whole)])
    assert left_at < len(records(tmp_path / "killed")) == len(records(tmp_path / "whole"))
    assert resumed.updates == straight.updates
    last = f"checkpoints/iteration_{resumed.updates // 2:04d}/adapter/adapter_model.safetensors"
    a, b = load_file(tmp_path / "killed" / last), load_file(tmp_path / "whole" / last)
    assert a.keys() == b.keys()
    for name, value in a.items():
        torch.testing.assert_close(value, b[name], atol=0, rtol=0)


def test_sft_learns_recorded_successes_and_is_a_start_for_preferences(tmp_path, model, recorded):
    result = sft([str(config(tmp_path, model, recorded, "sft", demonstrations=0, most=1, learning_rate=0.01))])
    assert result.examples == 3  # the shortest success of each seed
    logged = [r["train/loss"] for r in records(tmp_path / "sft") if "train/loss" in r]
    assert logged[-1] < logged[0]
    file = config(tmp_path, model, recorded, "dpo", start=str(tmp_path / "sft"), max_updates=1)
    assert dpo([str(file)]).updates == 1
    (first,) = [r for r in records(tmp_path / "dpo") if "train/loss" in r]
    assert first["train/chosen_log_ratio"] == pytest.approx(0.0, abs=1e-3)  # the reference is where it starts
    with pytest.raises(RunError, match="another configuration"):
        dpo([str(file), "loss.beta=0.5"])
    with pytest.raises(RunError, match="start: expected the folder"):
        dpo([str(config(tmp_path, model, recorded, "lost", start=str(tmp_path / "nowhere")))])


def test_nothing_to_learn_from_is_told(tmp_path, model, recorded):
    file = config(tmp_path, model, recorded, "run", pairs={"min_gap": 5.0})
    with pytest.raises(RunError, match="make no example"):
        dpo([str(file)])
    assert dpo([str(file), "pairs.min_gap=0.1", "max_updates=1"]).updates == 1  # nothing had begun
    with pytest.raises(RunError, match="nothing to learn from"):
        dpo([str(config(tmp_path, model, recorded, "other", episodes=[]))])
    with pytest.raises(RunError, match="unit: trajectory"):
        dpo([str(config(tmp_path, model, recorded, "third", preferences=["p.jsonl"]))])


def test_what_is_kept_earned_enough_and_is_the_best_of_its_kind():
    episodes = [played(0, "back()", 'click("Result")'), played(0, 'click("Result")'), played(0, "noop()"),
                played(1, 'click("Result")', 'click("More")')]  # fmt: skip
    most = task_for(TASK).instantiate(0).max_reward
    one_click = 1.0 / most
    kept = select(episodes, threshold=one_click, keep=1)
    assert [len(e.steps) for e in kept] == [1, 2]
    assert kept[1].seed == 1
    assert len(select(episodes, threshold=one_click, keep=2)) == 3
    assert [e.seed for e in select(episodes, threshold=one_click * 1.5, keep=2)] == [1]


@pytest.mark.browser
@pytest.mark.slow
def test_expert_iteration_and_recording_play_in_the_browser(tmp_path, model):
    made = record_episodes([TASK], "oracle", out=tmp_path / "oracle", groups=2, group_size=1)
    assert (made.episodes, made.broken, made.success) == (2, 0, {"search-open": 1.0})
    again = record_episodes([TASK], "oracle", out=tmp_path / "oracle", groups=2, group_size=1)
    assert again == made  # read, not played
    assert sft([str(config(tmp_path, model, tmp_path / "oracle", "sft", demonstrations=0))]).examples == 2
    file = config(tmp_path, model, tmp_path / "oracle", "rest", rounds=1, groups=1, group_size=2, max_new_tokens=2)
    settings = json.loads(file.read_text())
    del settings["episodes"]
    file.write_text(json.dumps(settings | {"start": str(tmp_path / "sft"), "thresholds": [0.5, 1.0]}))
    assert rest([str(file)]).examples == 0  # two tokens are no action
    logged = records(tmp_path / "rest")
    assert [r["iteration"] for r in logged] == [0, 1, 2, 3]
    assert logged[1]["train/episodes"] == 2
    assert [r["train/threshold"] for r in logged[1:3]] == [0.5, 1.0]
