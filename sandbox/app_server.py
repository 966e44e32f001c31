"""Serve the bundled applications: one origin and one SQLite database per episode, one server thread per process.

An episode's origin is `http://<random hex>.<app>.apps.localhost:<port>`: one site for all, so that one renderer
process can serve a page's episodes one after another. Chromium resolves *.localhost to this machine by itself, and
the Host header says which episode's database a request belongs to. An episode's requests are handled one at a time,
in order of arrival, each as one transaction: committed when the handler returns, rolled back when it raises. So
handlers must end their responses; endless streams are not supported.

An application may give an episode something of its own in place of the shared ASGI application: see `Served`.

request_gate.py turns away what does not come from the episode's own pages, and binds those pages by headers.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import copy
import os
import re
import secrets
import socket
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .errors import AppServerError
from .request_gate import (
    MAX_ANSWER_BYTES,
    AnswerTooLargeError,
    BodyTooLargeError,
    bounded,
    headers_of,
    page_rules,
    refusal,
)

if TYPE_CHECKING:
    import numpy
    import uvicorn
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Answer = TypeVar("Answer")

SITE = "apps.localhost"
START_DEADLINE_S = 10.0
STATE_DEADLINE_S = 5.0
REQUEST_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one episode of an application has to itself: a process, a proxy, an application made for it.

    Attributes:
        asgi: serves its requests, in the place of `App.asgi()`.
        state: returns the server-side state, in the place of `App.state()`; read anew each time, on the server's loop.
        close: frees what it holds; called once, on any thread; must not block.
    """

    asgi: ASGIApp
    state: Callable[[], Awaitable[dict[str, Any]]]
    close: Callable[[], None]


class App(ABC):
    """One bundled application: a schema, seeded content, an ASGI app, and what a milestone may ask of its state.

    Attributes:
        name: lower-case letters, digits and hyphens; part of the origin.
        features: what its pages may use of `request_gate.POWERFUL_FEATURES`, by their Permissions-Policy names.
        starts_slowly: whether opening an episode may take so long that others should not wait for it.
    """

    name: str
    features: ClassVar[frozenset[str]] = frozenset()
    starts_slowly: ClassVar[bool] = False

    @abstractmethod
    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create the tables, and content common to every episode, in the template database; called once per App."""

    @abstractmethod
    def seed(self, db: sqlite3.Connection, rng: numpy.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Fill an episode's database; what the parameters name must exist afterwards."""

    @abstractmethod
    def asgi(self) -> ASGIApp:
        """Return the ASGI application; called once.

        Handlers find the episode's connection as `request.state.db`, and as `request.state.hosts` the episode's
        applications by their host and port.
        """

    @abstractmethod
    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return the server-side state as JSON-ready data."""

    def serve(
        self, db: sqlite3.Connection, rng: numpy.random.Generator, parameters: Mapping[str, Any]
    ) -> Served | None:
        """Return what this episode has to itself, if anything; called after `seed`. It may block."""
        return None

    def opening(self, db: sqlite3.Connection, seed: int) -> str | None:
        """Return the script that begins an episode in a page that has loaded; None, as here: loading it is enough.

        It is evaluated in the page's own world. Its value may be an object with a text `goal`: what the agent is told.

        Args:
            db: the episode's database.
            seed: the episode's seed.
        """
        return None

    def begins_anew(self, start: str) -> bool:
        """Tell whether the script of `opening` can begin further episodes in a page that has served one.

        Args:
            start: path and query of the page.
        """
        return False


class _Hosted:
    """An App with its template database and its ASGI application, shared by all its episodes."""

    def __init__(self, app: App) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", app.name):
            raise AppServerError(
                f"an app's name may hold a-z, 0-9 and inner hyphens, since it is part of a host name; came {app.name!r}"
            )
        self.app = app
        self.asgi = app.asgi()
        self._lock = threading.Lock()
        self._template = episode_database()
        app.create_schema(self._template)
        self._template.commit()

    def seeded(self, rng: numpy.random.Generator, parameters: Mapping[str, Any]) -> sqlite3.Connection:
        """Return a clone of the template, filled for an episode; raises AppServerError if the application fails."""
        try:
            db = episode_database()
            with self._lock:
                self._template.backup(db)
            self.app.seed(db, rng, parameters)
            db.commit()
        except Exception as error:
            raise _unusable(self.app, error) from error
        return db


class AppInstance:
    """One episode of one application.

    Attributes:
        origin: "http://<episode>.<app>.apps.localhost:<port>", no trailing slash.
        host: the origin's host and port, as `PageSession.open` takes it in `allowed_hosts`.
    """

    def __init__(
        self,
        server: AppServer,
        hosted: _Hosted,
        db: sqlite3.Connection,
        host: str,
        family: dict[str, App],
        served: Served | None = None,
    ) -> None:
        self.host = host
        self._served = served
        self.origin = f"http://{host}"
        self._family = family
        family[host] = hosted.app
        self._server = server
        self._hosted = hosted
        self._db = db
        self._lock = asyncio.Lock()
        self._failure: str | None = None
        self._handled = 0
        self._state: tuple[int, dict[str, Any]] | None = None
        self._closed = False

    @property
    def failure(self) -> str | None:
        """What went wrong in a handler ("GET /x: ValueError: ..."), or None."""
        return self._failure

    def prepare(self, change: Callable[[sqlite3.Connection], None]) -> None:
        """Change the episode's database before its first request; what `change` raises passes through, undone.

        Args:
            change: is given the connection; its transaction is committed.
        """
        try:
            change(self._db)
            self._db.commit()
        except BaseException:
            self._db.rollback()
            raise

    def check(self) -> None:
        """Raise AppServerError if a handler has failed since the episode began."""
        if self._failure is not None:
            raise AppServerError(f"the application {self._hosted.app.name!r} failed while handling {self._failure}")

    def state(self) -> dict[str, Any]:
        """Return the server-side state, read between two requests.

        Raises:
            AppServerError: a handler has failed since the episode began, the state cannot be read, or the server does
            not answer.
        """
        self.check()
        if self._closed:
            raise AppServerError("the application's episode is closed; open another one")
        cached = self._state
        if cached is None or cached[0] != self._handled or self._served is not None:
            cached = self._await(self._read_state, "state()")
            self.check()
            self._state = cached
        return copy.deepcopy(cached[1])

    def opening(self, seed: int) -> str | None:
        """Return the script that begins the episode in its page (see `App.opening`); blocks and raises like `state`."""
        return self._ask(lambda: self._hosted.app.opening(self._db, seed), "opening()")

    def begins_anew(self, start: str) -> bool:
        """Tell whether the page at this path can begin one episode after another (see `App.begins_anew`)."""
        return self._hosted.app.begins_anew(start)

    def renew(self, *, rng: numpy.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Begin another episode at the same address, with a database of its own; blocks. Arguments as `AppServer.open`.

        Raises:
            AppServerError: the application could not be set up, or the server does not answer.
        """
        db = self._hosted.seeded(rng, parameters)

        def swap() -> None:
            old, self._db = self._db, db
            old.close()
            self._failure, self._state = None, None
            self._handled += 1

        self._ask(swap, "its next episode")

    def close(self) -> None:
        """Forget the episode: its origin answers 404 from now on, its database is gone. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._family.pop(self.host, None)
        self._server.forget(self.host)
        with contextlib.suppress(RuntimeError):  # the server may be closed already
            asyncio.run_coroutine_threadsafe(self._close_db(), self._server.loop)
        if self._served is not None:
            self._served.close()

    async def _read_state(self) -> tuple[int, dict[str, Any]]:
        if self._served is not None:
            return self._handled, await self._served.state()
        return self._handled, self._hosted.app.state(self._db)

    def _ask(self, question: Callable[[], Answer], what: str) -> Answer:
        """Return what a function answers on the server's thread, between two requests."""

        async def ask() -> Answer:
            return question()

        return self._await(ask, what)

    def _await(self, question: Callable[[], Awaitable[Answer]], what: str) -> Answer:
        """Return what is awaited on the server's loop, between two requests."""

        async def ask() -> Answer:
            async with self._lock:
                return await question()

        future = asyncio.run_coroutine_threadsafe(ask(), self._server.loop)
        try:
            return future.result(STATE_DEADLINE_S)
        except TimeoutError as error:
            future.cancel()
            raise AppServerError(f"the application server did not answer within {STATE_DEADLINE_S:g} s") from error
        except Exception as error:
            raise AppServerError(f"{self._hosted.app.name!r}.{what} failed: {type(error).__name__}: {error}") from error

    async def _close_db(self) -> None:
        async with self._lock:
            self._db.close()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request as one transaction (called on the server's loop)."""
        refused = refusal(headers_of(scope), self._family)
        if refused is not None:
            await _plain(send, *refused)
            return
        async with self._lock:
            if self._closed:
                await _plain(send, 404, "this episode is over")
                return
            self._handled += 1  # before the answer: who has it and asks for the state must not get the one before
            sent_bytes: int | None = None

            async def watched_send(message: Message) -> None:
                nonlocal sent_bytes
                if message["type"] == "http.response.start":
                    sent_bytes = 0
                    rules = page_rules(self._family, self._hosted.app.features)
                    message = {**message, "headers": [*message.get("headers", ()), *rules]}
                else:
                    sent_bytes = (sent_bytes or 0) + len(message.get("body", b""))
                    if sent_bytes > MAX_ANSWER_BYTES:
                        raise AnswerTooLargeError(f"it answered with more than {MAX_ANSWER_BYTES} bytes")
                await send(message)

            scope["state"] = {"db": self._db, "hosts": self._family}
            try:
                asgi = self._hosted.asgi if self._served is None else self._served.asgi
                async with asyncio.timeout(REQUEST_DEADLINE_S):
                    await asgi(scope, bounded(receive), watched_send)
                self._db.commit()
            except BodyTooLargeError as error:
                self._db.rollback()
                if sent_bytes is None:
                    await _plain(send, 413, str(error))
            except (
                Exception
            ) as error:  # whatever the application raised is its failure: recorded, typed, shown by state()
                self._db.rollback()
                if self._failure is None:
                    self._failure = f"{scope['method']} {scope['path']}: {type(error).__name__}: {error}"
                if sent_bytes is None:
                    await _plain(send, 500, "the application failed")


class AppServer:
    """A uvicorn server on 127.0.0.1 in a thread of its own, dispatching on the Host header."""

    _shared: ClassVar[AppServer | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._hosted: dict[int, _Hosted] = {}
        self._instances: dict[str, AppInstance] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # asyncio sets this on sockets that name their protocol only; what comes in by `accept` inherits it from here.
        # Without it an answer's body waits for the browser's delayed acknowledgement of its head: 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self._server: uvicorn.Server | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="milepost-apps", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_DEADLINE_S):
            raise AppServerError(
                f"the application server did not start within {START_DEADLINE_S:g} s on port {self.port}"
            )

    @classmethod
    def shared(cls) -> AppServer:
        """Return this process's server, starting it if there is none (or the old one was closed or forked away)."""
        if cls._shared is not None and cls._shared._pid != os.getpid():
            cls._shared_lock, cls._shared = threading.Lock(), None
        with cls._shared_lock:
            if cls._shared is None or cls._shared._closed:
                cls._shared = cls()
                atexit.register(cls._shared.close)
            return cls._shared

    def open(
        self,
        app: App,
        *,
        rng: numpy.random.Generator,
        parameters: Mapping[str, Any],
        beside: AppInstance | None = None,
    ) -> AppInstance:
        """Open an episode of `app`: its database is a clone of the app's template, filled by `app.seed`.

        Args:
            app: the application.
            rng: draws what the parameters leave open.
            parameters: the task's.
            beside: another application of the same episode; pages of the two may link to and embed each other, as no
                two episodes' pages may.

        Raises:
            AppServerError: the server is closed, or the app's schema or seeding failed.
        """
        if self._closed:
            raise AppServerError("the application server is closed; use AppServer.shared() for a new one")
        try:
            with self._lock:
                hosted = self._hosted.get(id(app))
                if hosted is None:
                    hosted = self._hosted[id(app)] = _Hosted(app)
        except AppServerError:
            raise
        except Exception as error:
            raise _unusable(app, error) from error
        db = hosted.seeded(rng, parameters)
        try:
            served = app.serve(db, rng, parameters)
        except AppServerError:
            raise
        except Exception as error:
            raise _unusable(app, error) from error
        host = f"{secrets.token_hex(8)}.{app.name}.{SITE}:{self.port}"
        instance = AppInstance(self, hosted, db, host, {} if beside is None else beside._family, served)
        self._instances[host] = instance
        return instance

    @property
    def warm_url(self) -> str:
        """An address of the episodes' site where no episode lives."""
        return f"http://warm.{SITE}:{self.port}/"

    def forget(self, host: str) -> None:
        """Stop answering for a host."""
        self._instances.pop(host, None)

    def close(self) -> None:
        """Stop the server and join its thread; idempotent."""
        if self._closed or self._pid != os.getpid():
            return
        for instance in list(self._instances.values()):
            instance.close()
        self._closed = True
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = True
        self._thread.join(START_DEADLINE_S)
        atexit.unregister(self.close)

    async def _asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = headers_of(scope).get(b"host", b"")
        instance = self._instances.get(host.decode("latin-1"))
        if instance is None:
            await _plain(send, 404, "no episode lives at this address")
        else:
            await instance.handle(scope, receive, send)

    def _main(self) -> None:
        from .http_deadline import http_server

        asyncio.set_event_loop(self.loop)
        # a page stands still while its agent thinks; its connection should outlive that
        server = self._server = http_server(self._asgi, timeout_keep_alive=120)

        async def serve() -> None:
            self.loop.call_soon(self._ready.set)
            await server.serve(sockets=[self._socket])

        try:
            self.loop.run_until_complete(serve())
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        finally:
            self._socket.close()
            self.loop.close()


def episode_database() -> sqlite3.Connection:
    """Return an empty database as an episode has it: in memory, so that it leaves nothing on disk."""
    # One connection per episode, used by one request at a time.
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _unusable(app: App, error: Exception) -> AppServerError:
    return AppServerError(f"the application {app.name!r} could not be set up: {type(error).__name__}: {error}")


async def _plain(send: Send, status: int, text: str) -> None:
    body = f"<!doctype html><title>{status}</title><h1>{status}</h1><p>{text}</p>".encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # a page must not fill the browser's pool with connections to nobody
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


__all__ = ["App", "AppInstance", "AppServer", "Served", "episode_database"]
