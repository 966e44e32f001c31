"""The figures in their database, schedules and reports that were made, and what was exported."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from .content import MONTHS, Order, Wanted

SCHEMA = """
CREATE TABLE sale (
    number INTEGER PRIMARY KEY, customer TEXT NOT NULL, region TEXT NOT NULL, quarter TEXT NOT NULL,
    product TEXT NOT NULL, amount INTEGER NOT NULL, state TEXT NOT NULL
);
CREATE TABLE month (region TEXT NOT NULL, position INTEGER NOT NULL, revenue INTEGER NOT NULL);
CREATE TABLE schedule (number INTEGER PRIMARY KEY, report TEXT, frequency TEXT, day TEXT, recipients TEXT, format TEXT);
CREATE TABLE report (number INTEGER PRIMARY KEY, title TEXT, measure TEXT, split TEXT, regions TEXT, chart TEXT);
CREATE TABLE request (number INTEGER PRIMARY KEY, dashboard TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE event (number INTEGER PRIMARY KEY, what TEXT NOT NULL, name TEXT NOT NULL,
    sha256 TEXT NOT NULL DEFAULT '');
CREATE TABLE task (region TEXT, quarter TEXT);
"""

ORDERS = {
    "Order": "number",
    "Customer": "customer",
    "Region": "region",
    "Quarter": "quarter",
    "Product": "product",
    "Amount": "amount",
    "Status": "state",
}
"""Columns that the orders can be ordered by, as SQL."""


def fill(db: sqlite3.Connection, orders: Sequence[Order], months: Mapping[str, Sequence[int]], wanted: Wanted) -> None:
    """Put the drawn figures into the empty tables."""
    db.executemany(
        "INSERT INTO sale VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(o.number, o.customer, o.region, o.quarter, o.product, o.amount, o.state) for o in orders],
    )
    db.executemany(
        "INSERT INTO month VALUES (?, ?, ?)",
        [(region, i, revenue) for region, its_months in months.items() for i, revenue in enumerate(its_months)],
    )
    db.execute("INSERT INTO task VALUES (?, ?)", (wanted.region, wanted.quarter))


def orders(
    db: sqlite3.Connection, *, region: str, quarter: str, state: str, order: str, down: bool
) -> list[sqlite3.Row]:
    """Return the orders that fit; "" asks for nothing, and `order` is a key of `ORDERS`."""
    way = "DESC" if down else "ASC"
    return db.execute(
        "SELECT * FROM sale WHERE (? = '' OR region = ?) AND (? = '' OR quarter = ?) AND (? = '' OR state = ?) "
        f"ORDER BY {ORDERS[order]} {way}, number DESC",
        (region, region, quarter, quarter, state, state),
    ).fetchall()


def find(db: sqlite3.Connection, number: int) -> sqlite3.Row | None:
    """Return an order."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM sale WHERE number = ?", (number,)).fetchone()
    return row


def months(db: sqlite3.Connection, region: str) -> list[tuple[str, int]]:
    """Return the revenue of a region's months in their order."""
    rows = db.execute("SELECT position, revenue FROM month WHERE region = ? ORDER BY position", (region,))
    return [(MONTHS[position], int(revenue)) for position, revenue in rows]


def csv_of(rows: Sequence[sqlite3.Row]) -> bytes:
    """Return orders as a CSV file, in the order of their numbers."""
    lines = ["Order,Customer,Region,Quarter,Product,Amount,Status"]
    for row in sorted(rows, key=lambda row: int(row["number"])):
        cells = (row["customer"], row["region"], row["quarter"], row["product"], row["amount"], row["state"])
        lines.append(",".join([f"OR-{row['number']}", *map(str, cells)]))
    return ("\n".join(lines) + "\n").encode()


def add_schedule(db: sqlite3.Connection, given: Mapping[str, str]) -> None:
    """Let a report be sent again and again."""
    db.execute(
        "INSERT INTO schedule (report, frequency, day, recipients, format) VALUES (?, ?, ?, ?, ?)",
        tuple(given[key] for key in ("report", "frequency", "day", "recipients", "format")),
    )


def add_report(db: sqlite3.Connection, given: Mapping[str, str], regions: Sequence[str]) -> int:
    """Keep a report of one's own and return its number."""
    row = db.execute(
        "INSERT INTO report (title, measure, split, regions, chart) VALUES (?, ?, ?, ?, ?) RETURNING number",
        (given["title"], given["measure"], given["split"], ",".join(regions), given["chart"]),
    ).fetchone()
    return int(row[0])


def rows_of(db: sqlite3.Connection, report: sqlite3.Row) -> list[tuple[str, int]]:
    """Return what a report of one's own shows: (name, figure) of every row."""
    regions = report["regions"].split(",")
    figure = {"Revenue": "sum(amount)", "Orders": "count(*)", "Largest order": "max(amount)"}[report["measure"]]
    split = {"Region": "region", "Quarter": "quarter", "Product": "product", "Status": "state"}[report["split"]]
    marks = ",".join("?" * len(regions))
    return [
        (str(name), int(value))
        for name, value in db.execute(
            f"SELECT {split}, {figure} FROM sale WHERE region IN ({marks}) GROUP BY {split} ORDER BY {split}", regions
        )
    ]


def ask_for(db: sqlite3.Connection, dashboard: str, reason: str) -> None:
    """Note that somebody asks to see a dashboard."""
    db.execute("INSERT INTO request (dashboard, reason) VALUES (?, ?)", (dashboard, reason))


def note(db: sqlite3.Connection, what: str, name: str, content: bytes = b"") -> None:
    """Remember an `export` or a `view`."""
    digest = hashlib.sha256(content).hexdigest() if what == "export" else ""
    db.execute("INSERT INTO event (what, name, sha256) VALUES (?, ?, ?)", (what, name, digest))


def state(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the figures as `InsightsApp` describes them."""
    events = db.execute("SELECT * FROM event ORDER BY number").fetchall()
    return {
        "viewed": [e["name"] for e in events if e["what"] == "view"],
        "exports": [{"file": e["name"], "sha256": e["sha256"]} for e in events if e["what"] == "export"],
        "schedules": [
            {key: row[key] for key in ("report", "frequency", "day", "recipients", "format")}
            for row in db.execute("SELECT * FROM schedule ORDER BY number").fetchall()
        ],
        "reports": [
            {key: row[key] for key in ("title", "measure", "split", "chart")} | {"regions": row["regions"].split(",")}
            for row in db.execute("SELECT * FROM report ORDER BY number").fetchall()
        ],
        "requests": [
            {"dashboard": row["dashboard"], "reason": row["reason"]}
            for row in db.execute("SELECT * FROM request ORDER BY number").fetchall()
        ],
        "wanted": _wanted(db),
    }


def _wanted(db: sqlite3.Connection) -> dict[str, Any]:
    """Return what is true of the region and the quarter that the task is about, and of the latest orders."""
    region, quarter = db.execute("SELECT region, quarter FROM task").fetchone()
    own = months(db, region or "")
    total = db.execute(
        "SELECT coalesce(sum(amount), 0) FROM sale WHERE region = ? AND quarter = ?", (region, quarter)
    ).fetchone()[0]
    top = db.execute("SELECT customer, number FROM sale WHERE state = 'Late' ORDER BY amount DESC").fetchone()
    return {
        "revenue": sum(revenue for _, revenue in own),
        "best_month": max(own, key=lambda month: month[1])[0] if own else None,
        "total": total,
        "top_customer": None if top is None else top["customer"],
    }


__all__ = [
    "ORDERS",
    "SCHEMA",
    "add_report",
    "add_schedule",
    "ask_for",
    "csv_of",
    "fill",
    "find",
    "months",
    "note",
    "orders",
    "rows_of",
    "state",
]
