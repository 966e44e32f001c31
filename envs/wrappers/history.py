"""What was done before, for policies without a memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from ...sandbox.errors import TaskError
from ..observation import Observation, bounded
from ..spaces import UnicodeText

LINE_CHARS = 300


class HistoryStack(gymnasium.Wrapper[Observation, str, Observation, str], RecordConstructorArgs):
    """Adds the text `history` to an observation: the last actions, one a line, each with what it changed or its error.

    The step that led to the observation is the last line. At a reset the history is "".

    Args:
        env: the environment.
        steps: most lines, at least 1.

    Raises:
        TaskError: the environment has no texts, or `steps` is below 1.
    """

    def __init__(self, env: gymnasium.Env[Observation, str], steps: int = 4) -> None:
        RecordConstructorArgs.__init__(self, steps=steps)
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, spaces.Dict) or "last_action" not in space.spaces:
            raise TaskError(f"expected an environment of milepost, whose observations hold texts, came {space}")
        if steps < 1:
            raise TaskError(f"expected at least one step of history, came {steps}")
        self._lines: deque[str] = deque(maxlen=steps)
        self.observation_space = spaces.Dict({**space.spaces, "history": UnicodeText(steps * (LINE_CHARS + 1))})

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; what was before is forgotten."""
        observation, info = self.env.reset(seed=seed, options=None if options is None else dict(options))
        self._lines.clear()
        return self._with_history(observation), info

    def step(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Do one action."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        error, result = observation["last_action_error"], observation["last_action_result"]
        came = f"error: {error}" if error else result
        self._lines.append(bounded(" ".join(f"{observation['last_action']} -> {came}".split()), LINE_CHARS))
        return self._with_history(observation), float(reward), terminated, truncated, info

    def _with_history(self, observation: Observation) -> Observation:
        return {**observation, "history": "\n".join(self._lines)}


__all__ = ["LINE_CHARS", "HistoryStack"]
