"""What a workspace has: members, access keys and devices, drawn from the episode's seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....sandbox.errors import TaskError
from ..people import draw_people
from ..website import text_parameter

ROLES = ("Viewer", "Editor", "Manager", "Owner")
GROUPS = ("Design", "Finance", "Legal", "Sales", "Support")
KEY_WORDS = (
    "Backup",
    "Billing",
    "Build",
    "Chat",
    "Export",
    "Import",
    "Mail",
    "Maps",
    "Mobile",
    "Report",
    "Search",
    "Sync",
)
SCOPES = ("Read files", "Write files", "Read members", "Send mail", "See reports")
TERMS = ("7 days", "30 days", "90 days", "A year", "Never")
DEVICES = ("Desktop", "Laptop", "Phone", "Tablet", "Terminal")
TOWNS = ("Ashford", "Brookton", "Castleby", "Dunmere", "Eastwick", "Fairhaven", "Greenport", "Highfield")
MEMBERS = 200
KEYS = 24
SESSIONS = 80
ROWS_PER_PAGE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a task says of the workspace; None for what it leaves open.

    Attributes:
        member: a member's name.
        role: the role that this member has at first.
        key: an access key's name, such as "Build 42".
        used: when it was last used, such as "3 May 2025".
        device: a device's name, such as "Laptop in Dunmere 42"; it is not among the first ones.
    """

    member: str | None
    role: str | None
    key: str | None
    used: str | None
    device: str | None


def wanted_of(parameters: Mapping[str, Any]) -> Wanted:
    """Read a task's parameters.

    Raises:
        TaskError: the role is none of `ROLES`.
    """

    def text(name: str) -> str | None:
        return text_parameter("console", parameters, name) if name in parameters else None

    role = text("member_role")
    if role is not None and role not in ROLES:
        raise TaskError(f"the application 'console' has no role {role!r}; it has {', '.join(ROLES)}")
    return Wanted(member=text("member"), role=role, key=text("key"), used=text("key_used"), device=text("device"))


def draw_members(rng: np.random.Generator, wanted: Wanted) -> list[tuple[str, str, bool]]:
    """Return name, role and whether the account is active of every member."""
    given = () if wanted.member is None else (wanted.member,)
    names = draw_people(rng, MEMBERS - len(given), without=given)
    roles = rng.choice(ROLES, size=MEMBERS, p=[0.5, 0.35, 0.12, 0.03]).tolist()
    active = (rng.random(MEMBERS) < 0.9).tolist()
    members = [(name, str(roles[i]), bool(active[i])) for i, name in enumerate(names)]
    if wanted.member is not None:
        members.insert(int(rng.integers(MEMBERS)), (wanted.member, wanted.role or "Viewer", True))
    return members


def draw_keys(rng: np.random.Generator, wanted: Wanted) -> list[tuple[str, str, str, str]]:
    """Return name, scopes, term and day of last use of every key; the wanted one is among the first."""
    names = [f"{KEY_WORDS[i % len(KEY_WORDS)]} {n}" for i, n in enumerate(_numbers(rng, KEYS))]
    names = [names[i] for i in rng.permutation(KEYS).tolist() if names[i] != wanted.key]
    if wanted.key is not None:
        names.insert(int(rng.integers(1, ROWS_PER_PAGE)), wanted.key)
    keys = []
    for name in names[:KEYS]:
        scopes = [s for s, on in zip(SCOPES, (rng.random(len(SCOPES)) < 0.5).tolist(), strict=True) if on]
        used = f"{int(rng.integers(1, 29))} {('March', 'April', 'May')[int(rng.integers(3))]} 2025"
        if name == wanted.key and wanted.used is not None:
            used = wanted.used
        keys.append((name, ", ".join(scopes or SCOPES[:1]), TERMS[int(rng.integers(len(TERMS)))], used))
    return keys


def draw_devices(rng: np.random.Generator, wanted: Wanted) -> list[str]:
    """Return the names of the devices that are signed in; the wanted one is not among the first."""
    kinds, towns = rng.integers(len(DEVICES), size=SESSIONS).tolist(), rng.integers(len(TOWNS), size=SESSIONS).tolist()
    names = [f"{DEVICES[kinds[i]]} in {TOWNS[towns[i]]} {n}" for i, n in enumerate(_numbers(rng, SESSIONS))]
    names = [name for name in names if name != wanted.device]
    if wanted.device is not None:
        names.insert(int(rng.integers(ROWS_PER_PAGE, len(names))), wanted.device)
    return names


def _numbers(rng: np.random.Generator, count: int) -> list[int]:
    numbers: list[int] = rng.choice(np.arange(100, 1000), size=count, replace=False).tolist()
    return numbers


__all__ = [
    "DEVICES",
    "GROUPS",
    "KEYS",
    "KEY_WORDS",
    "MEMBERS",
    "ROLES",
    "ROWS_PER_PAGE",
    "SCOPES",
    "SESSIONS",
    "TERMS",
    "TOWNS",
    "Wanted",
    "draw_devices",
    "draw_keys",
    "draw_members",
    "wanted_of",
]
