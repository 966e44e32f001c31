"""The drive in its database: folders and files, what became of them, and what was asked of them."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .content import LAST_DAY, ROOT, DrawnFile, Wanted, all_folders

SCHEMA = """
CREATE TABLE folder (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, parent INTEGER REFERENCES folder,
    is_new INTEGER NOT NULL DEFAULT 0);
CREATE TABLE file (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    folder INTEGER NOT NULL REFERENCES folder,
    content BLOB NOT NULL,
    modified TEXT NOT NULL,
    starred INTEGER NOT NULL DEFAULT 0,
    place TEXT NOT NULL DEFAULT 'drive' CHECK (place IN ('drive', 'bin', 'gone')),
    first_name TEXT,
    first_folder INTEGER,
    first_place TEXT
);
CREATE INDEX file_folder ON file (folder);
CREATE TABLE event (number INTEGER PRIMARY KEY, what TEXT NOT NULL, name TEXT NOT NULL,
    sha256 TEXT NOT NULL DEFAULT '');
CREATE TABLE task (place TEXT);
"""
# What was uploaded has no first name, folder and place.

MAX_NAME_CHARS = 60
ORDERS = {
    "Name": "file.name",
    "Size": "length(content)",
    "Modified": "modified",
    "Type": "substr(file.name, instr(file.name, '.'))",
}
"""Columns that a list of files can be ordered by, as SQL."""
_COLUMNS = (
    "file.number, file.name, folder.name AS folder, length(content) AS size_bytes, modified, starred, place, "
    "content, first_name"
)


def fill(db: sqlite3.Connection, files: Mapping[str, Sequence[DrawnFile]], wanted: Wanted) -> None:
    """Put the drawn folders and files into the empty drive."""
    db.execute("INSERT INTO folder (number, name) VALUES (1, ?)", (ROOT,))
    numbers = {ROOT: 1}
    for name in all_folders():
        parent = numbers.get(name.rpartition(" ")[0], 1)
        numbers[name] = len(numbers) + 1
        db.execute("INSERT INTO folder (number, name, parent) VALUES (?, ?, ?)", (numbers[name], name, parent))
    rows = [
        (f.name, numbers[folder], f.text.encode(), f.modified, "drive", f.name, numbers[folder], "drive")
        for folder, its_files in files.items()
        for f in its_files
    ]
    rows.sort()  # so that a number tells nothing of the place
    if wanted.binned is not None and wanted.place is not None:
        text = DrawnFile(name=wanted.binned, days=9, lines=5, figure=1000 + len(wanted.binned), sentence=0).text
        number = numbers[wanted.place]
        rows.append((wanted.binned, number, text.encode(), LAST_DAY.isoformat(), "bin", wanted.binned, number, "bin"))
    db.executemany(
        "INSERT INTO file (name, folder, content, modified, place, first_name, first_folder, first_place) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    db.execute("INSERT INTO task VALUES (?)", (wanted.place,))


def folder_by_slug(db: sqlite3.Connection, slug: str) -> sqlite3.Row | None:
    """Return the folder whose name stands so in an address: with hyphens for its blanks."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM folder WHERE replace(name, ' ', '-') = ? ORDER BY number", (slug,)
    ).fetchone()
    return row


def trail(db: sqlite3.Connection, number: int) -> list[str]:
    """Return the names of the folders from the root to this one."""
    names: list[str] = []
    row = db.execute("SELECT name, parent FROM folder WHERE number = ?", (number,)).fetchone()
    while row is not None:
        names.append(row[0])
        row = db.execute("SELECT name, parent FROM folder WHERE number = ?", (row[1],)).fetchone()
    return names[::-1]


def folders_in(db: sqlite3.Connection, number: int) -> list[str]:
    """Return the names of the folders directly in a folder."""
    return [n for (n,) in db.execute("SELECT name FROM folder WHERE parent = ? ORDER BY name", (number,))]


def folder_names(db: sqlite3.Connection) -> list[str]:
    """Return the names of all folders, the root first."""
    return [n for (n,) in db.execute("SELECT name FROM folder ORDER BY number > 1, name")]


def files_in(db: sqlite3.Connection, number: int, *, order: str, down: bool) -> list[sqlite3.Row]:
    """Return the files directly in a folder; `order` is a key of `ORDERS`."""
    return _files(db, "file.folder = ? AND place = 'drive'", (number,), order=order, down=down)


def files_like(db: sqlite3.Connection, query: str) -> list[sqlite3.Row]:
    """Return the files whose names hold every word of a query."""
    rows = _files(db, "place = 'drive'", (), order="Name", down=False)
    words = query.lower().split()
    return [row for row in rows if all(word in row["name"].lower() for word in words)]


def starred(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Return the files with a star."""
    return _files(db, "starred AND place = 'drive'", (), order="Name", down=False)


def binned(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Return the files in the bin."""
    return _files(db, "place = 'bin'", (), order="Name", down=False)


def find(db: sqlite3.Connection, number: int, place: str = "drive") -> sqlite3.Row | None:
    """Return a file by its number, if it lies in the drive, or in the bin."""
    rows = _files(db, "file.number = ? AND place = ?", (number, place), order="Name", down=False)
    return rows[0] if rows else None


def _files(db: sqlite3.Connection, where: str, values: Sequence[Any], *, order: str, down: bool) -> list[sqlite3.Row]:
    way = "DESC" if down else "ASC"
    return db.execute(
        f"SELECT {_COLUMNS} FROM file JOIN folder ON folder.number = file.folder WHERE {where} "
        f"ORDER BY {ORDERS[order]} {way}, file.name",
        tuple(values),
    ).fetchall()


def name_problem(db: sqlite3.Connection, name: str, folder: int | None) -> str:
    """Return what is wrong with a new name of a file in a folder, or of a folder if `folder` is None; "" if nothing."""
    if not name:
        return "Name is missing"
    if len(name) > MAX_NAME_CHARS:
        return "Name is too long"
    if not all(c.isalnum() or c in " .-_" for c in name) or name[0] in ". ":
        return "Name may hold letters, digits, blanks, dots and hyphens"
    if folder is None:
        taken = db.execute(
            "SELECT 1 FROM folder WHERE lower(replace(name, ' ', '-')) = ?", (name.lower().replace(" ", "-"),)
        )
    else:
        taken = db.execute(
            "SELECT 1 FROM file WHERE folder = ? AND place = 'drive' AND lower(name) = ?", (folder, name.lower())
        )
    return f"{name} is here already" if taken.fetchone() else ""


def add_folder(db: sqlite3.Connection, name: str, parent: int) -> None:
    """Make a folder in another one."""
    db.execute("INSERT INTO folder (name, parent, is_new) VALUES (?, ?, 1)", (name, parent))


def add_file(db: sqlite3.Connection, name: str, folder: int, content: bytes) -> None:
    """Take an uploaded file."""
    db.execute(
        "INSERT INTO file (name, folder, content, modified) VALUES (?, ?, ?, ?)",
        (name, folder, content, LAST_DAY.isoformat()),
    )


def rename(db: sqlite3.Connection, number: int, name: str) -> None:
    """Give a file another name."""
    db.execute("UPDATE file SET name = ? WHERE number = ?", (name, number))


def move(db: sqlite3.Connection, numbers: Iterable[int], folder: int) -> None:
    """Put files into another folder."""
    db.executemany("UPDATE file SET folder = ? WHERE number = ?", [(folder, number) for number in numbers])


def put(db: sqlite3.Connection, numbers: Iterable[int], place: str) -> None:
    """Put files into the bin, or back into the drive, or away for good."""
    db.executemany("UPDATE file SET place = ? WHERE number = ?", [(place, number) for number in numbers])


def star(db: sqlite3.Connection, number: int, *, on: bool) -> None:
    """Give a file a star, or take it away."""
    db.execute("UPDATE file SET starred = ? WHERE number = ?", (on, number))


def note(db: sqlite3.Connection, what: str, name: str, content: bytes = b"") -> None:
    """Remember that something was asked for: a `download`, a `search` or a `view`."""
    digest = hashlib.sha256(content).hexdigest() if what == "download" else ""
    db.execute("INSERT INTO event (what, name, sha256) VALUES (?, ?, ?)", (what, name, digest))


def archive_of(files: Iterable[sqlite3.Row]) -> bytes:
    """Return a zip of files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in sorted(files, key=lambda row: str(row["name"])):
            archive.writestr(zipfile.ZipInfo(row["name"]), row["content"], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def state(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the drive as `DriveApp` describes it."""
    folders = dict(db.execute("SELECT number, name FROM folder").fetchall())
    changed = db.execute(
        "SELECT * FROM file WHERE starred OR first_name IS NULL OR name != first_name OR folder != first_folder "
        "OR place != first_place ORDER BY number"
    ).fetchall()
    old = [row for row in changed if row["first_name"] is not None]
    events = db.execute("SELECT * FROM event ORDER BY number").fetchall()
    return {
        "renamed": [
            {"from": row["first_name"], "to": row["name"], "folder": folders[row["folder"]]}
            for row in old
            if row["name"] != row["first_name"]
        ],
        "moved": [
            {"name": row["name"], "from": folders[row["first_folder"]], "to": folders[row["folder"]]}
            for row in old
            if row["folder"] != row["first_folder"]
        ],
        "binned": [row["name"] for row in old if row["place"] == "bin" != row["first_place"]],
        "restored": [row["name"] for row in old if row["place"] == "drive" != row["first_place"]],
        "destroyed": [row["name"] for row in changed if row["place"] == "gone"],
        "starred": [row["name"] for row in changed if row["starred"] and row["place"] == "drive"],
        "uploaded": [
            {
                "name": row["name"],
                "folder": folders[row["folder"]],
                "size_bytes": len(row["content"]),
                "sha256": hashlib.sha256(row["content"]).hexdigest(),
            }
            for row in changed
            if row["first_name"] is None and row["place"] == "drive"
        ],
        "created": [
            {"name": row["name"], "parent": folders[row["parent"]]}
            for row in db.execute("SELECT * FROM folder WHERE is_new ORDER BY number")
        ],
        "downloads": [{"name": e["name"], "sha256": e["sha256"]} for e in events if e["what"] == "download"],
        "searches": [e["name"] for e in events if e["what"] == "search"],
        "viewed": [e["name"] for e in events if e["what"] == "view"],
        "place": _place(db),
    }


def _place(db: sqlite3.Connection) -> dict[str, Any] | None:
    """Return what was true at first of the folder that the task is about; None if it is about none."""
    rows = db.execute(
        "SELECT file.first_name AS name, length(content) AS size_bytes, modified, folder.name AS folder FROM file "
        "JOIN folder ON folder.number = first_folder JOIN task ON task.place = folder.name "
        "WHERE first_place = 'drive' ORDER BY modified"
    ).fetchall()
    if not rows:
        return None
    largest = max(rows, key=lambda row: int(row["size_bytes"]))
    return {
        "name": rows[0]["folder"],
        "files": len(rows),
        "largest": {"name": largest["name"], "size_bytes": largest["size_bytes"]},
        "newest": rows[-1]["name"],
        "oldest": rows[0]["name"],
    }


__all__ = [
    "MAX_NAME_CHARS",
    "ORDERS",
    "SCHEMA",
    "add_file",
    "add_folder",
    "archive_of",
    "binned",
    "files_in",
    "files_like",
    "fill",
    "find",
    "folder_by_slug",
    "folder_names",
    "folders_in",
    "move",
    "name_problem",
    "note",
    "put",
    "rename",
    "star",
    "starred",
    "state",
    "trail",
]
