"""A judge behind an OpenAI-compatible HTTP server.

Requests that may do better later (408, 409, 429, 5xx, a broken connection, no answer in time) are repeated with full
jitter, never sooner than the server asks. Each attempt is reserved in the budget before it begins. What a server sends
is read as far as the configuration allows, is not followed elsewhere, and has the key blotted out before anyone sees
it.
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import numpy as np
import orjson

from ...sandbox.errors import RewardError
from .abstention import Abstention, AbstentionKind, abstain
from .budget import Budget, Spending
from .chat import ChatCall, ChatResult
from .config import JudgeConfig
from .wire import Completion, most_prompt_tokens, read_completion, request_body, retry_after_s

_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 20.0
_ERROR_BYTES = 4096
_PASSING_STATUS = frozenset({408, 409, 429})
_FORMAT_STATUS = frozenset({400, 404, 415, 422, 501})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """An attempt without an answer."""

    abstention: Abstention
    may_pass: bool = False
    wait_s: float = 0.0
    format_refused: bool = False


class ChatClient:
    """Asks one model of one server.

    Args:
        config: where the server is and how patient to be.
        budget: what may be spent.
        generator: source of the jitter.
        environ: where the key is looked up.

    Raises:
        RewardError: the configuration names no server, or a variable that holds no key.
    """

    def __init__(
        self,
        config: JudgeConfig,
        budget: Budget,
        *,
        generator: np.random.Generator | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        if config.base_url is None:
            raise RewardError("the judge's configuration has no base_url; name its server, or give the judge an engine")
        self.config = config
        self.budget = budget
        self._url = f"{config.base_url}/chat/completions"
        self._key = _key(config.api_key_env, environ)
        self._generator = generator or np.random.default_rng()
        self._takes_schema = config.constrained
        self._slots: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )
        self._tls = httpx.create_ssl_context()  # made once: it reads all certificates of the system

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ChatClientSession]:
        """Return a session with connections of its own; all sessions of an event loop share the limit on requests."""
        loop = asyncio.get_running_loop()
        slots = self._slots.setdefault(loop, asyncio.Semaphore(self.config.max_concurrency))
        headers = {"accept-encoding": "identity", "user-agent": "milepost-judge", "content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        limits = httpx.Limits(max_connections=self.config.max_concurrency)
        async with httpx.AsyncClient(headers=headers, timeout=None, limits=limits, verify=self._tls) as http:
            yield ChatClientSession(self, http, slots)

    def blot(self, text: str) -> str:
        """Return a text of the server's without our key, should it have sent that back."""
        return text.replace(self._key, "[key]") if self._key else text


class ChatClientSession:
    """Requests over one set of connections; made by `ChatClient.session`."""

    def __init__(self, client: ChatClient, http: httpx.AsyncClient, slots: asyncio.Semaphore) -> None:
        self._client = client
        self._http = http
        self._slots = slots
        self._config = client.config

    async def complete(self, call: ChatCall) -> ChatResult:
        """Ask, and ask again while that may help and time and budget last; see `ChatSession`."""
        spent: list[Spending] = []
        last: list[Abstention] = []
        constrained = False
        outcome: str | Abstention
        try:
            async with asyncio.timeout(call.deadline - time.monotonic()):
                retries = 0
                while True:
                    constrained = self._client._takes_schema and call.schema is not None
                    outcome, failure = await self._attempt(call, constrained, spent)
                    if failure is None:
                        break
                    last.append(failure.abstention)
                    if failure.format_refused:
                        # Asked once more without; only a server that then answers is remembered to refuse schemas.
                        constrained = False
                        outcome, failure = await self._attempt(call, False, spent)
                        if failure is None:
                            self._client._takes_schema = False
                            break
                    if not failure.may_pass or retries >= self._config.max_retries:
                        break
                    wait_s = self._backoff_s(retries, failure.wait_s)
                    if time.monotonic() + wait_s >= call.deadline:
                        break
                    await asyncio.sleep(wait_s)
                    retries += 1
        except TimeoutError:
            why = f"; before that: {last[-1].detail}" if last else ""
            outcome = abstain(AbstentionKind.LATE, f"no answer within deadline_s = {self._config.deadline_s:g}{why}")
        return ChatResult(
            outcome=outcome,
            prompt_tokens=sum(each.prompt_tokens for each in spent),
            completion_tokens=sum(each.completion_tokens for each in spent),
            cost=sum(each.cost for each in spent),
            attempts=len(spent),
            constrained=constrained,
        )

    def _backoff_s(self, retries: int, asked_s: float) -> float:
        jitter = self._client._generator.uniform(0.0, min(_LONGEST_BACKOFF_S, _BACKOFF_S * 2.0**retries))
        return asked_s + float(jitter)

    async def _attempt(
        self, call: ChatCall, constrained: bool, spent: list[Spending]
    ) -> tuple[str | Abstention, _Failure | None]:
        """Make one request; on failure its abstention is the outcome, too."""
        budget = self._client.budget
        body = request_body(
            call,
            model=self._config.model,
            token_limit_field=self._config.token_limit_field,
            constrained=constrained,
        )
        async with self._slots:
            reservation = await budget.reserve(
                prompt_tokens=most_prompt_tokens(call.messages, picture_tokens=self._config.picture_tokens),
                completion_tokens=call.max_tokens,
                deadline=call.deadline,
            )
            if isinstance(reservation, Abstention):
                return reservation, _Failure(abstention=reservation)
            taken: tuple[int | None, int | None] = (None, None)  # unknown, also when this is cancelled
            try:
                answered = await self._send(orjson.dumps(body))
                if isinstance(answered, Completion):
                    taken = (answered.prompt_tokens, answered.completion_tokens)
                    outcome = answered.outcome
                    if isinstance(outcome, str):
                        return self._client.blot(outcome), None
                    return abstain(outcome.kind, self._client.blot(outcome.detail)), None
                failure, unanswered = answered
                if unanswered:
                    taken = (0, 0)
                if failure.format_refused and not constrained:
                    failure = _Failure(abstention=failure.abstention)
                return failure.abstention, failure
            finally:
                spent.append(budget.settle(reservation, prompt_tokens=taken[0], completion_tokens=taken[1]))

    async def _send(self, body: bytes) -> Completion | tuple[_Failure, bool]:
        """Return the answer, or the failure and whether it is certain that no model was run for it."""
        try:
            async with (
                asyncio.timeout(self._config.timeout_s),
                self._http.stream("POST", self._client._url, content=body) as response,
            ):
                if response.status_code != 200:
                    return await self._refusal(response), True
                raw = await _read(response, self._config.max_answer_bytes)
        except TimeoutError:
            late = abstain(AbstentionKind.LATE, f"no answer within timeout_s = {self._config.timeout_s:g}")
            return _Failure(abstention=late, may_pass=True), False
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            what = self._client.blot(f"{type(error).__name__}: {error}")
            broken = abstain(AbstentionKind.UNREACHABLE, f"{self._config.base_url}: {what}; is the server running?")
            return _Failure(abstention=broken, may_pass=True), isinstance(error, httpx.ConnectError)
        if isinstance(raw, Abstention):
            return Completion(outcome=raw)
        return read_completion(raw)

    async def _refusal(self, response: httpx.Response) -> _Failure:
        status = response.status_code
        raw = await _read(response, _ERROR_BYTES, cut=True)
        said = self._client.blot(raw.decode(errors="replace")) if isinstance(raw, bytes) else ""
        detail = f"status {status} from {self._config.base_url}: {said}"
        if status == 429:
            kind = AbstentionKind.RATE
        else:
            kind = AbstentionKind.SERVER if status >= 500 else AbstentionKind.REFUSED
        return _Failure(
            abstention=abstain(kind, detail),
            may_pass=status in _PASSING_STATUS or (status >= 500 and status != 501),
            wait_s=retry_after_s(response.headers.get("retry-after")),
            format_refused=status in _FORMAT_STATUS,
        )


async def _read(response: httpx.Response, limit: int, *, cut: bool = False) -> bytes | Abstention:
    """Read a body of at most `limit` bytes; of a longer one, return its beginning if `cut`, else abstain."""
    if response.headers.get("content-encoding", "identity") != "identity":
        # None was asked for, and a few kilobytes can hold gigabytes.
        return abstain(AbstentionKind.MALFORMED, "expected an answer that is not compressed")
    parts, total = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        total += len(part)
        if total > limit:
            if cut:
                break
            return abstain(AbstentionKind.TOO_LARGE, f"the answer has more than max_answer_bytes = {limit}")
    return b"".join(parts)[:limit]


def _key(variable: str | None, environ: Mapping[str, str]) -> str | None:
    if variable is None:
        return None
    key = environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        problem = "holds characters that no header can carry" if key else "is not set"
        raise RewardError(
            f"the environment variable {variable}, which api_key_env names, {problem}. Set it to the judge's key, or "
            "leave api_key_env out for a server that wants none."
        )
    return key


__all__ = ["ChatClient", "ChatClientSession"]
