"""What claims there are: people, amounts, dates and states, drawn from the episode's seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from ....sandbox.errors import TaskError
from ..people import draw_people
from ..website import text_parameter

CATEGORIES = ("Books", "Coffee", "Dinner", "Flight", "Hotel", "Lunch", "Paper", "Parking", "Taxi", "Train")
CENTRES = ("Board", "Design", "Finance", "Legal", "Market", "Office", "Sales", "Support")
STATES = ("Open", "Approved", "Rejected", "Returned")
NOTES = ("Client visit", "Conference", "Moving day", "New year plan", "Spare parts", "Team day", "Training", "Workshop")
CLAIMS = 240
PEOPLE = 60
ROWS_PER_PAGE = 8
LAST_DAY = date(2025, 6, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One cost of a claim."""

    category: str
    cents: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim as an episode starts with it; its address is CL-<number>."""

    number: int
    person: str
    centre: str
    day: str
    state: str
    items: tuple[Item, ...]

    @property
    def cents(self) -> int:
        """What it comes to."""
        return sum(item.cents for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a task says of the claim that it is about; None for what it leaves open.

    Attributes:
        number: the claim's number; None if the task is about none.
        person: whose it is. This person has two more claims, an approved and a rejected one.
        state: its state at first.
        cents: what it comes to, with one item.
        item: category of its only item.
        largest: whether it is the largest of those that are open.
    """

    number: int | None
    person: str | None
    state: str
    cents: int | None
    item: str | None
    largest: bool


def wanted_of(parameters: Mapping[str, Any]) -> Wanted:
    """Read a task's parameters.

    Raises:
        TaskError: one is none of what the application has.
    """

    def text(name: str, known: tuple[str, ...] = ()) -> str | None:
        if name not in parameters:
            return None
        value = text_parameter("claims", parameters, name)
        if known and value not in known:
            raise TaskError(
                f"the application 'claims' expects {name!r} to be one of {', '.join(known)}; it got {value!r}"
            )
        return value

    claim, amount = text("claim"), text("claim_amount")
    if claim is not None and not (claim.startswith("CL-") and claim[3:].isdigit() and 1000 <= int(claim[3:]) <= 9999):
        raise TaskError(f"the application 'claims' expects a claim such as 'CL-4821', got {claim!r}")
    if amount is not None and not amount.replace(".", "", 1).isdigit():
        raise TaskError(f"the application 'claims' expects an amount such as '24.50', got {amount!r}")
    return Wanted(
        number=None if claim is None else int(claim[3:]),
        person=text("person"),
        state=text("claim_state", STATES) or "Open",
        cents=None if amount is None else round(float(amount) * 100),
        item=text("claim_item", CATEGORIES),
        largest="largest" in parameters,
    )


def draw_claims(rng: np.random.Generator, wanted: Wanted) -> list[Claim]:
    """Return all claims, numbered without a gap."""
    given = () if wanted.person is None else (wanted.person,)
    people = draw_people(rng, PEOPLE - len(given), without=given)
    place = int(rng.integers(20, CLAIMS - 20))
    first = int(rng.integers(1000, 9000)) if wanted.number is None else max(wanted.number - place, 760)
    others = rng.choice([i for i in range(CLAIMS) if first + i != wanted.number], size=2, replace=False).tolist()
    days = sorted(rng.integers(0, 360, size=CLAIMS).tolist(), reverse=True)
    states = rng.choice(STATES, size=CLAIMS, p=[0.4, 0.3, 0.15, 0.15]).tolist()
    whose = rng.integers(len(people), size=CLAIMS).tolist()
    centres = rng.integers(len(CENTRES), size=CLAIMS).tolist()
    cents = rng.choice(np.arange(1000, 60000), size=(CLAIMS, 2), replace=False).tolist()
    kinds = rng.integers(len(CATEGORIES), size=(CLAIMS, 2)).tolist()
    notes = rng.integers(len(NOTES), size=(CLAIMS, 2)).tolist()
    two = rng.integers(2, size=CLAIMS).tolist()
    claims = []
    for i in range(CLAIMS):
        is_wanted = first + i == wanted.number
        items = [Item(category=CATEGORIES[kinds[i][j]], cents=cents[i][j], note=NOTES[notes[i][j]]) for j in (0, 1)]
        person, state = people[whose[i]], str(states[i])
        if is_wanted:
            person, state = wanted.person or person, wanted.state
            amount = 250_000 + cents[i][0] if wanted.largest else wanted.cents or cents[i][0]
            items = [Item(category=wanted.item or items[0].category, cents=amount, note=items[0].note)]
        elif i in others and wanted.person is not None:
            person, state = wanted.person, "Approved" if i == others[0] else "Rejected"
        claims.append(
            Claim(
                number=first + i,
                person=person,
                centre=CENTRES[centres[i]],
                day=(LAST_DAY - timedelta(days=days[i])).isoformat(),
                state=state,
                items=tuple(items if two[i] or is_wanted else items[:1]),
            )
        )
    return claims


__all__ = [
    "CATEGORIES",
    "CENTRES",
    "CLAIMS",
    "LAST_DAY",
    "NOTES",
    "ROWS_PER_PAGE",
    "STATES",
    "Claim",
    "Item",
    "Wanted",
    "draw_claims",
    "wanted_of",
]
