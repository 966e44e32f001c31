"""The OpenAI chat form: what is sent, and the wary reading of what comes back."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from .abstention import Abstention, AbstentionKind, abstain
from .chat import ChatCall

_TOKENS_PER_MESSAGE = 64  # of a chat template, generously
_MOST_BELIEVED_TOKENS = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A server's answer of status 200.

    Attributes:
        outcome: the answer's text, or why it is of no use.
        prompt_tokens: as the server counts them; None: it does not say, or says nonsense.
        completion_tokens: likewise.
    """

    outcome: str | Abstention
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def request_body(call: ChatCall, *, model: str, token_limit_field: str, constrained: bool) -> dict[str, Any]:
    """Return the JSON body of one request."""
    body: dict[str, Any] = {
        "model": model,
        "messages": list(call.messages),
        "temperature": call.temperature,
        token_limit_field: call.max_tokens,
    }
    if constrained and call.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": call.schema},
        }
    return body


def most_prompt_tokens(messages: Sequence[Mapping[str, Any]], *, picture_tokens: int) -> int:
    """Return a number of tokens that the messages cannot exceed: a token has at least one byte of text."""
    total = 0
    for message in messages:
        total += _TOKENS_PER_MESSAGE
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            total += len(part["text"].encode()) if part["type"] == "text" else picture_tokens
    return total


def read_completion(raw: bytes) -> Completion:
    """Read the body of an answer of status 200; whatever it is, an outcome comes of it."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Completion(outcome=_malformed(f"it is no JSON ({error})"))
    if not isinstance(document, dict):
        return Completion(outcome=_malformed("it is no JSON object"))
    usage = document.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Completion(
        outcome=_outcome(document.get("choices")),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
    )


def _outcome(choices: Any) -> str | Abstention:
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return _malformed("choices[0].message is missing")
    if choice.get("finish_reason") == "length":
        return abstain(
            AbstentionKind.TRUNCATED, "the answer reached the token limit; raise max_answer_tokens if this is usual"
        )
    if choice.get("finish_reason") == "content_filter" or message.get("refusal"):
        return abstain(AbstentionKind.REFUSED, f"the model refused to answer: {message.get('refusal')!r}")
    content = message.get("content")
    return content if isinstance(content, str) else _malformed("choices[0].message.content is no text")


def _malformed(what: str) -> Abstention:
    return abstain(AbstentionKind.MALFORMED, f"expected a chat completion, but {what}")


def _count(value: Any) -> int | None:
    valid = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_BELIEVED_TOKENS
    return value if valid else None


def retry_after_s(value: str | None) -> float:
    """Return the seconds that a Retry-After header asks to wait; 0.0 if there is none that can be read."""
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError, OSError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


__all__ = ["Completion", "most_prompt_tokens", "read_completion", "request_body", "retry_after_s"]
