"""The insights application: dashboards by region, orders to filter and export, schedules, reports of one's own."""

from __future__ import annotations

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
from ..website import database
from . import store
from .content import CLOSED, QUARTERS, REGIONS, ROWS_PER_PAGE, STATES, draw_months, draw_orders, wanted_of

FREQUENCIES = ("Every day", "Every week", "Every month")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
FORMATS = ("CSV", "PDF", "Spreadsheet")
MEASURES = ("Revenue", "Orders", "Largest order")
SPLITS = ("Region", "Quarter", "Product", "Status")
CHARTS = ("Bars", "Table")
_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+[.][A-Za-z]{2,}")


class InsightsApp(Desk):
    """Eight regions with a dashboard each and three hundred and twenty orders, ten of every region and quarter.

    Pages: `/`, `/dashboards/<region>`, `/orders` (query `region`, `quarter`, `state`, `sort`, `way`, `page`; eight a
    page), `/orders/OR-<number>`, `/schedules`, `/schedules/new`, `/reports`, `/reports/new`, `/reports/<number>`.
    `/orders/export` answers with the chosen orders as a CSV file, `orders-<region>-<quarter>-<status>.csv`, what was
    not chosen left out. `/dashboards/Payroll` has to be asked for.
    Task parameters, none needed: `region` with its `revenue` and `best_month`, and likewise `second_region`,
    `third_region` and `fourth_region` with their revenues; `quarter` with the `total` of the region's orders in it;
    `top_customer`, whose order is the largest late one.
    State: `viewed`, `exports` of `{file, sha256}`, `schedules`, `reports`, `requests`; `wanted`: `revenue`,
    `best_month`, `total` and `top_customer`, as the task's parameters mean them.
    """

    name = "insights"
    brand: ClassVar[str] = "Harbor Insights"
    folder: ClassVar[Path] = Path(__file__).parent
    schema: ClassVar[str] = store.SCHEMA
    menu: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/", "Overview"),
        ("/orders", "Orders"),
        ("/schedules", "Schedules"),
        ("/reports", "My reports"),
    )
    columns: ClassVar[tuple[str, ...]] = ("Customer", "Region", "Quarter", "Amount", "Status")
    wordings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "show": ("Show", "Show orders"),
        "save": ("Save", "Save schedule"),
        "make": ("Create report", "Create report now"),
    }

    def fill(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the orders and the months."""
        wanted = wanted_of(parameters)
        orders = draw_orders(rng, wanted)
        store.fill(db, orders, draw_months(rng, wanted, orders), wanted)

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return what was looked at, exported and made."""
        return store.state(db)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the pages, and what their forms post to."""
        return [
            Route("/", self._overview),
            Route("/dashboards/{region}", self._dashboard),
            Route("/dashboards/{region}/ask", self._ask, methods=["POST"]),
            Route("/orders", self._orders),
            Route("/orders/export", self._export),
            Route("/orders/{order}", self._order),
            Route("/schedules", self._schedules),
            Route("/schedules/new", self._new_schedule, methods=["GET"]),
            Route("/schedules/new", self._add_schedule, methods=["POST"]),
            Route("/reports", self._reports),
            Route("/reports/new", self._new_report, methods=["GET"]),
            Route("/reports/new", self._add_report, methods=["POST"]),
            Route("/reports/{number}", self._report),
        ]

    # ---------------------------------------------------------------- dashboards

    async def _overview(self, request: Request) -> Response:
        tiles = [(f"/dashboards/{name}", name) for name in (*REGIONS, CLOSED)]
        return self.view(request, "overview.html", here="Overview", tiles=tiles)

    async def _dashboard(self, request: Request) -> Response:
        region = _dashboard(request)
        if region == CLOSED:
            return self._closed_page(request, region, "", {})
        store.note(database(request), "view", region)
        months = store.months(database(request), region)
        best = max(months, key=lambda month: month[1])
        bars = [(name, f"{revenue:,}", revenue * 100 // best[1]) for name, revenue in months]
        orders = store.orders(database(request), region=region, quarter="", state="", order="Order", down=True)
        cards = {
            "Revenue": f"{sum(revenue for _, revenue in months):,}",
            "Best month": best[0],
            "Orders": str(len(orders)),
            "Late": str(sum(row["state"] == "Late" for row in orders)),
        }
        return self.view(request, "dashboard.html", here="Overview", region=region, cards=cards, bars=bars)

    def _closed_page(self, request: Request, region: str, given: str, errors: Mapping[str, str]) -> Response:
        status_code = 422 if errors else 403
        return self.view(
            request, "closed.html", here="Overview", status_code=status_code, region=region, given=given, errors=errors
        )

    async def _ask(self, request: Request) -> Response:
        region = _dashboard(request)
        if region != CLOSED:
            raise HTTPException(404)
        given = (await fields(request, ["reason"]))["reason"]
        problem = "Reason is missing" if not given else "Reason is too long" if len(given) > 200 else ""
        if problem:
            return self._closed_page(request, region, given, {"reason": problem})
        store.ask_for(database(request), region, given)
        say(database(request), "Your request was sent")
        return see_other("/")

    # ---------------------------------------------------------------- orders

    async def _orders(self, request: Request) -> Response:
        asked, rows = _asked(request)
        sheet = sheet_of(rows, request, size=ROWS_PER_PAGE, keep=("region", "quarter", "state"))
        chosen = {key: value for key, value in asked.items() if value}
        query = "&".join(f"{key}={value}" for key, value in chosen.items())
        return self.view(
            request,
            "orders.html",
            here="Orders",
            asked=asked,
            regions=REGIONS,
            quarters=QUARTERS,
            states=STATES,
            sheet=sheet,
            orders=[_shown(row) for row in sheet.rows],
            total=f"{sum(row['amount'] for row in rows):,}",
            export=f"/orders/export?{query}" if query else "/orders/export",
        )

    async def _export(self, request: Request) -> Response:
        asked, rows = _asked(request)
        name = "-".join(["orders", *(value for value in asked.values() if value)]) + ".csv"
        content = store.csv_of(rows)
        store.note(database(request), "export", name, content)
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Response(content, media_type="text/csv", headers=headers)

    async def _order(self, request: Request) -> Response:
        text = request.path_params["order"]
        row = found(store.find(database(request), number_of(text[3:]) if text.startswith("OR-") else -1))
        store.note(database(request), "view", f"OR-{row['number']}")
        return self.view(request, "order.html", here="Orders", order=_shown(row), product=row["product"])

    # ---------------------------------------------------------------- schedules and reports

    async def _schedules(self, request: Request) -> Response:
        rows = database(request).execute("SELECT * FROM schedule ORDER BY number").fetchall()
        return self.view(request, "schedules.html", here="Schedules", schedules=rows)

    async def _new_schedule(self, request: Request) -> Response:
        given = dict.fromkeys(("report", "frequency", "day", "recipients", "format"), "")
        return self._schedule_page(request, given, {})

    def _schedule_page(self, request: Request, given: Mapping[str, str], errors: Mapping[str, str]) -> Response:
        return self.view(
            request,
            "newschedule.html",
            here="Schedules",
            status_code=422 if errors else 200,
            given=given,
            errors=errors,
            reports=REGIONS,
            frequencies=FREQUENCIES,
            days=DAYS,
            formats=FORMATS,
        )

    async def _add_schedule(self, request: Request) -> Response:
        given = await fields(request, ["report", "frequency", "day", "recipients", "format"])
        errors = {}
        for key, known in (("report", REGIONS), ("frequency", FREQUENCIES), ("day", DAYS), ("format", FORMATS)):
            if given[key] not in known:
                errors[key] = f"Choose a {key}"
        addresses = [part.lower() for part in re.split(r"[,;\s]+", given["recipients"]) if part]
        if not addresses or not all(map(_ADDRESS.fullmatch, addresses)):
            errors["recipients"] = "Recipients are e-mail addresses"
        if errors:
            return self._schedule_page(request, given, errors)
        store.add_schedule(database(request), {**given, "recipients": ", ".join(addresses)})
        say(database(request), "Schedule saved")
        return see_other("/schedules")

    async def _reports(self, request: Request) -> Response:
        rows = database(request).execute("SELECT * FROM report ORDER BY number").fetchall()
        return self.view(request, "reports.html", here="My reports", reports=rows)

    async def _new_report(self, request: Request) -> Response:
        return self._new_report_page(request, dict.fromkeys(("title", "measure", "split", "chart"), ""), [], {})

    def _new_report_page(
        self, request: Request, given: Mapping[str, str], regions: Sequence[str], errors: Mapping[str, str]
    ) -> Response:
        return self.view(
            request,
            "newreport.html",
            here="My reports",
            status_code=422 if errors else 200,
            given=given,
            chosen=regions,
            errors=errors,
            measures=MEASURES,
            splits=SPLITS,
            charts=CHARTS,
            regions=REGIONS,
        )

    async def _add_report(self, request: Request) -> Response:
        given = await fields(request, ["title", "measure", "split", "chart"])
        async with request.form(max_files=0) as form:
            regions = [region for region in REGIONS if region in form.getlist("regions")]
        errors = {}
        if not given["title"] or len(given["title"]) > 60:
            errors["title"] = "Title is missing" if not given["title"] else "Title is too long"
        for key, known in (("measure", MEASURES), ("split", SPLITS), ("chart", CHARTS)):
            if given[key] not in known:
                errors[key] = "Choose one of these"
        if not regions:
            errors["regions"] = "Choose a region"
        if errors:
            return self._new_report_page(request, given, regions, errors)
        number = store.add_report(database(request), given, regions)
        say(database(request), "Report created")
        return see_other(f"/reports/{number}")

    async def _report(self, request: Request) -> Response:
        db = database(request)
        number = number_of(request.path_params["number"])
        row = found(db.execute("SELECT * FROM report WHERE number = ?", (number,)).fetchone())
        figures = store.rows_of(db, row)
        most = max(value for _, value in figures)
        bars = [(name, f"{value:,}", value * 100 // most) for name, value in figures]
        return self.view(request, "report.html", here="My reports", report=row, bars=bars)


def _dashboard(request: Request) -> str:
    name = str(request.path_params["region"])
    if name not in (*REGIONS, CLOSED):
        raise HTTPException(404)
    return name


def _asked(request: Request) -> tuple[dict[str, str], list[sqlite3.Row]]:
    """Return what the address chooses, and the orders that fit."""
    asked = {}
    for key, known in (("region", REGIONS), ("quarter", QUARTERS), ("state", STATES)):
        value = request.query_params.get(key, "")
        asked[key] = value if value in known else ""
    order = request.query_params.get("sort", "")
    down = request.query_params.get("way") == "down"
    order, down = (order, down) if order in store.ORDERS else ("Order", True)
    return asked, store.orders(database(request), order=order, down=down, **asked)


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    """Return what pages show of an order; the drawn columns stand under their headings."""
    return {
        "name": f"OR-{row['number']}",
        "href": f"/orders/OR-{row['number']}",
        "tone": {"Paid": "good", "Late": "poor", "Refunded": "wait"}.get(row["state"], ""),
        "Customer": row["customer"],
        "Region": row["region"],
        "Quarter": row["quarter"],
        "Amount": f"{row['amount']:,}",
        "Status": row["state"],
    }


__all__ = ["CHARTS", "DAYS", "FORMATS", "FREQUENCIES", "MEASURES", "SPLITS", "InsightsApp"]
