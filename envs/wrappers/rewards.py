"""Rewards in another measure."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import gymnasium
from gymnasium.utils import RecordConstructorArgs

Seen = TypeVar("Seen")
Done = TypeVar("Done")


class RewardScale(gymnasium.Wrapper[Seen, Done, Seen, Done], RecordConstructorArgs):
    """Multiplies what `step` pays. `info["reward"]` stays as measured, an unscored step (`total` None) pays 0.0 still.

    Args:
        env: the environment.
        scale: the factor, finite.

    Raises:
        ValueError: it is not finite.
    """

    def __init__(self, env: gymnasium.Env[Seen, Done], scale: float) -> None:
        if not math.isfinite(scale):
            raise ValueError(f"expected a finite scale, came {scale}")
        RecordConstructorArgs.__init__(self, scale=scale)
        super().__init__(env)
        self._scale = float(scale)

    def step(self, action: Done) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        """Do one action."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward) * self._scale, terminated, truncated, info


__all__ = ["RewardScale"]
