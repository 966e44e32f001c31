"""What importing costs and touches, seen from a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROOMS = ("sandbox", "rewards", "envs", "agents", "trainers")


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\nimport sys; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "milepost",
        "milepost.sandbox",
        "milepost.rewards",
        "milepost.rewards.preferences",
        "milepost.rewards.reward_model",
        "milepost.envs",
        "milepost.envs.env",
    ],
)
def test_imports_load_neither_torch_nor_a_browser(module: str):
    loaded = modules_after(f"import {module}")
    assert not loaded & {"torch", "transformers", "playwright", "uvicorn"}
    assert not loaded & set(ROOMS), "a room was imported by its bare name"


def test_every_promised_name_exists():
    modules_after(
        "import milepost, milepost.envs\n"
        "for module in (milepost, milepost.envs):\n"
        "    assert list(module.__all__) == sorted(module.__all__), module\n"
        "    for name in module.__all__: assert getattr(module, name) is not None, name\n"
    )


def test_gymnasium_makes_a_task_from_its_id_alone():
    modules_after(
        "import gymnasium\n"
        "env = gymnasium.make('milepost:milepost/expense-form-v0')\n"
        "assert env.unwrapped.task.name == 'expense-form'\n"
        "env.close()\n"
    )
