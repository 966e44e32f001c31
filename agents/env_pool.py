"""The environments of a rollout, kept open between its episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ..envs.concurrent import ConcurrentEnv
from ..envs.env import MilepostEnv
from ..envs.observation_kinds import DEFAULT_KINDS
from ..envs.registration import task_for
from ..envs.task import TaskInstance


class RolloutEnv(ConcurrentEnv, Protocol):
    """What rollouts ask of an environment: a `MilepostEnv`, or a `TextEnv` around a foreign one.

    Attributes:
        ledger_dir: folder for the next episode's ledger, if it keeps one.
    """

    ledger_dir: Path | None

    @property
    def instance(self) -> TaskInstance | None:
        """The current episode's task as drawn; None if it is not a task of milepost."""

    @property
    def instructions(self) -> str | None:
        """What a policy is told of the actions; None: they are ours."""

    def close(self) -> None:
        """Give everything back."""


class EnvPool:
    """Environments kept open between episodes, by task.

    Args:
        screenshots: whether the environments take a screenshot at every step.
        ledger_dir: folder for the episodes' ledgers; None writes none.
        observations: the kinds of observation that the environments make.
        makers: what makes environments that are not tasks of milepost, by the name that specs call them.
    """

    def __init__(
        self,
        *,
        screenshots: bool = False,
        ledger_dir: Path | None = None,
        observations: Sequence[str] = DEFAULT_KINDS,
        makers: Mapping[str, Callable[[], RolloutEnv]] | None = None,
    ) -> None:
        self.screenshots = screenshots
        self.observations = tuple(observations)
        self.ledger_dir = ledger_dir
        self._makers = dict(makers or {})
        self._idle: dict[str, list[RolloutEnv]] = {}

    def take(self, task: str) -> RolloutEnv:
        """Return an environment of this task, opening one when none is idle."""
        idle = self._idle.setdefault(task, [])
        env = idle.pop() if idle else self._made(task)
        env.ledger_dir = self.ledger_dir
        return env

    def _made(self, task: str) -> RolloutEnv:
        maker = self._makers.get(task)
        if maker is not None:
            return maker()
        return MilepostEnv(task_for(task), screenshots=self.screenshots, observations=self.observations)

    def give(self, task: str, env: RolloutEnv) -> None:
        """Put an environment back for the next episode of its task."""
        self._idle.setdefault(task, []).append(env)

    def close(self) -> None:
        """Close every idle environment."""
        for envs in self._idle.values():
            for env in envs:
                env.close()
        self._idle.clear()

    def __enter__(self) -> EnvPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


__all__ = ["EnvPool", "RolloutEnv"]
