"""What the dashboards are about: orders of a year by region and quarter, drawn from the episode's seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....sandbox.errors import TaskError
from ..people import draw_people
from ..website import text_parameter

REGIONS = ("North", "South", "East", "West", "Coast", "Valley", "River", "Island")
QUARTERS = ("Spring", "Summer", "Autumn", "Winter")
STATES = ("Paid", "Open", "Late", "Refunded")
PRODUCTS = ("Bench", "Chair", "Desk", "Lamp", "Mirror", "Piano", "Shelf", "Stool", "Table", "Tent")
MONTHS = ("January", "February", "March", "April", "May", "June")
ORDERS = 320
ROWS_PER_PAGE = 8
CLOSED = "Payroll"
"""A dashboard that has to be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order; its address is OR-<number>."""

    number: int
    customer: str
    region: str
    quarter: str
    product: str
    amount: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a task says of the figures; None for what it leaves open.

    Attributes:
        region: the region that it is about.
        quarter: the quarter, of this region's orders.
        best_month: the region's month with the largest revenue.
        total: what the region's orders of the quarter come to.
        revenues: what the orders of some regions come to, and so their months.
        top_customer: whose order is the largest of all that are late.
    """

    region: str | None
    quarter: str | None
    best_month: str | None
    total: int | None
    revenues: Mapping[str, int]
    top_customer: str | None


def wanted_of(parameters: Mapping[str, Any]) -> Wanted:
    """Read a task's parameters.

    Raises:
        TaskError: one is none of what the application has, or no whole number.
    """

    def text(name: str, known: tuple[str, ...] = ()) -> str | None:
        if name not in parameters:
            return None
        value = text_parameter("insights", parameters, name)
        if known and value not in known:
            raise TaskError(
                f"the application 'insights' expects {name!r} to be one of {', '.join(known)}; it got {value!r}"
            )
        return value

    def number(name: str) -> int | None:
        value = text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and 1000 <= int(value) <= 90_000):
            raise TaskError(
                f"the application 'insights' expects {name!r} to be a whole number from 1000 to 90000, got {value!r}"
            )
        return int(value)

    revenues = {}
    for which in ("", "second_", "third_", "fourth_"):
        region, revenue = text(f"{which}region", REGIONS), number(f"{which}revenue")
        if region is not None and revenue is not None:
            revenues[region] = revenue
    return Wanted(
        region=text("region", REGIONS),
        quarter=text("quarter", QUARTERS),
        best_month=text("best_month", MONTHS),
        total=number("total"),
        revenues=revenues,
        top_customer=text("top_customer"),
    )


def draw_orders(rng: np.random.Generator, wanted: Wanted) -> list[Order]:
    """Return all orders, newest number last; of every region and quarter there are ten.

    Raises:
        TaskError: a total or a revenue cannot be made of its orders.
    """
    given = () if wanted.top_customer is None else (wanted.top_customer,)
    people = draw_people(rng, 80, without=given)
    cells = [(region, quarter) for region in REGIONS for quarter in QUARTERS for _ in range(ORDERS // 32)]
    cells = [cells[i] for i in rng.permutation(ORDERS).tolist()]
    amounts = rng.choice(np.arange(100, 3000), size=ORDERS, replace=False).tolist()
    states = rng.choice(STATES, size=ORDERS, p=[0.6, 0.2, 0.12, 0.08]).tolist()
    whose = rng.integers(len(people), size=ORDERS).tolist()
    what = rng.integers(len(PRODUCTS), size=ORDERS).tolist()
    first = int(rng.integers(1000, 9000))
    customers = [people[i] for i in whose]
    if wanted.region is not None and wanted.quarter is not None and wanted.total is not None:
        own = [i for i, cell in enumerate(cells) if cell == (wanted.region, wanted.quarter)]
        _share_out(rng, amounts, own, wanted.total)
    if wanted.top_customer is not None:
        elsewhere = [
            i
            for i, cell in enumerate(cells)
            if cell != (wanted.region, wanted.quarter) and cell[0] not in wanted.revenues
        ]
        i = elsewhere[int(rng.integers(len(elsewhere)))]
        customers[i], states[i], amounts[i] = wanted.top_customer, "Late", 95_000 + amounts[i]
    for region, revenue in wanted.revenues.items():
        known = (wanted.region, wanted.quarter) if wanted.total is not None else None
        free = [i for i, cell in enumerate(cells) if cell[0] == region and cell != known]
        fixed = sum(amounts[i] for i, cell in enumerate(cells) if cell[0] == region and cell == known)
        _share_out(rng, amounts, free, revenue - fixed)
    return [
        Order(
            number=first + i,
            customer=customers[i],
            region=cells[i][0],
            quarter=cells[i][1],
            product=PRODUCTS[what[i]],
            amount=amounts[i],
            state=str(states[i]),
        )
        for i in range(ORDERS)
    ]


def _share_out(rng: np.random.Generator, amounts: list[int], which: Sequence[int], total: int) -> None:
    """Let these orders come to a total, each to a share of it."""
    if total < len(which):
        raise TaskError(
            f"the application 'insights' expects {len(which)} orders to come to {len(which)} at least, got {total}; "
            "raise the revenue, or lower the total of the quarter"
        )
    shares = np.floor((total - len(which)) * rng.dirichlet(np.full(len(which), 6.0))).astype(int) + 1
    shares[0] += total - int(shares.sum())
    for i, share in zip(which, shares.tolist(), strict=True):
        amounts[i] = share


def draw_months(rng: np.random.Generator, wanted: Wanted, orders: Sequence[Order]) -> dict[str, list[int]]:
    """Return the revenue of every region by month, the closed dashboard's among them; one month is the best.

    A region's revenue is the sum of its months, and what its orders come to.
    """
    drawn: dict[str, list[int]] = {}
    sold: Counter[str] = Counter()
    for order in orders:
        sold[order.region] += order.amount
    for region in (*REGIONS, CLOSED):
        total = sold[region] if region in REGIONS else int(rng.integers(20_000, 80_000))
        best = int(rng.integers(len(MONTHS)))
        if region == wanted.region and wanted.best_month is not None:
            best = MONTHS.index(wanted.best_month)
        weights = rng.uniform(0.7, 1.0, size=len(MONTHS))
        weights[best] = 1.3
        months = np.floor(total * weights / weights.sum()).astype(int)
        months[best] += total - int(months.sum())
        drawn[region] = months.tolist()
    return drawn


__all__ = [
    "CLOSED",
    "MONTHS",
    "ORDERS",
    "PRODUCTS",
    "QUARTERS",
    "REGIONS",
    "ROWS_PER_PAGE",
    "STATES",
    "Order",
    "Wanted",
    "draw_months",
    "draw_orders",
    "wanted_of",
]
