"""The reports application: sections hold reports, a report shows a table and exports it as a CSV file."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ....sandbox.errors import TaskError
from ..website import Website, database, slug, text_parameter

SECTIONS = ("Sales", "Finance", "People", "Support", "Travel")
AREAS = ("North", "South", "East", "West", "Central", "City", "Coast", "Valley", "River", "Island", "Harbor", "Market")
TOPICS = (
    "Budget",
    "Costs",
    "Forecast",
    "Growth",
    "Hours",
    "Plans",
    "Results",
    "Review",
    "Revenue",
    "Staff",
    "Survey",
    "Trends",
)
MONTHS = ("January", "February", "March")
REPORTS_PER_SECTION = 4
ALL_MONTHS = "All months"

_SCHEMA = """
CREATE TABLE report (
    slug TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    section TEXT NOT NULL,
    position INTEGER NOT NULL,
    csv BLOB NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE TABLE visit (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    slug TEXT NOT NULL REFERENCES report,
    period TEXT NOT NULL
);
"""


class ReportsApp(Website):
    """Five sections of four reports each; every report's name is unique, its numbers are drawn for the episode.

    Pages: `/`, `/sections/<section>`, `/reports/<report>`; `/reports/<report>/export` answers with a CSV file: of all
    months, `<report>.csv`, or of the one that was chosen as its period, `<report>-<month>.csv`.
    Task parameters: `section`, the report's `area` and `topic` (its name is "<area> <topic>"), and the `decoy_topic` of
    a neighbour in the same section that shares its area. Where a task asks for a figure also `month`, with its `total`
    in the target report, and `other_month`, with its `other_total`; totals are texts such as "437".
    State: `reports`, a list of `{name, section, file, sha256, totals}` with `totals` a list of
    `{month, total, sha256}`, the hash being that of the month's own file; `viewed`, names in the order of visits, and
    `exported`, a list of `{name, period}`.
    """

    name = "reports"
    brand: ClassVar[str] = "Harbor Reports"
    folder: ClassVar[Path] = Path(__file__).parent

    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create the empty tables."""
        db.executescript(_SCHEMA)

    def seed(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the reports of every section; the target's neighbours share its area or its topic.

        Raises:
            TaskError: a parameter is missing, the section is none of `SECTIONS`, a month is none of `MONTHS`, or its
                total is no whole number.
        """
        section, area, topic, decoy_topic = (
            text_parameter(self.name, parameters, name) for name in ("section", "area", "topic", "decoy_topic")
        )
        if section not in SECTIONS:
            raise TaskError(f"the application 'reports' has no section {section!r}; it has {', '.join(SECTIONS)}")
        names = _draw_names(rng, section, area, topic, decoy_topic)
        totals = rng.integers(100, 1000, size=(len(names), len(MONTHS)))
        rows = []
        for position, ((name, its_section), numbers) in enumerate(zip(names, totals.tolist(), strict=True)):
            if name == f"{area} {topic}":
                numbers = _with_figures(numbers, parameters)
            csv = _csv(numbers)
            rows.append((slug(name), name, its_section, position, csv, hashlib.sha256(csv).hexdigest()))
        db.executemany("INSERT INTO report VALUES (?, ?, ?, ?, ?, ?)", rows)

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return every report's section, file name, hash and totals, and which reports were viewed and exported."""
        reports = db.execute("SELECT name, section, slug, sha256, csv FROM report ORDER BY position").fetchall()
        visits = db.execute("SELECT kind, name, period FROM visit JOIN report USING (slug) ORDER BY number").fetchall()
        return {
            "reports": [
                {"name": name, "section": section, "file": f"{key}.csv", "sha256": sha256, "totals": _totals(csv)}
                for name, section, key, sha256, csv in reports
            ],
            "viewed": [name for kind, name, _ in visits if kind == "viewed"],
            "exported": [{"name": name, "period": period} for kind, name, period in visits if kind == "exported"],
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return the start page, a section, a report, and its file."""
        return [
            Route("/", self._start),
            Route("/sections/{section}", self._section),
            Route("/reports/{report}", self._report),
            Route("/reports/{report}/export", self._export),
        ]

    async def _start(self, request: Request) -> Response:
        return self.page("start.html", sections=[(f"/sections/{slug(section)}", section) for section in SECTIONS])

    async def _section(self, request: Request) -> Response:
        section = next((s for s in SECTIONS if slug(s) == request.path_params["section"]), None)
        if section is None:
            raise HTTPException(404)
        rows = database(request).execute(
            "SELECT slug, name FROM report WHERE section = ? ORDER BY position", (section,)
        )
        return self.page("section.html", section=section, reports=[(f"/reports/{key}", name) for key, name in rows])

    async def _report(self, request: Request) -> Response:
        key, name, csv = _visit(request, "viewed", ALL_MONTHS)
        header, *rows = (line.split(",") for line in csv.decode().splitlines())
        periods = (ALL_MONTHS, *MONTHS)
        return self.page(
            "report.html", name=name, header=header, rows=rows, export=f"/reports/{key}/export", periods=periods
        )

    async def _export(self, request: Request) -> Response:
        period = request.query_params.get("period", ALL_MONTHS)
        if period not in (ALL_MONTHS, *MONTHS):
            raise HTTPException(404)
        key, _, csv = _visit(request, "exported", period)
        if period != ALL_MONTHS:
            key, csv = f"{key}-{period}", _month_csv(csv, period)
        headers = {"Content-Disposition": f'attachment; filename="{key}.csv"', "Cache-Control": "no-store"}
        return Response(csv, media_type="text/csv", headers=headers)


def _visit(request: Request, kind: str, period: str) -> tuple[str, str, bytes]:
    """Find the report that the address names, record the visit, and return its slug, name and CSV."""
    db = database(request)
    row = db.execute("SELECT slug, name, csv FROM report WHERE slug = ?", (request.path_params["report"],)).fetchone()
    if row is None:
        raise HTTPException(404)
    db.execute("INSERT INTO visit (kind, slug, period) VALUES (?, ?, ?)", (kind, row[0], period))
    return row[0], row[1], row[2]


def _draw_names(
    rng: np.random.Generator, section: str, area: str, topic: str, decoy_topic: str
) -> list[tuple[str, str]]:
    """Return (name, section) of every report, section by section, each section in a drawn order."""
    target = f"{area} {topic}"
    areas = [str(a) for a in rng.permutation([a for a in AREAS if a != area])]
    topics = [str(t) for t in rng.permutation([t for t in TOPICS if t not in (topic, decoy_topic)])]
    neighbours = [target, f"{area} {decoy_topic}", f"{areas[0]} {topic}", f"{areas[1]} {topics[0]}"]
    others = [f"{a} {t}" for a in AREAS for t in TOPICS]
    others = [name for name in rng.permutation(others).tolist() if name not in neighbours]
    names = []
    for its_section in SECTIONS:
        drawn = neighbours if its_section == section else [others.pop() for _ in range(REPORTS_PER_SECTION)]
        names += [(str(name), its_section) for name in rng.permutation(drawn)]
    return names


def _with_figures(totals: Sequence[int], parameters: Mapping[str, Any]) -> list[int]:
    """Return the totals with those that the task's parameters give, if they give any."""
    given = list(totals)
    for month_name, total_name in (("month", "total"), ("other_month", "other_total")):
        if month_name not in parameters:
            continue
        month, total = (text_parameter("reports", parameters, name) for name in (month_name, total_name))
        if month not in MONTHS or not (total.isascii() and total.isdigit()):
            raise TaskError(
                f"the application 'reports' expects one of {', '.join(MONTHS)} and a whole number for "
                f"{month_name!r} and {total_name!r}; it got {month!r} and {total!r}"
            )
        given[MONTHS.index(month)] = int(total)
    return given


def _totals(csv: bytes) -> list[dict[str, Any]]:
    _, *rows = (line.split(",") for line in csv.decode().splitlines())
    return [
        {"month": month, "total": int(total), "sha256": hashlib.sha256(_month_csv(csv, month)).hexdigest()}
        for month, total in rows
    ]


def _month_csv(csv: bytes, month: str) -> bytes:
    """Return the file of one month: the header and its line."""
    header, *rows = csv.splitlines(keepends=True)
    return header + b"".join(row for row in rows if row.startswith(f"{month},".encode()))


def _csv(totals: Sequence[int]) -> bytes:
    lines = ["Month,Total", *(f"{month},{total}" for month, total in zip(MONTHS, totals, strict=True))]
    return ("\n".join(lines) + "\n").encode()


__all__ = ["ALL_MONTHS", "AREAS", "MONTHS", "REPORTS_PER_SECTION", "SECTIONS", "TOPICS", "ReportsApp"]
