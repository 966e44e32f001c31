"""The addresses of an OpenEnv server.

/ws                     a session: reset, step, state and close as JSON messages
/reset /step /state     the same by plain HTTP, for one episode that goes by no id, or for those named by `episode_id`
/schema /metadata /health /openapi.json
/list_environments /NAME/splits /NAME/tasks /NAME/num_tasks /NAME/task /NAME/task_range     the task API
/mcp                    the actions as tools, to look at
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ...sandbox.errors import TaskError
from ..action_tools import tool_schemas
from ..registration import task_for
from .catalogue import TYPES
from .messages import ErrorCode, ServedAction, ServedObservation, ServedState, ServeError, Step, invalid
from .openapi import openapi
from .sessions import Sessions

SEND_DEADLINE_S = 30.0
"""A client that does not take an answer within this is gone."""
_TRY_AGAIN_LATER, _POLICY, _GOING_AWAY = 1013, 1008, 1001
_PARSE_ERROR, _INVALID_REQUEST, _NO_METHOD = -32700, -32600, -32601


class _Split(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    split: str


class _Item(_Split):
    index: int


class _Range(_Split):
    start: int | None = None
    stop: int | None = None


def serve_app(sessions: Sessions) -> Starlette:
    """Return the ASGI application, without its gate.

    Args:
        sessions: what its clients have.
    """
    return _Addresses(sessions).app()


class _Addresses:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._catalogue = sessions.catalogue
        self._schema = {
            "action": ServedAction.model_json_schema(),
            "observation": ServedObservation.model_json_schema(),
            "state": ServedState.model_json_schema(),
        }
        self._metadata = {
            "name": self._catalogue.name,
            "description": self._catalogue.description,
            "readme_content": None,
            "version": _version(),
            "author": None,
            "documentation_url": None,
        }

    def app(self) -> Starlette:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            await self._sessions.close_all()

        tasks = {"tasks": self._tasks, "num_tasks": self._num_tasks, "task": self._task, "task_range": self._task_range}
        fixed: dict[str, Any] = {
            "/health": {"status": "healthy"},
            "/metadata": self._metadata,
            "/schema": self._schema,
            "/openapi.json": openapi(self._catalogue.name, self._schema),
            "/list_environments": [self._catalogue.name],
        }
        return Starlette(
            routes=[
                WebSocketRoute("/ws", self._session),
                Route("/reset", _answering(self._reset), methods=["POST"]),
                Route("/step", _answering(self._step), methods=["POST"]),
                Route("/state", _answering(self._state), methods=["GET"]),
                Route("/episode", _answering(self._close), methods=["DELETE"]),
                Route("/mcp", _answering(self._mcp), methods=["POST"]),
                *(Route(path, _answering(_always(answer)), methods=["GET"]) for path, answer in fixed.items()),
                Route("/{env}/splits", _answering(self._splits), methods=["GET"]),
                *(Route(f"/{{env}}/{name}", _answering(handler), methods=["POST"]) for name, handler in tasks.items()),
            ],
            lifespan=lifespan,
        )

    async def _session(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            session = self._sessions.open()
        except ServeError as error:
            with suppress(WebSocketDisconnect):
                await _send(socket, "error", error.to_json())
                await socket.close(_TRY_AGAIN_LATER)
            return
        try:
            while True:
                try:
                    async with asyncio.timeout(self._sessions.idle_s):
                        text = await socket.receive_text()
                except TimeoutError:
                    idle = f"nothing was asked for {self._sessions.idle_s:g} s; the session is over"
                    await _send(socket, "error", {"message": idle, "code": ErrorCode.SESSION_ERROR.value})
                    await socket.close(_GOING_AWAY)
                    return
                except KeyError:  # bytes
                    await socket.close(_POLICY, "expected text")
                    return
                try:
                    kind, data = await self._answer(session, text)
                except ServeError as error:
                    kind, data = "error", error.to_json()
                if kind == "close":
                    await socket.close()
                    return
                await _send(socket, kind, data)
        except (WebSocketDisconnect, TimeoutError):
            pass  # it has gone, or takes no answer
        finally:
            await asyncio.shield(self._sessions.close(session))

    async def _answer(self, session: Any, text: str) -> tuple[str, Mapping[str, Any]]:
        message = _loaded(text)
        data = message.get("data", {})
        if not isinstance(data, dict):
            raise ServeError("expected `data` to be an object", ErrorCode.VALIDATION_ERROR, status=422)
        match message.get("type"):
            case "reset":
                return "observation", (await session.reset(data)).to_wire()
            case "step":
                try:
                    action = ServedAction.model_validate(data)
                except ValidationError as error:
                    raise invalid(error, "step") from error
                return "observation", (await session.step(action)).to_wire()
            case "state":
                return "state", session.state.model_dump()
            case "close":
                return "close", {}
            case other:
                raise ServeError(
                    f"expected the type reset, step, state or close, came {str(other)[:50]!r}",
                    ErrorCode.UNKNOWN_TYPE,
                    status=422,
                )

    async def _reset(self, request: Request) -> Any:
        asked = _loaded(await request.body() or b"{}")
        episode_id = asked.get("episode_id")
        if episode_id is not None and not isinstance(episode_id, str):
            raise ServeError("reset: episode_id: expected text", ErrorCode.VALIDATION_ERROR, status=422)
        session = self._sessions.named(episode_id or None)
        try:
            return (await session.reset(asked)).to_wire()
        except ServeError:
            if session.state.episode_id is None:  # nothing was begun that anybody could step or end
                await self._sessions.forget(episode_id or None)
            raise

    async def _step(self, request: Request) -> Any:
        try:
            step = Step.model_validate(_loaded(await request.body()))
        except ValidationError as error:
            raise invalid(error, "step") from error
        session = self._sessions.known(step.episode_id)
        if session is None:
            raise ServeError("there is no such episode: reset first", ErrorCode.EXECUTION_ERROR, status=409)
        return (await session.step(step.action, timeout_s=step.timeout_s)).to_wire()

    async def _state(self, request: Request) -> Any:
        session = self._sessions.known(request.query_params.get("episode_id"))
        return (ServedState() if session is None else session.state).model_dump()

    async def _close(self, request: Request) -> Any:
        await self._sessions.forget(request.query_params.get("episode_id"))
        return {}

    async def _splits(self, request: Request) -> Any:
        self._named(request)
        return [{"name": name, "type": TYPES[name]} for name in self._catalogue.splits]

    async def _tasks(self, request: Request) -> Any:
        asked = await self._asked(request, _Split)
        return {"tasks": await _looked_up(self._catalogue.items, asked.split), "env_name": self._catalogue.name}

    async def _num_tasks(self, request: Request) -> Any:
        asked = await self._asked(request, _Split)
        return {"num_tasks": await _looked_up(self._catalogue.count, asked.split)}

    async def _task(self, request: Request) -> Any:
        asked = await self._asked(request, _Item)
        return {"task": await _looked_up(self._catalogue.item, asked.split, asked.index)}

    async def _task_range(self, request: Request) -> Any:
        asked = await self._asked(request, _Range)
        return {"tasks": await _looked_up(self._catalogue.items, asked.split, asked.start, asked.stop)}

    async def _asked(self, request: Request, model: Any) -> Any:
        self._named(request)
        try:
            return model.model_validate(_loaded(await request.body()))
        except ValidationError as error:
            raise invalid(error, "request") from error

    def _named(self, request: Request) -> None:
        if request.path_params["env"].lower() != self._catalogue.name.lower():
            raise ServeError(f"expected {self._catalogue.name}", ErrorCode.VALIDATION_ERROR, status=404)

    async def _mcp(self, request: Request) -> Any:
        """Answer as JSON-RPC. Tools are called in an episode, and those are had by /ws."""
        try:
            asked = orjson.loads(await request.body())
        except orjson.JSONDecodeError as error:
            return _rpc(None, _PARSE_ERROR, str(error))
        if not isinstance(asked, dict) or asked.get("jsonrpc") != "2.0" or not isinstance(asked.get("method"), str):
            return _rpc(None, _INVALID_REQUEST, 'expected {"jsonrpc": "2.0", "method": ..., "id": ...}')
        if asked["method"] != "tools/list":
            return _rpc(asked.get("id"), _NO_METHOD, "only tools/list is answered here; take actions through /ws")
        verbs = frozenset[str]().union(*(task_for(task_id).verbs for task_id in self._catalogue.ids))
        functions = [tool["function"] for tool in tool_schemas(verbs)]
        tools = [
            {"name": f["name"], "description": f["description"], "inputSchema": f["parameters"]} for f in functions
        ]
        return {"jsonrpc": "2.0", "id": asked.get("id"), "result": {"tools": tools}}


def _always(answer: Any) -> Callable[[Request], Awaitable[Any]]:
    async def handler(_: Request) -> Any:
        return answer

    return handler


def _answering(handler: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    """Make JSON of what a handler returns, or of the error that it raises."""

    async def answer(request: Request) -> Response:
        try:
            data, status = await handler(request), 200
        except ServeError as error:
            data, status = {"detail": error.to_json()}, error.status
        return Response(orjson.dumps(data), status, media_type="application/json")

    return answer


async def _looked_up(look: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return await run_in_threadpool(look, *arguments)
    except IndexError as error:
        raise ServeError(str(error), ErrorCode.VALIDATION_ERROR, status=400) from error
    except TaskError as error:
        raise ServeError(str(error), ErrorCode.VALIDATION_ERROR, status=404) from error


async def _send(socket: WebSocket, kind: str, data: Mapping[str, Any]) -> None:
    async with asyncio.timeout(SEND_DEADLINE_S):
        await socket.send_text(orjson.dumps({"type": kind, "data": data}).decode())


def _loaded(text: str | bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ServeError(f"expected JSON: {error}", ErrorCode.INVALID_JSON, status=400) from error
    if not isinstance(message, dict):
        raise ServeError("expected a JSON object", ErrorCode.VALIDATION_ERROR, status=422)
    return message


def _rpc(request_id: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


def _version() -> str:
    try:
        return version("milepost")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0.0.0"


__all__ = ["SEND_DEADLINE_S", "serve_app"]
