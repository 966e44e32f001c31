"""The settings application: sections with switches and a choice of device, saved a section at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ....sandbox.errors import TaskError
from ..website import Website, database, slug, text_parameter

SECTIONS = {
    "Notifications": "Tell me when there is something new",
    "Privacy": "Let other people see",
    "Display": "Show on my start page",
    "History": "Remember",
    "Backup": "Keep a copy of",
    "Sharing": "Let my family add to",
}
SWITCHES = (
    "Birthdays",
    "Bookmarks",
    "Books",
    "Comments",
    "Contacts",
    "Events",
    "Files",
    "Games",
    "Groups",
    "Letters",
    "Lists",
    "Maps",
    "Music",
    "News",
    "Notes",
    "Photos",
    "Places",
    "Polls",
    "Recipes",
    "Stories",
    "Tasks",
    "Trips",
    "Videos",
    "Weather",
)
DEVICES = ("All devices", "Phone", "Tablet", "Laptop", "Desktop")
SWITCHES_PER_SECTION = 4

_SCHEMA = """
CREATE TABLE section (name TEXT PRIMARY KEY, device TEXT NOT NULL, first_device TEXT NOT NULL);
CREATE TABLE switch (
    name TEXT PRIMARY KEY,
    section TEXT NOT NULL REFERENCES section,
    position INTEGER NOT NULL,
    is_on INTEGER NOT NULL,
    was_on INTEGER NOT NULL
);
CREATE TABLE save (number INTEGER PRIMARY KEY, section TEXT NOT NULL REFERENCES section);
CREATE TABLE notice (text TEXT NOT NULL);
"""


class SettingsApp(Website):
    """Six sections of four switches and a device each; every switch's name is unique.

    Pages: `/`, `/sections/<section>`; a page that differs from what is saved says so.
    Task parameters: `section`; `switch`, off at first, and `decoy_switch`, on at first, which lie in it; `device`,
    which the section is not yet set to.
    State: `sections`, a list of `{name, on, device}` with `on` the names of its switches that are on;
    `changed_switches` and `changed_devices`, names of the switches and sections that are not as they were at first;
    `saves`, how often something was saved.
    """

    name = "settings"
    brand: ClassVar[str] = "Harbor Settings"
    folder: ClassVar[Path] = Path(__file__).parent

    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create the empty tables."""
        db.executescript(_SCHEMA)

    def seed(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw which switches lie in which section, and how everything is set.

        Raises:
            TaskError: a parameter is missing, or is none of `SECTIONS`, `SWITCHES` or `DEVICES`.
        """
        section, switch, decoy, device = (
            text_parameter(self.name, parameters, name) for name in ("section", "switch", "decoy_switch", "device")
        )
        for what, value, known in (
            ("section", section, tuple(SECTIONS)),
            ("switch", switch, SWITCHES),
            ("switch", decoy, SWITCHES),
            ("device", device, DEVICES),
        ):
            if value not in known:
                raise TaskError(f"the application 'settings' has no {what} {value!r}; it has {', '.join(known)}")
        if switch == decoy:
            raise TaskError(f"expected decoy_switch to be another switch than switch, got {switch!r} twice")
        others = rng.permutation([s for s in SWITCHES if s not in (switch, decoy)]).tolist()
        for name in SECTIONS:
            devices = [d for d in DEVICES if name != section or d != device]
            first = devices[int(rng.integers(len(devices)))]
            db.execute("INSERT INTO section VALUES (?, ?, ?)", (name, first, first))
            given = {switch: False, decoy: True} if name == section else {}
            drawn = {others.pop(): bool(rng.integers(2)) for _ in range(SWITCHES_PER_SECTION - len(given))}
            switches = list({**given, **drawn}.items())
            for position, i in enumerate(rng.permutation(len(switches)).tolist()):
                its_name, is_on = switches[i]
                db.execute("INSERT INTO switch VALUES (?, ?, ?, ?, ?)", (its_name, name, position, is_on, is_on))

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return how everything is set, and what was changed."""
        switches = db.execute("SELECT * FROM switch ORDER BY section, position").fetchall()
        sections = db.execute("SELECT * FROM section ORDER BY rowid").fetchall()
        return {
            "sections": [
                {
                    "name": section["name"],
                    "on": [s["name"] for s in switches if s["section"] == section["name"] and s["is_on"]],
                    "device": section["device"],
                }
                for section in sections
            ],
            "changed_switches": [s["name"] for s in switches if s["is_on"] != s["was_on"]],
            "changed_devices": [s["name"] for s in sections if s["device"] != s["first_device"]],
            "saves": db.execute("SELECT count(*) FROM save").fetchone()[0],
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return the start page, a section, and its saving."""
        return [
            Route("/", self._start),
            Route("/sections/{section}", self._section, methods=["GET"]),
            Route("/sections/{section}", self._save, methods=["POST"]),
        ]

    async def _start(self, request: Request) -> Response:
        return self.page("start.html", sections=[(f"/sections/{slug(name)}", name) for name in SECTIONS])

    async def _section(self, request: Request) -> Response:
        db = database(request)
        section, switches = _found(request)
        notice = db.execute("SELECT text FROM notice").fetchone()
        if notice is not None:
            db.execute("DELETE FROM notice")
        return self._section_page(
            section["name"],
            switches={s["name"]: bool(s["is_on"]) for s in switches},
            device=section["device"],
            notice=notice[0] if notice is not None else "",
        )

    async def _save(self, request: Request) -> Response:
        db = database(request)
        section, switches = _found(request)
        async with request.form(max_files=0) as form:
            on = {str(name) for name in form.getlist("on")}
            device = str(form.get("device", ""))
        wanted = {s["name"]: s["name"] in on for s in switches}
        if device not in DEVICES:
            return self._section_page(
                section["name"], switches=wanted, device=section["device"], problem="Choose one of the devices"
            )
        is_new = device != section["device"] or any(wanted[s["name"]] != s["is_on"] for s in switches)
        db.execute("DELETE FROM notice")
        db.execute("INSERT INTO notice VALUES (?)", ("Changes saved" if is_new else "Nothing to save",))
        if is_new:
            db.execute("UPDATE section SET device = ? WHERE name = ?", (device, section["name"]))
            db.executemany(
                "UPDATE switch SET is_on = ? WHERE name = ?", [(state, name) for name, state in wanted.items()]
            )
            db.execute("INSERT INTO save (section) VALUES (?)", (section["name"],))
        return RedirectResponse(f"/sections/{slug(section['name'])}", status_code=303)

    def _section_page(
        self, name: str, *, switches: Mapping[str, bool], device: str, notice: str = "", problem: str = ""
    ) -> Response:
        return self.page(
            "section.html",
            status_code=422 if problem else 200,
            address=f"/sections/{slug(name)}",
            section=name,
            lead=SECTIONS[name],
            switches=switches,
            devices=DEVICES,
            device=device,
            notice=notice,
            problem=problem,
        )


def _found(request: Request) -> tuple[sqlite3.Row, list[sqlite3.Row]]:
    """Return the section that the address names, and its switches in their order."""
    name = next((s for s in SECTIONS if slug(s) == request.path_params["section"]), None)
    if name is None:
        raise HTTPException(404)
    db = database(request)
    switches = db.execute("SELECT * FROM switch WHERE section = ? ORDER BY position", (name,)).fetchall()
    return db.execute("SELECT * FROM section WHERE name = ?", (name,)).fetchone(), switches


__all__ = ["DEVICES", "SECTIONS", "SWITCHES", "SWITCHES_PER_SECTION", "SettingsApp"]
