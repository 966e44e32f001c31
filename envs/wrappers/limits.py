"""Shorter episodes than the task's own."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from ..observation import Observation
from ..outcome import StopReason


class TimeLimit(gymnasium.Wrapper[Observation, str, Observation, str], RecordConstructorArgs):
    """Cuts an episode after so many steps or seconds.

    The step that reaches the limit comes back with `truncated=True` and the stop reason `step_limit`, its reward as
    measured. The ledger of such an episode has no closing line, as that of an interrupted one.

    Args:
        env: the environment.
        max_steps: most steps, at least 1; None: as many as the task allows.
        max_seconds: most seconds of real time since the reset, the agent's thinking included; None: any. The page's
            clock stands still while an agent thinks, so only use this to bound what an episode costs.

    Raises:
        ValueError: neither is given, or one is not above 0.
    """

    def __init__(
        self,
        env: gymnasium.Env[Observation, str],
        max_steps: int | None = None,
        *,
        max_seconds: float | None = None,
    ) -> None:
        if max_steps is None and max_seconds is None:
            raise ValueError("expected max_steps or max_seconds, got neither")
        if (max_steps is not None and max_steps < 1) or (max_seconds is not None and not max_seconds > 0):
            raise ValueError(f"expected limits above 0, came max_steps={max_steps}, max_seconds={max_seconds}")
        RecordConstructorArgs.__init__(self, max_steps=max_steps, max_seconds=max_seconds)
        super().__init__(env)
        self._max_steps = max_steps
        self._max_seconds = max_seconds
        self._steps = 0
        self._began_s = 0.0
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode and its time."""
        result = self.env.reset(seed=seed, options=None if options is None else dict(options))
        self._steps, self._began_s, self._over = 0, monotonic(), False
        return result

    def step(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Do one action, the last one if it reaches a limit.

        Raises:
            gymnasium.error.ResetNeeded: the episode was cut.
        """
        if self._over:
            raise gymnasium.error.ResetNeeded("no episode is under way: call reset() before step()")
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._steps += 1
        if not (terminated or truncated) and self._is_reached():
            truncated = True
            info = {**info, "stop_reason": StopReason.STEP_LIMIT}
        self._over = terminated or truncated
        return observation, float(reward), terminated, truncated, info

    def _is_reached(self) -> bool:
        if self._max_steps is not None and self._steps >= self._max_steps:
            return True
        return self._max_seconds is not None and monotonic() - self._began_s >= self._max_seconds


__all__ = ["TimeLimit"]
