"""Parts of an observation: its texts, or its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from ...sandbox.errors import TaskError
from ..frames import pillow
from ..observation import Observation


class TextOnly(gymnasium.ObservationWrapper[dict[str, str], str, Observation], RecordConstructorArgs):
    """Leaves the texts of an observation, or some of them.

    Args:
        env: the environment.
        keys: which texts, in this order; all of them if left out.

    Raises:
        TaskError: a key is not that of a text, or there is none.
    """

    def __init__(self, env: gymnasium.Env[Observation, str], keys: tuple[str, ...] | None = None) -> None:
        RecordConstructorArgs.__init__(self, keys=keys)
        super().__init__(env)
        texts = {key: space for key, space in _parts(env).items() if isinstance(space, spaces.Text)}
        if unknown := [key for key in keys or () if key not in texts]:
            raise TaskError(f"expected keys of texts ({', '.join(texts)}), came {unknown[0]!r}")
        self._keys = tuple(texts) if keys is None else keys
        if not self._keys:
            raise TaskError("expected an environment with texts, came one without; make it with observations=('text',)")
        space: spaces.Space[Any] = spaces.Dict({key: texts[key] for key in self._keys})
        self.observation_space = space

    def observation(self, observation: Observation) -> dict[str, str]:
        """Return the texts."""
        return {key: observation[key] for key in self._keys}


class ScreenshotOnly(gymnasium.ObservationWrapper[NDArray[np.uint8], str, Observation], RecordConstructorArgs):
    """Leaves the picture of an observation, as an array of shape (height, width, 3), uint8, RGB.

    Args:
        env: an environment made with `observations=("screenshot",)` or `("marks",)`, others beside it.
        size: (width, height) in pixels to shrink the picture to, by averaging; the viewport's if left out.

    Raises:
        TaskError: there is no picture, or the size is not one.
        gymnasium.error.DependencyNotInstalled: Pillow is missing.
    """

    def __init__(self, env: gymnasium.Env[Observation, str], size: tuple[int, int] | None = None) -> None:
        RecordConstructorArgs.__init__(self, size=size)
        super().__init__(env)
        pictures = [key for key in ("screenshot", "marks") if key in _parts(env)]
        if not pictures:
            raise TaskError(
                "expected an environment with pictures, came one without; make it with observations=('screenshot',)"
            )
        if size is not None and min(size) < 1:
            raise TaskError(f"expected a size of at least one pixel each way, came {size}")
        self._key = pictures[0]
        self._size = size
        whole = _parts(env)[self._key]
        shape = whole.shape if size is None else (size[1], size[0], 3)
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)

    def observation(self, observation: Observation) -> NDArray[np.uint8]:
        """Return the picture."""
        picture: NDArray[np.uint8] = observation[self._key]
        if self._size is None:
            return picture
        image = pillow("ScreenshotOnly(size=...)")
        return np.array(image.fromarray(picture).resize(self._size, image.Resampling.BOX), dtype=np.uint8)


def _parts(env: gymnasium.Env[Any, Any]) -> Mapping[str, spaces.Space[Any]]:
    space = env.observation_space
    if not isinstance(space, spaces.Dict):
        raise TaskError(f"expected an environment of milepost, whose observations are a Dict, came {space}")
    return space.spaces


__all__ = ["ScreenshotOnly", "TextOnly"]
