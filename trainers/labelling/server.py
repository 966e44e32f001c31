"""The labelling page and its server: a small one, for one annotator, on 127.0.0.1.

    with LabelServer(label_app(session, maker, RecordedEpisodes().trajectory)) as server:
        print(server.url)
        server.run()  # until Ctrl-C

GET /               the page, with page.css, page.js and icon.svg beside it
GET /pair           what to show now: the pair, and how far the annotator is
GET /pictures/ID    which pictures the pair of slot ID has; waits for a while if they are being taken
GET /picture/ID/SIDE/NUMBER   one of them
POST /choice        {"slot", "choice", "reason", "seconds"}: answers like /pair
POST /undo          {}: likewise
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
import secrets
import socket
import threading
from collections.abc import Callable
from importlib.resources import files
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ...agents.records import Trajectory
from ...rewards.labels import MAX_SECONDS, Choice
from ...rewards.preferences import TrajectoryRef
from ...sandbox.errors import MilepostError, RunError
from ...sandbox.http_deadline import http_server
from .gate import Gate
from .pictures import PictureMaker, Pictures
from .plan import Slot
from .session import MAX_REASON_CHARS, LabelSession, NotTheCurrentPairError
from .shown import episode_shown, goal_shown, harmless

if TYPE_CHECKING:
    from starlette.types import ASGIApp

SIDES = ("left", "right")
AHEAD = 3
"""For so many pairs, the current one included, pictures are taken."""
PICTURES_WAIT_S = 20.0
"""After so long the page is told that pictures are still being taken, and asks again."""
START_DEADLINE_S = 10.0
_NUMBER = re.compile("[0-9]{1,6}")
_FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


class _Chosen(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(max_length=64)
    choice: Literal[Choice.LEFT, Choice.RIGHT, Choice.TIE, Choice.SKIP]
    reason: str = Field(default="", max_length=4 * MAX_REASON_CHARS)
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class LabelPage:
    """Answers the page's requests; see the module for what they are."""

    def __init__(self, session: LabelSession, maker: PictureMaker, read: Callable[[TrajectoryRef], Trajectory]) -> None:
        self._session = session
        self._maker = maker
        self._read = read
        self._served = {name: files(__package__).joinpath(name).read_bytes() for name in ("page.html", *_FILES)}

    def app(self) -> ASGIApp:
        """Return the ASGI application, without its gate."""
        return Starlette(
            routes=[
                Route("/", self._page),
                *(Route(f"/{name}", self._file) for name in _FILES),
                Route("/pair", self._pair),
                Route("/pictures/{slot}", self._pictures),
                Route("/picture/{slot}/{side}/{number}", self._picture),
                Route("/choice", self._choice, methods=["POST"]),
                Route("/undo", self._undo, methods=["POST"]),
            ]
        )

    async def _page(self, request: Request) -> Response:
        return Response(self._served["page.html"], media_type="text/html")

    async def _file(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return Response(self._served[name], media_type=_FILES[name])

    async def _pair(self, request: Request) -> Response:
        return await self._now()

    async def _choice(self, request: Request) -> Response:
        try:
            sent = _Chosen.model_validate_json(await request.body())
        except ValidationError as error:
            return PlainTextResponse(f"not a choice: {error.errors()[0]['msg']}", 422)
        seconds = min(sent.seconds, MAX_SECONDS)
        try:
            await run_in_threadpool(self._session.choose, sent.slot, sent.choice, reason=sent.reason, seconds=seconds)
        except NotTheCurrentPairError as error:
            return PlainTextResponse(str(error), 409)
        except MilepostError as error:
            return PlainTextResponse(str(error), 500)
        return await self._now()

    async def _undo(self, request: Request) -> Response:
        try:
            await run_in_threadpool(self._session.undo)
        except MilepostError as error:
            return PlainTextResponse(str(error), 500)
        return await self._now()

    async def _now(self) -> Response:
        try:
            return JSONResponse(await run_in_threadpool(self._state))
        except MilepostError as error:
            return PlainTextResponse(str(error), 500)

    def _state(self) -> dict[str, Any]:
        session = self._session
        ahead = session.ahead(AHEAD)
        self._maker.want([ref for slot in ahead for ref in slot.shown])
        return {
            "annotator": session.annotator,
            "done": session.done,
            "total": session.total,
            "pair": self._pair_shown(ahead[0]) if ahead else None,
        }

    def _pair_shown(self, slot: Slot) -> dict[str, Any]:
        left, right = map(self._read, slot.shown)
        return {
            "slot": slot.id,
            "task": harmless(slot.pair.task.removeprefix("milepost/"), 100),
            "goal": goal_shown(left),
            "left": episode_shown(left),
            "right": episode_shown(right),
        }

    async def _pictures(self, request: Request) -> Response:
        slot = self._session.slot(request.path_params["slot"])
        if slot is None:
            return PlainTextResponse("there is no such pair", 404)
        waited = [asyncio.wrap_future(self._maker.pictures(ref)) for ref in slot.shown]
        try:
            done, pending = await asyncio.wait(waited, timeout=PICTURES_WAIT_S)
        finally:
            for future in waited:
                future.cancel()  # the waiting only; a picture may come after the server's loop is gone
        told = [_numbers(future.result()) if future in done else None for future in waited]
        return JSONResponse({"ready": not pending, **dict(zip(SIDES, told, strict=True))})

    async def _picture(self, request: Request) -> Response:
        slot = self._session.slot(request.path_params["slot"])
        side, number = request.path_params["side"], request.path_params["number"]
        if slot is not None and side in SIDES and _NUMBER.fullmatch(number):
            future = self._maker.pictures(slot.shown[SIDES.index(side)])
            made = future.result() if future.done() else Pictures()
            path = made.files[int(number)] if int(number) < len(made.files) else None
            if path is not None and path.is_file():
                return FileResponse(path, media_type="image/png")
        return PlainTextResponse("there is no such picture", 404)


def _numbers(pictures: Pictures) -> dict[str, Any]:
    """What the page is told of an episode's pictures: by which number each frame's is asked for, null if there is none.

    Frames that look alike have the number of the first of them.
    """
    first: dict[str, int] = {}
    numbers = [
        None if file is None else first.setdefault(file.name, number) for number, file in enumerate(pictures.files)
    ]
    return {"numbers": numbers, "note": harmless(pictures.note, 500)}


class LabelServer:
    """Serves the labelling page on 127.0.0.1 under a random address.

    Args:
        app: what `LabelPage.app` returns.
        port: where to listen; 0 takes a free one.

    Raises:
        RunError: the port cannot be had.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
            self._socket.listen()  # who is told the address may come before the server is up, and is answered then
        except OSError as error:
            self._socket.close()
            raise RunError(
                f"cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another --port, or leave it out to take "
                "a free one."
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        self._server = http_server(
            Gate(app, token=self.token, port=self.port),
            server_header=False,
            timeout_graceful_shutdown=1,  # a page that waits for pictures would hold it up for longer
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def run(self) -> None:
        """Serve until the process is told to stop; an interrupt is raised again when the server has stopped."""
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Serve on a thread of its own.

        Raises:
            RunError: it does not start.
        """
        started: concurrent.futures.Future[None] = concurrent.futures.Future()

        async def serve() -> None:
            asyncio.get_running_loop().call_soon(started.set_result, None)
            await self._server.serve(sockets=[self._socket])

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), name="milepost-label", daemon=True)
        self._thread.start()
        try:
            started.result(START_DEADLINE_S)
        except TimeoutError as error:
            raise RunError(
                f"the labelling server did not start within {START_DEADLINE_S:g} s on port {self.port}. Is the machine "
                "very busy? Try again, or choose another --port."
            ) from error

    def close(self) -> None:
        """Stop; idempotent."""
        self._server.should_exit = self._server.force_exit = True
        if self._thread is not None:
            self._thread.join(START_DEADLINE_S)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["LabelPage", "LabelServer"]
