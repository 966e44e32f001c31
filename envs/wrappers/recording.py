"""Episodes to look at: a GIF of the page and what was done, as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from ...sandbox.errors import TaskError
from ..env import MilepostEnv
from ..frames import pillow
from ..observation import Observation

FORMAT = "milepost-episode-1"


class RecordEpisode(gymnasium.Wrapper[Observation, str, Observation, str], RecordConstructorArgs):
    """Writes each episode as `<task>-seed<seed>-<number>.json`, and as a GIF beside it where pictures are taken.

    The JSON holds task, seed, goal, success, stop reason, failure and total reward, and for the reset and each step the
    action, the reward (null: unscored), the milestones reached, the error and the observation's texts. An episode is
    written when it ends; one that is left is written at the next reset or at `close`, with the stop reason null.

    Pictures are those of `info["screenshot"]`: make the environment with `screenshots=True`, or without for JSON alone.

    Args:
        env: the environment.
        folder: where to write; made if it is not there.
        every: write the first episode and each `every`-th after it; at least 1.
        frame_ms: how long the GIF shows each step, milliseconds.
        width: of the GIF in pixels; the height follows.

    Raises:
        TaskError: it is no environment of milepost, or a number is below 1.
        gymnasium.error.DependencyNotInstalled: Pillow is missing, at the end of an episode with pictures.
    """

    def __init__(
        self,
        env: gymnasium.Env[Observation, str],
        folder: Path | str,
        *,
        every: int = 1,
        frame_ms: int = 700,
        width: int = 640,
    ) -> None:
        RecordConstructorArgs.__init__(self, folder=str(folder), every=every, frame_ms=frame_ms, width=width)
        super().__init__(env)
        if not isinstance(env.unwrapped, MilepostEnv):
            raise TaskError(f"expected an environment of milepost, came {env.unwrapped}")
        if min(every, frame_ms, width) < 1:
            raise TaskError(f"expected numbers of at least 1, came every={every}, frame_ms={frame_ms}, width={width}")
        self._task = env.unwrapped
        self._folder = Path(folder)
        self._every = every
        self._frame_ms = frame_ms
        self._width = width
        self._episodes = 0
        self._steps: list[dict[str, Any]] = []
        self._pictures: list[bytes] = []
        self._header: dict[str, Any] | None = None
        self.written: list[Path] = []

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode, and write the one before if it was left."""
        self._finish(None)
        observation, info = self.env.reset(seed=seed, options=None if options is None else dict(options))
        if self._episodes % self._every == 0:
            instance = self._task.instance
            self._header = {
                "format": FORMAT,
                "task": self._task.task_id,
                "seed": int(info["seed"]),
                "goal": instance.goal,
            }
            self._note(None, observation, None, info)
        self._episodes += 1
        return observation, info

    def step(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Do one action, and write the episode if it ends."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._header is not None:
            self._note(action, observation, info["reward"].total, info)
            if terminated or truncated:
                self._finish(info)
        return observation, float(reward), terminated, truncated, info

    def close(self) -> None:
        """Write the episode that was left, and close the environment."""
        self._finish(None)
        super().close()

    def _note(
        self, action: str | None, observation: Observation, reward: float | None, info: Mapping[str, Any]
    ) -> None:
        self._steps.append(
            {
                "action": action,
                "reward": reward,
                "milestones": sorted(info["milestones"]),
                "error": observation.get("last_action_error", ""),
                "observation": {key: value for key, value in observation.items() if isinstance(value, str)},
            }
        )
        if info["screenshot"] is not None:
            self._pictures.append(info["screenshot"])

    def _finish(self, info: Mapping[str, Any] | None) -> None:
        header, steps, pictures = self._header, self._steps, self._pictures
        self._header, self._steps, self._pictures = None, [], []
        if header is None:
            return
        stop, failure = (None, None) if info is None else (info["stop_reason"], info["failure"])
        document = {
            **header,
            "success": bool(info is not None and info["success"]),
            "stop_reason": None if stop is None else str(stop),
            "failure": None if failure is None else str(failure),
            "total_reward": sum(step["reward"] for step in steps if step["reward"] is not None),
            "steps": steps,
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._free_path(f"{header['task'].rpartition('/')[2]}-seed{header['seed']}")
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        self.written.append(path)
        if pictures:
            path.with_suffix(".gif").write_bytes(self._gif(pictures))

    def _free_path(self, stem: str) -> Path:
        number = 0
        while (path := self._folder / f"{stem}-{number}.json").exists():
            number += 1
        return path

    def _gif(self, pictures: list[bytes]) -> bytes:
        image = pillow("RecordEpisode")
        frames = []
        for png in pictures:
            with image.open(BytesIO(png)) as opened:
                height = max(1, round(opened.height * self._width / opened.width))
                shrunk = opened.convert("RGB").resize((self._width, height), image.Resampling.LANCZOS)
            frames.append(shrunk.quantize(dither=image.Dither.NONE))
        out = BytesIO()
        # the last picture stays longer; Pillow shows equal ones in a row as one, for as long as all of them
        durations = [self._frame_ms] * (len(frames) - 1) + [3 * self._frame_ms]
        frames[0].save(
            out, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False, disposal=1
        )
        return out.getvalue()


__all__ = ["FORMAT", "RecordEpisode"]
