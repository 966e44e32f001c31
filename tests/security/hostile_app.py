"""An application on a hostile page's side: it serves whatever it is given, and counts what it is asked."""

import asyncio
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from milepost.sandbox.app_server import App


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
                *self.routes(),
                Route("/hit/{name}", hit, methods=["GET", "POST"]),
                Route("/redirect", redirect, methods=["GET", "POST"]),
                Route("/download", download),
                Route("/endless", endless),
                Route("/echo", echo, methods=["GET", "POST"]),
                Route("/{path:path}", page),
            ]
        )

    def routes(self):
        """Return what a subclass serves before all else."""
        return []

    def state(self, db):
        return {"hits": [row["name"] for row in db.execute("SELECT name FROM hit")]}
