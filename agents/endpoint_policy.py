"""A policy behind an OpenAI-compatible server: one chat completion for each action.

The judge's client does the asking, so retries, deadlines, size limits and the care of the key are the same. What the
model says is its action, whatever it says: a refusal or an answer that was cut at the token limit is an action that
cannot be read, and costs a step. What the server fails to do (no answer in time, an answer that is no chat completion)
is nobody's action: the episode ends as one that the machine broke. A server that never answers ends the evaluation.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

from pydantic import ValidationError

from ..rewards.judge.abstention import Abstention, AbstentionKind
from ..rewards.judge.budget import Budget, BudgetLimits
from ..rewards.judge.chat import ChatCall, ChatResult
from ..rewards.judge.client import ChatClient, ChatClientSession
from ..rewards.judge.config import JudgeConfig
from ..sandbox.errors import EngineError, RewardError
from .policies import Decision, View
from .prompts import build_messages, render_observation

PATIENCE = 16
"""So many calls in a row without an answer, and the server is taken for gone."""

_ITS_OWN_DOING = frozenset({AbstentionKind.TRUNCATED, AbstentionKind.REFUSED})
_SERVER_GONE = frozenset({AbstentionKind.LATE, AbstentionKind.UNREACHABLE, AbstentionKind.SERVER, AbstentionKind.RATE})
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)


class EndpointPolicy:
    """Asks a server for each action, all live episodes at once.

    Args:
        model: the model's name, as the server knows it.
        base_url: of the server, e.g. "http://127.0.0.1:8000/v1".
        api_key_env: name of the environment variable that holds the key; None: no key is sent.
        temperature: 0 is greedy.
        max_new_tokens: longest answer, thoughts included.
        concurrency: requests under way at once.
        timeout_s: most time for one request.
        max_retries: requests that are repeated after a failure that may pass.

    Raises:
        EngineError: the address is none, or the variable holds no key.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str,
        api_key_env: str | None = None,
        temperature: float = 0.0,
        max_new_tokens: int = 512,
        concurrency: int = 16,
        timeout_s: float = 120.0,
        max_retries: int = 4,
    ) -> None:
        try:
            config = JudgeConfig(
                model=model, base_url=base_url, api_key_env=api_key_env, samples=1, timeout_s=timeout_s,
                deadline_s=timeout_s * 2, max_retries=max_retries, max_concurrency=concurrency,
            )  # fmt: skip
            self._client = ChatClient(config, Budget(BudgetLimits()))
        except ValidationError as error:
            problem = error.errors()[0]
            raise EngineError(f"the policy openai:{model}@{base_url}: {problem['loc'][0]}: {problem['msg']}") from error
        except RewardError as error:
            raise EngineError(
                f"the policy openai:{model}@{base_url}: the environment variable {api_key_env}, which should hold its "
                "key, is not set or holds what no header can carry. Set it, or leave --api-key-env out for a server "
                "that wants none."
            ) from error
        self._temperature = temperature
        self._max_new_tokens = max_new_tokens
        self._timeout_s = timeout_s
        self._worker: ThreadPoolExecutor | None = None  # its one thread has an event loop of its own
        self._local = threading.local()
        self._round: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._answered = False
        self._silent = 0

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return an action for each episode, or why there is none.

        Raises:
            EngineError: the server has refused or failed every call so far, or `PATIENCE` of them in a row.
        """
        if not views:
            return []
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="milepost-endpoint", initializer=self._open)
        results = self._worker.submit(self._run, list(views)).result()
        decisions = [self._decision(result) for result in results]
        self._watch(results)
        return decisions

    def close(self) -> None:
        """Give up what is under way, and close the connections."""
        if self._worker is not None:
            if self._round is not None:
                loop, task = self._round
                loop.call_soon_threadsafe(task.cancel)
            self._worker.submit(self._shut).result()
            self._worker.shutdown()
            self._worker = None

    # on the worker's thread

    def _open(self) -> None:
        self._local.runner = asyncio.Runner()
        self._local.stack = AsyncExitStack()
        self._local.session = self._local.runner.run(self._local.stack.enter_async_context(self._client.session()))

    def _shut(self) -> None:
        self._local.runner.run(self._local.stack.aclose())
        self._local.runner.close()

    def _run(self, views: Sequence[View]) -> list[ChatResult]:
        results: list[ChatResult] = self._local.runner.run(self._ask(self._local.session, views))
        return results

    async def _ask(self, session: ChatClientSession, views: Sequence[View]) -> list[ChatResult]:
        places = asyncio.Semaphore(self._client.config.max_concurrency)
        task = asyncio.current_task()
        assert task is not None
        self._round = (asyncio.get_running_loop(), task)

        async def one(view: View) -> ChatResult:
            async with places:  # so that a call's time begins with its turn
                return await session.complete(self._call(view))

        return list(await asyncio.gather(*(one(view) for view in views)))

    def _call(self, view: View) -> ChatCall:
        shown = render_observation(view.observation)
        if view.instructions is None:
            messages = build_messages(shown, verbs=view.drawn.task.verbs)
        else:
            messages = [{"role": "system", "content": view.instructions}, {"role": "user", "content": shown}]
        return ChatCall(
            messages=messages,
            schema=None,
            temperature=self._temperature,
            max_tokens=self._max_new_tokens,
            deadline=time.monotonic() + self._client.config.deadline_s,
            sample=0,
        )

    # what comes of the answers

    def _decision(self, result: ChatResult) -> Decision:
        tokens: dict[str, Any] = {"prompt_tokens": result.prompt_tokens, "completion_tokens": result.completion_tokens}
        if isinstance(result.outcome, str):
            return Decision(action=_THOUGHTS.sub("", result.outcome), **tokens)
        if result.outcome.kind in _ITS_OWN_DOING and not _is_servers(result):
            return Decision(action="", **tokens)
        return Decision(action="", failure=f"{result.outcome.kind}: {result.outcome.detail}", **tokens)

    def _watch(self, results: Sequence[ChatResult]) -> None:
        """Give up where asking on is of no use."""
        for result in results:
            outcome = result.outcome
            answered = isinstance(outcome, str) or (outcome.kind in _ITS_OWN_DOING and not _is_servers(result))
            self._answered |= answered
            gone = isinstance(outcome, Abstention) and outcome.kind in _SERVER_GONE
            self._silent = 0 if answered else self._silent + gone
        failed = next((r.outcome for r in results if isinstance(r.outcome, Abstention)), None)
        if failed is None or (self._answered and self._silent < PATIENCE):
            return
        config = self._client.config
        when = f"{self._silent} calls in a row" if self._answered else "any call"
        raise EngineError(
            f"the policy openai:{config.model}@{config.base_url} did not answer {when} ({failed.kind}: "
            f"{failed.detail}). Check its address, the model's name and the key (--api-key-env); the same command "
            "goes on from here."
        )


def _is_servers(result: ChatResult) -> bool:
    """Tell whether a refusal is the server's, which runs no model for it, rather than the model's."""
    return (
        isinstance(result.outcome, Abstention)
        and result.outcome.kind is AbstentionKind.REFUSED
        and result.prompt_tokens == 0
    )


__all__ = ["PATIENCE", "EndpointPolicy"]
