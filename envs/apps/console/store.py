"""The console's database: settings, members, invitations, keys and devices, and what was changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from ..people import address_of
from .content import Wanted

SCHEMA = """
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL, first TEXT NOT NULL);
CREATE TABLE member (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, email TEXT NOT NULL, role TEXT NOT NULL,
    active INTEGER NOT NULL, removed INTEGER NOT NULL DEFAULT 0, first_role TEXT NOT NULL, first_active INTEGER NOT NULL
);
CREATE TABLE invitation (number INTEGER PRIMARY KEY, email TEXT, role TEXT, teams TEXT, message TEXT);
CREATE TABLE access_key (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL, term TEXT NOT NULL, used TEXT NOT NULL,
    secret TEXT NOT NULL, is_new INTEGER NOT NULL DEFAULT 0, shown INTEGER NOT NULL DEFAULT 0,
    revoked INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE device (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, signed_out INTEGER NOT NULL DEFAULT 0);
CREATE TABLE counter (saves INTEGER NOT NULL, next_secret INTEGER NOT NULL);
CREATE TABLE task (key TEXT);
"""

ORDERS = {"Name": "name", "Role": "role", "Status": "active"}
"""Columns that the list of members can be ordered by, as SQL."""


def fill(
    db: sqlite3.Connection,
    settings: dict[str, str],
    members: Sequence[tuple[str, str, bool]],
    keys: Sequence[tuple[str, str, str, str]],
    devices: Sequence[str],
    wanted: Wanted,
    secret: int,
) -> None:
    """Put what was drawn into the empty tables."""
    db.executemany("INSERT INTO setting VALUES (?, ?, ?)", [(key, value, value) for key, value in settings.items()])
    db.executemany(
        "INSERT INTO member (name, email, role, active, first_role, first_active) VALUES (?, ?, ?, ?, ?, ?)",
        [(name, address_of(name), role, active, role, active) for name, role, active in members],
    )
    db.executemany(
        "INSERT INTO access_key (name, scopes, term, used, secret) VALUES (?, ?, ?, ?, '')",
        keys,
    )
    db.executemany("INSERT INTO device (name) VALUES (?)", [(name,) for name in devices])
    db.execute("INSERT INTO counter VALUES (0, ?)", (secret,))
    db.execute("INSERT INTO task VALUES (?)", (wanted.key,))


def settings(db: sqlite3.Connection) -> dict[str, str]:
    """Return every setting's value by key."""
    return dict(db.execute("SELECT key, value FROM setting").fetchall())


def save(db: sqlite3.Connection, values: dict[str, str]) -> bool:
    """Keep the values of some settings; return whether one of them is new."""
    now = settings(db)
    is_new = any(now[key] != value for key, value in values.items())
    db.executemany("UPDATE setting SET value = ? WHERE key = ?", [(value, key) for key, value in values.items()])
    db.execute("UPDATE counter SET saves = saves + ?", (is_new,))
    return is_new


def members(db: sqlite3.Connection, query: str, order: str, *, down: bool) -> list[sqlite3.Row]:
    """Return the members whose names hold every word of a query; `order` is a key of `ORDERS`."""
    way = "DESC" if down else "ASC"
    rows = db.execute(f"SELECT * FROM member WHERE NOT removed ORDER BY {ORDERS[order]} {way}, name").fetchall()
    words = query.lower().split()
    return [row for row in rows if all(word in row["name"].lower() for word in words)]


def member(db: sqlite3.Connection, number: int) -> sqlite3.Row | None:
    """Return a member who was not removed."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM member WHERE number = ? AND NOT removed", (number,)).fetchone()
    return row


def change_member(db: sqlite3.Connection, number: int, role: str, *, active: bool) -> None:
    """Change a member's role, or whether the account is active."""
    db.execute("UPDATE member SET role = ?, active = ? WHERE number = ?", (role, active, number))


def remove_member(db: sqlite3.Connection, number: int) -> None:
    """Take a member out of the workspace."""
    db.execute("UPDATE member SET removed = 1 WHERE number = ?", (number,))


def invite(db: sqlite3.Connection, email: str, role: str, teams: Sequence[str], message: str) -> None:
    """Note an invitation."""
    db.execute(
        "INSERT INTO invitation (email, role, teams, message) VALUES (?, ?, ?, ?)",
        (email, role, ",".join(teams), message),
    )


def keys(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Return the access keys that are valid, new ones first."""
    return db.execute("SELECT * FROM access_key WHERE NOT revoked ORDER BY is_new DESC, number").fetchall()


def key(db: sqlite3.Connection, number: int) -> sqlite3.Row | None:
    """Return an access key that is valid."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM access_key WHERE number = ? AND NOT revoked", (number,)
    ).fetchone()
    return row


def add_key(db: sqlite3.Connection, name: str, scopes: Sequence[str], term: str) -> int:
    """Make an access key and return its number."""
    (secret,) = db.execute("UPDATE counter SET next_secret = next_secret * 48271 % 2147483647 RETURNING next_secret")
    row = db.execute(
        "INSERT INTO access_key (name, scopes, term, used, secret, is_new) VALUES (?, ?, ?, 'Never', ?, 1) "
        "RETURNING number",
        (name, ", ".join(scopes), term, f"hk-{secret[0]:08x}"),
    ).fetchone()
    return int(row[0])


def show_secret(db: sqlite3.Connection, row: sqlite3.Row) -> str:
    """Return a new key's secret when it is first asked for, and "" ever after."""
    if not row["secret"] or row["shown"]:
        return ""
    db.execute("UPDATE access_key SET shown = 1 WHERE number = ?", (row["number"],))
    return str(row["secret"])


def revoke(db: sqlite3.Connection, number: int) -> None:
    """Make an access key invalid."""
    db.execute("UPDATE access_key SET revoked = 1 WHERE number = ?", (number,))


def devices(db: sqlite3.Connection, query: str) -> list[sqlite3.Row]:
    """Return the devices that are signed in and whose names hold every word of a query."""
    words = query.lower().split()
    rows = db.execute("SELECT * FROM device WHERE NOT signed_out ORDER BY number").fetchall()
    return [row for row in rows if all(word in row["name"].lower() for word in words)]


def sign_out(db: sqlite3.Connection, number: int) -> str | None:
    """Sign a device out and return its name; None if there is no such one."""
    row = db.execute(
        "UPDATE device SET signed_out = 1 WHERE number = ? AND NOT signed_out RETURNING name", (number,)
    ).fetchone()
    return None if row is None else str(row[0])


def state(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the workspace as `ConsoleApp` describes it."""
    changed = db.execute("SELECT * FROM setting WHERE value != first").fetchall()
    members_now = db.execute(
        "SELECT * FROM member WHERE NOT removed AND (role != first_role OR active != first_active) ORDER BY number"
    )
    wanted = db.execute("SELECT used FROM access_key JOIN task ON task.key = access_key.name").fetchone()
    return {
        "settings": {row["key"]: row["value"] for row in changed},
        "saves": db.execute("SELECT saves FROM counter").fetchone()[0],
        "members": [
            {"name": row["name"], "role": row["role"], "active": bool(row["active"])} for row in members_now.fetchall()
        ],
        "removed": [name for (name,) in db.execute("SELECT name FROM member WHERE removed ORDER BY number")],
        "invitations": [
            {
                "email": row["email"],
                "role": row["role"],
                "teams": [team for team in row["teams"].split(",") if team],
                "message": row["message"],
            }
            for row in db.execute("SELECT * FROM invitation ORDER BY number").fetchall()
        ],
        "keys": [
            {"name": row["name"], "scopes": row["scopes"].split(", "), "term": row["term"], "secret": row["secret"]}
            for row in db.execute("SELECT * FROM access_key WHERE is_new ORDER BY number").fetchall()
        ],
        "revoked": [name for (name,) in db.execute("SELECT name FROM access_key WHERE revoked ORDER BY number")],
        "signed_out": [name for (name,) in db.execute("SELECT name FROM device WHERE signed_out ORDER BY number")],
        "wanted": None if wanted is None else {"used": wanted[0]},
    }


__all__ = [
    "ORDERS",
    "SCHEMA",
    "add_key",
    "change_member",
    "devices",
    "fill",
    "invite",
    "key",
    "keys",
    "member",
    "members",
    "remove_member",
    "revoke",
    "save",
    "settings",
    "show_secret",
    "sign_out",
    "state",
]
