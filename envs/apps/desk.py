"""What the larger applications have in common: a menu and tables arranged by the seed, sheets of rows, notices."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from .website import Website, database, neighbours

MENU_PLACES = ("left", "right", "top")
"""Where the menu may be."""

_SCHEMA = """
CREATE TABLE layout (menu TEXT NOT NULL, columns TEXT NOT NULL, wording INTEGER NOT NULL);
CREATE TABLE notice (text TEXT NOT NULL);
"""


class Desk(Website):
    """A website with a menu and wide tables. A seed arranges it, so that a policy cannot learn where things stand.

    What is drawn: the side on which the menu is, the order of the columns of `columns`, and one of the wordings of
    `wordings`. A control's wordings begin alike, so that what a task calls it fits them all.

    Attributes:
        schema: SQL that creates the application's own tables.
        menu: (address, label) of the menu's entries.
        columns: those columns of its main table whose order is drawn, by their headings.
        wordings: key -> what a control may say.
    """

    schema: ClassVar[str]
    menu: ClassVar[tuple[tuple[str, str], ...]]
    columns: ClassVar[tuple[str, ...]] = ()
    wordings: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create the empty tables."""
        db.executescript(_SCHEMA + self.schema)

    def seed(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the arrangement, then the content.

        Raises:
            TaskError: a parameter that the content needs is missing or names nothing.
        """
        menu = MENU_PLACES[int(rng.integers(len(MENU_PLACES)))]
        columns = [self.columns[i] for i in rng.permutation(len(self.columns)).tolist()]
        db.execute("INSERT INTO layout VALUES (?, ?, ?)", (menu, ",".join(columns), int(rng.integers(100))))
        self.fill(db, rng, parameters)

    @abstractmethod
    def fill(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the content of an episode; what the parameters name must exist afterwards."""

    def view(self, request: Request, template: str, *, here: str, status_code: int = 200, **values: Any) -> Response:
        """Render a page within the menu, with the notice that is due; `here` is the menu's entry it belongs to."""
        db = database(request)
        menu_at, columns, wording = db.execute("SELECT menu, columns, wording FROM layout").fetchone()
        return self.page(
            template,
            status_code=status_code,
            menu=self.menu,
            menu_at=menu_at,
            here=here,
            columns=columns.split(",") if columns else [],
            words={key: said[wording % len(said)] for key, said in self.wordings.items()},
            notice=_take_notice(db),
            neighbours=neighbours(request, self),
            **{"modal": "", "errors": {}, **values},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One page of a longer list, and the addresses of the others.

    Attributes:
        rows: what this page shows.
        number: which page it is, from 1.
        pages: how many there are, 1 or more.
        total: how many rows the whole list has.
        path: the list's address without its query.
        query: the query that chose and ordered the rows.
    """

    rows: Sequence[Any]
    number: int
    pages: int
    total: int
    path: str
    query: Mapping[str, str]

    def address(self, **changes: str | int) -> str:
        """Return the list's address with changes to its query; an empty value takes a key out."""
        merged = {key: str(value) for key, value in {**self.query, **changes}.items() if str(value)}
        return f"{self.path}?{urlencode(merged)}" if merged else self.path

    def ordered(self, key: str, *, first: str = "up") -> str:
        """Return the address of the list ordered by a column; the other way round if it is so already."""
        is_so = self.query.get("sort") == key
        way = ("down" if self.query.get("way") == "up" else "up") if is_so else first
        return self.address(sort=key, way=way, page="")

    def way(self, key: str) -> str:
        """Return "ascending" or "descending" if the list is ordered by this column, else "none"."""
        if self.query.get("sort") != key:
            return "none"
        return "descending" if self.query.get("way") == "down" else "ascending"


def sheet_of(rows: Sequence[Any], request: Request, *, size: int, keep: Sequence[str] = ()) -> Sheet:
    """Return the page of rows that the request's `page` asks for; a number that is none, or too large, is mended.

    Args:
        rows: the whole list in its order.
        request: whose `page` chooses, and whose address the other pages have.
        size: rows of a page.
        keep: keys of the query that the other pages' addresses keep, besides sort and way.
    """
    pages = max(1, -(-len(rows) // size))
    asked = request.query_params.get("page", "1")
    number = min(max(int(asked), 1), pages) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1
    query = {key: request.query_params[key] for key in ("sort", "way", *keep) if request.query_params.get(key)}
    return Sheet(
        rows=rows[(number - 1) * size : number * size],
        number=number,
        pages=pages,
        total=len(rows),
        path=request.url.path,
        query=query,
    )


def say(db: sqlite3.Connection, text: str) -> None:
    """Let the next page say this, once."""
    db.execute("DELETE FROM notice")
    db.execute("INSERT INTO notice VALUES (?)", (text,))


def see_other(address: str) -> Response:
    """Send the browser on after a form was accepted."""
    return RedirectResponse(address, status_code=303)


def number_of(text: str) -> int:
    """Return the number that part of an address is; -1, which nothing has, if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


async def fields(request: Request, names: Sequence[str]) -> dict[str, str]:
    """Return a posted form's texts by name, white space collapsed; a field that is not there is ""."""
    async with request.form(max_files=0) as form:
        return {name: " ".join(str(form.get(name, "")).split()) for name in names}


def found(row: sqlite3.Row | None) -> sqlite3.Row:
    """Return the row, or answer that there is no such page."""
    if row is None:
        raise HTTPException(404)
    return row


def _take_notice(db: sqlite3.Connection) -> str:
    row = db.execute("SELECT text FROM notice").fetchone()
    if row is None:
        return ""
    db.execute("DELETE FROM notice")
    return str(row[0])


__all__ = ["MENU_PLACES", "Desk", "Sheet", "fields", "found", "number_of", "say", "see_other", "sheet_of"]
