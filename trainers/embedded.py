"""Screenshots small enough to lie inside an HTML file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

MAX_WIDTH_PX = 640


def embedded_picture(path: Path) -> str | None:
    """Return a picture as a data URI, at most 640 pixels wide; None if it cannot be read or shown.

    Without Pillow a PNG is taken as it is.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError:
        return _as_it_is(path)
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, UnidentifiedImageError):
        return None
    if picture.width > MAX_WIDTH_PX:
        picture = picture.resize(
            (MAX_WIDTH_PX, round(picture.height * MAX_WIDTH_PX / picture.width)), Image.Resampling.LANCZOS
        )
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.quantize(colors=64).save(png, "PNG", optimize=True)
    picture.save(jpeg, "JPEG", quality=80, optimize=True)
    return min((_uri("png", png.getvalue()), _uri("jpeg", jpeg.getvalue())), key=len)


def _as_it_is(path: Path) -> str | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return _uri("png", data) if data.startswith(b"\x89PNG\r\n\x1a\n") else None


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


__all__ = ["MAX_WIDTH_PX", "embedded_picture"]
