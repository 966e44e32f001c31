"""What the checks of self_check.py are made of: a page to try things on, and the words for what did not hold."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from .app_server import App, AppServer
from .errors import ActionError
from .events import Event
from .workspace import Workspace

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from .page import PageSession, PageView
    from .snapshot import Element

CHECK_DEADLINE_S = 20.0
E = TypeVar("E", bound=Event)


class Backend(Protocol):
    """Whatever lends pages: `Fleet`, or another that offers the interface of `PageSession`."""

    async def acquire(self) -> PageSession:
        """Return a clean page."""

    async def release(self, session: PageSession) -> None:
        """Take a page back."""

    async def close(self) -> None:
        """End every page and process."""


class CheckFailedError(Exception):
    """Something did not hold; the message says what was expected and what came."""


class CheckSkippedError(Exception):
    """A check does not apply to this backend or machine; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One small behaviour.

    Attributes:
        name: what it is about, unique, in the form "group: what holds".
        reason: why it matters, in a line.
        run: raises CheckFailedError or CheckSkippedError, or anything else that went wrong.
        deadline_s: seconds after which it has failed.
    """

    name: str
    reason: str
    run: Callable[[Kit], Awaitable[None]]
    deadline_s: float


class CheckGroup:
    """Collects the checks of one module, in the order in which they are written."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.checks: list[Check] = []

    def check(
        self, what: str, reason: str, *, deadline_s: float = CHECK_DEADLINE_S
    ) -> Callable[[Callable[[Kit], Awaitable[None]]], Callable[[Kit], Awaitable[None]]]:
        """Return a decorator that adds a coroutine function as a check."""

        def add(run: Callable[[Kit], Awaitable[None]]) -> Callable[[Kit], Awaitable[None]]:
            self.checks.append(Check(name=f"{self.name}: {what}", reason=reason, run=run, deadline_s=deadline_s))
            return run

        return add


class CheckApp(App):
    """Serves the pages in its parameters, and what checks need of a server; its state counts requests to `/hit`."""

    name = "selfcheck"

    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create the empty tables."""
        db.execute("CREATE TABLE page (path TEXT PRIMARY KEY, html TEXT)")
        db.execute("CREATE TABLE hit (what TEXT)")

    def seed(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Store the pages."""
        db.executemany("INSERT INTO page VALUES (?, ?)", parameters["pages"].items())

    def asgi(self) -> ASGIApp:
        """Return the application."""
        from starlette.applications import Starlette
        from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
        from starlette.responses import Response as AnyResponse
        from starlette.routing import Route

        async def page(request: Request) -> Response:
            row = request.state.db.execute("SELECT html FROM page WHERE path = ?", (request.url.path,)).fetchone()
            if row is None:
                return HTMLResponse("<!doctype html><title>Missing</title>", 404)
            return HTMLResponse("<!doctype html>" + row["html"])

        async def hit(request: Request) -> Response:
            request.state.db.execute("INSERT INTO hit VALUES (?)", (request.url.query,))
            return PlainTextResponse("hit")

        async def slow(request: Request) -> Response:
            await asyncio.sleep(0.3)
            return PlainTextResponse("late")

        async def redirect(request: Request) -> Response:
            return RedirectResponse(request.query_params["to"])

        async def table(request: Request) -> Response:
            headers = {"content-disposition": 'attachment; filename="table.csv"'}
            return AnyResponse(b"a,b\n1,2\n", media_type="text/csv", headers=headers)

        async def fail(request: Request) -> Response:
            raise ValueError("on purpose")

        return Starlette(
            routes=[
                Route("/hit", hit, methods=["GET", "POST"]),
                Route("/slow", slow),
                Route("/redirect", redirect),
                Route("/table", table),
                Route("/fail", fail),
                Route("/{path:path}", page),
            ]
        )

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return what was asked of /hit."""
        return {"hits": [row["what"] for row in db.execute("SELECT what FROM hit")]}


class Computer:
    """One page of one episode with its workspace; `events` are those of the last step."""

    def __init__(self, page: PageSession, instance: Any, workspace: Workspace) -> None:
        self.page = page
        self.instance = instance
        self.workspace = workspace
        self.events: list[Event] = []

    async def look(self) -> PageView:
        """Return the page as it stands."""
        return await self.page.look()

    async def title(self) -> str:
        """Return the document's title, which is how a check's page says what it found."""
        return (await self.page.look()).title

    async def element(self, name: str) -> Element:
        """Return the one element of this name."""
        view = await self.page.look()
        found = [e for e in view.elements if e.name == name]
        if len(found) != 1:
            names = [f"{e.role} {e.name!r}" for e in view.elements][:8]
            raise CheckFailedError(f"expected one element named {name!r}, found {len(found)} among {names}")
        return found[0]

    async def do(self, action: str, *arguments: Any, on: str | None = None, **options: Any) -> None:
        """Do one action, on the element named `on` if given, settle and look, as a step does."""
        method = getattr(self.page, action, None)
        if method is None:
            raise CheckSkippedError(f"this backend has no {action}")
        target = () if on is None else ((await self.element(on)).ref,)
        await method(*target, *arguments, **options)
        await self.settle()

    async def settle(self, budget_ms: float = 50.0) -> None:
        """Let the page react, look, and take the events."""
        await self.page.settle(budget_ms)
        await self.page.look()
        self.events = self.page.drain_events(1)

    async def refused(self, action: str, *arguments: Any, on: str | None = None) -> str:
        """Return why an action is refused; one that is not has failed the check."""
        try:
            await self.do(action, *arguments, on=on)
        except ActionError as error:
            return str(error)
        raise CheckFailedError(f"{action}{arguments} on {on!r} was expected to be refused, and was done")

    async def state(self) -> dict[str, Any]:
        """Return the application's state."""
        return dict(await asyncio.to_thread(self.instance.state))

    def of(self, kind: type[E]) -> list[E]:
        """Return the last step's events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


class Kit:
    """Opens what a check asks for, and closes it afterwards.

    Attributes:
        backend: what is checked.
        foreign_pids: browsers of this process that are not the backend's.
    """

    def __init__(self, backend: Backend, foreign_pids: frozenset[int] = frozenset()) -> None:
        self.backend = backend
        self.foreign_pids = foreign_pids
        self._app = CheckApp()
        self._opened: list[Computer] = []
        self._workspaces: list[Workspace] = []

    async def open(
        self,
        html: str,
        pages: Mapping[str, str] | None = None,
        *,
        seed: int = 5,
        quota_bytes: int = 100_000,
        saves_downloads: bool = True,
        **options: Any,
    ) -> Computer:
        """Start an episode on a page with the body `html`; `pages` are others by their paths."""
        instance = AppServer.shared().open(
            self._app, rng=np.random.default_rng(0), parameters={"pages": {"/": html, **(pages or {})}}
        )
        workspace = self.workspace(quota_bytes=quota_bytes)
        page = await self.backend.acquire()
        computer = Computer(page, instance, workspace)
        self._opened.append(computer)
        try:
            await page.open(
                url=instance.origin + "/",
                allowed_hosts=[instance.host],
                seed=seed,
                downloads=workspace if saves_downloads else None,
                **options,
            )
        except TypeError as error:
            raise CheckSkippedError(f"this backend cannot open a page so: {error}") from error
        await page.look()
        computer.events = page.drain_events(0)
        return computer

    def workspace(self, **quotas: int) -> Workspace:
        """Make a workspace of its own."""
        made = Workspace.create(**quotas)
        self._workspaces.append(made)
        return made

    async def close(self, computer: Computer) -> None:
        """End one episode."""
        self._opened.remove(computer)
        await self.backend.release(computer.page)
        computer.instance.close()

    async def close_all(self) -> None:
        """End everything that is open."""
        for computer in list(self._opened):
            await self.close(computer)
        for workspace in self._workspaces:
            workspace.close()
        self._workspaces.clear()


def browser_pids() -> frozenset[int]:
    """Return the ids of the Chromiums that descend from this process; none where /proc does not tell."""
    parents: dict[int, int] = {}
    browsers = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
            parents[int(entry.name)] = int(fields[1])
            if b"chrom" in command and b"--user-data-dir" in command and b"--type=" not in command and fields[0] != "Z":
                browsers.add(int(entry.name))

    def is_ours(pid: int) -> bool:
        while pid > 1 and pid != os.getpid():
            pid = parents.get(pid, 0)
        return pid == os.getpid()

    return frozenset(pid for pid in browsers if is_ours(pid))


def expect(value: Any, expected: Any, what: str) -> None:
    """Raise CheckFailedError unless two values are equal."""
    if value != expected:
        raise CheckFailedError(f"{what}: expected {expected!r}, came {value!r}")


def require(holds: bool, what: str) -> None:
    """Raise CheckFailedError unless something holds."""
    if not holds:
        raise CheckFailedError(what)


__all__ = [
    "CHECK_DEADLINE_S",
    "Backend",
    "Check",
    "CheckFailedError",
    "CheckGroup",
    "CheckSkippedError",
    "Computer",
    "Kit",
    "browser_pids",
    "expect",
    "require",
]
