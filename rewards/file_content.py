"""What a file holds, as it was recorded, and what its text says."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

from ..sandbox.events import FileContent
from .spec import collapse
from .types import Moment

_MAX_LINE_CHARS = 10_000


def recorded(sha256: str, moment: Moment) -> bytes | None:
    """Return the recorded content of this digest; None if there is none."""
    for event in reversed(moment.history):
        if isinstance(event, FileContent) and event.sha256 == sha256:
            return None if event.data is None else _decoded(event.data, event.is_base64)
    return None


def text_of(content: bytes | None) -> str | None:
    """Return a content as text; None if it is not UTF-8. A byte order mark is left out."""
    if content is None:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def says(text: str | None, contains: str | None, pattern: str | None) -> bool:
    """Tell whether a text meets the conditions; true if there are none.

    Args:
        text: what is there; None meets no condition.
        contains: a part of it, white space collapsed.
        pattern: a regular expression for one whole line, of which the first 10 000 characters are looked at.
    """
    if contains is None and pattern is None:
        return True
    if text is None or (contains is not None and collapse(contains) not in collapse(text)):
        return False
    if pattern is None:
        return True
    compiled = re.compile(pattern)
    return any(compiled.fullmatch(line[:_MAX_LINE_CHARS].strip()) for line in text.splitlines())


@lru_cache(maxsize=32)
def _decoded(data: str, is_base64: bool) -> bytes | None:
    if not is_base64:
        return data.encode("utf-8")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:  # an edited ledger
        return None


__all__ = ["recorded", "says", "text_of"]
