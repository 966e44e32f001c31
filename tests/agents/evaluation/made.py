"""Episodes and evaluations made by hand, without a browser."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from milepost.agents.evaluation.folder import EvaluationFolder
from milepost.agents.evaluation.outcome import EpisodeResult

MILESTONES = {"milepost/a-v0": {"named": 0.5, "saved": 1.0, "spoilt": -1.0}, "milepost/b-v0": {"sent": 1.0}}
FAMILIES = {"milepost/a-v0": "form", "milepost/b-v0": "mail"}


def episode(task: str = "a", seed: int = 1, sample: int = 0, *, success: bool | None = True, **more: Any):
    task_id = f"milepost/{task}-v0"
    given: dict[str, Any] = {
        "task": task_id, "family": FAMILIES.get(task_id, "form"), "seed": seed, "sample": sample, "success": success,
        "rule_success": success, "reward": 1.5 if success else 0.0, "max_reward": 1.5, "steps": 4, "oracle_steps": 4,
        "milestones": ("named", "saved") if success else (), "stop_reason": "success" if success else "step_limit",
    }  # fmt: skip
    return EpisodeResult(**(given | more))


def settings(**changes: Any) -> dict[str, Any]:
    tasks = {
        task: {"family": FAMILIES[task], "content": "0" * 32, "milestones": milestones}
        for task, milestones in MILESTONES.items()
    }
    given: dict[str, Any] = {
        "policy": {"kind": "scripted", "name": "oracle"}, "seeds": 2, "samples": 1, "first_seed": 1, "tasks": tasks,
        "reward": None,
    }  # fmt: skip
    return given | changes


def evaluation(path: Path, episodes: Iterable[EpisodeResult], *, policy: str = "oracle", **changes: Any):
    """Write an evaluation, and return it opened for reading."""
    with EvaluationFolder.create(path, settings(**changes), facts={"policy": policy, "suites": ["both"]}) as folder:
        folder.append(list(episodes))
    return EvaluationFolder.open(path)
