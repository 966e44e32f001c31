"""A browser, an app that serves whatever pages a test gives it, and a synchronous grip on both."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from milepost.sandbox.app_server import App, AppServer
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.fleet import Fleet
from milepost.sandbox.workspace import Workspace

DEADLINE_S = 60.0


class Pages(App):
    """Serves the pages in its parameters.

    /slow answers late, /halves waits between its halves, /fail raises, /file.csv downloads, /add adds a row.
    """

    name = "pages"

    def create_schema(self, db):
        db.execute("CREATE TABLE page (path TEXT PRIMARY KEY, html TEXT)")
        db.execute("CREATE TABLE added (what TEXT)")

    def seed(self, db, rng, parameters):
        db.executemany("INSERT INTO page VALUES (?, ?)", parameters["pages"].items())

    def asgi(self):
        async def page(request):
            row = request.state.db.execute("SELECT html FROM page WHERE path = ?", (request.url.path,)).fetchone()
            return HTMLResponse("<!doctype html>" + row["html"]) if row else HTMLResponse("nothing here", 404)

        async def slow(request):
            await asyncio.sleep(float(request.query_params["s"]))
            return Response("late")

        async def halves(request):
            async def written():
                yield "<!doctype html><p>one</p>"
                await asyncio.sleep(0.25)
                yield "<p>two</p><script>document.title = performance.now()</script>"

            return StreamingResponse(written(), media_type="text/html")

        async def fail(request):
            request.state.db.execute("INSERT INTO added VALUES ('half')")
            raise ValueError("the handler broke")

        async def add(request):
            request.state.db.execute("INSERT INTO added VALUES (?)", (request.query_params["what"],))
            return Response("added")

        async def download(request):
            headers = {"content-disposition": "attachment; filename=file.csv"}
            return Response(
                "a,b\n1,2\n" * int(request.query_params.get("n", 1)), media_type="text/csv", headers=headers
            )

        return Starlette(
            routes=[
                Route("/slow", slow),
                Route("/halves", halves),
                Route("/fail", fail),
                Route("/add", add),
                Route("/file.csv", download),
                Route("/{path:path}", page),
            ]
        )

    def state(self, db):
        return {"added": [row["what"] for row in db.execute("SELECT what FROM added")]}


@pytest.fixture(scope="session")
def app():
    return Pages()


class Computer:
    """One page of one episode, driven synchronously."""

    def __init__(self, app, html, others, quota_bytes, dialogs="accept", beside=None, request_bodies=False):
        pages = {"/": html, **others}
        self.instance = AppServer.shared().open(
            app, rng=np.random.default_rng(0), parameters={"pages": pages}, beside=beside
        )
        self.hosts = [self.instance.host] + ([] if beside is None else [beside.host])
        self.workspace = Workspace.create(quota_bytes=quota_bytes)
        self.page = self.run(self._open(dialogs, request_bodies))
        self.look()
        self.events = self.page.drain_events(0)

    async def _open(self, dialogs, request_bodies):
        page = await Fleet.shared().acquire()
        await page.open(
            url=self.instance.origin + "/",
            allowed_hosts=self.hosts,
            seed=5,
            downloads=self.workspace,
            dialogs=dialogs,
            request_bodies=request_bodies,
        )
        return page

    def run(self, coro):
        return BrowserThread.get().run(coro, DEADLINE_S)

    def look(self):
        return self.run(self.page.look())

    def ref(self, name, role=None):
        found = [e for e in self.look().elements if e.name == name and role in (None, e.role)]
        assert len(found) == 1, found or [e.name for e in self.look().elements]
        return found[0].ref

    def element(self, name):
        ref = self.ref(name)
        return next(e for e in self.look().elements if e.ref == ref)

    def act(self, action, *arguments, **options):
        """Do one action and settle; a name stands for the element that has it. Return the step's events."""
        named = {"click": 1, "fill": 1, "select": 1, "hover": 1, "drag": 2, "check": 1, "upload": 1}.get(action, 0)
        arguments = tuple(self.ref(a) if i < named and isinstance(a, str) else a for i, a in enumerate(arguments))

        async def step():
            await getattr(self.page, action)(*arguments, **options)
            await self.page.settle()
            await self.page.look()

        self.run(step())
        self.events = self.page.drain_events(1)
        return self.events

    def settle(self, budget_ms=50.0):
        self.run(self.page.settle(budget_ms))

    def script(self, expression):
        """Evaluate in the page's own world."""
        answer = self.run(self.page._channel.send("Runtime.evaluate", expression=expression, returnByValue=True))
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def of(self, cls):
        return [e for e in self.events if isinstance(e, cls)]

    def close(self):
        """End the episode; idempotent."""

        async def release():
            await Fleet.shared().release(self.page)

        self.run(release())
        self.workspace.close()
        self.instance.close()


@pytest.fixture
def computer(app):
    """Return a function that opens a page with the given body."""
    opened = []

    def open_page(html, others=None, quota_bytes=10_000, dialogs="accept", beside=None, request_bodies=False):
        opened.append(Computer(app, html, others or {}, quota_bytes, dialogs, beside, request_bodies))
        return opened[-1]

    yield open_page
    for each in opened:
        each.close()


@pytest.fixture
def workspace():
    made = Workspace.create(quota_bytes=1_000, quota_files=12)
    yield made
    made.close()


@pytest.fixture
def run():
    return SimpleNamespace(on_thread=lambda coro: BrowserThread.get().run(coro, DEADLINE_S))
