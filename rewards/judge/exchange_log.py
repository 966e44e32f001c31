"""The log of a judge: every exchange as one JSON line, with what was sent and what came back, and no key."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson


class ExchangeLog:
    """Appends to a JSONL file, one write a line, so that several processes may share it.

    Pictures are logged as their hash; the pixels are wherever the episode's are.

    Args:
        path: the file; its folder is made if missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
        """Append one exchange.

        Raises:
            OSError: it cannot be written.
        """
        line = orjson.dumps({**record, "messages": [_without_pictures(message) for message in messages]}) + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = os.write(handle, line)
            if written < len(line):
                raise OSError(f"{written} of {len(line)} bytes were written")
        finally:
            os.close(handle)


def _without_pictures(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(message["content"], str):
        return message
    parts = []
    for part in message["content"]:
        if part["type"] == "image_url":
            digest = hashlib.sha256(part["image_url"]["url"].encode()).hexdigest()
            parts.append({"type": "image_url", "sha256_of_url": digest})
        else:
            parts.append(part)
    return {**message, "content": parts}


__all__ = ["ExchangeLog"]
