"""The expenses application: hand in an expense on one form, see it confirmed in a dialog."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..website import Website, database, text_parameter

_AMOUNT = re.compile(r"(?P<whole>[0-9]{1,6})(?:[.](?P<cents>[0-9]{2}))?")
_LIMITS = {"name": 60, "amount": 20, "purpose": 60}

_SCHEMA = """
CREATE TABLE expense (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    cents INTEGER NOT NULL CHECK (cents > 0),
    purpose TEXT NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE counter (next_number INTEGER NOT NULL);
CREATE TABLE offer (text TEXT NOT NULL, shown INTEGER NOT NULL DEFAULT 0, accepted INTEGER NOT NULL DEFAULT 0);
"""


class ExpensesApp(Website):
    """One form (Name, Amount, Purpose); each accepted expense gets a reference and is confirmed once, in a dialog.

    Pages: `/new` and `/expenses/<reference>`.
    Task parameter, if the task gives it: `offer`, what a dialog proposes that stands in the way when the form is first
    opened; the state then has `offer_accepted`.
    State: `expenses`, a list of `{reference, name, amount, purpose}` in the order of submission; `amount` is a number,
    e.g. 42 or 42.5.
    """

    name = "expenses"
    brand: ClassVar[str] = "Harbor Expenses"
    folder: ClassVar[Path] = Path(__file__).parent

    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create the empty tables."""
        db.executescript(_SCHEMA)

    def seed(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Start an episode without expenses; the references count up from a drawn number."""
        db.execute("INSERT INTO counter VALUES (?)", (int(rng.integers(1000, 9000)),))
        if "offer" in parameters:
            db.execute("INSERT INTO offer (text) VALUES (?)", (text_parameter(self.name, parameters, "offer"),))

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return the saved expenses."""
        rows = db.execute("SELECT number, name, cents, purpose FROM expense ORDER BY number").fetchall()
        offer = db.execute("SELECT accepted FROM offer").fetchone()
        return ({} if offer is None else {"offer_accepted": bool(offer[0])}) | {
            "expenses": [
                {"reference": _reference(number), "name": name, "amount": _number(cents), "purpose": purpose}
                for number, name, cents, purpose in rows
            ]
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return the form, its submission, and the receipt."""
        return [
            Route("/", self._start),
            Route("/new", self._form, methods=["GET"]),
            Route("/new", self._submit, methods=["POST"]),
            Route("/expenses/{reference}", self._receipt),
            Route("/offer", self._accept, methods=["POST"]),
        ]

    async def _start(self, request: Request) -> Response:
        return RedirectResponse("/new", status_code=303)

    async def _form(self, request: Request) -> Response:
        db = database(request)
        offer = db.execute("SELECT text FROM offer WHERE NOT shown").fetchone()
        db.execute("UPDATE offer SET shown = 1")
        return self.page("form.html", values=dict.fromkeys(_LIMITS, ""), errors={}, offer=offer and offer[0])

    async def _accept(self, request: Request) -> Response:
        database(request).execute("UPDATE offer SET accepted = 1")
        return RedirectResponse("/new", status_code=303)

    async def _submit(self, request: Request) -> Response:
        async with request.form(max_files=0) as form:
            values = {field: " ".join(str(form.get(field, "")).split()) for field in _LIMITS}
        cents, errors = _validate(values)
        if errors:
            return self.page("form.html", status_code=422, values=values, errors=errors, offer=None)
        db = database(request)
        (number,) = db.execute("SELECT next_number FROM counter").fetchone()
        db.execute("UPDATE counter SET next_number = next_number + 1")
        db.execute(
            "INSERT INTO expense (number, name, cents, purpose) VALUES (?, ?, ?, ?)",
            (number, values["name"], cents, values["purpose"]),
        )
        return RedirectResponse(f"/expenses/{_reference(number)}", status_code=303)

    async def _receipt(self, request: Request) -> Response:
        db = database(request)
        number = re.fullmatch(r"EX-([0-9]{1,9})", request.path_params["reference"])
        row = (
            number
            and db.execute(
                "SELECT number, name, cents, purpose, confirmed FROM expense WHERE number = ?", (int(number[1]),)
            ).fetchone()
        )
        if not row:
            raise HTTPException(404)
        if not row[4]:
            db.execute("UPDATE expense SET confirmed = 1 WHERE number = ?", (row[0],))
        return self.page(
            "receipt.html",
            reference=_reference(row[0]),
            name=row[1],
            amount=_amount(row[2]),
            purpose=row[3],
            first_view=not row[4],
        )


def _validate(values: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """Return the amount in cents (0 if there is none) and what is wrong, by field."""
    errors = {}
    for field, limit in _LIMITS.items():
        if not values[field]:
            errors[field] = f"{field.capitalize()} is missing"
        elif len(values[field]) > limit:
            errors[field] = f"{field.capitalize()} is too long"
    cents = 0
    if "amount" not in errors:
        match = _AMOUNT.fullmatch(values["amount"])
        cents = int(match["whole"]) * 100 + int(match["cents"] or 0) if match else 0
        if not cents:
            errors["amount"] = "Amount is not a number"
    return cents, errors


def _reference(number: int) -> str:
    return f"EX-{number}"


def _number(cents: int) -> int | float:
    return cents / 100 if cents % 100 else cents // 100


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}" if cents % 100 else str(cents // 100)


__all__ = ["ExpensesApp"]
