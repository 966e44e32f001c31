"""The large mailbox in its database: letters, drafts, contacts, rules, and what was done to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..people import address_of
from .content import Letter

SCHEMA = """
CREATE TABLE letter (
    number INTEGER PRIMARY KEY,
    sender TEXT NOT NULL DEFAULT '',
    address TEXT NOT NULL DEFAULT '',
    copy TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '',
    body TEXT NOT NULL DEFAULT '',
    folder TEXT NOT NULL,
    first_folder TEXT NOT NULL,
    time TEXT NOT NULL DEFAULT '',
    unread INTEGER NOT NULL DEFAULT 0,
    starred INTEGER NOT NULL DEFAULT 0,
    attachment TEXT NOT NULL DEFAULT '',
    answers INTEGER,
    passes_on INTEGER
);
CREATE INDEX letter_folder ON letter (folder);
CREATE TABLE contact (number INTEGER PRIMARY KEY, name TEXT, email TEXT, company TEXT, is_new INTEGER NOT NULL);
CREATE TABLE rule (number INTEGER PRIMARY KEY, sender TEXT, words TEXT, folder TEXT, mark_read INTEGER, runs INTEGER
    NOT NULL DEFAULT 0);
CREATE TABLE event (number INTEGER PRIMARY KEY, what TEXT NOT NULL, name TEXT NOT NULL);
"""
# `address` is the sender's of a letter that came, the recipients' of one that was written here.


def fill(db: sqlite3.Connection, letters: Sequence[Letter], contacts: Sequence[tuple[str, str]]) -> None:
    """Deliver the drawn letters, and note the contacts, (name, company) each."""
    db.executemany(
        "INSERT INTO letter (sender, address, subject, body, folder, first_folder, time, unread, attachment) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (x.sender, address_of(x.sender), x.subject, x.body, x.folder, x.folder, x.time, x.unread, x.attachment)
            for x in letters
        ],
    )
    for name, company in contacts:
        add_contact(db, name, address_of(name), company, is_new=False)


def listed(db: sqlite3.Connection, folder: str) -> list[sqlite3.Row]:
    """Return a folder's letters, newest first; those that were written here, in the order of sending, last first."""
    order = "number DESC" if folder == "Sent" else "number"
    return db.execute(f"SELECT * FROM letter WHERE folder = ? ORDER BY {order}", (folder,)).fetchall()


def starred(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Return the letters with a star."""
    return db.execute("SELECT * FROM letter WHERE starred AND folder != 'Bin' ORDER BY number").fetchall()


def search(db: sqlite3.Connection, query: str) -> list[sqlite3.Row]:
    """Return the letters whose sender and subject hold every word of a query; not what is in the bin."""
    words = query.lower().split()
    rows = db.execute("SELECT * FROM letter WHERE folder NOT IN ('Bin', 'Draft') ORDER BY number").fetchall()
    return [row for row in rows if all(word in f"{row['sender']} {row['subject']}".lower() for word in words)]


def find(db: sqlite3.Connection, number: int) -> sqlite3.Row | None:
    """Return a letter."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM letter WHERE number = ?", (number,)).fetchone()
    return row


def unread_in(db: sqlite3.Connection, folder: str) -> int:
    """Return how many letters of a folder nobody has opened."""
    return int(db.execute("SELECT count(*) FROM letter WHERE folder = ? AND unread", (folder,)).fetchone()[0])


def move(db: sqlite3.Connection, numbers: Iterable[int], folder: str) -> None:
    """Put letters into a folder."""
    db.executemany("UPDATE letter SET folder = ? WHERE number = ?", [(folder, number) for number in numbers])


def mark(db: sqlite3.Connection, number: int, *, unread: bool) -> None:
    """Note that a letter was opened, or take that back."""
    db.execute("UPDATE letter SET unread = ? WHERE number = ?", (unread, number))


def star(db: sqlite3.Connection, number: int, *, on: bool) -> None:
    """Give a letter a star, or take it away."""
    db.execute("UPDATE letter SET starred = ? WHERE number = ?", (on, number))


def write(db: sqlite3.Connection, letter: Mapping[str, str], *, answers: int | None, passes_on: int | None) -> None:
    """Send a letter; one that passes another on takes its file along."""
    passed = find(db, passes_on) if passes_on is not None else None
    db.execute(
        "INSERT INTO letter (address, copy, subject, body, folder, first_folder, attachment, answers, passes_on) "
        "VALUES (?, ?, ?, ?, 'Sent', 'Sent', ?, ?, ?)",
        (
            *(letter[key] for key in ("to", "copy", "subject", "body")),
            "" if passed is None else passed["attachment"],
            answers,
            passes_on,
        ),
    )


def contacts(db: sqlite3.Connection, query: str = "") -> list[sqlite3.Row]:
    """Return the contacts whose names hold every word of a query."""
    words = query.lower().split()
    rows = db.execute("SELECT * FROM contact ORDER BY name, number").fetchall()
    return [row for row in rows if all(word in row["name"].lower() for word in words)]


def add_contact(db: sqlite3.Connection, name: str, email: str, company: str, *, is_new: bool) -> int:
    """Note a contact and return its number."""
    row = db.execute(
        "INSERT INTO contact (name, email, company, is_new) VALUES (?, ?, ?, ?) RETURNING number",
        (name, email, company, is_new),
    ).fetchone()
    return int(row[0])


def rules(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Return the rules in the order of making."""
    return db.execute("SELECT * FROM rule ORDER BY number").fetchall()


def add_rule(db: sqlite3.Connection, sender: str, words: str, folder: str, *, mark_read: bool) -> None:
    """Make a rule: what comes from this sender with these words goes to this folder."""
    db.execute(
        "INSERT INTO rule (sender, words, folder, mark_read) VALUES (?, ?, ?, ?)", (sender, words, folder, mark_read)
    )


def run_rules(db: sqlite3.Connection) -> int:
    """Apply the rules to the inbox and return how many letters they moved."""
    moved = 0
    for rule in rules(db):
        fits = [
            row["number"]
            for row in listed(db, "Inbox")
            if rule["sender"].lower() in f"{row['sender']} {row['address']}".lower()
            and rule["words"].lower() in row["subject"].lower()
        ]
        move(db, fits, rule["folder"])
        if rule["mark_read"]:
            for number in fits:
                mark(db, number, unread=False)
        moved += len(fits)
    db.execute("UPDATE rule SET runs = runs + 1")
    return moved


def note(db: sqlite3.Connection, what: str, name: str) -> None:
    """Remember a `search` or a `view`."""
    db.execute("INSERT INTO event (what, name) VALUES (?, ?)", (what, name))


def state(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the mailbox as `PostApp` describes it."""
    moved = db.execute("SELECT * FROM letter WHERE folder != first_folder ORDER BY number").fetchall()
    sent = db.execute("SELECT * FROM letter WHERE first_folder = 'Sent' ORDER BY number").fetchall()
    events = db.execute("SELECT what, name FROM event ORDER BY number").fetchall()

    def subject_of(number: int | None) -> str | None:
        row = None if number is None else find(db, number)
        return None if row is None else str(row["subject"])

    return {
        "moved": [
            {"subject": row["subject"], "from": row["first_folder"], "to": row["folder"], "unread": bool(row["unread"])}
            for row in moved
        ],
        "starred": [row["subject"] for row in starred(db)],
        "sent": [
            {
                "to": row["address"],
                "copy": row["copy"],
                "subject": row["subject"],
                "body": row["body"],
                "file": row["attachment"],
                "answers": subject_of(row["answers"]),
                "passes_on": subject_of(row["passes_on"]),
            }
            for row in sent
        ],
        "contacts": [{key: row[key] for key in ("name", "email", "company")} for row in contacts(db) if row["is_new"]],
        "rules": [
            {key: row[key] for key in ("sender", "words", "folder", "runs")} | {"mark_read": bool(row["mark_read"])}
            for row in rules(db)
        ],
        "searches": [name for what, name in events if what == "search"],
        "viewed": [name for what, name in events if what == "view"],
    }


__all__ = [
    "SCHEMA",
    "add_contact",
    "add_rule",
    "contacts",
    "fill",
    "find",
    "listed",
    "mark",
    "move",
    "note",
    "rules",
    "run_rules",
    "search",
    "star",
    "starred",
    "state",
    "unread_in",
    "write",
]
