"""A judge in this process: a local language model behind the interface of a judge's server.

It draws as the policy's engine does and constrains nothing: the first JSON object in what it wrote is the answer, and
whether that is a verdict is for the judge to say.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import torch

from ..rewards.judge.abstention import Abstention, AbstentionKind, abstain
from ..rewards.judge.chat import ChatCall, ChatResult
from ..sandbox.errors import EngineError
from .engines.base import Engine
from .engines.hf import HFEngine
from .loading import load_model


class LocalChatEngine:
    """Answers chats by sampling a causal language model, one at a time.

    Args:
        engine: samples token ids.
        tokenizer: of the same model, with a chat template.
        context_tokens: most tokens of prompt and answer together.
        seed: the draws of equal calls are equal; each sample has its own.
    """

    def __init__(self, engine: Engine, tokenizer: Any, *, context_tokens: int, seed: int = 0) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._context_tokens = context_tokens
        self._seed = seed
        self._lock = threading.Lock()

    @classmethod
    def load(cls, name_or_path: str, *, seed: int = 0) -> LocalChatEngine:
        """Return an engine for a model of the cache or a folder.

        Raises:
            EngineError: there is none that can be loaded.
        """
        model, tokenizer = load_model(name_or_path)
        context = int(model.config.max_position_embeddings)
        return cls(HFEngine(model, tokenizer), tokenizer, context_tokens=context, seed=seed)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[LocalChatEngine]:
        """Return the engine itself: it holds no connections."""
        yield self

    async def complete(self, call: ChatCall) -> ChatResult:
        """Draw one answer in a thread; see `ChatSession`. A draw that has begun is not cut short by the deadline."""
        return await asyncio.to_thread(self._complete, call)

    def _complete(self, call: ChatCall) -> ChatResult:
        if any(not isinstance(message["content"], str) for message in call.messages):
            return ChatResult(
                outcome=abstain(AbstentionKind.REFUSED, "a local judge sees no pictures; set pictures: 0")
            )
        encoded = self._tokenizer.apply_chat_template(
            list(call.messages), add_generation_prompt=True, tokenize=True, return_dict=True
        )
        prompt = [int(token) for token in encoded["input_ids"]]
        if len(prompt) + call.max_tokens > self._context_tokens:
            return ChatResult(
                outcome=abstain(
                    AbstentionKind.TOO_LARGE,
                    f"the question has {len(prompt)} tokens and the answer up to {call.max_tokens}; the model takes "
                    f"{self._context_tokens} together. Lower total_chars or max_answer_tokens.",
                )
            )
        with self._lock:
            if time.monotonic() >= call.deadline:
                return ChatResult(outcome=abstain(AbstentionKind.LATE, "the model was busy until the deadline"))
            generator = torch.Generator().manual_seed(hash((self._seed, call.sample, *prompt)) % (1 << 63))
            try:
                (drawn,) = self._engine.sample(
                    [prompt],
                    max_new_tokens=call.max_tokens,
                    temperature=call.temperature,
                    stop_ids=[self._tokenizer.eos_token_id],
                    generator=generator,
                )
            except (EngineError, RuntimeError, MemoryError) as error:
                return ChatResult(outcome=abstain(AbstentionKind.SERVER, f"the model failed: {error}"))
        text = self._tokenizer.decode(drawn.ids, skip_special_tokens=True)
        outcome: str | Abstention = first_object(text)
        if not drawn.stopped and not outcome:
            outcome = abstain(AbstentionKind.TRUNCATED, f"no JSON object within {call.max_tokens} tokens: {text!r}")
        return ChatResult(
            outcome=outcome or text,
            prompt_tokens=len(prompt),
            completion_tokens=len(drawn.ids),
            attempts=1,
        )


def first_object(text: str) -> str:
    """Return the first complete JSON object in a text, as it stands there; "" if there is none."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
        else:
            return text[start:end]
    return ""


__all__ = ["LocalChatEngine", "first_object"]
