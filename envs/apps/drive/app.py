"""The drive application: find files in folders, and upload, download, rename, move, archive and bin them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..desk import Desk, fields, found, number_of, say, see_other, sheet_of
from ..website import database, slug
from . import store
from .content import ROOT, ROWS_PER_PAGE, draw_files, wanted_of

MAX_UPLOAD_BYTES = 1_000_000
ARCHIVE_S = 0.08
"""How long an archive takes to be made, in seconds of real time: a page that waits for it is a page that waits."""


class DriveApp(Desk):
    """Eight folders with three years each, nearly three hundred files; every drawn file's name is unique.

    Pages: `/` and `/folders/<folder>` (newest first, eight files a page, `sort`, `way`, `page`), `/files/<number>`,
    `/search?q=<words>`, `/starred`, `/bin`. `act` in a page's query opens a dialog: `new`, `upload`, `rename`, `move`,
    `delete`, `empty`. `/files/<number>/download`, `/folders/<folder>/archive` and `/archive?item=<number>` answer with
    files.
    Task parameters, none needed: `place`, a folder such as "Clients" or "Clients 2024", and what lies in it: `file`,
    `second_file`, `third_file` and `decoy_file` on its first page (`on_page` "2": the first of them on the second),
    `largest_file`, `newest_file`, and `binned_file`, which lies in the bin.
    State: `renamed`, `moved`, `binned`, `restored`, `destroyed`, `starred`, `uploaded`, `created` (folders): what is
    not as it was at first; `downloads`, `searches`, `viewed`: what was asked for; `place`: facts of that folder at
    first.
    """

    name = "drive"
    brand: ClassVar[str] = "Harbor Drive"
    folder: ClassVar[Path] = Path(__file__).parent
    schema: ClassVar[str] = store.SCHEMA
    menu: ClassVar[tuple[tuple[str, str], ...]] = (("/", ROOT), ("/starred", "Starred"), ("/bin", "Bin"))
    columns: ClassVar[tuple[str, ...]] = ("Size", "Modified", "Type")
    wordings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "save": ("Save", "Save name"),
        "upload": ("Upload", "Upload file"),
        "archive": ("Download as zip", "Download as zip archive"),
    }

    def fill(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the files of every folder."""
        wanted = wanted_of(parameters)
        store.fill(db, draw_files(rng, wanted), wanted)

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return what was changed and what was asked for."""
        return store.state(db)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the pages, and what their forms post to."""
        return [
            Route("/", self._root),
            Route("/folders/{folder}", self._folder),
            Route("/folders/{folder}/new", self._new_folder, methods=["POST"]),
            Route("/folders/{folder}/upload", self._upload, methods=["POST"]),
            Route("/folders/{folder}/archive", self._folder_archive),
            Route("/archive", self._archive),
            Route("/files/{number}", self._file),
            Route("/files/{number}/download", self._download),
            Route("/files/{number}/rename", self._rename, methods=["POST"]),
            Route("/files/{number}/star", self._star, methods=["POST"]),
            Route("/items/move", self._move, methods=["POST"]),
            Route("/items/delete", self._delete, methods=["POST"]),
            Route("/items/restore", self._restore, methods=["POST"]),
            Route("/search", self._search),
            Route("/starred", self._starred),
            Route("/bin", self._bin),
            Route("/bin/empty", self._empty, methods=["POST"]),
        ]

    # ---------------------------------------------------------------- looking

    async def _root(self, request: Request) -> Response:
        return self._folder_page(request, _folder(request, slug(ROOT)))

    async def _folder(self, request: Request) -> Response:
        return self._folder_page(request, _folder(request))

    def _folder_page(
        self,
        request: Request,
        row: sqlite3.Row,
        *,
        modal: str = "",
        errors: Mapping[str, str] | None = None,
        given: str = "",
    ) -> Response:
        db = database(request)
        order = request.query_params.get("sort", "")
        down = request.query_params.get("way") == "down"
        order, down = (order, down) if order in store.ORDERS else ("Modified", True)
        files = store.files_in(db, row["number"], order=order, down=down)
        address = f"/folders/{slug(row['name'])}"
        chosen = _chosen(request)
        modal = modal or request.query_params.get("act", "")
        if modal in ("move", "delete") and not chosen:
            modal = ""
            say(db, "Select a file first")
        sheet = sheet_of(files, request, size=ROWS_PER_PAGE)
        return self.view(
            request,
            "folder.html",
            here=ROOT,
            status_code=422 if errors else 200,
            title=row["name"],
            address=address,
            trail=[(f"/folders/{slug(name)}", name) for name in store.trail(db, row["number"])[:-1]],
            folders=[(f"/folders/{slug(name)}", name) for name in store.folders_in(db, row["number"])],
            sheet=sheet,
            files=[_shown(file) for file in sheet.rows],
            chosen=chosen,
            places=store.folder_names(db),
            modal=modal,
            errors=errors or {},
            given=given,
        )

    async def _file(self, request: Request) -> Response:
        row = _file(request)
        store.note(database(request), "view", row["name"])
        return self._file_page(request, row)

    def _file_page(
        self, request: Request, row: sqlite3.Row, *, errors: Mapping[str, str] | None = None, given: str | None = None
    ) -> Response:
        db = database(request)
        return self.view(
            request,
            "file.html",
            here=ROOT,
            status_code=422 if errors else 200,
            file=_shown(row),
            address=f"/files/{row['number']}",
            back=f"/folders/{slug(row['folder'])}",
            preview=_preview(row["content"]),
            chosen=[row],
            places=store.folder_names(db),
            modal="rename" if errors else request.query_params.get("act", ""),
            errors=errors or {},
            given=row["name"] if given is None else given,
        )

    async def _search(self, request: Request) -> Response:
        db = database(request)
        query = " ".join(request.query_params.get("q", "").split())[:80]
        if query:
            store.note(db, "search", query)
        files = store.files_like(db, query) if query else []
        return self._list_page(request, "Search results", files, query=query, here="")

    async def _starred(self, request: Request) -> Response:
        return self._list_page(request, "Starred", store.starred(database(request)), here="Starred")

    def _list_page(
        self, request: Request, title: str, files: Sequence[sqlite3.Row], *, here: str, query: str = ""
    ) -> Response:
        sheet = sheet_of(files, request, size=ROWS_PER_PAGE, keep=("q",))
        shown = [_shown(file) for file in sheet.rows]
        return self.view(request, "list.html", here=here, title=title, query=query, sheet=sheet, files=shown)

    async def _bin(self, request: Request) -> Response:
        sheet = sheet_of(store.binned(database(request)), request, size=ROWS_PER_PAGE)
        modal = request.query_params.get("act", "") if sheet.total else ""
        return self.view(
            request, "bin.html", here="Bin", sheet=sheet, files=[_shown(file) for file in sheet.rows], modal=modal
        )

    # ---------------------------------------------------------------- taking away

    async def _download(self, request: Request) -> Response:
        row = _file(request)
        store.note(database(request), "download", row["name"], row["content"])
        return _attachment(row["content"], row["name"])

    async def _folder_archive(self, request: Request) -> Response:
        row = _folder(request)
        files = store.files_in(database(request), row["number"], order="Name", down=False)
        return await self._zip(request, files, f"{slug(row['name'])}.zip", f"/folders/{slug(row['name'])}")

    async def _archive(self, request: Request) -> Response:
        return await self._zip(request, _chosen(request), "selection.zip", "/")

    async def _zip(self, request: Request, files: Sequence[sqlite3.Row], name: str, back: str) -> Response:
        db = database(request)
        if not files:
            say(db, "Select a file first" if back == "/" else "There are no files in this folder")
            return see_other(back)
        await asyncio.sleep(ARCHIVE_S)
        content = store.archive_of(files)
        store.note(db, "download", name, content)
        return _attachment(content, name)

    # ---------------------------------------------------------------- changing

    async def _new_folder(self, request: Request) -> Response:
        db = database(request)
        parent = _folder(request)
        name = (await fields(request, ["name"]))["name"]
        if problem := store.name_problem(db, name, None):
            return self._folder_page(request, parent, modal="new", errors={"name": problem}, given=name)
        store.add_folder(db, name, parent["number"])
        say(db, f"Folder {name} created")
        return see_other(f"/folders/{slug(parent['name'])}")

    async def _upload(self, request: Request) -> Response:
        db = database(request)
        folder = _folder(request)
        async with request.form(max_files=1) as form:
            file = form.get("file")
            name = _bare(file.filename) if isinstance(file, UploadFile) else ""
            content = await file.read(MAX_UPLOAD_BYTES + 1) if isinstance(file, UploadFile) else b""
        problem = store.name_problem(db, name, folder["number"]) if name else "No file was chosen"
        if not problem and len(content) > MAX_UPLOAD_BYTES:
            problem = f"{name} is larger than 1 MB"
        if problem:
            return self._folder_page(request, folder, modal="upload", errors={"file": problem})
        store.add_file(db, name, folder["number"], content)
        say(db, f"{name} uploaded")
        return see_other(f"/folders/{slug(folder['name'])}")

    async def _rename(self, request: Request) -> Response:
        db = database(request)
        row = _file(request)
        name = (await fields(request, ["name"]))["name"]
        folder = found(store.folder_by_slug(db, slug(row["folder"])))
        same = name.lower() == row["name"].lower()
        if problem := "" if same and name else store.name_problem(db, name, folder["number"]):
            return self._file_page(request, row, errors={"name": problem}, given=name)
        store.rename(db, row["number"], name)
        say(db, f"Renamed to {name}")
        return see_other(f"/files/{row['number']}")

    async def _star(self, request: Request) -> Response:
        db = database(request)
        row = _file(request)
        store.star(db, row["number"], on=not row["starred"])
        say(db, "Star removed" if row["starred"] else "Star added")
        return see_other(f"/files/{row['number']}")

    async def _move(self, request: Request) -> Response:
        db = database(request)
        files, target = await _posted(request)
        folder = found(store.folder_by_slug(db, slug(target)))
        taken = [row["name"] for row in files if row["folder"] != folder["name"]]
        clash = next((name for name in taken if store.name_problem(db, name, folder["number"])), None)
        if clash is not None:
            say(db, f"{folder['name']} has a {clash} already")
        elif files:
            store.move(db, [row["number"] for row in files], folder["number"])
            say(db, f"{_files(files)} moved to {folder['name']}")
        return see_other(_back(files))

    async def _delete(self, request: Request) -> Response:
        db = database(request)
        files, _ = await _posted(request)
        store.put(db, [row["number"] for row in files], "bin")
        say(db, f"{_files(files)} moved to the bin")
        return see_other(_back(files))

    async def _restore(self, request: Request) -> Response:
        db = database(request)
        async with request.form(max_files=0) as form:
            row = found(store.find(db, number_of(str(form.get("item", ""))), "bin"))
        store.put(db, [row["number"]], "drive")
        say(db, f"{row['name']} is back in {row['folder']}")
        return see_other("/bin")

    async def _empty(self, request: Request) -> Response:
        db = database(request)
        store.put(db, [row["number"] for row in store.binned(db)], "gone")
        say(db, "The bin is empty")
        return see_other("/bin")


def _folder(request: Request, name: str | None = None) -> sqlite3.Row:
    return found(store.folder_by_slug(database(request), request.path_params["folder"] if name is None else name))


def _file(request: Request) -> sqlite3.Row:
    return found(store.find(database(request), number_of(request.path_params["number"])))


def _chosen(request: Request) -> list[sqlite3.Row]:
    """Return the files that the address names as chosen."""
    db = database(request)
    rows = [store.find(db, number_of(item)) for item in request.query_params.getlist("item")[:ROWS_PER_PAGE]]
    return [row for row in rows if row is not None]


async def _posted(request: Request) -> tuple[list[sqlite3.Row], str]:
    """Return the files that a form names, and the folder."""
    db = database(request)
    async with request.form(max_files=0) as form:
        rows = [store.find(db, number_of(str(item))) for item in form.getlist("item")[:ROWS_PER_PAGE]]
        return [row for row in rows if row is not None], str(form.get("folder", ""))


def _back(files: Sequence[sqlite3.Row]) -> str:
    """Return the address of the folder in which files were."""
    return f"/folders/{slug(files[0]['folder'])}" if files else "/"


def _files(files: Sequence[sqlite3.Row]) -> str:
    return str(files[0]["name"]) if len(files) == 1 else f"{len(files)} files"


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    """Return what a list shows of a file; the drawn columns stand under their headings."""
    return {
        "number": row["number"],
        "name": row["name"],
        "folder": row["folder"],
        "starred": bool(row["starred"]),
        "Size": f"{row['size_bytes']:,} B",
        "Modified": row["modified"],
        "Type": row["name"].rpartition(".")[2].upper() if "." in row["name"] else "File",
    }


def _preview(content: bytes) -> list[str]:
    """Return the first lines of a text file, none of another."""
    try:
        return content[:600].decode().splitlines()[:6]
    except UnicodeDecodeError:
        return []


def _bare(name: str | None) -> str:
    """Return an uploaded file's name without folders."""
    return " ".join((name or "").replace("\\", "/").rpartition("/")[2].split())


def _attachment(content: bytes, name: str) -> Response:
    safe = "".join(c if c.isascii() and (c.isalnum() or c in " .-_") else "_" for c in name)
    headers = {"Content-Disposition": f'attachment; filename="{safe}"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/octet-stream", headers=headers)


__all__ = ["ARCHIVE_S", "MAX_UPLOAD_BYTES", "DriveApp"]
