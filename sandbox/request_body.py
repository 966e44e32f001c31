"""What a request carries, from Chromium's report of it.

Chromium reports a body in full with the request itself, however long, as `postData`, unless it has a file or a blob in
it: then it tells nothing. No further question is asked of the browser: what lies in files is for the server's state to
prove.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .events import MAX_BODY_CHARS

_BOUNDARY = re.compile(r"(----WebKitFormBoundary)[0-9A-Za-z]{16}")


def body_of(request: Mapping[str, Any]) -> str | None:
    """Return the body of a request as text, or None if it has none, or one with files in it.

    Args:
        request: DevTools' `Network.Request`.

    Returns:
        At most MAX_BODY_CHARS characters. A multipart boundary loses its random part: no two episodes would be equal.
    """
    text = request.get("postData")
    if text is None:
        return None
    return _BOUNDARY.sub(r"\1", str(text)[: 2 * MAX_BODY_CHARS])[:MAX_BODY_CHARS]


__all__ = ["body_of"]
