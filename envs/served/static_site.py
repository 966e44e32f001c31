"""A folder of HTML files as a site: read-only, and nothing outside the folder.

Choices worth knowing:
1. Paths are opened beneath the folder by the kernel, which follows no link and crosses no mount (see
   sandbox/workspace_paths.py); so `..` in any spelling, absolute paths and symbolic links all end in 404.
2. Names that begin with a dot are not served: `.git` and `.env` are no pages.
3. `/docs/` is `docs/index.html`; `/docs` leads there if it is a folder. `404.html` at the top is shown for what is not
   there.
4. An answer depends on the files alone: no dates, no tags, nothing cached. Content types come from Python's own table,
   not from the machine's.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ...sandbox.workspace_paths import FOLDER_FLAGS, open_folder
from .answers import answer_page
from .stateless import StatelessApp

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

CHUNK_BYTES = 256 * 1024
INDEX = "index.html"
MISSING = "404.html"

_TYPES = mimetypes.MimeTypes()
for _suffix, _type in (
    (".avif", "image/avif"),
    (".md", "text/markdown"),
    (".mjs", "text/javascript"),
    (".webmanifest", "application/manifest+json"),
    (".webp", "image/webp"),
    (".woff", "font/woff"),
    (".woff2", "font/woff2"),
):
    _TYPES.add_type(_type, _suffix)
_IN_UTF8 = ("text/", "application/json", "application/javascript", "application/xml", "image/svg+xml")
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class StaticSite(StatelessApp):
    """A folder served as it stands.

    Args:
        folder: an existing folder; that it is a link itself does not matter.
    """

    name = "site"

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def asgi(self) -> ASGIApp:
        """Return what serves the folder."""
        return self._serve

    def has(self, path: str) -> bool:
        """Tell whether a path (percent-encoding and query taken off) is a page or leads to one."""
        try:
            os.close(self._open(path))
        except IsADirectoryError:
            return self.has(path + "/")
        except OSError:
            return False
        return True

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        head_only = method == "HEAD"
        if method not in ("GET", "HEAD"):
            await answer_page(send, 405, "Not allowed", "This site can only be read.")
            return
        try:
            fd, status, shown = self._open(path), 200, path
        except IsADirectoryError:
            location = quote(path) + "/"
            if query := scope.get("query_string", b""):
                location += "?" + query.decode("latin-1")
            headers = [(b"location", location.encode("ascii", "replace")), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 308, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        except OSError:
            try:
                fd, status, shown = self._open("/" + MISSING), 404, MISSING
            except OSError:
                await answer_page(send, 404, "Not found", "There is no such page here.", head_only=head_only)
                return
        try:
            await _send_file(send, fd, status, shown, head_only=head_only)
        finally:
            os.close(fd)

    def _open(self, path: str) -> int:
        """Return a descriptor of the regular file that a path names.

        Raises:
            OSError: there is none; IsADirectoryError: it is a folder, and the path lacks the slash at its end.
        """
        parts = path.removeprefix("/").split("/")
        if parts[-1] == "":
            parts[-1] = INDEX
        if any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            raise FileNotFoundError(errno.ENOENT, "no path of this site", path)
        root = os.open(self.folder, FOLDER_FLAGS)
        try:
            parent = open_folder(root, parts[:-1])
        finally:
            os.close(root)
        try:
            fd = os.open(parts[-1], _FILE_FLAGS, dir_fd=parent)
        finally:
            os.close(parent)
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode):
            return fd
        os.close(fd)
        if stat.S_ISDIR(mode) and parts[-1] != INDEX:
            raise IsADirectoryError(errno.EISDIR, "a folder", path)
        raise FileNotFoundError(errno.ENOENT, "no regular file", path)


async def _send_file(send: Send, fd: int, status: int, name: str, *, head_only: bool) -> None:
    """Send a file, as long as it is now: one that grows meanwhile is cut, one that shrinks ends the answer early."""
    left = os.fstat(fd).st_size
    headers = [
        (b"content-type", content_type(INDEX if name.endswith("/") else name).encode()),
        (b"content-length", str(left).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    while left and not head_only:
        chunk = os.read(fd, min(left, CHUNK_BYTES))
        if not chunk:
            break
        left -= len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def content_type(name: str) -> str:
    """Return the content type of a file by its name; what is not known is a download."""
    kind, packed = _TYPES.guess_type("x/" + name.rpartition("/")[2], strict=False)
    if kind is None or packed is not None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith(_IN_UTF8) else kind


__all__ = ["INDEX", "MISSING", "StaticSite", "content_type"]
