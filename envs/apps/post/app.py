"""The post application: a mailbox of two hundred letters, to read, answer, pass on, sort and search."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..desk import Desk, fields, found, number_of, say, see_other, sheet_of
from ..people import draw_people
from ..website import database
from . import store
from .content import CONTACTS, FOLDERS, PLACES, ROWS_PER_PAGE, TARGETS, draw_letters, wanted_of

_LIMITS = {"to": 200, "copy": 200, "subject": 120, "body": 2000}
_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+[.][A-Za-z]{2,}")


class PostApp(Desk):
    """Seven folders, of which the inbox holds 120 letters; every letter's subject is unique.

    Pages: `/` and `/folders/<folder>` (eight a page, `page`; `act=move` with `item`), `/letters/<number>` (`act`:
    `move`, `spam`), `/starred`, `/search?q=<words>`, `/compose` (`answer` or `pass` a letter, `to` somebody),
    `/contacts`, `/contacts/<number>`, `/contacts/new`, `/rules`, `/rules/new`.
    Task parameters, none needed: `letter`, a subject, with its `sender`, `letter_folder`, `letter_body`, `letter_file`
    and `on_page` ("2": not on its folder's first page); `pile_first`, `pile_second` and `pile_third`, subjects of
    letters from `pile_sender`, deep in the inbox.
    State: `moved`, letters that are not where they were, `{subject, from, to, unread}`; `starred`, `searches`,
    `viewed`; `sent`, a list of `{to, copy, subject, body, file, answers, passes_on}`; `contacts` and `rules` that were
    added.
    """

    name = "post"
    brand: ClassVar[str] = "Harbor Post"
    folder: ClassVar[Path] = Path(__file__).parent
    schema: ClassVar[str] = store.SCHEMA
    menu: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/compose", "Compose"),
        *((f"/folders/{name}" if name != "Inbox" else "/", name) for name in FOLDERS),
        ("/folders/Sent", "Sent"),
        ("/starred", "Starred"),
        ("/contacts", "Contacts"),
        ("/rules", "Rules"),
    )
    columns: ClassVar[tuple[str, ...]] = ("From", "Time")
    wordings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "send": ("Send", "Send message"),
        "save": ("Save", "Save it"),
        "reply": ("Reply", "Reply to this"),
    }

    def fill(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the letters and the contacts."""
        letters = draw_letters(rng, wanted_of(parameters))
        companies = rng.integers(len(PLACES), size=CONTACTS).tolist()
        people = draw_people(rng, CONTACTS)
        store.fill(db, letters, [(name, f"{PLACES[companies[i]]} Ltd") for i, name in enumerate(people)])

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return what was moved, sent and added."""
        return store.state(db)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the pages, and what their forms post to."""
        return [
            Route("/", self._inbox),
            Route("/folders/{folder}", self._folder),
            Route("/starred", self._starred),
            Route("/search", self._search),
            Route("/letters/{number}", self._letter),
            Route("/letters/{number}/star", self._star, methods=["POST"]),
            Route("/letters/{number}/unread", self._unread, methods=["POST"]),
            Route("/letters/move", self._move, methods=["POST"]),
            Route("/compose", self._compose, methods=["GET"]),
            Route("/compose", self._send, methods=["POST"]),
            Route("/contacts", self._contacts),
            Route("/contacts/new", self._new_contact, methods=["GET"]),
            Route("/contacts/new", self._add_contact, methods=["POST"]),
            Route("/contacts/{number}", self._contact),
            Route("/rules", self._rules),
            Route("/rules/new", self._new_rule, methods=["GET"]),
            Route("/rules/new", self._add_rule, methods=["POST"]),
            Route("/rules/run", self._run_rules, methods=["POST"]),
        ]

    # ---------------------------------------------------------------- reading

    async def _inbox(self, request: Request) -> Response:
        return self._list_page(request, "Inbox", store.listed(database(request), "Inbox"), here="Inbox")

    async def _folder(self, request: Request) -> Response:
        name = request.path_params["folder"]
        if name not in (*FOLDERS, "Sent"):
            raise HTTPException(404)
        return self._list_page(request, name, store.listed(database(request), name), here=name)

    async def _starred(self, request: Request) -> Response:
        return self._list_page(request, "Starred", store.starred(database(request)), here="Starred")

    async def _search(self, request: Request) -> Response:
        db = database(request)
        query = " ".join(request.query_params.get("q", "").split())[:80]
        if query:
            store.note(db, "search", query)
        rows = store.search(db, query) if query else []
        return self._list_page(request, "Search results", rows, here="", query=query)

    def _list_page(
        self, request: Request, title: str, rows: Sequence[sqlite3.Row], *, here: str, query: str = ""
    ) -> Response:
        chosen = _chosen(request)
        modal = request.query_params.get("act", "")
        if modal and not chosen:
            modal = ""
            say(database(request), "Select a letter first")
        sheet = sheet_of(rows, request, size=ROWS_PER_PAGE, keep=("q",))
        return self.view(
            request,
            "list.html",
            here=here,
            title=title,
            query=query,
            unread=store.unread_in(database(request), title),
            sheet=sheet,
            letters=[_shown(row) for row in sheet.rows],
            chosen=chosen,
            targets=TARGETS,
            back=sheet.address(page=sheet.number if sheet.number > 1 else ""),
            modal=modal,
        )

    async def _letter(self, request: Request) -> Response:
        db = database(request)
        row = _letter(request)
        store.note(db, "view", row["subject"])
        if row["unread"]:
            store.mark(db, row["number"], unread=False)
        return self.view(
            request,
            "letter.html",
            here=row["folder"],
            letter=row,
            chosen=[row],
            targets=TARGETS,
            back=f"/letters/{row['number']}",
            modal=request.query_params.get("act", ""),
        )

    # ---------------------------------------------------------------- sorting

    async def _star(self, request: Request) -> Response:
        row = _letter(request)
        store.star(database(request), row["number"], on=not row["starred"])
        say(database(request), "Star removed" if row["starred"] else "Star added")
        return see_other(f"/letters/{row['number']}")

    async def _unread(self, request: Request) -> Response:
        row = _letter(request)
        store.mark(database(request), row["number"], unread=True)
        say(database(request), "Marked as unread")
        return see_other(_address(row["folder"]))

    async def _move(self, request: Request) -> Response:
        db = database(request)
        async with request.form(max_files=0) as form:
            rows = [store.find(db, number_of(str(item))) for item in form.getlist("item")[:ROWS_PER_PAGE]]
            folder = str(form.get("folder", ""))
        letters = [row for row in rows if row is not None and row["folder"] not in ("Sent", "Draft")]
        if folder not in (*TARGETS, "Spam", "Bin") or not letters:
            raise HTTPException(400)
        store.move(db, [row["number"] for row in letters], folder)
        what = "1 letter" if len(letters) == 1 else f"{len(letters)} letters"
        say(db, f"{what} moved to {folder}")
        return see_other(_address(letters[0]["folder"]))

    # ---------------------------------------------------------------- writing

    async def _compose(self, request: Request) -> Response:
        db = database(request)
        given = {"to": request.query_params.get("to", "")[:200], "copy": "", "subject": "", "body": ""}
        about = {key: request.query_params.get(key, "") for key in ("answer", "pass")}
        if (row := store.find(db, number_of(about["answer"]))) is not None:
            given |= {"to": row["address"], "subject": f"Re: {row['subject']}"}
        elif (row := store.find(db, number_of(about["pass"]))) is not None:
            given |= {"subject": f"Fwd: {row['subject']}"}
        return self._compose_page(request, given, about, {})

    def _compose_page(
        self, request: Request, given: Mapping[str, str], about: Mapping[str, str], errors: Mapping[str, str]
    ) -> Response:
        passed = store.find(database(request), number_of(about["pass"]))
        return self.view(
            request,
            "compose.html",
            here="Compose",
            status_code=422 if errors else 200,
            given=given,
            about=about,
            file="" if passed is None else passed["attachment"],
            errors=errors,
        )

    async def _send(self, request: Request) -> Response:
        db = database(request)
        async with request.form(max_files=0) as form:
            given = {key: str(form.get(key, "")).replace("\r\n", "\n").strip() for key in _LIMITS}
            about = {key: str(form.get(key, "")) for key in ("answer", "pass")}
        given["subject"] = " ".join(given["subject"].split())
        errors = {key: f"{key.capitalize()} is too long" for key, most in _LIMITS.items() if len(given[key]) > most}
        for key in ("to", "copy"):
            addresses = list(dict.fromkeys(part.lower() for part in re.split(r"[,;\s]+", given[key]) if part))
            wrong = next((address for address in addresses if not _ADDRESS.fullmatch(address)), None)
            if wrong is not None:
                errors.setdefault(key, f"{wrong} is not an e-mail address")
            elif key == "to" and not addresses:
                errors["to"] = "To is missing"
            else:
                given[key] = ", ".join(addresses)
        if not given["subject"]:
            errors["subject"] = "Subject is missing"
        if errors:
            return self._compose_page(request, given, about, errors)
        numbers = {key: number if (number := number_of(text)) > 0 else None for key, text in about.items()}
        store.write(db, given, answers=numbers["answer"], passes_on=numbers["pass"])
        say(db, "Message sent")
        return see_other("/folders/Sent")

    # ---------------------------------------------------------------- contacts and rules

    async def _contacts(self, request: Request) -> Response:
        query = " ".join(request.query_params.get("q", "").split())[:80]
        sheet = sheet_of(store.contacts(database(request), query), request, size=ROWS_PER_PAGE, keep=("q",))
        return self.view(request, "contacts.html", here="Contacts", query=query, sheet=sheet, contacts=sheet.rows)

    async def _contact(self, request: Request) -> Response:
        number = number_of(request.path_params["number"])
        row = database(request).execute("SELECT * FROM contact WHERE number = ?", (number,)).fetchone()
        return self.view(request, "contact.html", here="Contacts", contact=found(row))

    async def _new_contact(self, request: Request) -> Response:
        given = {"name": "", "email": "", "company": ""}
        return self.view(request, "newcontact.html", here="Contacts", given=given)

    async def _add_contact(self, request: Request) -> Response:
        given = await fields(request, ["name", "email", "company"])
        errors = {}
        if not given["name"] or len(given["name"]) > 60:
            errors["name"] = "Name is missing" if not given["name"] else "Name is too long"
        if not _ADDRESS.fullmatch(given["email"]):
            errors["email"] = "E-mail is not an address"
        if errors:
            return self.view(request, "newcontact.html", here="Contacts", status_code=422, given=given, errors=errors)
        number = store.add_contact(
            database(request), given["name"], given["email"].lower(), given["company"][:60], is_new=True
        )
        say(database(request), "Contact saved")
        return see_other(f"/contacts/{number}")

    async def _rules(self, request: Request) -> Response:
        return self.view(request, "rules.html", here="Rules", rules=store.rules(database(request)))

    async def _new_rule(self, request: Request) -> Response:
        given = {"sender": "", "words": "", "folder": "", "read": ""}
        return self.view(request, "newrule.html", here="Rules", given=given, targets=TARGETS[1:])

    async def _add_rule(self, request: Request) -> Response:
        given = await fields(request, ["sender", "words", "folder", "read"])
        errors = {}
        if not given["sender"] and not given["words"]:
            errors["sender"] = "Say which sender or which words"
        if given["folder"] not in TARGETS[1:]:
            errors["folder"] = "Choose a folder"
        if errors:
            return self.view(
                request, "newrule.html", here="Rules", status_code=422, given=given, errors=errors, targets=TARGETS[1:]
            )
        store.add_rule(
            database(request), given["sender"][:80], given["words"][:80], given["folder"], mark_read=bool(given["read"])
        )
        say(database(request), "Rule saved")
        return see_other("/rules")

    async def _run_rules(self, request: Request) -> Response:
        moved = store.run_rules(database(request))
        say(database(request), f"{moved} letters moved")
        return see_other("/rules")


def _letter(request: Request) -> sqlite3.Row:
    return found(store.find(database(request), number_of(request.path_params["number"])))


def _chosen(request: Request) -> list[sqlite3.Row]:
    """Return the letters that the address names as chosen."""
    db = database(request)
    rows = [store.find(db, number_of(item)) for item in request.query_params.getlist("item")[:ROWS_PER_PAGE]]
    return [row for row in rows if row is not None]


def _address(folder: str) -> str:
    return "/" if folder == "Inbox" else f"/folders/{folder}"


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    """Return what a list shows of a letter; the drawn columns stand under their headings."""
    return {
        "number": row["number"],
        "subject": row["subject"],
        "unread": bool(row["unread"]),
        "starred": bool(row["starred"]),
        "From": row["sender"] or f"To {row['address']}",
        "Time": row["time"],
    }


__all__ = ["PostApp"]
