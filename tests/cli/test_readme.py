"""What the README shows must work as shown."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from milepost.agents.policies import OraclePolicy
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.envs.registration import isolated_registry, register_tasks

from .conftest import Run

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def shown_task(tmp_path: Path) -> Path:
    (text,) = blocks("yaml")
    path = tmp_path / "my_tasks" / "claim-lunch.yaml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return path


def test_the_task_is_complete(shown_task: Path, milepost: Run):
    shown = milepost("tasks", "show", shown_task, "--seed", "3", "--json").document()
    assert shown["id"] == "milepost/claim-lunch-v0"


@pytest.mark.browser
def test_the_task_is_solved_by_its_oracle(shown_task: Path):
    with isolated_registry(), EnvPool() as pool:
        (task,) = register_tasks(shown_task)
        (trajectory,) = run_episodes([EpisodeSpec(task=task, seed=5)], OraclePolicy(), pool=pool)
    assert trajectory.success
    assert [step.error for step in trajectory.steps] == [""] * 4
    assert trajectory.total_reward == pytest.approx(1.2)


@pytest.mark.browser
def test_the_library_example_runs_and_is_paid(tmp_path: Path):
    example = next(block for block in blocks("python") if "env.step" in block)
    environ = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Submit an expense" in done.stdout


def test_links_lead_somewhere():
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    assert [t for t in targets if not (ROOT / t).exists()] == []


def test_every_make_target_and_command_exists(milepost: Run):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for command in {tuple(m.split()[:2]) for m in re.findall(r"^milepost ((?:tasks|train|eval) ?\S*)", README, re.M)}:
        group = command[:1] if command[0] == "eval" else command
        assert milepost(*group, "--help").code == 0, command
