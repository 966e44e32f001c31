"""The shop in its database: products, the cart, orders, wishes, accounts, and what was looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from .content import CUSTOMER, Product, Wanted

SCHEMA = """
CREATE TABLE product (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    maker TEXT NOT NULL,
    thing TEXT NOT NULL,
    category TEXT NOT NULL,
    cents INTEGER NOT NULL,
    tenths INTEGER NOT NULL,
    stock INTEGER NOT NULL,
    shown INTEGER NOT NULL DEFAULT 1,
    colours TEXT NOT NULL,
    blurb TEXT NOT NULL,
    first_cents INTEGER NOT NULL,
    first_stock INTEGER NOT NULL
);
CREATE TABLE line (
    number INTEGER PRIMARY KEY,
    product INTEGER NOT NULL REFERENCES product,
    colour TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    orders INTEGER
);
CREATE TABLE placed (number INTEGER PRIMARY KEY, name TEXT, street TEXT, city TEXT, postcode TEXT, delivery TEXT,
    payment TEXT, cents INTEGER, coupon TEXT);
CREATE TABLE wish (product INTEGER PRIMARY KEY REFERENCES product);
CREATE TABLE event (number INTEGER PRIMARY KEY, what TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE account (name TEXT PRIMARY KEY, code TEXT NOT NULL, role TEXT NOT NULL,
    signed_in INTEGER NOT NULL DEFAULT 0);
CREATE TABLE basket (coupon TEXT, known_coupon TEXT, next_order INTEGER NOT NULL);
CREATE TABLE task (thing TEXT, maker TEXT);
"""
# A line without an order lies in the cart.

COUPON_PERCENT = 20
MAX_QUANTITY = 99
SORTS = {
    "Featured": "number",
    "Price: low to high": "cents",
    "Price: high to low": "cents DESC",
    "Rating": "tenths DESC",
    "Name": "name",
}
"""Ways in which products can be ordered, as SQL."""


def fill(
    db: sqlite3.Connection,
    products: Sequence[Product],
    wanted: Wanted,
    *,
    cart: Sequence[str],
    staff: tuple[str, str] | None,
    coupon: str | None,
    next_order: int,
) -> None:
    """Stock the empty shop; `cart` holds names of products that lie in the cart, one of each."""
    db.executemany(
        "INSERT INTO product (name, maker, thing, category, cents, tenths, stock, colours, blurb, first_cents, "
        "first_stock) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (p.name, p.maker, p.thing, p.category, p.cents, p.tenths, p.stock, ",".join(p.colours), p.blurb, *first)
            for p in products
            for first in [(p.cents, p.stock)]
        ],
    )
    for name in cart:
        row = find(db, name)
        assert row is not None
        db.execute("UPDATE product SET stock = first_stock + 5, first_stock = first_stock + 5 WHERE name = ?", (name,))
        add_line(db, row["number"], row["colours"].split(",")[0], 1)
    db.execute("INSERT INTO account (name, code, role) VALUES (?, ?, 'customer')", CUSTOMER)
    if staff is not None:
        db.execute("INSERT INTO account (name, code, role) VALUES (?, ?, 'staff')", staff)
    db.execute("INSERT INTO basket VALUES (NULL, ?, ?)", (coupon, next_order))
    db.execute("INSERT INTO task VALUES (?, ?)", (wanted.thing, wanted.maker))


def find(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """Return a product by its name, or by the name as it stands in an address."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM product WHERE name = ?", (name.replace("-", " "),)).fetchone()
    return row


def products(
    db: sqlite3.Connection, *, query: str, category: str, maker: str, in_stock: bool, sort: str
) -> list[sqlite3.Row]:
    """Return the products that fit; "" asks for nothing, and `sort` is a key of `SORTS`."""
    rows = db.execute(
        "SELECT * FROM product WHERE shown AND (? = '' OR category = ?) AND (? = '' OR maker = ?) AND (NOT ? OR stock) "
        f"ORDER BY {SORTS[sort]}, number",
        (category, category, maker, maker, in_stock),
    ).fetchall()
    words = query.lower().split()
    return [row for row in rows if all(word in f"{row['name']} {row['category']}".lower() for word in words)]


def named(db: sqlite3.Connection, query: str) -> list[sqlite3.Row]:
    """Return all products whose name holds every word of a query, those that are not shown as well."""
    words = query.lower().split()
    rows = db.execute("SELECT * FROM product ORDER BY name").fetchall()
    return [row for row in rows if all(word in row["name"].lower() for word in words)]


def add_line(db: sqlite3.Connection, product: int, colour: str, quantity: int) -> None:
    """Put a product into the cart; more of one that lies there raises its quantity."""
    there = db.execute(
        "SELECT number FROM line WHERE orders IS NULL AND product = ? AND colour = ?", (product, colour)
    ).fetchone()
    if there is None:
        db.execute("INSERT INTO line (product, colour, quantity) VALUES (?, ?, ?)", (product, colour, quantity))
    else:
        db.execute("UPDATE line SET quantity = quantity + ? WHERE number = ?", (quantity, there[0]))


def lines(db: sqlite3.Connection, order: int | None = None) -> list[sqlite3.Row]:
    """Return the lines of an order, or of the cart."""
    return db.execute(
        "SELECT line.number, name, thing, colour, quantity, cents, stock, quantity * cents AS sum FROM line "
        "JOIN product ON product.number = line.product WHERE orders IS ? ORDER BY line.number",
        (order,),
    ).fetchall()


def set_quantity(db: sqlite3.Connection, line: int, quantity: int) -> None:
    """Change how many of a line are wanted; none takes it out of the cart."""
    if quantity:
        db.execute("UPDATE line SET quantity = ? WHERE number = ? AND orders IS NULL", (quantity, line))
    else:
        db.execute("DELETE FROM line WHERE number = ? AND orders IS NULL", (line,))


def use_coupon(db: sqlite3.Connection, code: str) -> bool:
    """Use a coupon for the cart; return whether there is such a one."""
    known = db.execute("SELECT known_coupon FROM basket").fetchone()[0]
    if known is None or code.upper() != known.upper():
        return False
    db.execute("UPDATE basket SET coupon = known_coupon")
    return True


def totals(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the cart's sum, what its coupon takes off, and what is left, in cents."""
    goods = sum(row["sum"] for row in lines(db))
    coupon = db.execute("SELECT coupon FROM basket").fetchone()[0]
    off = goods * COUPON_PERCENT // 100 if coupon else 0
    return {"goods": goods, "off": off, "left": goods - off, "coupon": coupon}


def place(db: sqlite3.Connection, address: Mapping[str, str]) -> int:
    """Order what lies in the cart and return the order's number."""
    number = int(db.execute("UPDATE basket SET next_order = next_order + 1 RETURNING next_order - 1").fetchone()[0])
    sums = totals(db)
    keys = ("name", "street", "city", "postcode", "delivery", "payment")
    db.execute(
        "INSERT INTO placed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, *(address[key] for key in keys), sums["left"], sums["coupon"]),
    )
    db.execute(
        "UPDATE product SET stock = stock - (SELECT sum(quantity) FROM line WHERE orders IS NULL "
        "AND product = product.number), first_stock = first_stock - (SELECT sum(quantity) FROM line "
        "WHERE orders IS NULL AND product = product.number) "
        "WHERE number IN (SELECT product FROM line WHERE orders IS NULL)"
    )
    db.execute("UPDATE line SET orders = ? WHERE orders IS NULL", (number,))
    db.execute("UPDATE basket SET coupon = NULL")
    return number


def wish(db: sqlite3.Connection, product: int) -> bool:
    """Put a product on the wish list, or take it off; return whether it is on it now."""
    if db.execute("DELETE FROM wish WHERE product = ?", (product,)).rowcount:
        return False
    db.execute("INSERT INTO wish VALUES (?)", (product,))
    return True


def wishes(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Return the products on the wish list."""
    return db.execute("SELECT * FROM product WHERE number IN (SELECT product FROM wish) ORDER BY name").fetchall()


def note(db: sqlite3.Connection, what: str, name: str) -> None:
    """Remember a `search` or a `view`."""
    db.execute("INSERT INTO event (what, name) VALUES (?, ?)", (what, name))


def sign_in(db: sqlite3.Connection, name: str, code: str) -> sqlite3.Row | None:
    """Sign in whoever has this name and code, and return the account."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM account WHERE lower(name) = ? AND code = ?", (name.lower(), code)
    ).fetchone()
    if row is not None:
        sign_out(db)
        db.execute("UPDATE account SET signed_in = 1 WHERE name = ?", (row["name"],))
    return row


def sign_out(db: sqlite3.Connection) -> None:
    """Sign out whoever is signed in."""
    db.execute("UPDATE account SET signed_in = 0")


def signed_in(db: sqlite3.Connection) -> sqlite3.Row | None:
    """Return the account that is signed in."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM account WHERE signed_in").fetchone()
    return row


def change(db: sqlite3.Connection, product: int, *, cents: int, stock: int, shown: bool) -> None:
    """Change a product as staff may."""
    db.execute("UPDATE product SET cents = ?, stock = ?, shown = ? WHERE number = ?", (cents, stock, shown, product))


def amount(cents: int) -> int | float:
    """Return an amount of money as a number."""
    return cents / 100 if cents % 100 else cents // 100


def state(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the shop as `ShopApp` describes it."""
    events = db.execute("SELECT what, name FROM event ORDER BY number").fetchall()
    who = signed_in(db)
    return {
        "cart": [_line(row) for row in lines(db)],
        "coupon": totals(db)["coupon"],
        "orders": [
            {key: row[key] for key in ("name", "street", "city", "postcode", "delivery", "payment", "coupon")}
            | {"total": amount(row["cents"]), "lines": [_line(line) for line in lines(db, row["number"])]}
            for row in db.execute("SELECT * FROM placed ORDER BY number").fetchall()
        ],
        "wishes": [row["name"] for row in wishes(db)],
        "searches": [name for what, name in events if what == "search"],
        "viewed": [name for what, name in events if what == "view"],
        "signed_in": None if who is None else who["name"],
        "changed": [
            {"product": row["name"], "price": amount(row["cents"]), "stock": row["stock"], "shown": bool(row["shown"])}
            for row in db.execute(
                "SELECT * FROM product WHERE cents != first_cents OR stock != first_stock OR NOT shown ORDER BY name"
            )
        ],
        "wanted": _wanted(db),
    }


def _line(row: sqlite3.Row) -> dict[str, Any]:
    return {"product": row["name"], "colour": row["colour"], "quantity": row["quantity"]}


def _wanted(db: sqlite3.Connection) -> dict[str, Any] | None:
    """Return what the shop knows of the products that the task is about; None if it is about none."""
    thing, maker = db.execute("SELECT thing, maker FROM task").fetchone()
    if thing is None:
        return None
    rows = db.execute("SELECT * FROM product WHERE thing = ? ORDER BY first_cents", (thing,)).fetchall()
    meant = next((row for row in rows if row["maker"] == maker), None)
    return {
        "price": None if meant is None else amount(meant["first_cents"]),
        "rating": None if meant is None else meant["tenths"] / 10,
        "stock": None if meant is None else meant["first_stock"],
        "cheapest": rows[0]["name"],
        "dearest": rows[-1]["name"],
        "best": max(rows, key=lambda row: int(row["tenths"]))["name"],
    }


__all__ = [
    "COUPON_PERCENT",
    "MAX_QUANTITY",
    "SCHEMA",
    "SORTS",
    "add_line",
    "amount",
    "change",
    "fill",
    "find",
    "lines",
    "named",
    "note",
    "place",
    "products",
    "set_quantity",
    "sign_in",
    "sign_out",
    "signed_in",
    "state",
    "totals",
    "use_coupon",
    "wish",
    "wishes",
]
