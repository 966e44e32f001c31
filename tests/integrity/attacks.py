"""The list of attacks: each test names the one that it plays, and `docs/integrity.md` is made from all of them.

python -m tests.integrity.attacks docs/integrity.md      # writes the tables anew
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

DOCUMENT = Path(__file__).parents[2] / "docs" / "integrity.md"
BEGIN, END = (
    "<!-- attacks: made by `python -m tests.integrity.attacks docs/integrity.md` -->",
    "<!-- end of attacks -->",
)

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack.

    Attributes:
        id: its name, unique, lower-case words joined by hyphens.
        family: the attacks that it belongs to.
        module: the test module that plays it.
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
        self._module = module.rpartition(".")[2]

    def add(self, attack_id: str, *, tries: str, defence: str) -> str:
        """List an attack and return its id, for a parametrised test."""
        made = Attack(id=attack_id, family=self.name, module=self._module, tries=tries, defence=defence)
        if self._all.setdefault(attack_id, made) != made:
            raise ValueError(f"two attacks are called {attack_id!r}: rename one of them")
        return attack_id

    def attack(self, attack_id: str, *, tries: str, defence: str) -> Callable[[Test], Test]:
        """List the attack that the decorated test plays."""
        self.add(attack_id, tries=tries, defence=defence)
        return lambda test: test


def listed() -> tuple[Attack, ...]:
    """Return all attacks, by the name of their module and in its order."""
    package = __package__ or "tests.integrity"
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    for name in names:
        if name.startswith("test_"):
            importlib.import_module(f"{package}.{name}")
    return tuple(sorted(Family._all.values(), key=lambda attack: names.index(attack.module)))


def tables(attacks: tuple[Attack, ...]) -> str:
    """Return the document's tables, one a family."""
    lines: list[str] = []
    for family in dict.fromkeys(attack.family for attack in attacks):
        own = [attack for attack in attacks if attack.family == family]
        lines += [f"### {family}", "", f"`tests/integrity/{own[0].module}.py`", ""]
        lines += ["| attack | what it tries | why it earns nothing |", "|---|---|---|"]
        lines += [f"| `{attack.id}` | {attack.tries} | {attack.defence} |" for attack in own] + [""]
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
