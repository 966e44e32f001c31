"""The playing page's answers; `local_page` has the server and the gate.

GET /             the page, with play.css, play.js and icon.svg beside it
GET /now          the episode as it stands: goal, what can be pointed at, milestones, what was done
GET /picture/N    the picture of the page after N actions, while that is the present one
POST /act         {"action": "..."}, or {"ref": 4, "text": "..."} for an element that was pointed at: answers like /now
POST /begin       {"seed": 3}: another episode; answers like /now
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ...agents.hand_play import HandPlay
from ...envs.actions import MAX_ACTION_CHARS
from ...sandbox.errors import ActionError, MilepostError
from ..demonstrations import Demonstrations
from ..local_page.text import harmless
from .offers import offers

if TYPE_CHECKING:
    from rich.console import Console
    from starlette.types import ASGIApp

_FILES = {"play.css": "text/css", "play.js": "text/javascript", "icon.svg": "image/svg+xml"}


class _Act(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    action: str | None = Field(default=None, min_length=1, max_length=MAX_ACTION_CHARS)
    ref: int | None = Field(default=None, ge=0)
    text: str | None = Field(default=None, max_length=MAX_ACTION_CHARS)


class _Begin(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(ge=0, lt=2**31)


class PlayPage:
    """Answers the page's requests; see the module for what they are.

    Args:
        task: a registered task's id.
        seed: of the first episode.
        demonstrations: where episodes go that were played to their end; None records none.
    """

    def __init__(self, task: str, seed: int, demonstrations: Demonstrations | None) -> None:
        self._task = task
        self._demonstrations = demonstrations
        self._served = {name: files(__package__).joinpath("page", name).read_bytes() for name in ("play.html", *_FILES)}
        self._turn = asyncio.Lock()
        self._recorded = False
        self._hand = self._begun(seed)

    def app(self) -> ASGIApp:
        """Return the ASGI application, without its gate."""
        return Starlette(
            routes=[
                Route("/", self._page),
                *(Route(f"/{name}", self._file) for name in _FILES),
                Route("/now", self._now),
                Route("/picture/{number:int}", self._picture),
                Route("/act", self._act, methods=["POST"]),
                Route("/begin", self._begin, methods=["POST"]),
            ]
        )

    def close(self) -> None:
        """Give the page of the episode back."""
        self._hand.close()

    def _begun(self, seed: int) -> HandPlay:
        folder = None if self._demonstrations is None else self._demonstrations.ledger_dir()
        self._recorded = False
        return HandPlay.begin(self._task, seed=seed, ledger_dir=folder, pictures=True)

    async def _page(self, request: Request) -> Response:
        return Response(self._served["play.html"], media_type="text/html")

    async def _file(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return Response(self._served[name], media_type=_FILES[name])

    async def _picture(self, request: Request) -> Response:
        png = self._hand.info["screenshot"]
        if png is None or request.path_params["number"] != len(self._hand.steps):
            return PlainTextResponse("there is no such picture any more", 404)
        return Response(png, media_type="image/png")

    async def _now(self, request: Request) -> Response:
        return await self._answer(lambda: None)

    async def _act(self, request: Request) -> Response:
        try:
            sent = _Act.model_validate_json(await request.body())
        except ValidationError as error:
            return PlainTextResponse(f"not an action: {error.errors()[0]['msg']}", 422)

        def do() -> None:
            if self._hand.over:
                raise ActionError("the episode is over: begin another one")
            self._hand.act(sent.action if sent.action is not None else self._pointed(sent))
            if self._hand.over and self._demonstrations is not None:
                self._recorded = self._demonstrations.keep(self._hand.trajectory())

        return await self._answer(do)

    async def _begin(self, request: Request) -> Response:
        try:
            sent = _Begin.model_validate_json(await request.body())
        except ValidationError as error:
            return PlainTextResponse(f"not a seed: {error.errors()[0]['msg']}", 422)

        def begin() -> None:
            self._hand.close()
            self._hand = self._begun(sent.seed)

        return await self._answer(begin)

    def _pointed(self, sent: _Act) -> str:
        for offer in offers(self._hand.elements, self._hand.verbs):
            if offer.element.ref == sent.ref:
                return offer.action(sent.text)
        raise ActionError(f"there is no element {sent.ref} to act on any more; look at the page again")

    async def _answer(self, do: Callable[[], None]) -> Response:
        def done() -> dict[str, Any]:
            do()
            return self._state()

        async with self._turn:
            try:
                return JSONResponse(await run_in_threadpool(done))
            except ActionError as error:
                return PlainTextResponse(str(error), 409)
            except MilepostError as error:
                return PlainTextResponse(str(error), 500)

    def _state(self) -> dict[str, Any]:
        hand = self._hand
        seen = hand.observation
        over = None
        if hand.over:
            over = {"stop": str(hand.info["stop_reason"]), "success": bool(hand.info["success"])}
        return {
            "task": harmless(hand.task_id.removeprefix("milepost/"), 100),
            "seed": hand.seed,
            "goal": harmless(seen["goal"]),
            "url": harmless(seen.get("url", ""), 300),
            "page": harmless(seen.get("page", "")),
            "files": harmless(seen.get("files", "")),
            "result": harmless(seen["last_action_result"]),
            "error": harmless(seen["last_action_error"]),
            "steps": [
                {"action": harmless(step.action, 300), "error": harmless(step.error, 300)} for step in hand.steps
            ],
            "picture": None if hand.info["screenshot"] is None else len(hand.steps),
            "offers": [] if hand.over else self._offers(),
            "marks": [
                {
                    "id": mark.id,
                    "words": harmless(mark.description, 300),
                    "reward": mark.reward,
                    "forbidden": mark.forbidden,
                    "step": mark.step,
                    "evidence": harmless(mark.evidence, 300),
                }
                for mark in hand.marks
            ],
            "earned": round(hand.earned, 6),
            "most": hand.max_reward,
            "over": over,
            "recorded": self._recorded,
            "episodes": None if self._demonstrations is None else len(self._demonstrations),
        }

    def _offers(self) -> list[dict[str, Any]]:
        shown = []
        for offer in offers(self._hand.elements, self._hand.verbs):
            element = offer.element
            shown.append(
                {
                    "ref": element.ref,
                    "box": element.box,
                    "verb": offer.verb,
                    "name": harmless(element.name, 120),
                    "role": harmless(element.role, 40),
                    "value": harmless(element.value or "", 200),
                    "options": [harmless(option, 120) for option in element.options[:100]],
                }
            )
        return shown


def serve_play(task: str, seed: int, demonstrations: Demonstrations | None, *, port: int, console: Console) -> None:
    """Serve the page until Ctrl-C, and print its address on standard output.

    Raises:
        RunError: the port cannot be had.
        SandboxError: no episode could begin.
    """
    from ..local_page.server import LocalServer

    page = PlayPage(task, seed, demonstrations)
    try:
        with LocalServer(page.app(), port=port) as server:
            print(server.url, flush=True)
            console.print("Open this address in a browser on this machine. Ctrl-C ends.", highlight=False)
            server.run()
    except KeyboardInterrupt:
        pass  # how playing ends
    finally:
        page.close()


__all__ = ["PlayPage", "serve_play"]
