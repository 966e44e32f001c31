"""Evaluations as the viewer reads them: a line says what came of an episode, its ledger what happened in it.

Evaluations keep no trajectories. From the ledger come the actions, the pages, the rewards and their evidence; what the
policy was shown is put together again from the pages, without what the last action had answered, and its tokens are not
there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from ...agents.prompts import render_observation
from ...agents.records import StepRecord, Trajectory
from ...envs.observation import build_observation
from ...envs.registration import task_for
from ...rewards.ledger_reading import read_ledger
from ...sandbox.errors import FailureKind, LedgerTamperedError, RewardError, TaskError
from ...sandbox.snapshot import Snapshot

EPISODES = "episodes.jsonl"
_UNTOLD = ("last_action", "last_action_result", "last_action_error")


def is_evaluation(folder: Path) -> bool:
    """Tell whether `milepost eval` wrote a folder."""
    return (folder / EPISODES).is_file() and (folder / "config.json").is_file()


def milestone_order(folder: Path) -> Mapping[str, Sequence[str]]:
    """Return the milestones' ids of each task in its order, which numbers them; {} where that is not recorded."""
    path = folder / "config.json"
    try:
        return _order(path, path.stat().st_mtime_ns)
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return {}


@lru_cache(maxsize=8)
def _order(path: Path, _mtime_ns: int) -> dict[str, tuple[str, ...]]:
    tasks = orjson.loads(path.read_bytes())["settings"]["tasks"]
    return {str(name): tuple(task["milestones"]) for name, task in tasks.items()}


def page_alone(observation: Mapping[str, str]) -> str:
    """Return an observation as it is put together here."""
    return render_observation({**observation, **dict.fromkeys(_UNTOLD, "")})


def trajectory_of(line: Mapping[str, Any], ledger: Path | None) -> Trajectory:
    """Return an episode of an evaluation as a trajectory; without steps where its ledger is missing or altered."""
    steps: list[StepRecord] = []
    last_page = ""
    try:
        if ledger is not None:
            steps, last_page = _steps(line, ledger)
    except (LedgerTamperedError, RewardError):
        pass  # the page is told by whoever reads the ledger for its evidence
    failure = line["failure"]
    return Trajectory(
        task=str(line["task"]),
        seed=int(line["seed"]),
        steps=tuple(steps),
        success=line["success"] is True,
        terminated=failure is None,
        truncated=failure is not None,
        stop_reason=str(line["stop_reason"]),
        failure=None if failure is None else FailureKind(failure),
        policy_version=0,
        ledger_path=line["ledger_path"],
        ledger_hash=line["ledger_hash"] if failure is None else None,
        final_observation=last_page,
        unjudged=tuple(line["unjudged"]),
    )


def _steps(line: Mapping[str, Any], path: Path) -> tuple[list[StepRecord], str]:
    ledger = read_ledger(path)
    try:
        goal = task_for(str(line["task"])).instantiate(int(line["seed"])).goal
    except TaskError:
        goal = ""
    order = [milestone.id for milestone in ledger.header.milestones or ()]
    steps: list[StepRecord] = []
    reached = 0
    for before, after in zip(ledger.steps, ledger.steps[1:], strict=False):
        start = reached
        for result in after.reward.milestones:
            reached |= 1 << order.index(result.id) if result.id in order else 0
        steps.append(
            StepRecord(
                prompt_ids=(),
                response_ids=(),
                behaviour_logprobs=(),
                action=after.action,
                observation=_page(goal, before.snapshot),
                reward=after.reward.total,
                milestones_before=start,
                milestones_after=reached,
                error=after.error,
                tiers=after.reward.tiers,
            )
        )
    judged = sum(1 << place for place, name in enumerate(order) if name in line["milestones"])
    if steps:  # those of meaning were settled when the episode was over
        steps[-1] = replace(steps[-1], milestones_after=reached | judged)
    return steps, _page(goal, ledger.steps[-1].snapshot) if ledger.steps else ""


def _page(goal: str, snapshot: Snapshot) -> str:
    return page_alone(build_observation(goal=goal, snapshot=snapshot))


__all__ = ["EPISODES", "is_evaluation", "milestone_order", "page_alone", "trajectory_of"]
