"""The shop application: search and filter products, put them into a cart, order them; staff change the stock."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..desk import Desk, fields, found, number_of, say, see_other, sheet_of
from ..website import database, slug, text_parameter
from . import store
from .content import CATEGORIES, MAKERS, ROWS_PER_PAGE, draw_products, wanted_of

DELIVERIES = ("Standard", "Express", "Pick up")
PAYMENTS = ("Invoice", "Card on delivery", "Gift card")
CHECKOUT_S = 0.08
"""How long an order takes to be placed, in seconds of real time."""

_ADDRESS = ("name", "street", "city", "postcode", "delivery", "payment")
_LIMITS = {"name": 60, "street": 80, "city": 60}
_PRICE = re.compile(r"(?P<whole>[0-9]{1,5})(?:[.](?P<cents>[0-9]{2}))?")


class ShopApp(Desk):
    """Six categories of five things, each by ten makers: three hundred products named "<maker> <thing>".

    Pages: `/`, `/products` (query `q`, `category`, `maker`, `stock`, `sort`, `page`; six a page),
    `/products/<product>`, `/cart`, `/checkout`, `/orders`, `/orders/<number>`, `/wishes`, `/login`, and for staff
    `/staff` and `/staff/products/<product>`.
    Task parameters, none needed: `thing`, with its `maker` (`on_page` "2": not on the first page of a search for the
    thing), `cheapest_maker`, `best_maker`, `price`,
    `in_stock` and `colour`; `cart_first` and `cart_second`, products that lie in
    the cart; `coupon`; `staff` and `code`, who may sign in as staff.
    State: `cart`, and `orders` with their `lines`, of `{product, colour, quantity}`; `coupon`, `wishes`, `searches`,
    `viewed`, `signed_in`; `changed`, the products that are not as they were, `{product, price, stock, shown}`;
    `wanted`, facts about the task's thing at first: `price`, `rating` and `stock` of its maker's, names of the
    `cheapest`, the `dearest` and the `best`.
    """

    name = "shop"
    brand: ClassVar[str] = "Harbor Market"
    folder: ClassVar[Path] = Path(__file__).parent
    schema: ClassVar[str] = store.SCHEMA
    menu: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/", "Shop"),
        ("/cart", "Cart"),
        ("/wishes", "Wish list"),
        ("/orders", "Orders"),
        ("/staff", "Staff"),
    )
    columns: ClassVar[tuple[str, ...]] = ("Price", "Rating", "Stock")
    wordings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "show": ("Show", "Show results"),
        "order": ("Place order", "Place order now"),
        "add": ("Add to cart", "Add to cart today"),
    }

    def fill(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the products, and put into the cart what the task wants there."""
        wanted = wanted_of(parameters)
        given = {
            name: text_parameter(self.name, parameters, name)
            for name in ("cart_first", "cart_second", "coupon", "staff", "code")
            if name in parameters
        }
        store.fill(
            db,
            draw_products(rng, wanted),
            wanted,
            cart=[given[name] for name in ("cart_first", "cart_second") if name in given],
            staff=(given["staff"], given["code"]) if {"staff", "code"} <= given.keys() else None,
            coupon=given.get("coupon"),
            next_order=int(rng.integers(1000, 9000)),
        )

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return cart, orders and what else the visitor has done."""
        return store.state(db)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the pages, and what their forms post to."""
        return [
            Route("/", self._start),
            Route("/products", self._products),
            Route("/products/{product}", self._product),
            Route("/products/{product}/cart", self._add, methods=["POST"]),
            Route("/products/{product}/wish", self._wish, methods=["POST"]),
            Route("/cart", self._cart, methods=["GET"]),
            Route("/cart", self._update, methods=["POST"]),
            Route("/cart/coupon", self._coupon, methods=["POST"]),
            Route("/checkout", self._checkout, methods=["GET"]),
            Route("/checkout", self._order, methods=["POST"]),
            Route("/orders", self._orders),
            Route("/orders/{number}", self._placed),
            Route("/wishes", self._wishes),
            Route("/login", self._login, methods=["GET"]),
            Route("/login", self._sign_in, methods=["POST"]),
            Route("/logout", self._sign_out, methods=["POST"]),
            Route("/staff", self._staff),
            Route("/staff/products/{product}", self._edit, methods=["GET"]),
            Route("/staff/products/{product}", self._change, methods=["POST"]),
        ]

    # ---------------------------------------------------------------- looking

    async def _start(self, request: Request) -> Response:
        picks = store.products(database(request), query="", category="", maker="", in_stock=True, sort="Featured")[:3]
        return self.view(
            request,
            "start.html",
            here="Shop",
            categories=[(f"/products?category={name}", name, things) for name, things in CATEGORIES.items()],
            products=[_shown(row) for row in picks],
        )

    async def _products(self, request: Request) -> Response:
        db = database(request)
        asked = {key: " ".join(request.query_params.get(key, "").split())[:80] for key in ("q", "category", "maker")}
        sort = request.query_params.get("sort", "")
        sort = sort if sort in store.SORTS else "Featured"
        if asked["q"]:
            store.note(db, "search", asked["q"])
        in_stock = bool(request.query_params.get("stock"))
        rows = store.products(
            db, query=asked["q"], category=asked["category"], maker=asked["maker"], in_stock=in_stock, sort=sort
        )
        sheet = sheet_of(rows, request, size=ROWS_PER_PAGE, keep=("q", "category", "maker", "stock"))
        return self.view(
            request,
            "products.html",
            here="Shop",
            asked=asked,
            sort=sort,
            in_stock=in_stock,
            sorts=list(store.SORTS),
            categories=list(CATEGORIES),
            makers=MAKERS,
            sheet=sheet,
            products=[_shown(row) for row in sheet.rows],
        )

    async def _product(self, request: Request) -> Response:
        row = _product(request)
        store.note(database(request), "view", row["name"])
        return self._product_page(request, row)

    def _product_page(
        self, request: Request, row: sqlite3.Row, *, quantity: str = "1", colour: str = "", problem: str = ""
    ) -> Response:
        wished = row["name"] in [wish["name"] for wish in store.wishes(database(request))]
        return self.view(
            request,
            "product.html",
            here="Shop",
            status_code=422 if problem else 200,
            product=_shown(row),
            blurb=row["blurb"],
            colours=row["colours"].split(","),
            colour=colour,
            quantity=quantity,
            wished=wished,
            errors={"quantity": problem} if problem else {},
        )

    async def _wishes(self, request: Request) -> Response:
        rows = store.wishes(database(request))
        return self.view(request, "wishes.html", here="Wish list", products=[_shown(row) for row in rows])

    async def _wish(self, request: Request) -> Response:
        row = _product(request)
        on = store.wish(database(request), row["number"])
        say(database(request), "On your wish list" if on else "Taken off your wish list")
        return see_other(_address(row))

    # ---------------------------------------------------------------- buying

    async def _add(self, request: Request) -> Response:
        db = database(request)
        row = _product(request)
        given = await fields(request, ["quantity", "colour"])
        problem = _quantity_problem(given["quantity"], row["stock"])
        if not problem and given["colour"] not in row["colours"].split(","):
            problem = "Choose one of the colours"
        if problem:
            return self._product_page(request, row, problem=problem, **given)
        store.add_line(db, row["number"], given["colour"], int(given["quantity"]))
        say(db, "Added to cart")
        return see_other(_address(row))

    async def _cart(self, request: Request) -> Response:
        return self._cart_page(request, {})

    def _cart_page(self, request: Request, errors: Mapping[str, str], *, code: str = "") -> Response:
        db = database(request)
        lines = [
            {
                **dict(row),
                "href": f"/products/{slug(row['name'])}",
                "each": _money(row["cents"]),
                "all": _money(row["sum"]),
            }
            for row in store.lines(db)
        ]
        sums = {key: _money(value) for key, value in store.totals(db).items() if key != "coupon"}
        return self.view(
            request,
            "cart.html",
            here="Cart",
            status_code=422 if errors else 200,
            lines=lines,
            sums=sums,
            coupon=store.totals(db)["coupon"],
            code=code,
            errors=errors,
        )

    async def _update(self, request: Request) -> Response:
        db = database(request)
        async with request.form(max_files=0) as form:
            asked = {key: str(value).strip() for key, value in form.multi_items()}
        if "remove" in asked:
            store.set_quantity(db, number_of(asked["remove"]), 0)
            say(db, "Removed from cart")
            return see_other("/cart")
        errors = {}
        for row in store.lines(db):
            key = f"quantity-{row['number']}"
            if problem := _quantity_problem(asked.get(key, ""), row["stock"]):
                errors[key] = problem
        if errors:
            return self._cart_page(request, errors)
        for row in store.lines(db):
            store.set_quantity(db, row["number"], int(asked[f"quantity-{row['number']}"]))
        say(db, "Cart updated")
        return see_other("/cart")

    async def _coupon(self, request: Request) -> Response:
        db = database(request)
        code = (await fields(request, ["coupon"]))["coupon"]
        if not code or not store.use_coupon(db, code):
            return self._cart_page(
                request, {"coupon": "There is no such coupon" if code else "Coupon is missing"}, code=code
            )
        say(db, f"Coupon applied: {store.COUPON_PERCENT} % off")
        return see_other("/cart")

    async def _checkout(self, request: Request) -> Response:
        if not store.lines(database(request)):
            say(database(request), "Your cart is empty")
            return see_other("/cart")
        return self._checkout_page(request, dict.fromkeys(_ADDRESS, ""), {})

    def _checkout_page(self, request: Request, given: Mapping[str, str], errors: Mapping[str, str]) -> Response:
        return self.view(
            request,
            "checkout.html",
            here="Cart",
            status_code=422 if errors else 200,
            given=given,
            errors=errors,
            deliveries=DELIVERIES,
            payments=PAYMENTS,
            total=_money(store.totals(database(request))["left"]),
        )

    async def _order(self, request: Request) -> Response:
        db = database(request)
        given = await fields(request, (*_ADDRESS, "terms"))
        if not store.lines(db):
            return see_other("/cart")
        errors = _address_problems(given)
        if errors:
            return self._checkout_page(request, given, errors)
        await asyncio.sleep(CHECKOUT_S)
        number = store.place(db, given)
        say(db, "Thank you, your order is placed")
        return see_other(f"/orders/HM-{number}")

    async def _orders(self, request: Request) -> Response:
        rows = database(request).execute("SELECT * FROM placed ORDER BY number DESC").fetchall()
        orders = [(f"/orders/HM-{row['number']}", f"Order HM-{row['number']}", _money(row["cents"])) for row in rows]
        return self.view(request, "orders.html", here="Orders", orders=orders)

    async def _placed(self, request: Request) -> Response:
        db = database(request)
        number = number_of(request.path_params["number"].removeprefix("HM-"))
        row = found(db.execute("SELECT * FROM placed WHERE number = ?", (number,)).fetchone())
        return self.view(
            request, "placed.html", here="Orders", order=row, lines=store.lines(db, number), total=_money(row["cents"])
        )

    # ---------------------------------------------------------------- staff

    async def _login(self, request: Request) -> Response:
        return self.view(request, "login.html", here="Staff", given="")

    async def _sign_in(self, request: Request) -> Response:
        db = database(request)
        given = await fields(request, ["name", "code"])
        errors = {key: f"{key.capitalize()} is missing" for key, value in given.items() if not value}
        account = None if errors else store.sign_in(db, given["name"], given["code"])
        if account is None:
            errors = errors or {"code": "Name or code is wrong"}
            return self.view(request, "login.html", here="Staff", status_code=422, given=given["name"], errors=errors)
        say(db, f"Signed in as {account['name']}")
        return see_other("/staff")

    async def _sign_out(self, request: Request) -> Response:
        store.sign_out(database(request))
        say(database(request), "Signed out")
        return see_other("/")

    async def _staff(self, request: Request) -> Response:
        db = database(request)
        if (account := store.signed_in(db)) is None:
            return see_other("/login")
        if account["role"] != "staff":
            raise HTTPException(403)
        query = " ".join(request.query_params.get("q", "").split())[:80]
        sheet = sheet_of(store.named(db, query), request, size=ROWS_PER_PAGE, keep=("q",))
        shown = [_shown(row, "/staff/products") for row in sheet.rows]
        return self.view(
            request, "staff.html", here="Staff", who=account["name"], query=query, sheet=sheet, products=shown
        )

    async def _edit(self, request: Request) -> Response:
        row = _for_staff(request)
        given = {"price": f"{row['cents'] / 100:.2f}", "stock": str(row["stock"]), "shown": "yes" * row["shown"]}
        return self._edit_page(request, row, given, {})

    def _edit_page(
        self, request: Request, row: sqlite3.Row, given: Mapping[str, str], errors: Mapping[str, str]
    ) -> Response:
        return self.view(
            request,
            "edit.html",
            here="Staff",
            status_code=422 if errors else 200,
            name=row["name"],
            action=f"/staff/products/{slug(row['name'])}",
            given=given,
            errors=errors,
        )

    async def _change(self, request: Request) -> Response:
        db = database(request)
        row = _for_staff(request)
        given = await fields(request, ["price", "stock", "shown"])
        price = _PRICE.fullmatch(given["price"])
        errors = {}
        if price is None:
            errors["price"] = "Price is not an amount such as 24.50"
        if not (given["stock"].isascii() and given["stock"].isdigit() and len(given["stock"]) <= 4):
            errors["stock"] = "Stock is not a whole number"
        if price is None or errors:
            return self._edit_page(request, row, given, errors)
        cents = int(price["whole"]) * 100 + int(price["cents"] or 0)
        store.change(db, row["number"], cents=cents, stock=int(given["stock"]), shown=bool(given["shown"]))
        say(db, "Changes saved")
        return see_other(f"/staff/products/{slug(row['name'])}")


def _product(request: Request) -> sqlite3.Row:
    row = found(store.find(database(request), request.path_params["product"]))
    if not row["shown"]:
        raise HTTPException(404)
    return row


def _for_staff(request: Request) -> sqlite3.Row:
    """Return the product of the address; refuse whoever is not signed in as staff."""
    account = store.signed_in(database(request))
    if account is None or account["role"] != "staff":
        raise HTTPException(403)
    return found(store.find(database(request), request.path_params["product"]))


def _address(row: sqlite3.Row) -> str:
    return f"/products/{slug(row['name'])}"


def _shown(row: sqlite3.Row, where: str = "/products") -> dict[str, Any]:
    """Return what pages show of a product; the drawn columns stand under their headings."""
    return {
        "name": row["name"],
        "href": f"{where}/{slug(row['name'])}",
        "category": row["category"],
        "left": row["stock"],
        "hue": row["number"] * 47 % 360,
        "Price": _money(row["cents"]),
        "Rating": f"{row['tenths'] / 10:.1f} of 5",
        "Stock": f"{row['stock']} in stock" if row["stock"] else "Sold out",
    }


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _quantity_problem(text: str, stock: int) -> str:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= store.MAX_QUANTITY and len(text) <= 6):
        return f"Quantity must be a whole number from 1 to {store.MAX_QUANTITY}"
    if int(text) > stock:
        return f"Only {stock} in stock" if stock else "Sold out"
    return ""


def _address_problems(given: Mapping[str, str]) -> dict[str, str]:
    errors = {key: f"{key.capitalize()} is missing" for key in _LIMITS if not given[key]}
    errors |= {key: f"{key.capitalize()} is too long" for key, most in _LIMITS.items() if len(given[key]) > most}
    if not re.fullmatch(r"[0-9]{5}", given["postcode"]):
        errors["postcode"] = "Postcode must have five digits"
    if given["delivery"] not in DELIVERIES:
        errors["delivery"] = "Choose a delivery"
    if given["payment"] not in PAYMENTS:
        errors["payment"] = "Choose a payment"
    if not given["terms"]:
        errors["terms"] = "The terms must be accepted"
    return errors


__all__ = ["CHECKOUT_S", "DELIVERIES", "PAYMENTS", "ShopApp"]
