"""Recorded runs and people's choices on them, made up for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from milepost.agents.records import StepRecord, Trajectory
from milepost.rewards.labels import Choice, Label, LabelRecord, Purpose
from milepost.rewards.preferences import PreferenceSource, RankedTrajectory, Ranking, TrajectoryRef
from milepost.trainers.run_folder import RunFolder

TASK = "milepost/unregistered-v0"
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def episode(*actions: str, total: float | None = 0.0, seed: int = 0, task: str = TASK, **overrides: Any) -> Trajectory:
    """An episode that earns its total with its last action; it succeeds if that is 1 or more."""
    steps = tuple(
        StepRecord(
            prompt_ids=(),
            response_ids=(),
            behaviour_logprobs=(),
            action=action,
            observation=f'Goal: Save it.\nheading "before {action}"',
            reward=None if total is None else total if n == len(actions) - 1 else 0.0,
            milestones_before=0,
            milestones_after=0,
        )
        for n, action in enumerate(actions)
    )
    settings: dict[str, Any] = dict(
        task=task,
        seed=seed,
        steps=steps,
        success=total is not None and total >= 1,
        terminated=True,
        truncated=False,
        stop_reason="success",
        failure=None,
        policy_version=0,
        ledger_hash=f"{task}-{seed}-{'-'.join(actions)}",
        final_observation=f'Goal: Save it.\nheading "after {actions[-1]}"',
    )
    return Trajectory(**(settings | overrides))


def record(run: Path, trajectories: Sequence[Trajectory]) -> Path:
    with RunFolder.create(run, {}, seed=0) as folder:
        folder.write_trajectories(0, trajectories)
    return run


def record_seeds(run: Path, seeds: Sequence[int]) -> Path:
    """Four episodes of each seed, one of which succeeds: six pairs, three of them with a plain answer."""
    plans: list[tuple[str, float]] = [("save()", 1.0), ("half()", 0.4), ("wait()", 0.1), ("noop()", 0.0)]
    return record(run, [episode(action, total=total, seed=seed) for seed in seeds for action, total in plans])


def choice(
    choice: Choice,
    *,
    pair: int = 0,
    left: int = 0,
    annotator: str = "kim",
    purpose: Purpose = Purpose.NEW,
    expected: int | None = None,
    minute: int = 0,
    seconds: float = 5.0,
    reason: str = "",
    run: Path = Path("/runs/a"),
) -> Ranking:
    """What an annotator chose between the two episodes of a pair."""
    label = Label(choice=choice, left=left, purpose=purpose, seconds=seconds, expected=expected)
    return Ranking(
        task=TASK,
        seed=pair,
        items=tuple(
            RankedTrajectory(
                rank=rank,
                trajectory=TrajectoryRef(
                    run=run, file="trajectories/iteration_000.jsonl", index=2 * pair + n, ledger_hash=f"{pair}-{n}"
                ),
            )
            for n, rank in enumerate(LabelRecord.of(label).ranks())
        ),
        source=PreferenceSource.PERSON,
        annotator=annotator,
        reason=reason,
        time=START + timedelta(minutes=minute),
        label=label,
    )
