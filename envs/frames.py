"""Screenshots as arrays."""

from __future__ import annotations

from io import BytesIO

import gymnasium
import numpy as np
from numpy.typing import NDArray


def decode_png(png: bytes) -> NDArray[np.uint8]:
    """Return a PNG as an RGB array of shape (height, width, 3).

    Raises:
        gymnasium.error.DependencyNotInstalled: Pillow is missing.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise gymnasium.error.DependencyNotInstalled(
            "render_mode='rgb_array' decodes screenshots with Pillow: pip install 'milepost[train]', or pillow alone"
        ) from error
    with Image.open(BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


__all__ = ["decode_png"]
