"""Names of people, which several applications draw from."""

from __future__ import annotations

import numpy as np

FIRST_NAMES = (
    "Ada", "Adam", "Alice", "Anna", "Ben", "Carl", "Clara", "David", "Emma", "Eva",
    "Frank", "Grace", "Helen", "Jack", "John", "Kate", "Lucy", "Mark", "Nina", "Paul",
)  # fmt: skip
LAST_NAMES = (
    "Baker", "Bell", "Brown", "Carter", "Cook", "Fisher", "Ford", "Green", "Hill", "King",
    "Lane", "Miles", "Moore", "Parker", "Reed", "Rose", "Stone", "Taylor", "White", "Young",
)  # fmt: skip
DOMAIN = "harbor.example"


def draw_people(rng: np.random.Generator, count: int, *, without: tuple[str, ...] = ()) -> list[str]:
    """Return names of people, none twice.

    Args:
        rng: what draws them.
        count: how many; at most 390.
        without: names that are not among them, nor is one that a search for these words would find as well: a search
            for Ada Baker finds Adam Baker.
    """
    everybody = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
    taken = [name.lower().split() for name in without]
    free = [name for name in everybody if not any(all(word in name.lower() for word in words) for words in taken)]
    return [free[i] for i in rng.permutation(len(free))[:count].tolist()]


def address_of(person: str) -> str:
    """Return a person's e-mail address: both names and the domain."""
    return f"{person.lower().replace(' ', '.')}@{DOMAIN}"


__all__ = ["DOMAIN", "FIRST_NAMES", "LAST_NAMES", "address_of", "draw_people"]
