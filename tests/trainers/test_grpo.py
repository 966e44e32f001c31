import json
import subprocess
import sys
from pathlib import Path

from milepost.agents.records import StepRecord, Trajectory
from milepost.trainers.coefficients import adapt_entropy_coef
from milepost.trainers.token_samples import to_token_samples


def test_only_steps_with_something_to_teach_are_trained_on():
    def step(reward: float | None) -> StepRecord:
        return StepRecord(
            prompt_ids=(1, 2), response_ids=(3,), behaviour_logprobs=(-0.5,), action="a", observation="o",
            reward=reward, milestones_before=0, milestones_after=0,
        )  # fmt: skip

    trajectory = Trajectory(
        task="t", seed=0, steps=(step(1.0), step(0.0), step(None), step(0.0)), success=True, terminated=True,
        truncated=False, stop_reason="success", failure=None, policy_version=0,
    )  # fmt: skip
    samples = to_token_samples([trajectory], [[2.0, 0.0, None, -1.0]], negative_scale=0.5)
    assert [s.advantage for s in samples] == [2.0, -0.5]
    assert samples[0].behaviour_logprobs == (-0.5,)


def test_entropy_weight_follows_the_gap_and_stays_in_bounds():
    assert adapt_entropy_coef(0.01, entropy=0.05, target=0.1) > 0.01
    assert adapt_entropy_coef(0.01, entropy=0.2, target=0.1) < 0.01
    assert adapt_entropy_coef(0.0, entropy=9.0, target=0.1) == 0.0
    assert adapt_entropy_coef(0.05, entropy=0.0, target=0.1) == 0.05


def test_a_run_that_is_out_of_time_says_how_to_go_on(tmp_path: Path, tiny_model: Path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"tasks: [search-open]\nrun: {tmp_path / 'run'}\nmodel: {tiny_model}\nprecision: float32\ngroups: 1\n"
        "group_size: 2\nevaluation_seeds: 1\nmax_new_tokens: 4\nwarm_start: {demonstrations: 0}\ntime_budget_s: 1\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "milepost.trainers.grpo", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert "time_budget_s=1 is used up before the first iteration" in " ".join(done.stderr.split())
    assert "time_budget_s=4" in done.stderr
    assert "after GRPO" not in done.stdout  # what was not trained is not evaluated a second time under another name
    assert set(json.loads((tmp_path / "run/evaluations.json").read_text())) == {"untrained"}
    done = subprocess.run([*command, "time_budget_s=null", "iterations=1"], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert set(json.loads((tmp_path / "run/evaluations.json").read_text())) == {"untrained", "trained"}
