"""JSON that a page may have had a hand in."""

from __future__ import annotations

import json
from typing import Any

import orjson


def read_json(data: bytes | str) -> Any:
    """Return what JSON holds. Halves of surrogate pairs, which a page may put into any text, become U+FFFD.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = json.dumps(json.loads(data), ensure_ascii=False)
        return orjson.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


__all__ = ["read_json"]
