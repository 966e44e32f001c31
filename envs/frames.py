"""Screenshots as arrays."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray


def decode_png(png: bytes, *, wanted_by: str = "render_mode='rgb_array'") -> NDArray[np.uint8]:
    """Return a PNG as an RGB array of shape (height, width, 3).

    Args:
        png: the picture's file.
        wanted_by: what asks for it, named in the error.

    Raises:
        gymnasium.error.DependencyNotInstalled: Pillow is missing.
    """
    with pillow(wanted_by).open(BytesIO(png)) as image:
        return np.array(image.convert("RGB"), dtype=np.uint8)


def pillow(wanted_by: str) -> Any:
    """Return Pillow's module `Image`.

    Args:
        wanted_by: what asks for it, named in the error.

    Raises:
        gymnasium.error.DependencyNotInstalled: Pillow is missing.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise gymnasium.error.DependencyNotInstalled(
            f"{wanted_by} reads screenshots with Pillow: pip install 'milepost[train]', or pillow alone"
        ) from error
    return Image


__all__ = ["decode_png", "pillow"]
