"""Screenshots as arrays, and what detectors compare of them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ..rewards.needs import Region, region_key

REGION_CELLS = 16


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


def region_digests(png: bytes, regions: Iterable[Region]) -> dict[str, str]:
    """Return how parts of a screenshot look, as `Snapshot.regions` holds it.

    Args:
        png: the picture's file.
        regions: parts of it; left, top, width, height in pixels.

    Raises:
        gymnasium.error.DependencyNotInstalled: Pillow is missing.
    """
    image_of = pillow("region_changed")
    digests: dict[str, str] = {}
    with image_of.open(BytesIO(png)) as image:
        picture = image.convert("RGB")
    for left, top, width, height in sorted(regions):
        part = picture.resize(
            (REGION_CELLS, REGION_CELLS), image_of.Resampling.BOX, box=(left, top, left + width, top + height)
        )
        digests[region_key((left, top, width, height))] = base64.b64encode(part.tobytes()).decode()
    return digests


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


__all__ = ["decode_png", "pillow", "region_digests"]
