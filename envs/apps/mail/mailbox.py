"""The mailbox in its database: messages in folders, their attachments, and the notice that the next page shows."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from typing import Any, Literal

from .content import Letter, address_of

Folder = Literal["inbox", "draft", "sent", "trash"]

SCHEMA = """
CREATE TABLE message (
    number INTEGER PRIMARY KEY,
    folder TEXT NOT NULL CHECK (folder IN ('inbox', 'draft', 'sent', 'trash')),
    person TEXT NOT NULL DEFAULT '',
    address TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '',
    body TEXT NOT NULL DEFAULT '',
    time TEXT NOT NULL DEFAULT '',
    unread INTEGER NOT NULL DEFAULT 0,
    sent_as INTEGER UNIQUE
);
CREATE TABLE attachment (
    number INTEGER PRIMARY KEY,
    message INTEGER NOT NULL REFERENCES message,
    name TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE TABLE notice (text TEXT NOT NULL);
"""
# `person` and `address` are the sender's in the inbox; elsewhere `address` holds the recipients and `person` is empty.
# `sent_as` counts up, so that the sent folder has the order of sending, not of first writing.


def deliver(db: sqlite3.Connection, letters: Iterable[Letter]) -> None:
    """Put messages into the inbox, in this order."""
    db.executemany(
        "INSERT INTO message (folder, person, address, subject, body, time, unread) VALUES ('inbox', ?, ?, ?, ?, ?, ?)",
        [(x.sender, address_of(x.sender), x.subject, x.body, x.time, x.unread) for x in letters],
    )


def listed(db: sqlite3.Connection, folder: Literal["inbox", "sent"]) -> list[sqlite3.Row]:
    """Return a folder's messages, newest first."""
    order = "sent_as" if folder == "sent" else "number"
    return db.execute(f"SELECT * FROM message WHERE folder = ? ORDER BY {order} DESC", (folder,)).fetchall()


def find(db: sqlite3.Connection, number: str, *folders: Folder) -> sqlite3.Row | None:
    """Return the message of this number (as it stands in an address) if it lies in one of the folders."""
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    row: sqlite3.Row | None = db.execute("SELECT * FROM message WHERE number = ?", (int(number),)).fetchone()
    return row if row is not None and row["folder"] in folders else None


def open_draft(db: sqlite3.Connection, *, address: str = "", subject: str = "") -> int:
    """Return the number of an empty draft, filled in so far; one that was left untouched is taken up again."""
    found = db.execute(
        "SELECT number FROM message WHERE folder = 'draft' AND body = '' AND address = '' AND subject = '' "
        "AND number NOT IN (SELECT message FROM attachment)"
    ).fetchone()
    if found is None:
        found = db.execute("INSERT INTO message (folder) VALUES ('draft') RETURNING number").fetchone()
    db.execute("UPDATE message SET address = ?, subject = ? WHERE number = ?", (address, subject, found[0]))
    return int(found[0])


def save_draft(db: sqlite3.Connection, number: int, *, address: str, subject: str, body: str) -> None:
    """Keep what was written so far."""
    db.execute(
        "UPDATE message SET address = ?, subject = ?, body = ? WHERE number = ?", (address, subject, body, number)
    )


def send(db: sqlite3.Connection, number: int) -> None:
    """Move a draft to the sent folder, as its newest message."""
    db.execute(
        "UPDATE message SET folder = 'sent', sent_as = 1 + (SELECT coalesce(max(sent_as), 0) FROM message) "
        "WHERE number = ?",
        (number,),
    )
    leave_notice(db, "Message sent")


def discard(db: sqlite3.Connection, number: int) -> None:
    """Move a message to the trash."""
    db.execute("UPDATE message SET folder = 'trash' WHERE number = ?", (number,))
    leave_notice(db, "Message deleted")


def mark_read(db: sqlite3.Connection, number: int) -> None:
    """Note that a message was opened."""
    db.execute("UPDATE message SET unread = 0 WHERE number = ?", (number,))


def attach(db: sqlite3.Connection, message: int, name: str, content: bytes) -> None:
    """Add a file to a message."""
    db.execute("INSERT INTO attachment (message, name, content) VALUES (?, ?, ?)", (message, name, content))


def detach(db: sqlite3.Connection, message: int, attachment: str) -> None:
    """Take a file from a message again; nothing happens if it has no such file."""
    db.execute("DELETE FROM attachment WHERE message = ? AND CAST(number AS TEXT) = ?", (message, attachment))


def attachments(db: sqlite3.Connection, message: int) -> list[sqlite3.Row]:
    """Return a message's files in the order of adding: number, name, size_bytes."""
    return db.execute(
        "SELECT number, name, length(content) AS size_bytes FROM attachment WHERE message = ? ORDER BY number",
        (message,),
    ).fetchall()


def leave_notice(db: sqlite3.Connection, text: str) -> None:
    """Let the next page say this, once."""
    db.execute("DELETE FROM notice")
    db.execute("INSERT INTO notice VALUES (?)", (text,))


def take_notice(db: sqlite3.Connection) -> str:
    """Return what the next page is to say, "" for nothing, and forget it."""
    row = db.execute("SELECT text FROM notice").fetchone()
    if row is None:
        return ""
    db.execute("DELETE FROM notice")
    return str(row[0])


def state(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the mailbox as `MailApp` describes it."""
    files: dict[int, list[dict[str, Any]]] = {}
    for message, name, content in db.execute("SELECT message, name, content FROM attachment ORDER BY number"):
        files.setdefault(message, []).append(
            {"name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        )
    rows = db.execute("SELECT * FROM message ORDER BY coalesce(sent_as, number)").fetchall()
    written = [
        (
            row["folder"],
            {
                "to": row["address"],
                "subject": row["subject"],
                "body": row["body"],
                "attachments": files.get(row["number"], []),
            },
        )
        for row in rows
    ]
    return {
        "inbox": [
            {"from": row["address"], "subject": row["subject"], "unread": bool(row["unread"])}
            for row in rows
            if row["folder"] == "inbox"
        ],
        "drafts": [message for folder, message in written if folder == "draft"],
        "sent": [message for folder, message in written if folder == "sent"],
        "trash": [row["subject"] for row in rows if row["folder"] == "trash"],
    }


__all__ = [
    "SCHEMA",
    "Folder",
    "attach",
    "attachments",
    "deliver",
    "detach",
    "discard",
    "find",
    "leave_notice",
    "listed",
    "mark_read",
    "open_draft",
    "save_draft",
    "send",
    "state",
    "take_notice",
]
