"""What a request carries, from Chromium's report of it.

Chromium reports a body in full with the request itself, however long, as `postData`. A body that has files or blobs in
it is reported in pieces, `postDataEntries`, and only those that are plain bytes with their content. So no further
question is asked of the browser: what lies in files and blobs is not told.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from .events import MAX_BODY_CHARS

_BOUNDARY = re.compile(r"(----WebKitFormBoundary)[0-9A-Za-z]{16}")


def body_of(request: Mapping[str, Any]) -> str | None:
    """Return the body of a request as text, or None if it has none.

    Args:
        request: DevTools' `Network.Request`.

    Returns:
        At most MAX_BODY_CHARS characters. A multipart boundary loses its random part: no two episodes would be equal.
    """
    text = request.get("postData")
    if text is None:
        pieces = [base64.b64decode(entry["bytes"]) for entry in request.get("postDataEntries", ()) if "bytes" in entry]
        if not pieces:
            return None
        text = b"".join(pieces).decode("utf-8", errors="replace")
    return _BOUNDARY.sub(r"\1", str(text)[: 2 * MAX_BODY_CHARS])[:MAX_BODY_CHARS]


__all__ = ["body_of"]
