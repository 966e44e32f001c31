"""Sampling with a transformers causal language model in this process (simple form)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...sandbox.errors import EngineError
from .base import Sample


class HFEngine:
    """Batched sampling from a transformers causal LM (with or without a LoRA adapter)."""

    def __init__(self, model: Any, tokenizer: Any = None) -> None:
        self.model = model
        self.tokenizer = tokenizer

    def weights_changed(self) -> None:
        """Drop caches computed from old weights."""

    @torch.no_grad()
    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int,
        temperature: float,
        stop_ids: Sequence[int],
        generator: torch.Generator | None = None,
    ) -> list[Sample]:
        """See `Engine.sample`."""
        if not prompts or any(len(p) == 0 for p in prompts):
            if not prompts:
                return []
            raise EngineError("expected non-empty prompts; at least one has no tokens: render the observation first")
        was_training = self.model.training
        self.model.eval()
        distinct: dict[tuple[int, ...], int] = {}
        row_of = [distinct.setdefault(tuple(p), len(distinct)) for p in prompts]
        keys = list(distinct)
        longest = max(map(len, keys))
        ids = torch.zeros(len(keys), longest, dtype=torch.long)
        mask = torch.zeros(len(keys), longest, dtype=torch.long)
        for i, key in enumerate(keys):
            ids[i, longest - len(key) :] = torch.tensor(key)
            mask[i, longest - len(key) :] = 1
        position = (mask.cumsum(1) - 1).clamp_min(0)
        out = self.model(input_ids=ids, attention_mask=mask, position_ids=position, use_cache=True, logits_to_keep=1)
        rows = torch.tensor(row_of)
        cache = out.past_key_values
        cache.batch_select_indices(rows)
        logits = out.logits[rows, -1].float()
        mask, position = mask[rows], position[rows, -1:]
        n = len(prompts)
        tokens: list[list[int]] = [[] for _ in range(n)]
        logprobs: list[list[float]] = [[] for _ in range(n)]
        entropies: list[list[float]] = [[] for _ in range(n)]
        done = [False] * n
        stops = set(stop_ids)
        for step in range(max_new_tokens):
            logp = torch.log_softmax(logits / temperature if temperature > 0 else logits, -1)
            p = logp.exp()
            entropy = -(p * logp).sum(-1)
            pick = torch.multinomial(p, 1, generator=generator) if temperature > 0 else logits.argmax(-1, keepdim=True)
            chosen = logp.gather(1, pick)[:, 0].tolist()
            for i, t in enumerate(pick[:, 0].tolist()):
                if not done[i]:
                    tokens[i].append(t)
                    logprobs[i].append(chosen[i])
                    entropies[i].append(float(entropy[i]))
                    done[i] = t in stops
            if all(done) or step == max_new_tokens - 1:
                break
            mask = torch.cat([mask, torch.ones(n, 1, dtype=torch.long)], 1)
            position = position + 1
            out = self.model(
                input_ids=pick, attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=True
            )
            logits = out.logits[:, -1].float()
        self.model.train(was_training)
        return [
            Sample(ids=tuple(t), logprobs=tuple(lp), entropy=sum(e) / len(e), stopped=d)
            for t, lp, e, d in zip(tokens, logprobs, entropies, done, strict=True)
        ]


__all__ = ["HFEngine"]
