"""What a judge needs of a language model: one chat completion at a time, and never an exception for a failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from .abstention import Abstention


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCall:
    """One completion to ask for.

    Attributes:
        messages: the chat, in the OpenAI form.
        schema: JSON Schema that the answer should have, for engines that can constrain it; None: free text.
        temperature: 0 is greedy.
        max_tokens: most tokens of the answer.
        deadline: time of `time.monotonic()` after which no answer is waited for.
        sample: number of the sample; an engine that draws by itself draws another answer for each.
    """

    messages: Sequence[Mapping[str, Any]]
    schema: Mapping[str, Any] | None
    temperature: float
    max_tokens: int
    deadline: float
    sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatResult:
    """What came of a call, all its attempts together.

    Attributes:
        outcome: the answer's text, or why there is none.
        prompt_tokens: tokens charged for prompts.
        completion_tokens: tokens charged for answers.
        cost: money charged, in the currency of the configured prices.
        attempts: requests made; 0 if none was.
        constrained: whether the schema was sent along with the last of them.
    """

    outcome: str | Abstention
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    attempts: int = 0
    constrained: bool = False


class ChatSession(Protocol):
    """An engine at work."""

    async def complete(self, call: ChatCall) -> ChatResult:
        """Return an answer or why there is none; raises nothing for what a server, a model or a network does."""
        ...


class ChatEngine(Protocol):
    """A language model that answers chats: a server, or a model in this process."""

    def session(self) -> AbstractAsyncContextManager[ChatSession]:
        """Return a session for the running event loop; any number may be open at once."""
        ...


__all__ = ["ChatCall", "ChatEngine", "ChatResult", "ChatSession"]
