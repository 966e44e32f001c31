"""A task whose milestones look at pictures says at once what it lacks."""

import builtins
from typing import Any

import gymnasium
import pytest

from milepost.envs import MilepostEnv, Task


def task(*milestones: dict[str, Any]) -> Task:
    return Task.model_validate(
        {
            "name": "chart",
            "family": "test",
            "description": "Draw a chart.",
            "app": "expenses",
            "goal": "Draw.",
            "max_steps": 5,
            "milestones": milestones,
            "oracle": ["noop()"],
        }
    )


DRAWN = {"id": "drawn", "detector": "region_changed", "reward": 1.0, "region": [0, 0, 100, 100]}
OPENED = {"id": "opened", "catalogue": "url_loaded", "path": "/new"}


def test_without_pillow_a_task_with_pictures_is_not_made(monkeypatch: pytest.MonkeyPatch):
    load = builtins.__import__

    def refuse(name: str, *args, **kwargs):
        if name.startswith("PIL"):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(
        gymnasium.error.DependencyNotInstalled, match=r"region_changed of milepost/chart-v0.*pip install"
    ):
        MilepostEnv(task(OPENED, DRAWN))
    MilepostEnv(task(OPENED)).close()


def test_with_pillow_it_is():
    pytest.importorskip("PIL")
    MilepostEnv(task(OPENED, DRAWN)).close()
