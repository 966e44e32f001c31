"""Tasks that rules cannot tell all about, episodes of them, and layers that answer as told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import yaml

from milepost.agents.records import StepRecord, Trajectory
from milepost.envs import Task
from milepost.envs.registration import isolated_registry, register_task
from milepost.rewards.layers import Question
from milepost.rewards.types import Source, TierScore

TASKS = """
name: write-note
family: writing
description: Write a note.
app: library
start: /
goal: Write a note.
max_steps: 6
milestones:
  - {id: written, detector: file_created, reward: 0.5, path: note.txt}
  - {id: spoilt, detector: file_created, reward: -0.5, path: bad.txt, forbidden: true}
  - {id: faithful, source: judge, reward: 1.0, rubric: The note is right., truth: "42", after: [written]}
oracle: ['write_file("note.txt", "A note.")', 'done("")']
---
name: be-kind
family: writing
description: Write something kind.
app: library
start: /
goal: Write something kind.
max_steps: 6
milestones:
  - {id: kind, source: model, reward: 2.0, rubric: It is kind.}
oracle: ['done("")']
---
name: plain
family: writing
description: Write a file.
app: library
start: /
goal: Write a file.
max_steps: 6
milestones:
  - {id: written, detector: file_created, reward: 1.0, path: note.txt}
oracle: ['write_file("note.txt", "A note.")', 'done("")']
"""
WRITTEN, SPOILT, FAITHFUL = 1, 2, 4


@contextmanager
def registered() -> Iterator[None]:
    """Register the tasks for as long as it lasts."""
    with isolated_registry():
        for data in yaml.safe_load_all(TASKS):
            register_task(Task.model_validate(data))
        yield


class Scripted:
    """A layer that answers every question alike, and remembers what it was asked."""

    def __init__(self, tier: Source, raw: float | None, confidence: float | None = 1.0) -> None:
        self.answer = TierScore(tier=tier, raw=raw, confidence=confidence, latency_ms=2.0, cost=0.25)
        self.questions: list[Question] = []
        self.episodes = 0

    def score_steps(self, episodes) -> list[list[TierScore]]:
        self.episodes += len(episodes)
        return [[self.answer] * len(e.steps) for e in episodes]

    def score(self, questions: Sequence[Question]) -> list[TierScore]:
        self.questions += questions
        return [self.answer] * len(questions)


def model(raw: float | None, confidence: float | None = 1.0) -> Scripted:
    return Scripted(Source.MODEL, raw, confidence)


def judge(raw: float | None, confidence: float | None = 1.0) -> Scripted:
    return Scripted(Source.JUDGE, raw, confidence)


def episode(task: str, rewards: Sequence[float | None], bits: int = 0, *, success=False, failure=None) -> Trajectory:
    steps = tuple(
        StepRecord(
            prompt_ids=(1,), response_ids=(2,), behaviour_logprobs=(-1.0,), action=f"act {i}",
            observation=f"Goal: Do it.\npage {i}", reward=reward, milestones_before=0, milestones_after=bits,
        )
        for i, reward in enumerate(rewards)
    )  # fmt: skip
    return Trajectory(
        task=f"milepost/{task}-v0", seed=1, steps=steps, success=success, terminated=True, truncated=False,
        stop_reason="done", failure=failure, policy_version=0, final_observation="Goal: Do it.\nthe end",
    )  # fmt: skip
