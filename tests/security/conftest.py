"""Hostile pages on a real Chromium, and an application that counts what it is asked."""

import asyncio
import threading
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from milepost.sandbox.app_server import App

from ..sandbox.conftest import Computer
from .listener import Listener


class HostileApp(App):
    """Serves the pages in its parameters, and whatever else a hostile page could want of a server.

    Its state counts the requests to `/hit/<name>`.
    """

    name = "hostile"

    def create_schema(self, db):
        db.execute("CREATE TABLE page (path TEXT PRIMARY KEY, html TEXT)")
        db.execute("CREATE TABLE hit (name TEXT)")

    def seed(self, db, rng, parameters):
        db.executemany("INSERT INTO page VALUES (?, ?)", parameters["pages"].items())

    def asgi(self):
        async def page(request):
            row = request.state.db.execute("SELECT html FROM page WHERE path = ?", (request.url.path,)).fetchone()
            return HTMLResponse("<!doctype html>" + row["html"]) if row else HTMLResponse("nothing here", 404)

        async def hit(request):
            request.state.db.execute("INSERT INTO hit VALUES (?)", (request.path_params["name"],))
            return Response("", media_type="text/css")

        async def redirect(request):
            return RedirectResponse(request.query_params["to"], int(request.query_params.get("status", 302)))

        async def download(request):
            name = quote(request.query_params["name"], safe="")
            headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}"}
            return Response("data", media_type="application/octet-stream", headers=headers)

        async def endless(request):
            async def body():
                while True:
                    yield b"x" * 65536
                    await asyncio.sleep(0)

            return StreamingResponse(body(), headers={"content-disposition": "attachment; filename=endless.bin"})

        async def echo(request):
            return PlainTextResponse(f"{len(await request.body())} bytes came")

        return Starlette(
            routes=[
                Route("/hit/{name}", hit, methods=["GET", "POST"]),
                Route("/redirect", redirect, methods=["GET", "POST"]),
                Route("/download", download),
                Route("/endless", endless),
                Route("/echo", echo, methods=["GET", "POST"]),
                Route("/{path:path}", page),
            ]
        )

    def state(self, db):
        return {"hits": [row["name"] for row in db.execute("SELECT name FROM hit")]}


@pytest.fixture(scope="session")
def hostile_app():
    return HostileApp()


@pytest.fixture
def hostile(hostile_app):
    """Return a function that opens a hostile page: body, other pages, quota of its workspace."""
    opened = []

    def open_page(html, others=None, quota_bytes=10_000):
        opened.append(Computer(hostile_app, html, others or {}, quota_bytes))
        return opened[-1]

    yield open_page
    for each in opened:
        each.close()


@pytest.fixture
def listener():
    before = threading.active_count()
    made = Listener()
    yield made
    made.close()
    assert threading.active_count() <= before
