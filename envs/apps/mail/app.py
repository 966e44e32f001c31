"""The mail application: read an inbox, write a message, attach files, send it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..website import Website, database, text_parameter
from . import mailbox
from .content import draw_letters, with_invoices

MAX_ATTACHMENTS = 5
MAX_ATTACHMENT_BYTES = 1_000_000
_MAX_NAME_CHARS = 120
_LIMITS = {"to": 200, "subject": 100, "body": 2000}
_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+[.][A-Za-z]{2,}")


class MailApp(Website):
    """A mailbox with a drawn inbox. A draft is opened by Compose or Reply, keeps its attachments, and is sent once.

    Pages: `/` (the inbox), `/sent`, `/messages/<number>` (the inbox holds 1 to 5), `/compose`, which leads to
    `/drafts/<number>`. A file is attached as soon as it is chosen, by the page's script, without leaving the page.
    Task parameters, both or none: `invoice` and `older_invoice`, texts such as "31": the inbox then holds both invoices
    and, newest of all, a reminder of the older one.
    State: `inbox`, a list of `{from, subject, unread}`; `drafts` and `sent`, lists of `{to, subject, body,
    attachments}` with `attachments` a list of `{name, size_bytes, sha256}`; `to` is one address, or several joined by
    ", ", in lower case. `trash`, the subjects of what was deleted.
    """

    name = "mail"
    brand: ClassVar[str] = "Harbor Mail"
    folder: ClassVar[Path] = Path(__file__).parent
    fetches: ClassVar[bool] = True

    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create the empty tables."""
        db.executescript(mailbox.SCHEMA)

    def seed(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the messages of the inbox.

        Raises:
            TaskError: only one of `invoice` and `older_invoice` is given.
        """
        letters = draw_letters(rng)
        if "invoice" in parameters or "older_invoice" in parameters:
            newest, older = (text_parameter(self.name, parameters, name) for name in ("invoice", "older_invoice"))
            letters = with_invoices(letters, newest, older)
        mailbox.deliver(db, letters)

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return what lies in the folders."""
        return mailbox.state(db)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the folders, a message, and the drafts."""
        return [
            Route("/", self._inbox),
            Route("/sent", self._sent),
            Route("/messages/{number}", self._message),
            Route("/messages/{number}/delete", self._delete, methods=["POST"]),
            Route("/compose", self._compose),
            Route("/drafts/{number}", self._draft, methods=["GET"]),
            Route("/drafts/{number}", self._send, methods=["POST"]),
            Route("/drafts/{number}/attachments", self._attach, methods=["POST"]),
            Route("/drafts/{number}/attachments/{attachment}/remove", self._detach, methods=["POST"]),
        ]

    async def _inbox(self, request: Request) -> Response:
        db = database(request)
        return self.page("inbox.html", messages=mailbox.listed(db, "inbox"), notice=mailbox.take_notice(db))

    async def _sent(self, request: Request) -> Response:
        db = database(request)
        return self.page("sent.html", messages=mailbox.listed(db, "sent"), notice=mailbox.take_notice(db))

    async def _message(self, request: Request) -> Response:
        db = database(request)
        row = _found(request, "inbox", "sent")
        mailbox.mark_read(db, row["number"])
        return self.page(
            "message.html",
            message=row,
            attachments=mailbox.attachments(db, row["number"]),
            notice=mailbox.take_notice(db),
        )

    async def _delete(self, request: Request) -> Response:
        row = _found(request, "inbox", "sent", "trash")
        if row["folder"] != "trash":
            mailbox.discard(database(request), row["number"])
        return RedirectResponse("/sent" if row["sent_as"] else "/", status_code=303)

    async def _compose(self, request: Request) -> Response:
        db = database(request)
        answered = mailbox.find(db, request.query_params.get("reply", ""), "inbox")
        if answered is None:
            number = mailbox.open_draft(db)
        else:
            number = mailbox.open_draft(db, address=answered["address"], subject=f"Re: {answered['subject']}")
        return RedirectResponse(f"/drafts/{number}", status_code=303)

    async def _draft(self, request: Request) -> Response:
        row = _found(request, "draft", "sent")
        if row["folder"] == "sent":  # somebody went back to it
            return RedirectResponse(f"/messages/{row['number']}", status_code=303)
        return self._compose_page(request, row["number"], _written(row), {})

    async def _send(self, request: Request) -> Response:
        row = _found(request, "draft", "sent")
        if row["folder"] == "sent":  # the button was pressed twice
            return RedirectResponse("/", status_code=303)
        async with request.form(max_files=0) as form:
            values = {field: str(form.get(field, "")).replace("\r\n", "\n").strip() for field in _LIMITS}
        values["subject"] = " ".join(values["subject"].split())
        addresses, errors = _validate(values)
        db = database(request)
        address = values["to"] if "to" in errors else ", ".join(addresses)
        mailbox.save_draft(db, row["number"], address=address, subject=values["subject"], body=values["body"])
        if errors:
            return self._compose_page(request, row["number"], values, errors)
        mailbox.send(db, row["number"])
        return RedirectResponse("/", status_code=303)

    async def _attach(self, request: Request) -> Response:
        row = _found(request, "draft")
        db = database(request)
        async with request.form(max_files=1) as form:
            file = form.get("file")
            name = _file_name(file.filename) if isinstance(file, UploadFile) else ""
            content = await file.read(MAX_ATTACHMENT_BYTES + 1) if isinstance(file, UploadFile) else b""
        problem = ""
        if not name:
            problem = "No file was chosen"
        elif len(content) > MAX_ATTACHMENT_BYTES:
            problem = f"{name} is larger than 1 MB"
        elif len(mailbox.attachments(db, row["number"])) >= MAX_ATTACHMENTS:
            problem = f"A message takes {MAX_ATTACHMENTS} files"
        if problem:
            return self._attachments(request, row["number"], problem=problem)
        mailbox.attach(db, row["number"], name, content)
        return self._attachments(request, row["number"], done=f"{name} attached")

    async def _detach(self, request: Request) -> Response:
        row = _found(request, "draft")
        mailbox.detach(database(request), row["number"], request.path_params["attachment"])
        return self._attachments(request, row["number"], done="File removed")

    def _attachments(self, request: Request, number: int, *, done: str = "", problem: str = "") -> Response:
        """Return the list of a draft's files, to be put into its page."""
        files = mailbox.attachments(database(request), number)
        return self.page(
            "attachments.html",
            status_code=422 if problem else 200,
            number=number,
            attachments=files,
            done=done,
            problem=problem,
        )

    def _compose_page(
        self, request: Request, number: int, values: Mapping[str, str], errors: Mapping[str, str]
    ) -> Response:
        return self.page(
            "compose.html",
            status_code=422 if errors else 200,
            number=number,
            values=values,
            errors=errors,
            attachments=mailbox.attachments(database(request), number),
            done="",
            problem="",
        )


def _found(request: Request, *folders: mailbox.Folder) -> sqlite3.Row:
    """Return the message that the address names, if it lies in one of the folders."""
    row = mailbox.find(database(request), request.path_params["number"], *folders)
    if row is None:
        raise HTTPException(404)
    return row


def _written(row: sqlite3.Row) -> dict[str, str]:
    return {"to": row["address"], "subject": row["subject"], "body": row["body"]}


def _validate(values: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the recipients, in lower case and each once, and what is wrong, by field."""
    errors = {
        field: f"{field.capitalize()} is too long" for field, limit in _LIMITS.items() if len(values[field]) > limit
    }
    addresses = list(dict.fromkeys(part.lower() for part in re.split(r"[,;\s]+", values["to"]) if part))
    if not addresses:
        errors["to"] = "To is missing"
    elif wrong := [address for address in addresses if not _ADDRESS.fullmatch(address)]:
        errors.setdefault("to", f"{wrong[0]} is not an e-mail address")
    if not values["subject"]:
        errors["subject"] = "Subject is missing"
    return addresses, errors


def _file_name(given: str | None) -> str:
    """Return an uploaded file's name without folders, cut to a length that a page can show."""
    return (given or "").replace("\\", "/").rpartition("/")[2].strip()[:_MAX_NAME_CHARS]


__all__ = ["MAX_ATTACHMENTS", "MAX_ATTACHMENT_BYTES", "MailApp"]
