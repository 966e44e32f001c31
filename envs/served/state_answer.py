"""The server-side state as an application tells it over HTTP: one JSON object."""

from __future__ import annotations

import json
from typing import Any

from ...sandbox.errors import AppServerError

MAX_STATE_BYTES = 8 * 1024 * 1024


def read_state(where: str, status: int, body: bytes) -> dict[str, Any]:
    """Return the state that an answer holds.

    Args:
        where: what was asked, for messages.
        status: the answer's status.
        body: its body.

    Raises:
        AppServerError: it is no state.
    """
    if status != 200:
        raise AppServerError(f"expected the state from {where}, got status {status}; answer it with 200 and JSON")
    if len(body) > MAX_STATE_BYTES:
        raise AppServerError(f"expected a state of at most {MAX_STATE_BYTES} bytes from {where}, got {len(body)}")
    try:
        state = json.loads(body)
    except ValueError as error:
        raise AppServerError(
            f"expected JSON from {where}, got {body[:60]!r} ({error}); answer with an object"
        ) from error
    if not isinstance(state, dict):
        raise AppServerError(
            f'expected a JSON object from {where}, got {type(state).__name__}; wrap it: {{"items": ...}}'
        )
    return state


__all__ = ["MAX_STATE_BYTES", "read_state"]
