"""Servers that stand in for a judge's: real ports, real HTTP, scripted answers."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from milepost.rewards.judge import JudgeConfig, JudgeRequest, Rubric
from milepost.rewards.step_view import EpisodeView, StepView

FACT = "Receipt 4711 was sent"


def view(page: str = f'heading "Done"\ntext "{FACT}"', *, action: str = 'click("Send")') -> EpisodeView:
    step = StepView(before='[1] button "Send"', action=action, after=page)
    return EpisodeView(task="milepost/expense-form-v0", seed=3, goal="Send the receipt.", steps=(step,))


def request(page: str | None = None, **changes: Any) -> JudgeRequest:
    shown = view() if page is None else view(page)
    given: dict[str, Any] = {"rubric": Rubric(text="The receipt was sent."), "view": shown}
    return JudgeRequest(**(given | changes))


def verdict(passed: bool = True, score: float | None = None, quotes: list[str] | None = None, **more: Any) -> str:
    quoted = ([FACT] if passed else []) if quotes is None else quotes
    return json.dumps(
        {"reasons": "seen", "quotes": quoted, "score": float(passed) if score is None else score, "passed": passed}
        | more
    )


def completion(content: Any, *, finish: str = "stop", usage: Any = None) -> JSONResponse:
    """An OpenAI-like answer."""
    return JSONResponse(
        {
            "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20} if usage is None else usage,
        }
    )


@dataclass
class Server:
    """A server at work, and what it was asked."""

    url: str
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    def config(self, **changes: Any) -> JudgeConfig:
        settings: dict[str, Any] = {
            "model": "scripted", "base_url": self.url, "samples": 1, "timeout_s": 5, "deadline_s": 10, "max_retries": 2,
        }  # fmt: skip
        return JudgeConfig.model_validate(settings | changes)


Answer = Callable[[Server, int], Any]
"""From the server and the number of the request, from 0, to a response, or an awaitable one."""


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    """A Starlette application on a port of its own."""

    async def complete(asked: Request) -> Response:
        body = await asked.json()
        number = len(server.asked)
        server.asked.append(body)
        server.headers.append(dict(asked.headers))
        server.times.append(time.monotonic())
        server.under_way += 1
        server.most_under_way = max(server.most_under_way, server.under_way)
        try:
            answered = answer(server, number)
            made: Response = await answered if asyncio.iscoroutine(answered) else answered
            return made
        finally:
            server.under_way -= 1

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = Server(url=f"http://127.0.0.1:{listening.getsockname()[1]}/v1")
    running = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        running.should_exit = True
        thread.join(timeout=20)
        listening.close()


@contextmanager
def raw_serving(*answers: bytes | None) -> Iterator[Server]:
    """A bare socket that sends these bytes to one connection after another and hangs up; None: it resets at once."""

    def serve() -> None:
        for answer in answers:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                server.asked.append({})
                connection.recv(65536)
                if answer is None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                else:
                    connection.sendall(answer)

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    server = Server(url=f"http://127.0.0.1:{listening.getsockname()[1]}/v1")
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.close()
        thread.join(timeout=1)
