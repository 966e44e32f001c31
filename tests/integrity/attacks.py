"""The list of attacks: each test names the one that it plays, and `docs/integrity.md` is made from all of them.

python -m tests.integrity.attacks docs/integrity.md      # writes the tables anew
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

DOCUMENT = Path(__file__).parents[2] / "docs" / "integrity.md"
BEGIN, END = (
    "<!-- attacks: made by `python -m tests.integrity.attacks docs/integrity.md` -->",
    "<!-- end of attacks -->",
)

PACKAGES = ("tests.integrity", "tests.judge")
"""Whose test modules list attacks, in the order of the document."""

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack.

    Attributes:
        id: its name, unique, lower-case words joined by hyphens.
        family: the attacks that it belongs to.
        module: the test module that plays it, by its full name.
        tries: what it tries.
        defence: why it earns nothing.
    """

    id: str
    family: str
    module: str
    tries: str
    defence: str


class Family:
    """Attacks of one kind, played in one module, on pages on which the honest way pays.

    Args:
        name: the heading of their table.
        module: `__name__` of the module.
    """

    _all: dict[str, Attack] = {}  # noqa: RUF012 (the list of all, which every module adds to)

    def __init__(self, name: str, module: str) -> None:
        self.name = name
        self._module = module

    def add(self, attack_id: str, *, tries: str, defence: str) -> str:
        """List an attack and return its id, for a parametrised test."""
        made = Attack(id=attack_id, family=self.name, module=self._module, tries=tries, defence=defence)
        if self._all.setdefault(attack_id, made) != made:
            raise ValueError(f"two attacks are called {attack_id!r}: rename one of them")
        return attack_id

    def add_all(self, *attack_ids: str, tries: str, defence: str) -> None:
        """List attacks that try the same and fail alike; they share a line of the document."""
        for attack_id in attack_ids:
            self.add(attack_id, tries=tries, defence=defence)

    def attack(self, attack_id: str, *, tries: str, defence: str) -> Callable[[Test], Test]:
        """List the attack that the decorated test plays."""
        self.add(attack_id, tries=tries, defence=defence)

        def mark(test: Test) -> Test:
            test.__dict__["attacks"] = (*test.__dict__.get("attacks", ()), attack_id)
            return test

        return mark


def listed() -> tuple[Attack, ...]:
    """Return all attacks, by the name of their module and in its order."""
    names = [
        f"{package}.{module.name}"
        for package in PACKAGES
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
        if module.name.startswith("test_")
    ]
    for name in names:
        importlib.import_module(name)
    return tuple(sorted(Family._all.values(), key=lambda attack: names.index(attack.module)))


def players(attack: Attack) -> list[str]:
    """Return the names of the tests that play an attack: those it decorates, and those that have it as a parameter."""
    tests = inspect.getmembers(importlib.import_module(attack.module), inspect.isfunction)
    return [name for name, test in tests if name.startswith("test_") and attack.id in _played_by(test)]


def _played_by(test: Any) -> Iterator[str]:
    yield from test.__dict__.get("attacks", ())
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            yield from (value for value in mark.args[1] if isinstance(value, str))


def tables(attacks: tuple[Attack, ...]) -> str:
    """Return the document's tables, one a family; attacks in a row that try the same share a line."""
    lines: list[str] = []
    for family in dict.fromkeys(attack.family for attack in attacks):
        own = [attack for attack in attacks if attack.family == family]
        lines += [f"### {family}", "", f"`{own[0].module.replace('.', '/')}.py`", ""]
        lines += ["| attack | what it tries | why it earns nothing |", "|---|---|---|"]
        for (tries, defence), alike in groupby(own, key=lambda attack: (attack.tries, attack.defence)):
            lines.append(f"| {', '.join(f'`{attack.id}`' for attack in alike)} | {tries} | {defence} |")
        lines.append("")
    return "\n".join(lines)


def with_tables(document: str, attacks: tuple[Attack, ...]) -> str:
    """Return the document's text with its tables made anew."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables(attacks)}\n{END}{after}"


if __name__ == "__main__":
    from tests.integrity import (
        attacks as here,
    )  # the module that the tests add to, rather than this one run as a script

    target = Path(sys.argv[1])
    target.write_text(here.with_tables(target.read_text(encoding="utf-8"), here.listed()), encoding="utf-8")
