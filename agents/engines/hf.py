"""Sampling from a transformers causal language model in this process.

A Llama-family model on the CPU takes the fast form (`FastLlama`): prompts are computed as a trie whose entries are kept
between calls while the weights stand still, each distinct prefix once; responses are decoded as one batch from which
finished rows are dropped. Any other model takes its own forward pass (`plain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...sandbox.errors import EngineError
from .base import Sample
from .draw import draw_tokens
from .llama import DecodingCache, FastLlama, adapter_is_off
from .plain import sample_plainly
from .prompt_cache import PromptCache
from .requests import check_request, row_uniforms

_COMPACT_BELOW = 0.75  # drop finished rows once fewer than this share of the batch is live


class HFEngine:
    """Batched sampling from a transformers causal LM, with or without a LoRA adapter.

    Args:
        model: a transformers causal LM, or a peft model around one.
        tokenizer: kept for callers; sampling works on token ids.
        kv_budget_bytes: bounds the decoding cache and, separately, the prompt cache; above 0.
        fast: False: always use the module's own forward pass.
    """

    def __init__(self, model: Any, tokenizer: Any = None, *, kv_budget_bytes: int = 1 << 30, fast: bool = True) -> None:
        if kv_budget_bytes <= 0:
            raise EngineError(f"expected kv_budget_bytes above 0, got {kv_budget_bytes}")
        self.model = model
        self.tokenizer = tokenizer
        self._kv_budget_bytes = kv_budget_bytes
        self._use_fast = fast
        self._fast: FastLlama | None = None
        self._cache: PromptCache | None = None
        self._adapter = True

    def weights_changed(self) -> None:
        """Drop what was computed from the old weights (in-place updates of an adapter are noticed without it)."""
        self.forget()

    def forget(self) -> None:
        """Drop the prompts' cached states."""
        if self._cache is not None:
            self._cache.clear()

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int,
        temperature: float,
        stop_ids: Sequence[int],
        generator: torch.Generator | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[Sample]:
        """Draw one response for each prompt; see `Engine.sample`.

        A row's draws depend on the step and on the generator and the row's place, or the row's seed, only: not on when
        other rows end.
        """
        check_request(prompts, max_new_tokens=max_new_tokens, temperature=temperature, generator=generator, seeds=seeds)
        if not prompts:
            return []
        keys = [tuple(p) for p in prompts]
        uniforms = None
        if temperature > 0:
            uniforms = row_uniforms(len(keys), max_new_tokens, generator=generator, seeds=seeds)
        stops = frozenset(stop_ids)
        fast = FastLlama.of(self.model) if self._use_fast else None
        if fast is None:
            tokens, logprobs, entropies = sample_plainly(
                self.model,
                keys,
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                stop_ids=stops,
                uniforms=uniforms,
            )
        else:
            tokens, logprobs, entropies = [], [], []
            cache = self._prompt_cache(fast)
            chunk = max(1, self._kv_budget_bytes // (fast.token_bytes * (max(map(len, keys)) + max_new_tokens)))
            for start in range(0, len(keys), chunk):
                part = slice(start, start + chunk)
                rows = None if uniforms is None else uniforms[part]
                drawn = self._decode(fast, cache, keys[part], max_new_tokens, temperature, stops, rows)
                tokens += drawn[0]
                logprobs += drawn[1]
                entropies += drawn[2]
        return [
            Sample(ids=tuple(t), logprobs=tuple(lp), entropy=sum(e) / len(e), stopped=t[-1] in stops)
            for t, lp, e in zip(tokens, logprobs, entropies, strict=True)
        ]

    def _prompt_cache(self, fast: FastLlama) -> PromptCache:
        adapter = not adapter_is_off(self.model)
        changed = fast.refresh(self)
        if fast is not self._fast or self._cache is None:
            self._fast, self._adapter = fast, adapter
            self._cache = PromptCache(fast, max_tokens=max(1, self._kv_budget_bytes // fast.token_bytes))
        elif changed or adapter != self._adapter:
            self._adapter = adapter
            self._cache.clear()
        return self._cache

    def _decode(
        self,
        fast: FastLlama,
        cache: PromptCache,
        prompts: list[tuple[int, ...]],
        max_new_tokens: int,
        temperature: float,
        stops: frozenset[int],
        uniforms: Tensor | None,
    ) -> tuple[list[list[int]], list[list[float]], list[list[float]]]:
        number: dict[tuple[int, ...], int] = {}
        row_of = [number.setdefault(p, len(number)) for p in prompts]
        hidden, slots = cache.prefill(list(number), adapter=self._adapter)
        tokens: list[list[int]] = [[] for _ in prompts]
        logprobs: list[list[float]] = [[] for _ in prompts]
        entropies: list[list[float]] = [[] for _ in prompts]
        hidden = hidden[row_of]
        live = torch.arange(len(prompts))
        positions = torch.tensor([len(p) for p in prompts])
        kv: DecodingCache | None = None
        for step in range(max_new_tokens):
            logits = fast.logits(hidden)
            picked, logprob, entropy = draw_tokens(
                logits, None if uniforms is None else uniforms[live, step], temperature
            )
            going = []
            for i, (row, token, lp, e) in enumerate(
                zip(live.tolist(), picked.tolist(), logprob.tolist(), entropy.tolist(), strict=True)
            ):
                if tokens[row] and tokens[row][-1] in stops:
                    continue
                tokens[row].append(token)
                logprobs[row].append(lp)
                entropies[row].append(e)
                if token not in stops:
                    going.append(i)
            if not going or step == max_new_tokens - 1:
                break
            if kv is None:
                kv = DecodingCache.of(cache.store, [slots[i] for i in row_of], max_new_tokens - 1)
            if len(going) < _COMPACT_BELOW * len(live):
                keep = torch.tensor(going)
                live, positions, picked = live[keep], positions[keep], picked[keep]
                kv.keep(keep)
            hidden = fast.decode(picked, positions, kv, kv.first_column + step, adapter=self._adapter)
            positions = positions + 1
        return tokens, logprobs, entropies


__all__ = ["HFEngine"]
