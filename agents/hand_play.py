"""An episode that a person plays, action by action, kept as the record that rollouts make.

with HandPlay.begin("expense-form", seed=3) as play:
    play.act('fill("Name", "Ada")')
    for mark in play.marks:
        print(mark.id, mark.step)
    if play.over:
        trajectory = play.trajectory()
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..envs.env import MilepostEnv
from ..envs.registration import task_for
from ..rewards.types import MilestoneResult
from ..sandbox.errors import RunError
from ..sandbox.snapshot import Element
from .prompts import render_observation
from .records import StepRecord, Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One milestone of the episode, reached or not.

    Attributes:
        id: the milestone.
        description: what it asks for, in words; "" if its task says nothing.
        reward: what it pays.
        forbidden: whether it is a trap.
        step: the step at which it was reached, from 1; None: not reached.
        evidence: on what, in a sentence; "" if not reached.
    """

    id: str
    description: str
    reward: float
    forbidden: bool
    step: int | None = None
    evidence: str = ""


class HandPlay:
    """One episode under way; make it with `begin`.

    Attributes:
        observation: what the agent sees now.
        info: the environment's last `info`.
        steps: what was done so far.
        earned: sum of the steps' rewards; an unscored one adds nothing.
        over: whether the episode has ended.
    """

    def __init__(self, env: MilepostEnv, seed: int) -> None:
        self._env = env
        self._seed = seed
        self._ends = (False, False)
        self._reached: dict[str, tuple[int, MilestoneResult]] = {}
        self.steps: list[StepRecord] = []
        self.earned = 0.0
        self.over = False
        self._closed = False
        self.observation: dict[str, Any]
        self.info: dict[str, Any]
        self.observation, self.info = env.reset(seed=seed)

    @classmethod
    def begin(cls, task: str, *, seed: int = 0, ledger_dir: Path | None = None, pictures: bool = False) -> Self:
        """Open a page and begin an episode on it.

        Args:
            task: a registered task's id or name.
            seed: draws the instance, 0 or more.
            ledger_dir: folder for the episode's ledger; None writes none.
            pictures: put a PNG of the page into `info["screenshot"]`.

        Raises:
            TaskError: there is no such task.
            SandboxError: the machine failed.
        """
        env = MilepostEnv(task_for(task), ledger_dir=ledger_dir, screenshots=pictures)
        try:
            return cls(env, seed)
        except BaseException:
            env.close()
            raise

    @property
    def task_id(self) -> str:
        """The environment's id."""
        return self._env.task_id

    @property
    def seed(self) -> int:
        """The instance's seed."""
        return self._seed

    @property
    def oracle(self) -> tuple[str, ...]:
        """Actions that solve this instance."""
        return self._env.instance.oracle

    @property
    def max_reward(self) -> float:
        """What a perfect episode earns."""
        return self._env.instance.max_reward

    @property
    def elements(self) -> tuple[Element, ...]:
        """The page's elements as they stand, in document order; none if the machine failed."""
        return self._env.elements

    @property
    def verbs(self) -> frozenset[str]:
        """The actions that the task allows."""
        return self._env.task.verbs

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Every milestone of the task, in the order of its declaration."""
        marks = []
        for milestone in self._env.instance.milestones:
            reached = self._reached.get(milestone.id)
            marks.append(
                Mark(
                    id=milestone.id,
                    description=milestone.description,
                    reward=milestone.reward,
                    forbidden=milestone.forbidden,
                    step=None if reached is None else reached[0],
                    evidence="" if reached is None else reached[1].evidence.summary,
                )
            )
        return tuple(marks)

    def act(self, action: str) -> tuple[MilestoneResult, ...]:
        """Do one action and return the milestones that it reached.

        Args:
            action: one line of text.

        Raises:
            RunError: the episode is over.
        """
        if self.over or self._closed:
            raise RunError("expected an episode under way, got an action after its end; begin another one.")
        before, seen = self.info, self.observation
        observation, reward, terminated, truncated, info = self._env.step(action)
        self.steps.append(
            StepRecord(
                prompt_ids=(),
                response_ids=(),
                behaviour_logprobs=(),
                action=action,
                observation=render_observation(seen),
                reward=info["reward"].total,
                milestones_before=int(before["milestone_bits"]),
                milestones_after=int(info["milestone_bits"]),
                error=observation["last_action_error"],
            )
        )
        self.observation, self.info = observation, info
        self.earned += float(reward)
        self.over, self._ends = terminated or truncated, (terminated, truncated)
        paid: tuple[MilestoneResult, ...] = tuple(info["reward"].milestones)
        for result in paid:
            self._reached.setdefault(result.id, (len(self.steps), result))
        return paid

    def trajectory(self) -> Trajectory:
        """Return the episode as rollouts record it, without tokens: nobody sampled any.

        Raises:
            RunError: it is not over.
        """
        if not self.over:
            raise RunError("expected an episode that is over, got one under way; only whole ones are recorded.")
        return Trajectory(
            task=self.task_id,
            seed=self._seed,
            steps=tuple(self.steps),
            success=bool(self.info["success"]),
            terminated=self._ends[0],
            truncated=self._ends[1],
            stop_reason=str(self.info["stop_reason"]),
            failure=self.info["failure"],
            policy_version=0,
            ledger_path=self.info.get("ledger_path"),
            ledger_hash=self.info.get("ledger_hash"),
            final_observation=render_observation(self.observation),
        )

    def close(self) -> None:
        """Give the page back. May be called more than once."""
        self._closed = True
        self._env.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["HandPlay", "Mark"]
