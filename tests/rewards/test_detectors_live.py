"""Detectors of change, traffic and looks on real pages: each fires on the real thing, not on a near miss or a forgery.

Every episode is played through the environment, and its ledger is re-scored afterwards.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from milepost.envs import MilepostEnv, Task
from milepost.envs.actions import GROUPS
from milepost.envs.apps import register_app
from milepost.rewards.ledger import rescore
from milepost.sandbox.app_server import App

pytestmark = pytest.mark.browser

_names = itertools.count()


class Site(App):
    """Serves the pages it is made with; /api/orders/<n> takes orders of at most nine, /back leads to the first page."""

    def __init__(self, pages: dict[str, str]) -> None:
        self.name = f"detectors{next(_names)}"
        self.pages = pages

    def create_schema(self, db: Any) -> None:
        """No tables."""

    def seed(self, db: Any, rng: Any, parameters: Any) -> None:
        """Nothing to fill in."""

    def asgi(self) -> Starlette:
        async def order(request: Request) -> Response:
            text = (await request.body()).decode(errors="replace")
            return JSONResponse({"got": len(text)}, 422 if '"count":10' in text else 201)

        async def back(request: Request) -> Response:
            await request.body()
            return RedirectResponse("/", 303)

        async def page(request: Request) -> Response:
            html = self.pages.get(request.url.path)
            return PlainTextResponse("nothing here", 404) if html is None else HTMLResponse("<!doctype html>" + html)

        return Starlette(
            routes=[
                Route("/api/orders/{number}", order, methods=["POST"]),
                Route("/back", back, methods=["POST"]),
                Route("/{path:path}", page),
            ]
        )

    def state(self, db: Any) -> dict[str, Any]:
        return {}


Play = Callable[..., list[int]]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Return a function that plays actions and returns the steps at which the detector's milestone paid."""
    made: list[MilepostEnv] = []

    def played(
        spec: dict[str, Any],
        html: str,
        *actions: str,
        others: dict[str, str] | None = None,
        groups: tuple[str, ...] = tuple(GROUPS),
    ) -> list[int]:
        app = Site({"/": html, **(others or {})})
        register_app(app)
        task = Task.model_validate(
            {
                "name": app.name,
                "family": "test",
                "description": "Try a detector.",
                "app": app.name,
                "goal": "Try.",
                "max_steps": 50,
                "actions": groups,
                "milestones": [
                    {"id": "it", "reward": 0.5, **spec},
                    {"id": "never", "catalogue": "url_loaded", "path": "/never"},
                ],
                "oracle": ["noop()"],
            }
        )
        env = MilepostEnv(task, ledger_dir=tmp_path)
        made.append(env)
        _, info = env.reset(seed=1)
        assert info["reward"].total == 0
        paid: list[int] = []
        for step, action in enumerate(actions, start=1):
            observation, reward, _, _, info = env.step(action)
            assert info["failure"] is None, info["failure_message"]
            assert observation["last_action_error"] == "", f"{action}: {observation['last_action_error']}"
            assert reward == (0.5 if info["reward"].milestones else 0)
            paid += [step] * len(info["reward"].milestones)
        env.close()
        assert len(rescore(info["ledger_path"])) == len(actions) + 1
        return paid

    yield played
    for env in made:
        env.close()


INVOICES = """<title>Invoices</title><a href=/other>Leave</a><a href=/>Again</a>
<table><tr><th>Invoice<th>State<th>Do</tr>
<tr id=a><td>Invoice A<td>open<td><button onclick="a.remove()">Delete A</button>
<tr id=b><td>Invoice B<td>open<td><button onclick="b.remove()">Delete B</button></table>
<button onclick="b.cells[0].textContent = 'Invoice C'">Rename B</button>
<button onclick="b.outerHTML = b.outerHTML">Redraw B</button>
<button onclick="b.outerHTML = b.outerHTML.replace('open', 'paid')">Redraw B as paid</button>
<button onclick="a.cells[1].textContent = 'paid'">Pay A</button>
<button onclick="b.cells[1].textContent = 'paid'">Pay B</button>
<button onclick="ask.showModal()">Ask about B</button>
<button onclick="setTimeout(() => b.remove(), 20)">Delete B soon</button>
<button onclick="setTimeout(() => b.remove(), 400)">Delete B later</button>
<label>Note <input></label>
<dialog id=ask aria-label="Delete B?"><p>Delete B for good?</p>
<button onclick="b.remove(); ask.close()">Yes</button><button onclick="ask.close()">No</button>
<button onclick="sure.showModal()">More</button></dialog>
<dialog id=sure aria-label="More"><button onclick="sure.close()">Less</button></dialog>"""

GONE = {"detector": "element_gone", "role": "row", "name_contains": "Invoice B"}


@pytest.mark.parametrize(
    ("spec", "actions", "paid"),
    [
        ({}, ['click("Delete B")', "noop()"], [1]),
        ({}, ['click("Delete B soon")', "noop()"], [1]),
        ({}, ['click("Ask about B")', 'click("Yes")', "noop()"], [2]),
        ({}, ['click("Ask about B")', 'click("More")', 'click("Less")', 'click("Yes")'], [4]),
        ({"after_input": True}, ['click("Delete B")'], [1]),
        # near misses
        ({}, ['click("Delete A")', 'click("Rename B")', "noop()"], []),
        ({}, ['click("Redraw B")', "noop()"], []),
        ({}, ['click("Ask about B")', 'click("No")', "noop()"], []),
        ({}, ['click("Leave")', "back()"], []),
        ({"same_document": False}, ['click("Leave")', "back()"], []),
        ({"same_document": False}, ['click("Delete A")', 'click("Again")'], []),
        ({}, ["tab_new()", "tab_switch(1)", "tab_close(2)"], []),
        # what the agent says, and what the page does by itself
        ({}, ['fill("Note", "Invoice B is gone")'], []),
        ({"after_input": True}, ['click("Delete B later")', "wait(1000)"], []),
    ],
)
def test_element_gone(play: Play, spec: dict[str, Any], actions: list[str], paid: list[int]):
    assert play(GONE | spec, INVOICES, *actions, others={"/other": "<p>Another page"}) == paid


def test_element_gone_from_a_page_that_was_loaded_again(play: Play):
    form = (
        "<form action=/back method=post><button>Delete B</button></form>"
        "<ul aria-label=Items><li><button>Item B</button></ul>"
        "<script>if (document.referrer) document.querySelector('li').remove()</script>"
    )
    spec = {"detector": "element_gone", "role": "button", "name": "Item B"}
    assert play(spec, form, 'click("Delete B")', "noop()") == []
    assert play(spec | {"same_document": False}, form, 'click("Delete B")', "noop()") == [1]


CHANGED = {"detector": "element_changed", "role": "row", "name_contains": "Invoice B", "to_text_contains": "paid"}


@pytest.mark.parametrize(
    ("actions", "paid"),
    [
        (['click("Pay B")', "noop()"], [1]),
        (['click("Pay A")', 'click("Rename B")'], []),
        (['click("Redraw B as paid")', "noop()"], []),  # forged: another element in its place
        (['fill("Note", "Invoice B paid")'], []),
        (['click("Ask about B")', 'click("No")'], []),
    ],
)
def test_element_changed(play: Play, actions: list[str], paid: list[int]):
    assert play(CHANGED, INVOICES, *actions) == paid


def test_element_changed_in_value_and_state(play: Play):
    html = (
        "<label>Volume <input type=range min=0 max=9 value=5 id=v></label><button aria-expanded=false id=m "
        "onclick='m.ariaExpanded = m.ariaExpanded === `true` ? `false` : `true`'>Menu</button>"
        "<button onclick='v.value = 7'>Louder</button>"
    )
    volume = {"detector": "element_changed", "role": "slider", "name": "Volume", "to_value": "7"}
    assert play(volume, html, 'click("Menu")', 'click("Louder")') == [2]
    menu = {"detector": "element_changed", "role": "button", "name": "Menu"}
    assert play(menu | {"gained": ["expanded"]}, html, 'click("Louder")', 'click("Menu")', 'click("Menu")') == [2]
    assert play(menu | {"lost": ["expanded"]}, html, 'click("Menu")', 'click("Menu")') == [2]


CLOSED = {"detector": "dialog_closed", "text_contains": "Delete B"}


@pytest.mark.parametrize(
    ("spec", "actions", "paid"),
    [
        ({}, ['click("Ask about B")', 'click("No")', "noop()"], [2]),
        ({}, ['click("Ask about B")', 'press("Escape")'], [2]),
        ({"button": "Yes"}, ['click("Ask about B")', 'click("Yes")'], [2]),
        # near misses
        ({"button": "Yes"}, ['click("Ask about B")', 'click("No")'], []),
        ({"button": "Yes"}, ['click("Ask about B")', 'press("Escape")'], []),
        ({}, ['click("Ask about B")', 'click("More")'], []),
        ({}, ['click("Ask about B")', 'goto("/other")'], []),
        ({"accepted": True}, ['click("Ask about B")', 'click("Yes")'], []),
        # forged: text that is no dialog
        ({}, ['fill("Note", "Delete B?")', 'fill("Note", "")'], []),
    ],
)
def test_dialog_closed(play: Play, spec: dict[str, Any], actions: list[str], paid: list[int]):
    assert play(CLOSED | spec, INVOICES, *actions, others={"/other": "<p>Another page"}) == paid


def test_dialogs_of_the_browser_closed(play: Play):
    html = (
        "<button onclick='confirm(`Delete B?`)'>Ask</button><button onclick='confirm(`Delete A?`)'>Ask A</button>"
        "<div id=fake role=group aria-label='Delete B?'><button onclick='fake.remove()'>OK</button></div>"
    )
    yes, no = ['click("Ask")', "dialog_accept()"], ['click("Ask")', "dialog_dismiss()"]
    for accepted, actions, paid in (
        (True, yes, [2]),
        (True, no, []),
        (False, no, [2]),
        (False, yes, []),
    ):
        assert play(CLOSED | {"accepted": accepted}, html, *actions) == paid
    assert play(CLOSED, html, *no) == [2]
    assert play(CLOSED, html, 'click("Ask A")', "dialog_accept()", 'click("OK")') == []
    assert play(CLOSED | {"accepted": True}, html, 'click("Ask")', groups=("basic",)) == [1]


FIELDS = (
    "<label>To <input></label><label>Subject <input id=s></label><button>Other</button>"
    "<button onclick='setTimeout(() => s.focus(), 20)'>Soon</button>"
)
FOCUSED = {"detector": "focused", "role": "textbox", "name": "Subject"}


@pytest.mark.parametrize(
    ("html", "actions", "paid"),
    [
        (FIELDS, ['click("Subject")', "noop()"], [1]),
        (FIELDS, ['click("To")', 'press("Tab")'], [2]),
        (FIELDS, ['fill("Subject", "Hi")'], [1]),
        (FIELDS, ['click("To")', 'click("Other")', 'fill("To", "Subject")'], []),
        # forged: the page takes the focus
        (FIELDS, ['click("Soon")', "wait(100)"], []),
        (FIELDS + "<script>setInterval(() => s.focus(), 5)</script>", ["noop()", "wait(100)"], []),
        (FIELDS + "<script>s.dispatchEvent(new FocusEvent('focusin', {bubbles: true}))</script>", ["noop()"], []),
        (FIELDS + "<script>s.focus()</script>", ['click("To")', 'click("Subject")'], []),  # it was there at the reset
    ],
)
def test_focused(play: Play, html: str, actions: list[str], paid: list[int]):
    assert play(FOCUSED, html, *actions) == paid


def test_a_notification_is_found_by_banner(play: Play):
    html = (
        "<div role=log id=log></div><button onclick='log.append(`Upload begun. `)'>Begin</button><label>Note <input>"
        "</label><button onclick='log.append(`Upload done. `)'>End</button>"
        "<button onclick='document.body.append(`Upload done`)'>Forge</button>"
    )
    spec = {"detector": "banner", "text_contains": "Upload done", "roles": ["status", "alert", "log"]}
    assert play(spec, html, 'click("Begin")', 'click("End")', "noop()") == [2]
    assert play(spec, html, 'click("Begin")', 'fill("Note", "Upload done")', 'click("Forge")') == []


ORDERS = """<label>Count <input id=count></label>
<button onclick="send(count.value)">Order</button>
<button onclick="setTimeout(() => send(3), 400)">Order later</button>
<button onclick="navigator.sendBeacon('/api/orders/7', new URLSearchParams({count: 3}))">Beacon</button>
<form action=/api/orders/7 method=post><input name=count aria-label=Number><button>Post</button></form>
<form action=/api/orders/7 method=post enctype=multipart/form-data>
<input name=note aria-label=Remark><button>Post parts</button></form>
<script>const send = (count) => fetch('/api/orders/7?from=web', {method: 'POST',
body: JSON.stringify({items: [{name: 'Tea', count: Number(count)}]})})</script>"""
SENT = {"detector": "request_sent", "method": "POST", "path": "/api/orders/*", "status": "2xx"}
THREE = {"body_query": "items[?name == 'Tea'] | [0].count", "equals": 3}


@pytest.mark.parametrize(
    ("spec", "actions", "paid"),
    [
        ({}, ['fill("Count", "3")', 'click("Order")', "noop()"], [2]),
        (THREE, ['fill("Count", "3")', 'click("Order")'], [2]),
        (THREE | {"query": {"from": "web"}, "after_input": True}, ['fill("Count", "3")', 'click("Order")'], [2]),
        ({"form": {"count": "3 of"}}, ['fill("Number", "3 of")', 'click("Post")'], [2]),
        ({"form": {"count": "3"}}, ['click("Beacon")'], [1]),
        ({"body_contains": 'name="note" A remark'}, ['fill("Remark", "A remark")', 'click("Post parts")'], [2]),
        ({"status": 422}, ['fill("Count", "10")', 'click("Order")'], [2]),
        # near misses
        (THREE, ['fill("Count", "4")', 'click("Order")'], []),
        (THREE, ['fill("Number", "3")', 'click("Post")'], []),
        ({}, ['fill("Count", "10")', 'click("Order")'], []),
        ({"path": "/api/orders"}, ['fill("Count", "3")', 'click("Order")'], []),
        # forged: what is only said, or sent by the page's own doing
        (THREE, ['fill("Count", "POST /api/orders/7 count 3")'], []),
        (THREE, ['goto("/api/orders/7?from=web")'], []),
        (THREE | {"after_input": True}, ['click("Order later")', "wait(1000)"], []),
    ],
)
def test_request_sent(play: Play, spec: dict[str, Any], actions: list[str], paid: list[int]):
    assert play(SENT | spec, ORDERS, *actions) == paid


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_process_ran(play: Play):
    spec = {"detector": "process_ran", "command": "sort a.txt > b.txt"}
    html = "<label>Note <input></label>"
    made = 'write_file("a.txt", "b\\na\\n")'
    assert play(spec, html, made, 'run("sort a.txt > b.txt")', 'run("sort a.txt > b.txt")') == [2]
    assert play(spec, html, 'run("sort a.txt > b.txt")') == []  # it failed
    assert play(spec, html, made, 'run("echo sort a.txt > b.txt")', 'run("sort a.txt > b.txt; true")') == []
    assert play(spec, html, made, 'fill("Note", "sort a.txt > b.txt")') == []
    assert play(spec | {"exit_code": "any"}, html, 'run("sort a.txt > b.txt")') == [1]


CHART = """<canvas id=c width=200 height=80 style="position:absolute;left:100px;top:50px"></canvas>
<div style="position:absolute;top:200px"><label>Note <input></label>
<button onclick="draw(0, 100)">Draw</button><button onclick="draw(0, 4)">Draw little</button>
<button onclick="draw(0, 100, '#fefefe')">Draw in white</button>
<button onclick="setTimeout(() => draw(0, 100), 400)">Draw later</button><a href=/other>Leave</a><a href=/>Again</a>
<div style="height:3000px;background:linear-gradient(red,blue)">Long</div></div>
<script>const draw = (x, width, colour = 'green') =>
{ const on = c.getContext('2d'); on.fillStyle = colour; on.fillRect(x, 0, width, 80) }</script>"""
REGION = {"detector": "region_changed", "region": [100, 50, 200, 80], "percent": 40}
OTHER = {"/other": "<body style='background:green'>Another page"}


@pytest.mark.parametrize(
    ("spec", "actions", "paid"),
    [
        ({}, ['click("Draw")', 'click("Draw")'], [1]),
        ({"percent": 2}, ['click("Draw little")'], [1]),
        ({"since": "reset"}, ['fill("Note", "x")', 'click("Draw")'], [2]),
        ({"after_input": True}, ['click("Draw")'], [1]),
        # near misses
        ({}, ['click("Draw little")', 'click("Draw in white")', "noop()"], []),
        ({}, ['scroll("down")', 'scroll("up")'], []),
        ({}, ['click("Leave")', "back()"], []),
        ({"same_document": False}, ['click("Leave")', "back()"], []),
        ({}, ['click("Again")'], []),
        # forged: said, or drawn by the page's own doing
        ({}, ['fill("Note", "Draw")', "noop()"], []),
        ({"after_input": True}, ['click("Draw later")', "wait(1000)"], []),
    ],
)
def test_region_changed(play: Play, spec: dict[str, Any], actions: list[str], paid: list[int]):
    pytest.importorskip("PIL")
    assert play(REGION | spec, CHART, *actions, others=OTHER) == paid


def test_a_region_behind_a_dialog_stands_as_it_was(play: Play):
    pytest.importorskip("PIL")
    html = CHART + "<button onclick='draw(0, 100); alert(1); draw(0, 9)' style='position:absolute'>Ask</button>"
    assert play(REGION, html, 'click("Ask")', "dialog_accept()") == [2]


OPENED = {"detector": "tab_opened", "path": "/report"}
LINKS = (
    "<title>Home</title><a href=/report target=_blank>Report</a><a href=/report>Here</a>"
    "<a href=/other target=_blank>Other</a><label>Note <input></label>"
    "<button onclick='setTimeout(() => open(`/report`), 400)'>Later</button>"
)


@pytest.mark.parametrize(
    ("spec", "actions", "paid"),
    [
        ({}, ['click("Report")', "noop()"], [1]),
        ({"title": "The report", "path": None}, ['click("Report")'], [1]),
        ({}, ['tab_new("/report")'], [1]),
        ({}, ["tab_new()", 'goto("/report")'], [2]),
        ({"after_input": True}, ['click("Report")'], [1]),
        # near misses
        ({}, ['click("Here")', "tab_new()"], []),
        ({}, ['click("Other")', 'goto("/report")'], []),
        ({"title": "The report"}, ['click("Other")'], []),
        # forged
        ({}, ['fill("Note", "/report")', 'goto("/?/report")'], []),
        ({"after_input": True}, ['tab_new("/report")'], []),
    ],
)
def test_tab_opened(play: Play, spec: dict[str, Any], actions: list[str], paid: list[int]):
    written = {key: value for key, value in (OPENED | spec).items() if value is not None}
    others = {"/report": "<title>The report</title>", "/other": "<title>Another</title>"}
    assert play(written, LINKS, *actions, others=others) == paid


@pytest.mark.parametrize("state", ["load", "domcontentloaded"])
def test_url_loaded_in_either_state(play: Play, state: str):
    html = "<a href=/next>Next</a><button onclick='history.pushState(0, 0, `/next`); dispatchEvent(new Event(`load`)); "
    html += "document.dispatchEvent(new Event(`DOMContentLoaded`))'>Forge</button>"
    spec = {"detector": "url_loaded", "path": "/next", "load_state": state}
    others = {"/next": "<img src=/missing.png>", "/next/one": "x"}
    assert play(spec, html, 'click("Next")', "reload()", others=others) == [1]
    assert play(spec, html, 'goto("/next/one")', others=others) == []
    assert play(spec, html, 'click("Forge")', "noop()", others=others) == []
