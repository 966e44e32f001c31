"""The claims application: decide claims, correct them, hand them in step by step; and welcome new people."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..desk import Desk, fields, found, number_of, say, see_other, sheet_of
from ..people import address_of, draw_people
from ..website import database
from . import store
from .content import CATEGORIES, CENTRES, ROWS_PER_PAGE, STATES, draw_claims, wanted_of

LAPTOPS = ("None", "Light 13", "Office 14", "Studio 16")
LANGUAGES = ("English", "French", "German", "Spanish")
COLLEAGUES = 40
_AMOUNT = re.compile(r"(?P<whole>[0-9]{1,6})(?:[.](?P<cents>[0-9]{2}))?")
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+[.][A-Za-z]{2,}")
_PHONE = re.compile(r"[0-9+][0-9 ]{5,19}")


class ClaimsApp(Desk):
    """Two hundred and forty claims CL-<number> of sixty people, a form in three steps, and the people's list.

    Pages: `/` (query `q`, `state`, `sort`, `way`, `page`; eight a page), `/claims/<claim>` (`act`: `approve`, `reject`,
    `edit`), `/claims/new`, then `/claims/<claim>/items` and `/claims/<claim>/review`; `/people`, `/people/<number>`,
    `/people/new`; `/profile`.
    Task parameters, none needed: `claim`, such as "CL-4821", with its `person` (who has two more claims that are
    decided already), `claim_state`, `claim_amount`, `claim_item` (the category of its only item); `largest`, whatever
    it is, makes it the largest of all.
    State: `claims`, those that were touched, `{claim, person, centre, date, state, reason, items}` with `items` a list
    of `{category, amount, note}`; `comments`, a list of `{claim, text}`; `people`, those who were added; `profile`,
    `searches`, `viewed`; `wanted`, the amount and the date of the task's claim.
    """

    name = "claims"
    brand: ClassVar[str] = "Harbor Claims"
    folder: ClassVar[Path] = Path(__file__).parent
    schema: ClassVar[str] = store.SCHEMA
    menu: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/", "Claims"),
        ("/claims/new", "New claim"),
        ("/people", "People"),
        ("/profile", "My profile"),
    )
    columns: ClassVar[tuple[str, ...]] = ("Person", "Date", "Amount", "Status")
    wordings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "next": ("Continue", "Continue to the next step"),
        "add": ("Add item", "Add item to the claim"),
        "save": ("Save", "Save changes"),
    }

    def fill(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the claims and the people."""
        wanted = wanted_of(parameters)
        claims = draw_claims(rng, wanted)
        people = [
            {
                "name": name,
                "email": address_of(name),
                "start": f"20{int(rng.integers(10, 25))}-0{int(rng.integers(1, 10))}-01",
                "team": CENTRES[int(rng.integers(len(CENTRES)))],
                "laptop": LAPTOPS[int(rng.integers(len(LAPTOPS)))],
                "parking": bool(rng.integers(2)),
            }
            for name in draw_people(rng, COLLEAGUES)
        ]
        store.fill(db, claims, people, wanted)

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return what was touched and added."""
        return store.state(db)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the pages, and what their forms post to."""
        return [
            Route("/", self._claims),
            Route("/claims/new", self._new, methods=["GET"]),
            Route("/claims/new", self._begin, methods=["POST"]),
            Route("/claims/{claim}", self._claim),
            Route("/claims/{claim}/approve", self._approve, methods=["POST"]),
            Route("/claims/{claim}/reject", self._reject, methods=["POST"]),
            Route("/claims/{claim}/edit", self._edit, methods=["POST"]),
            Route("/claims/{claim}/comments", self._comment, methods=["POST"]),
            Route("/claims/{claim}/items", self._items, methods=["GET"]),
            Route("/claims/{claim}/items", self._add, methods=["POST"]),
            Route("/claims/{claim}/items/{item}/remove", self._remove, methods=["POST"]),
            Route("/claims/{claim}/review", self._review, methods=["GET"]),
            Route("/claims/{claim}/review", self._submit, methods=["POST"]),
            Route("/people", self._people),
            Route("/people/new", self._newcomer, methods=["GET"]),
            Route("/people/new", self._welcome, methods=["POST"]),
            Route("/people/{number}", self._person),
            Route("/profile", self._profile, methods=["GET"]),
            Route("/profile", self._save_profile, methods=["POST"]),
        ]

    # ---------------------------------------------------------------- claims

    async def _claims(self, request: Request) -> Response:
        db = database(request)
        query = " ".join(request.query_params.get("q", "").split())[:80]
        state = request.query_params.get("state", "")
        order = request.query_params.get("sort", "")
        down = request.query_params.get("way") == "down"
        order, down = (order, down) if order in store.ORDERS else ("Claim", True)
        if query:
            store.note(db, "search", query)
        rows = store.claims(db, query=query, state=state if state in STATES else "", order=order, down=down)
        sheet = sheet_of(rows, request, size=ROWS_PER_PAGE, keep=("q", "state"))
        return self.view(
            request,
            "claims.html",
            here="Claims",
            query=query,
            state=state,
            states=STATES,
            sheet=sheet,
            claims=[_shown(row) for row in sheet.rows],
        )

    async def _claim(self, request: Request) -> Response:
        row = _claim(request)
        store.note(database(request), "view", f"CL-{row['number']}")
        return self._claim_page(request, row, modal=request.query_params.get("act", ""))

    def _claim_page(
        self,
        request: Request,
        row: sqlite3.Row,
        *,
        modal: str = "",
        errors: Mapping[str, str] | None = None,
        given: Mapping[str, str] | None = None,
    ) -> Response:
        if row["state"] == "Draft" or (modal in ("approve", "reject") and row["state"] != "Open"):
            modal = ""
        return self.view(
            request,
            "claim.html",
            here="Claims",
            status_code=422 if errors else 200,
            claim=_shown(row),
            address=_address(row),
            reason=row["reason"],
            items=_items(database(request), row),
            comments=store.comments(database(request), row["number"]),
            centres=CENTRES,
            modal=modal,
            errors=errors or {},
            given={"reason": "", "comment": "", "centre": row["centre"], "day": row["day"], **(given or {})},
        )

    async def _approve(self, request: Request) -> Response:
        row = _claim(request, "Open")
        store.decide(database(request), row["number"], "Approved")
        say(database(request), f"CL-{row['number']} approved")
        return see_other(_address(row))

    async def _reject(self, request: Request) -> Response:
        row = _claim(request, "Open")
        given = await fields(request, ["reason"])
        problem = "Reason is missing" if not given["reason"] else ""
        problem = "Reason is too long" if len(given["reason"]) > 200 else problem
        if problem:
            return self._claim_page(request, row, modal="reject", errors={"reason": problem}, given=given)
        store.decide(database(request), row["number"], "Rejected", given["reason"])
        say(database(request), f"CL-{row['number']} rejected")
        return see_other(_address(row))

    async def _edit(self, request: Request) -> Response:
        row = _claim(request, "Open", "Returned")
        given = await fields(request, ["centre", "day"])
        errors = _head_problems(given)
        if errors:
            return self._claim_page(request, row, modal="edit", errors=errors, given=given)
        store.edit(database(request), row["number"], given["centre"], given["day"])
        say(database(request), "Changes saved")
        return see_other(_address(row))

    async def _comment(self, request: Request) -> Response:
        row = _claim(request)
        given = await fields(request, ["comment"])
        problem = "Comment is missing" if not given["comment"] else ""
        problem = "Comment is too long" if len(given["comment"]) > 200 else problem
        if problem:
            return self._claim_page(request, row, errors={"comment": problem}, given=given)
        store.comment(database(request), row["number"], given["comment"])
        say(database(request), "Comment added")
        return see_other(_address(row))

    # ---------------------------------------------------------------- handing in, step by step

    async def _new(self, request: Request) -> Response:
        return self._head_page(request, {"person": "", "centre": "", "day": ""}, {})

    def _head_page(self, request: Request, given: Mapping[str, str], errors: Mapping[str, str]) -> Response:
        return self.view(
            request,
            "new.html",
            here="New claim",
            status_code=422 if errors else 200,
            given=given,
            errors=errors,
            centres=CENTRES,
        )

    async def _begin(self, request: Request) -> Response:
        given = await fields(request, ["person", "centre", "day"])
        errors = _head_problems(given)
        if not given["person"]:
            errors["person"] = "Person is missing"
        elif len(given["person"]) > 60:
            errors["person"] = "Person is too long"
        if errors:
            return self._head_page(request, given, errors)
        number = store.open_draft(database(request), given["person"], given["centre"], given["day"])
        return see_other(f"/claims/CL-{number}/items")

    async def _items(self, request: Request) -> Response:
        row = _claim(request, "Draft", "Returned")
        return self._items_page(request, row, {"category": "", "amount": "", "note": ""}, {})

    def _items_page(
        self, request: Request, row: sqlite3.Row, given: Mapping[str, str], errors: Mapping[str, str]
    ) -> Response:
        return self.view(
            request,
            "items.html",
            here="New claim",
            status_code=422 if errors else 200,
            address=_address(row),
            title=f"CL-{row['number']}",
            items=_items(database(request), row),
            total=_money(row["cents"]),
            categories=CATEGORIES,
            given=given,
            errors=errors,
        )

    async def _add(self, request: Request) -> Response:
        row = _claim(request, "Draft", "Returned")
        given = await fields(request, ["category", "amount", "note"])
        amount = _AMOUNT.fullmatch(given["amount"])
        cents = int(amount["whole"]) * 100 + int(amount["cents"] or 0) if amount else 0
        errors = {}
        if given["category"] not in CATEGORIES:
            errors["category"] = "Choose a category"
        if not cents:
            errors["amount"] = "Amount is not a number such as 24.50"
        if not given["note"]:
            errors["note"] = "Note is missing"
        elif len(given["note"]) > 60:
            errors["note"] = "Note is too long"
        if errors:
            return self._items_page(request, row, given, errors)
        store.add_item(database(request), row["number"], given["category"], cents, given["note"])
        say(database(request), "Item added")
        return see_other(f"{_address(row)}/items")

    async def _remove(self, request: Request) -> Response:
        row = _claim(request, "Draft", "Returned")
        store.drop_item(database(request), row["number"], number_of(request.path_params["item"]))
        say(database(request), "Item removed")
        return see_other(f"{_address(row)}/items")

    async def _review(self, request: Request) -> Response:
        row = _claim(request, "Draft", "Returned")
        if not store.items(database(request), row["number"]):
            say(database(request), "Add an item first")
            return see_other(f"{_address(row)}/items")
        return self._review_page(request, row, {})

    def _review_page(self, request: Request, row: sqlite3.Row, errors: Mapping[str, str]) -> Response:
        return self.view(
            request,
            "review.html",
            here="New claim",
            status_code=422 if errors else 200,
            claim=_shown(row),
            address=_address(row),
            items=_items(database(request), row),
            errors=errors,
        )

    async def _submit(self, request: Request) -> Response:
        row = _claim(request, "Draft", "Returned")
        given = await fields(request, ["mine"])
        if not store.items(database(request), row["number"]):
            return see_other(f"{_address(row)}/items")
        if not given["mine"]:
            return self._review_page(request, row, {"mine": "Please confirm this"})
        store.decide(database(request), row["number"], "Open")
        say(database(request), f"CL-{row['number']} submitted")
        return see_other(_address(row))

    # ---------------------------------------------------------------- people

    async def _people(self, request: Request) -> Response:
        query = " ".join(request.query_params.get("q", "").split())[:80]
        sheet = sheet_of(store.people(database(request), query), request, size=ROWS_PER_PAGE, keep=("q",))
        return self.view(request, "people.html", here="People", query=query, sheet=sheet, people=sheet.rows)

    async def _person(self, request: Request) -> Response:
        number = number_of(request.path_params["number"])
        row = database(request).execute("SELECT * FROM person WHERE number = ?", (number,)).fetchone()
        return self.view(request, "person.html", here="People", person=found(row))

    async def _newcomer(self, request: Request) -> Response:
        given = dict.fromkeys(("first", "last", "email", "start", "team", "laptop", "parking"), "")
        return self._newcomer_page(request, given, {})

    def _newcomer_page(self, request: Request, given: Mapping[str, str], errors: Mapping[str, str]) -> Response:
        return self.view(
            request,
            "newcomer.html",
            here="People",
            status_code=422 if errors else 200,
            given=given,
            errors=errors,
            teams=CENTRES,
            laptops=LAPTOPS,
        )

    async def _welcome(self, request: Request) -> Response:
        db = database(request)
        given = await fields(request, ["first", "last", "email", "start", "team", "laptop", "parking"])
        errors = {}
        for key, label in (("first", "First name"), ("last", "Last name")):
            if not given[key]:
                errors[key] = f"{label} is missing"
            elif len(given[key]) > 40:
                errors[key] = f"{label} is too long"
        if not _EMAIL.fullmatch(given["email"]):
            errors["email"] = "E-mail is not an address"
        elif db.execute("SELECT 1 FROM person WHERE email = ?", (given["email"].lower(),)).fetchone():
            errors["email"] = "Somebody has this address already"
        if not _is_date(given["start"]):
            errors["start"] = "First day is not a date such as 2025-07-01"
        if given["team"] not in CENTRES:
            errors["team"] = "Choose a team"
        if given["laptop"] not in LAPTOPS:
            errors["laptop"] = "Choose a laptop"
        if errors:
            return self._newcomer_page(request, given, errors)
        person = {**given, "name": f"{given['first']} {given['last']}", "email": given["email"].lower()}
        number = store.add_person(db, person, is_new=True)
        say(db, f"{person['name']} added")
        return see_other(f"/people/{number}")

    async def _profile(self, request: Request) -> Response:
        row = store.profile(database(request))
        return self._profile_page(request, {key: row[key] for key in ("phone", "room", "language")}, {})

    def _profile_page(self, request: Request, given: Mapping[str, str], errors: Mapping[str, str]) -> Response:
        return self.view(
            request,
            "profile.html",
            here="My profile",
            status_code=422 if errors else 200,
            given=given,
            errors=errors,
            languages=LANGUAGES,
        )

    async def _save_profile(self, request: Request) -> Response:
        given = await fields(request, ["phone", "room", "language"])
        errors = {}
        if not _PHONE.fullmatch(given["phone"]):
            errors["phone"] = "Phone may hold digits and blanks, six to twenty"
        if not given["room"] or len(given["room"]) > 30:
            errors["room"] = "Room is missing" if not given["room"] else "Room is too long"
        if given["language"] not in LANGUAGES:
            errors["language"] = "Choose a language"
        if errors:
            return self._profile_page(request, given, errors)
        store.save_profile(database(request), given["phone"], given["room"], given["language"])
        say(database(request), "Changes saved")
        return see_other("/profile")


def _claim(request: Request, *states: str) -> sqlite3.Row:
    """Return the claim that the address names, if it is in one of the states; any if none is given."""
    text = request.path_params["claim"]
    row = found(store.find(database(request), number_of(text[3:]) if text.startswith("CL-") else -1))
    if states and row["state"] not in states:
        raise HTTPException(404)
    return row


def _address(row: sqlite3.Row) -> str:
    return f"/claims/CL-{row['number']}"


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    """Return what pages show of a claim; the drawn columns stand under their headings."""
    return {
        "name": f"CL-{row['number']}",
        "href": _address(row),
        "centre": row["centre"],
        "tone": {"Approved": "good", "Rejected": "poor", "Returned": "wait"}.get(row["state"], ""),
        "Person": row["person"],
        "Date": row["day"],
        "Amount": _money(row["cents"]),
        "Status": row["state"],
    }


def _items(db: sqlite3.Connection, row: sqlite3.Row) -> list[dict[str, Any]]:
    return [{**dict(item), "amount": _money(item["cents"])} for item in store.items(db, row["number"])]


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _head_problems(given: Mapping[str, str]) -> dict[str, str]:
    errors = {}
    if given["centre"] not in CENTRES:
        errors["centre"] = "Choose a cost centre"
    if not _is_date(given["day"]):
        errors["day"] = "Date is not a date such as 2025-06-30"
    return errors


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


__all__ = ["COLLEAGUES", "LANGUAGES", "LAPTOPS", "ClaimsApp"]
