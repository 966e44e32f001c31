"""Claims and people in their database, and what was done to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from .content import Claim, Wanted

SCHEMA = """
CREATE TABLE claim (
    number INTEGER PRIMARY KEY,
    person TEXT NOT NULL,
    centre TEXT NOT NULL,
    day TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    touched INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE item (
    number INTEGER PRIMARY KEY,
    claim INTEGER NOT NULL REFERENCES claim,
    category TEXT NOT NULL,
    cents INTEGER NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX item_claim ON item (claim);
CREATE TABLE person (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    start TEXT NOT NULL,
    team TEXT NOT NULL,
    laptop TEXT NOT NULL,
    parking INTEGER NOT NULL,
    is_new INTEGER NOT NULL
);
CREATE TABLE profile (phone TEXT NOT NULL, room TEXT NOT NULL, language TEXT NOT NULL,
    saves INTEGER NOT NULL DEFAULT 0);
CREATE TABLE comment (number INTEGER PRIMARY KEY, claim INTEGER NOT NULL REFERENCES claim, text TEXT NOT NULL);
CREATE TABLE event (number INTEGER PRIMARY KEY, what TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE task (claim INTEGER);
"""

ORDERS = {"Claim": "number", "Person": "person", "Date": "day", "Amount": "cents", "Status": "state"}
"""Columns that a list of claims can be ordered by, as SQL."""

_CLAIMS = (
    "SELECT claim.*, (SELECT coalesce(sum(cents), 0) FROM item WHERE item.claim = claim.number) AS cents FROM claim"
)


def fill(db: sqlite3.Connection, claims: Sequence[Claim], people: Sequence[Mapping[str, Any]], wanted: Wanted) -> None:
    """Put the drawn claims and people into the empty tables."""
    db.executemany(
        "INSERT INTO claim (number, person, centre, day, state, reason) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (c.number, c.person, c.centre, c.day, c.state, "Please check the items" if c.state == "Returned" else "")
            for c in claims
        ],
    )
    db.executemany(
        "INSERT INTO item (claim, category, cents, note) VALUES (?, ?, ?, ?)",
        [(c.number, item.category, item.cents, item.note) for c in claims for item in c.items],
    )
    for person in people:
        add_person(db, person, is_new=False)
    db.execute("INSERT INTO profile (phone, room, language) VALUES ('555 1000', 'Room 12', 'English')")
    db.execute("INSERT INTO task VALUES (?)", (wanted.number,))


def claims(db: sqlite3.Connection, *, query: str, state: str, order: str, down: bool) -> list[sqlite3.Row]:
    """Return the claims that fit, drafts left out; "" asks for nothing, and `order` is a key of `ORDERS`."""
    way = "DESC" if down else "ASC"
    rows = db.execute(
        f"{_CLAIMS} WHERE state != 'Draft' AND (? = '' OR state = ?) ORDER BY {ORDERS[order]} {way}, number DESC",
        (state, state),
    ).fetchall()
    words = query.lower().split()
    return [row for row in rows if all(word in f"CL-{row['number']} {row['person']}".lower() for word in words)]


def find(db: sqlite3.Connection, number: int) -> sqlite3.Row | None:
    """Return a claim."""
    row: sqlite3.Row | None = db.execute(f"{_CLAIMS} WHERE number = ?", (number,)).fetchone()
    return row


def items(db: sqlite3.Connection, claim: int) -> list[sqlite3.Row]:
    """Return a claim's items in the order of adding."""
    return db.execute("SELECT * FROM item WHERE claim = ? ORDER BY number", (claim,)).fetchall()


def open_draft(db: sqlite3.Connection, person: str, centre: str, day: str) -> int:
    """Begin a claim and return its number."""
    row = db.execute(
        "INSERT INTO claim (number, person, centre, day, state, touched) "
        "VALUES ((SELECT max(number) + 1 FROM claim), ?, ?, ?, 'Draft', 1) RETURNING number",
        (person, centre, day),
    ).fetchone()
    return int(row[0])


def add_item(db: sqlite3.Connection, claim: int, category: str, cents: int, note: str) -> None:
    """Add a cost to a claim."""
    db.execute("INSERT INTO item (claim, category, cents, note) VALUES (?, ?, ?, ?)", (claim, category, cents, note))
    _touch(db, claim)


def drop_item(db: sqlite3.Connection, claim: int, item: int) -> None:
    """Take a cost off a claim; nothing happens if it has none of this number."""
    db.execute("DELETE FROM item WHERE claim = ? AND number = ?", (claim, item))
    _touch(db, claim)


def decide(db: sqlite3.Connection, claim: int, state: str, reason: str = "") -> None:
    """Give a claim a state, with the reason for it."""
    db.execute("UPDATE claim SET state = ?, reason = ? WHERE number = ?", (state, reason, claim))
    _touch(db, claim)


def edit(db: sqlite3.Connection, claim: int, centre: str, day: str) -> None:
    """Change a claim's cost centre and day."""
    db.execute("UPDATE claim SET centre = ?, day = ? WHERE number = ?", (centre, day, claim))
    _touch(db, claim)


def comment(db: sqlite3.Connection, claim: int, text: str) -> None:
    """Write something beneath a claim."""
    db.execute("INSERT INTO comment (claim, text) VALUES (?, ?)", (claim, text))


def comments(db: sqlite3.Connection, claim: int) -> list[str]:
    """Return what was written beneath a claim, in the order of writing."""
    return [text for (text,) in db.execute("SELECT text FROM comment WHERE claim = ? ORDER BY number", (claim,))]


def _touch(db: sqlite3.Connection, claim: int) -> None:
    db.execute("UPDATE claim SET touched = 1 WHERE number = ?", (claim,))


def people(db: sqlite3.Connection, query: str) -> list[sqlite3.Row]:
    """Return the people whose names hold every word of a query."""
    words = query.lower().split()
    rows = db.execute("SELECT * FROM person ORDER BY name").fetchall()
    return [row for row in rows if all(word in row["name"].lower() for word in words)]


def add_person(db: sqlite3.Connection, person: Mapping[str, Any], *, is_new: bool) -> int:
    """Add a person and return the number."""
    row = db.execute(
        "INSERT INTO person (name, email, start, team, laptop, parking, is_new) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "RETURNING number",
        (*(person[key] for key in ("name", "email", "start", "team", "laptop")), bool(person["parking"]), is_new),
    ).fetchone()
    return int(row[0])


def profile(db: sqlite3.Connection) -> sqlite3.Row:
    """Return what the user has said about themselves."""
    row: sqlite3.Row = db.execute("SELECT * FROM profile").fetchone()
    return row


def save_profile(db: sqlite3.Connection, phone: str, room: str, language: str) -> None:
    """Keep what the user says about themselves."""
    db.execute("UPDATE profile SET phone = ?, room = ?, language = ?, saves = saves + 1", (phone, room, language))


def note(db: sqlite3.Connection, what: str, name: str) -> None:
    """Remember a `search` or a `view`."""
    db.execute("INSERT INTO event (what, name) VALUES (?, ?)", (what, name))


def amount(cents: int) -> int | float:
    """Return an amount of money as a number."""
    return cents / 100 if cents % 100 else cents // 100


def state(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the claims as `ClaimsApp` describes them."""
    touched = db.execute("SELECT * FROM claim WHERE touched ORDER BY number").fetchall()
    events = db.execute("SELECT what, name FROM event ORDER BY number").fetchall()
    mine = profile(db)
    new = db.execute("SELECT * FROM person WHERE is_new ORDER BY number").fetchall()
    wanted = find(db, db.execute("SELECT coalesce(claim, -1) FROM task").fetchone()[0])
    return {
        "claims": [
            {
                "claim": f"CL-{row['number']}",
                "person": row["person"],
                "centre": row["centre"],
                "date": row["day"],
                "state": row["state"],
                "reason": row["reason"],
                "items": [
                    {"category": item["category"], "amount": amount(item["cents"]), "note": item["note"]}
                    for item in items(db, row["number"])
                ],
            }
            for row in touched
        ],
        "comments": [
            {"claim": f"CL-{row['claim']}", "text": row["text"]}
            for row in db.execute("SELECT claim, text FROM comment ORDER BY number").fetchall()
        ],
        "people": [
            {key: row[key] for key in ("name", "email", "start", "team", "laptop")} | {"parking": bool(row["parking"])}
            for row in new
        ],
        "profile": {key: mine[key] for key in ("phone", "room", "language", "saves")},
        "searches": [name for what, name in events if what == "search"],
        "viewed": [name for what, name in events if what == "view"],
        "wanted": None if wanted is None else {"amount": amount(wanted["cents"]), "date": wanted["day"]},
    }


__all__ = [
    "ORDERS",
    "SCHEMA",
    "add_item",
    "add_person",
    "amount",
    "claims",
    "comment",
    "comments",
    "decide",
    "drop_item",
    "edit",
    "fill",
    "find",
    "items",
    "note",
    "open_draft",
    "people",
    "profile",
    "save_profile",
    "state",
]
