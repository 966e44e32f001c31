"""The labelling page and its server: a small one, for one annotator, on 127.0.0.1.

    with LocalServer(LabelPage(session, maker, RecordedEpisodes().trajectory).app()) as server:
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
import re
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ...agents.records import Trajectory
from ...rewards.labels import MAX_SECONDS, Choice
from ...rewards.preferences import TrajectoryRef
from ...sandbox.errors import MilepostError
from ..local_page.text import harmless
from ..pictures import PictureMaker, Pictures
from .plan import Slot
from .session import MAX_REASON_CHARS, LabelSession, NotTheCurrentPairError
from .shown import episode_shown, goal_shown

if TYPE_CHECKING:
    from starlette.types import ASGIApp

SIDES = ("left", "right")
AHEAD = 3
"""For so many pairs, the current one included, pictures are taken."""
PICTURES_WAIT_S = 20.0
"""After so long the page is told that pictures are still being taken, and asks again."""
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


__all__ = ["LabelPage"]
