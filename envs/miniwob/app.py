"""Serves the MiniWoB++ pages, one episode an origin, and keeps each episode's score where no agent can reach it.

The pages judge themselves: they call `core.endEpisode(reward)` in their own world. That is where others read the score,
and where whatever runs in the page could write it. Here:

1. No script runs but those that came with the page. Each of them carries a nonce made for this one answer, and the
   Content-Security-Policy lets nothing else run: not what a page makes of an agent's text by `innerHTML`, no inline
   handler, no `javascript:` address.
2. `start.js` reports an outcome to this server with the secret that its problem began with. The secret comes with the
   call that begins the problem, never in the page's text; the first report with it counts, any other does not.
3. The score is read from the server's database, outside the browser.

Published time limits are switched off unless the page's address says `?time_limits=published`.
"""

from __future__ import annotations

import json
import math
import mimetypes
import re
import secrets
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from ...sandbox.app_server import App
from .pages import miniwob_pages, package_folder

if TYPE_CHECKING:
    import numpy
    from starlette.requests import Request
    from starlette.types import ASGIApp

START_SCRIPT = Path(__file__).with_name("start.js")
_SCRIPT_TAG = re.compile(rb"<script\b")
_NONCE = b"0123456789abcdef-nonce"
# The score board and the cover that asks to start belong to playing by hand.
_HIDDEN = b"<style>#reward-display, #click-canvas, #sync-task-cover { display: none !important; }</style>"
_POLICY = "script-src 'nonce-{nonce}'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-src 'none'"


class MiniwobApp(App):
    """The pages of a folder laid out as the package's, or the package's own.

    Args:
        folder: with `miniwob/*.html`, `core/` and `common/`; None: the installed package's.

    Raises:
        TaskError: the package is not installed.
    """

    name = "miniwob"

    def __init__(self, folder: Path | None = None) -> None:
        root = package_folder() if folder is None else folder
        self._files = {f"/{path.relative_to(root).as_posix()}": path for path in root.rglob("*") if path.is_file()}
        self._read = cache(self._read_now)

    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create the table of the episode's one problem."""
        db.execute("CREATE TABLE problem (secret TEXT NOT NULL, raw REAL, timed REAL, reason TEXT)")

    def seed(self, db: sqlite3.Connection, rng: numpy.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Give the problem its secret."""
        db.execute("INSERT INTO problem (secret) VALUES (?)", (secrets.token_hex(16),))

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return `over`; the scores `raw` and `timed`, None before; `strict`: raw is 1; `compatible`: it is above 0."""
        row = db.execute("SELECT raw, timed, reason FROM problem").fetchone()
        raw = row["raw"]
        return {
            "over": raw is not None,
            "raw": raw,
            "timed": row["timed"],
            "strict": raw == 1,
            "compatible": raw is not None and raw > 0,
            "reason": row["reason"],
        }

    def opening(self, db: sqlite3.Connection, seed: int) -> str | None:
        """Return the call that begins the problem which the seed names, the same as the pages make of it elsewhere."""
        secret = db.execute("SELECT secret FROM problem").fetchone()["secret"]
        return f"milepostMiniwob({json.dumps({'seed': seed, 'secret': secret})})"

    def begins_anew(self, start: str) -> bool:
        """Tell whether a page clears up after itself."""
        page = miniwob_pages().get(Path(urlsplit(start).path).stem)
        return page is None or not page.load_anew

    def asgi(self) -> ASGIApp:
        """Serve the files that were there at the start, by their exact paths, and take outcomes."""
        return Starlette(
            routes=[
                Route("/outcome", self._outcome, methods=["POST"]),
                Route("/{path:path}", self._file, methods=["GET"]),
            ]
        )

    async def _outcome(self, request: Request) -> Response:
        try:
            said = json.loads(await request.body())
            secret, reason = str(said["secret"]), str(said["reason"])[:200]
            raw, timed = _score(said["raw"]), _score(said["timed"])
        except (ValueError, TypeError, KeyError):
            return Response("expected secret, raw, timed and reason", 400)
        request.state.db.execute(
            "UPDATE problem SET raw = ?, timed = ?, reason = ? WHERE secret = ? AND raw IS NULL",
            (raw, timed, reason, secret),
        )
        return Response(status_code=204)

    async def _file(self, request: Request) -> Response:
        name = request.url.path
        if name == "/start.js":
            return Response(START_SCRIPT.read_bytes(), media_type="text/javascript")
        if name not in self._files:
            return Response("no such page", 404)
        body, media_type = self._read(name)
        if media_type != "text/html":
            return Response(body, media_type=media_type)
        nonce = secrets.token_urlsafe(16)
        headers = {"content-security-policy": _POLICY.format(nonce=nonce)}
        return Response(body.replace(_NONCE, nonce.encode()), media_type=media_type, headers=headers)

    def _read_now(self, name: str) -> tuple[bytes, str]:
        path = self._files[name]
        body, media_type = path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if media_type == "text/html":
            body = body.replace(b"</body>", b'<script src="/start.js"></script></body>')
            body = body.replace(b"</head>", _HIDDEN + b"</head>", 1)
            body = _SCRIPT_TAG.sub(b'<script nonce="' + _NONCE + b'"', body)
        return body, media_type


def _score(value: Any) -> float:
    """Return a reported score; a page that ends without one, or with none that is a number, gives 0."""
    score = 0.0 if value is None else float(value)
    if not math.isfinite(score):
        raise ValueError("a score is a finite number")
    return score


__all__ = ["MiniwobApp"]
