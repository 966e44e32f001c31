"""What a shop sells: products of fixed names whose prices, ratings, stock and colours the episode's seed draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....sandbox.errors import TaskError
from ..website import text_parameter

CATEGORIES = {
    "Kitchen": ("Kettle", "Toaster", "Pan", "Teapot", "Scale"),
    "Garden": ("Rake", "Spade", "Hose", "Bench", "Lantern"),
    "Office": ("Desk", "Chair", "Lamp", "Printer", "Shelf"),
    "Outdoor": ("Tent", "Backpack", "Hammock", "Torch", "Flask"),
    "Music": ("Guitar", "Violin", "Drum", "Flute", "Speaker"),
    "Bath": ("Mirror", "Towel", "Basket", "Stool", "Robe"),
}
MAKERS = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Larch", "Maple", "Oak", "Willow")
COLOURS = ("Black", "Blue", "Brown", "Green", "Grey", "Orange", "Red", "White", "Yellow")
COLOURS_OF_PRODUCT = 4
ROWS_PER_PAGE = 6
CUSTOMER = ("guest", "guest")

_BLURBS = (
    "Made to last, and easy to mend.",
    "The one that our customers buy again.",
    "Small enough for every home.",
    "Comes with a guarantee of five years.",
    "Light, quiet and simple to clean.",
    "A classic, drawn anew.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as the shop starts with it; `tenths` is its rating in tenths of a star."""

    maker: str
    thing: str
    category: str
    cents: int
    tenths: int
    stock: int
    colours: tuple[str, ...]
    blurb: str

    @property
    def name(self) -> str:
        """Maker and thing, such as "Alder Kettle"."""
        return f"{self.maker} {self.thing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a task says of the products that it is about; None for what it leaves open.

    Attributes:
        thing: what the product is, such as "Kettle".
        maker: who makes the one that is meant; it is in stock.
        cheapest: who makes the cheapest of that thing; it is in stock.
        best: who makes the one with the best rating; it is in stock.
        cents: the price of the one that is meant.
        colour: one of its colours.
        stock: how many of the one that is meant there are.
        late: it stands on the second page of a search for the thing, not on the first.
    """

    thing: str | None
    maker: str | None
    cheapest: str | None
    best: str | None
    cents: int | None
    colour: str | None
    stock: int | None
    late: bool


def wanted_of(parameters: Mapping[str, Any]) -> Wanted:
    """Read a task's parameters.

    Raises:
        TaskError: one names something that the shop does not have.
    """

    def text(name: str, known: tuple[str, ...] = ()) -> str | None:
        if name not in parameters:
            return None
        value = text_parameter("shop", parameters, name)
        if known and value not in known:
            raise TaskError(
                f"the application 'shop' expects {name!r} to be one of {', '.join(known)}; it got {value!r}"
            )
        return value

    price = text("price")
    if price is not None and not price.replace(".", "", 1).isdigit():
        raise TaskError(f"the application 'shop' expects a price such as '24.50', got {price!r}")
    stock = text("in_stock")
    if stock is not None and not (stock.isascii() and stock.isdigit()):
        raise TaskError(f"the application 'shop' expects in_stock to be a whole number, got {stock!r}")
    wanted = Wanted(
        thing=text("thing", all_things()),
        maker=text("maker", MAKERS),
        cheapest=text("cheapest_maker", MAKERS),
        best=text("best_maker", MAKERS),
        cents=None if price is None else round(float(price) * 100),
        colour=text("colour", COLOURS),
        stock=None if stock is None else int(stock),
        late=str(parameters.get("on_page", "1")) == "2",
    )
    if wanted.thing is None and (wanted.maker or wanted.cheapest or wanted.best):
        raise TaskError("the application 'shop' expects the parameter 'thing' beside a maker; add it")
    return wanted


def all_things() -> tuple[str, ...]:
    """Return the names of everything that is sold, without its maker."""
    return tuple(thing for things in CATEGORIES.values() for thing in things)


def draw_products(rng: np.random.Generator, wanted: Wanted) -> list[Product]:
    """Return the products in the order in which the shop shows them; of every thing each maker has one."""
    by_thing = {
        thing: _of_thing(rng, category, thing, wanted) for category, things in CATEGORIES.items() for thing in things
    }
    things = [all_things()[i] for i in rng.permutation(len(by_thing)).tolist()]
    return [by_thing[thing][rank] for rank in range(len(MAKERS)) for thing in things]


def _of_thing(rng: np.random.Generator, category: str, thing: str, wanted: Wanted) -> list[Product]:
    """Return the ten products of one thing; no two cost the same, and no two are rated the same."""
    count = len(MAKERS)
    is_wanted = thing == wanted.thing
    makers = [MAKERS[i] for i in rng.permutation(count).tolist()]
    cents = sorted((rng.choice(np.arange(30, 400), size=count, replace=False) * 50).tolist())
    tenths = sorted(rng.choice(np.arange(28, 50), size=count, replace=False).tolist())
    price_of = dict(zip(_with(rng, makers, wanted.cheapest if is_wanted else None, 0), cents, strict=True))
    rating_of = dict(zip(_with(rng, makers, wanted.best if is_wanted else None, count - 1), tenths, strict=True))
    stock = rng.integers(0, 40, size=count)
    stock[rng.integers(count)] = 0
    if is_wanted and wanted.maker is not None:
        if wanted.cents is not None:
            price_of = {m: c + 1 if c == wanted.cents else c for m, c in price_of.items()} | {
                wanted.maker: wanted.cents
            }
        rank = int(rng.integers(ROWS_PER_PAGE, count)) if wanted.late else int(rng.integers(ROWS_PER_PAGE))
        makers.remove(wanted.maker)
        makers.insert(rank, wanted.maker)
    needed = {wanted.maker, wanted.cheapest, wanted.best} if is_wanted else set()
    products = []
    for i, maker in enumerate(makers):
        colours = [COLOURS[c] for c in rng.permutation(len(COLOURS)).tolist()]
        if maker in needed and wanted.colour is not None:
            colours.remove(wanted.colour)
            colours.insert(int(rng.integers(1, COLOURS_OF_PRODUCT)), wanted.colour)
        left = int(stock[i]) + 10 if maker in needed else int(stock[i])
        if is_wanted and maker == wanted.maker and wanted.stock is not None:
            left = wanted.stock
        products.append(
            Product(
                maker=maker,
                thing=thing,
                category=category,
                cents=price_of[maker],
                tenths=rating_of[maker],
                stock=left,
                colours=tuple(colours[:COLOURS_OF_PRODUCT]),
                blurb=_BLURBS[int(rng.integers(len(_BLURBS)))],
            )
        )
    return products


def _with(rng: np.random.Generator, makers: list[str], one: str | None, place: int) -> list[str]:
    """Return the makers in a drawn order, one of them at a given place."""
    order = [makers[i] for i in rng.permutation(len(makers)).tolist()]
    if one is not None:
        order.remove(one)
        order.insert(place, one)
    return order


__all__ = [
    "CATEGORIES",
    "COLOURS",
    "COLOURS_OF_PRODUCT",
    "CUSTOMER",
    "MAKERS",
    "ROWS_PER_PAGE",
    "Product",
    "Wanted",
    "all_things",
    "draw_products",
    "wanted_of",
]
