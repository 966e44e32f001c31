"""The viewer's answers; `local_page` has the server and the gate.

    viewer = Viewer(RunIndex.open(run), TokenTexts(run), run / "pictures")
    with LocalServer(viewer.app()) as server:
        print(server.url)
        server.run()  # until Ctrl-C

GET /                    the page, with its style, its scripts and its icon beside it
GET /run                 the run: episodes as columns, tasks, success, curves; what was added since is read first
GET /episode/N           one episode, without its pictures
GET /rescored/N          what its ledger pays when it is scored again
GET /pictures/N          which pictures it has; waits for a while if they are being taken
GET /picture/N/K         the picture of its moment K
GET /export/N, /export/N/M   these episodes as one HTML file
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from ...agents.prompts import render_observation
from ...agents.records import Trajectory
from ...rewards.preferences import TrajectoryRef
from ...sandbox.errors import MilepostError
from ..local_page.text import harmless
from ..pictures import PictureMaker, Pictures
from .episode import episode_document
from .evaluations import page_alone
from .evidence import rescored
from .export import Exported, exported_page
from .index import RunIndex
from .overview import run_document
from .page_files import SCRIPTS, page_html
from .tokens import TokenTexts

if TYPE_CHECKING:
    from starlette.types import ASGIApp

PICTURES_WAIT_S = 20.0
"""After so long the page is told that pictures are still being taken, and asks again."""
_NUMBER = re.compile("[0-9]{1,9}")
_FILES = {"view.css": "text/css", "icon.svg": "image/svg+xml", **dict.fromkeys(SCRIPTS, "text/javascript")}


class Viewer:
    """Answers the page's requests; see the module for what they are.

    Args:
        index: the run's index.
        texts: says what its tokens stand for.
        folder: where pictures are kept.
    """

    def __init__(self, index: RunIndex, texts: TokenTexts, folder: Path) -> None:
        self._index = index
        self._texts = texts
        self._served = {name: files(__package__).joinpath("page", name).read_bytes() for name in _FILES}
        look = page_alone if index.is_evaluation else render_observation
        self.maker = PictureMaker(self._read, lambda ref: folder, look)

    def app(self) -> ASGIApp:
        """Return the ASGI application, without its gate."""
        return Starlette(
            routes=[
                Route("/", self._page),
                *(Route(f"/{name}", self._file) for name in _FILES),
                Route("/run", self._run),
                Route("/episode/{number}", self._episode),
                Route("/rescored/{number}", self._rescored),
                Route("/pictures/{number}", self._pictures),
                Route("/picture/{number}/{moment}", self._picture),
                Route("/export/{number}", self._export),
                Route("/export/{number}/{other}", self._export),
            ]
        )

    def _read(self, ref: TrajectoryRef) -> Trajectory:
        return self._index.trajectory(ref.index)

    def _ref(self, number: int) -> TrajectoryRef:
        return TrajectoryRef(run=self._index.run, file=self._index.rows[number].file, index=number)

    async def _page(self, request: Request) -> Response:
        return Response(page_html(), media_type="text/html")

    async def _file(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return Response(self._served[name], media_type=_FILES[name])

    async def _run(self, request: Request) -> Response:
        def read() -> dict[str, Any]:
            self._index = RunIndex.open(self._index.run)
            return run_document(self._index)

        return await _answer(read)

    async def _episode(self, request: Request) -> Response:
        if (number := self._number(request, "number")) is None:
            return _no_such_episode()
        return await _answer(lambda: episode_document(self._index, number, self._texts))

    async def _rescored(self, request: Request) -> Response:
        if (number := self._number(request, "number")) is None:
            return _no_such_episode()
        index = self._index
        return await _answer(lambda: rescored(index.ledger(number), index.trajectory(number).ledger_hash))

    async def _pictures(self, request: Request) -> Response:
        if (number := self._number(request, "number")) is None:
            return _no_such_episode()
        (made,) = await self._taken([number])
        return await _answer(lambda: pictures_told(made))

    async def _picture(self, request: Request) -> Response:
        number, moment = self._number(request, "number"), request.path_params["moment"]
        if number is not None and _NUMBER.fullmatch(moment):
            future = self.maker.pictures(self._ref(number))
            made = future.result() if future.done() else Pictures()
            path = made.files[int(moment)] if int(moment) < len(made.files) else None
            if path is not None and path.is_file():
                return FileResponse(path, media_type="image/png")
        return PlainTextResponse("there is no such picture", 404)

    async def _export(self, request: Request) -> Response:
        asked = [self._number(request, name) for name in ("number", "other") if name in request.path_params]
        numbers = [number for number in asked if number is not None]
        if len(numbers) < len(asked):
            return _no_such_episode()
        while None in (pictures := await self._taken(numbers)):
            pass  # somebody may have wanted others in between, so they are asked for again
        chosen = [Exported(number=n, pictures=made or Pictures()) for n, made in zip(numbers, pictures, strict=True)]
        try:
            page = await run_in_threadpool(exported_page, self._index, self._texts, chosen)
        except MilepostError as error:
            return PlainTextResponse(harmless(str(error), 1_000), 500)
        name = f"{_file_name(self._index.run.name)}-{'-'.join(map(str, numbers))}.html"
        return Response(page, media_type="text/html", headers={"content-disposition": f'attachment; filename="{name}"'})

    async def _taken(self, numbers: Sequence[int]) -> list[Pictures | None]:
        """Ask for episodes' pictures and wait for a while; None where they are still being taken."""
        refs = [self._ref(number) for number in numbers]
        self.maker.want(refs)
        waited = [asyncio.wrap_future(self.maker.pictures(ref)) for ref in refs]
        try:
            done, _ = await asyncio.wait(waited, timeout=PICTURES_WAIT_S)
        finally:
            for future in waited:
                future.cancel()  # the waiting only; a picture may come after the server's loop is gone
        return [future.result() if future in done else None for future in waited]

    def _number(self, request: Request, name: str) -> int | None:
        """Return the number that a path names; None if there is no such episode."""
        told = request.path_params[name]
        return int(told) if _NUMBER.fullmatch(told) and int(told) < len(self._index.rows) else None


def pictures_told(pictures: Pictures | None) -> dict[str, Any]:
    """Return what the page is told of an episode's pictures; None: they are still being taken.

    Returns:
        ready; numbers: under which number each moment's picture is asked for, None if there is none, those that look
        alike under that of the first; note: why some are missing; differs_at: the first page that was not as recorded.
    """
    if pictures is None:
        return {"ready": False, "numbers": [], "note": "", "differs_at": None}
    first: dict[str, int] = {}
    numbers = [
        None if file is None else first.setdefault(file.name, number) for number, file in enumerate(pictures.files)
    ]
    return {
        "ready": True,
        "numbers": numbers,
        "note": harmless(pictures.note, 500),
        "differs_at": pictures.differs_at,
    }


async def _answer(told: Callable[[], dict[str, Any]]) -> Response:
    try:
        return Response(await run_in_threadpool(lambda: orjson.dumps(told())), media_type="application/json")
    except MilepostError as error:
        return PlainTextResponse(harmless(str(error), 1_000), 409)


def _no_such_episode() -> Response:
    return PlainTextResponse("there is no such episode", 404)


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:60] or "run"


__all__ = ["Viewer", "pictures_told"]
