"""Sampling through the module's own forward pass: for models without a fast form, and the reference for its tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .draw import draw_tokens


@torch.no_grad()
def sample_plainly(
    model: Any,
    prompts: Sequence[tuple[int, ...]],
    *,
    max_new_tokens: int,
    temperature: float,
    stop_ids: frozenset[int],
    uniforms: Tensor | None,
) -> tuple[list[list[int]], list[list[float]], list[list[float]]]:
    """Token ids, log-probabilities and entropies of one response to each prompt.

    Distinct prompts are prefilled once, padded on the left; their cache is then repeated for each row.

    Args:
        model: a transformers causal LM.
        prompts: token ids, non-empty.
        max_new_tokens: at least 1.
        temperature: divides the logits.
        stop_ids: tokens that end a response.
        uniforms: (rows, max_new_tokens) in [0, 1); None means greedy.
    """
    was_training = model.training
    model.eval()
    number: dict[tuple[int, ...], int] = {}
    rows = torch.tensor([number.setdefault(p, len(number)) for p in prompts])
    longest = max(map(len, number))
    ids = torch.zeros(len(number), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, prompt in enumerate(number):
        ids[i, longest - len(prompt) :] = torch.tensor(prompt)
        mask[i, longest - len(prompt) :] = 1
    position = (mask.cumsum(1) - 1).clamp_min(0)
    device = next(model.parameters()).device
    out = model(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        position_ids=position.to(device),
        use_cache=True,
        logits_to_keep=1,
    )
    cache = out.past_key_values
    cache.batch_select_indices(rows.to(device))
    logits = out.logits[rows.to(device), -1].float().cpu()
    mask, position = mask[rows], position[rows, -1:]
    tokens: list[list[int]] = [[] for _ in prompts]
    logprobs: list[list[float]] = [[] for _ in prompts]
    entropies: list[list[float]] = [[] for _ in prompts]
    live = set(range(len(prompts)))
    for step in range(max_new_tokens):
        picked, logprob, entropy = draw_tokens(logits, None if uniforms is None else uniforms[:, step], temperature)
        for i in sorted(live):
            tokens[i].append(int(picked[i]))
            logprobs[i].append(float(logprob[i]))
            entropies[i].append(float(entropy[i]))
            if int(picked[i]) in stop_ids:
                live.discard(i)
        if not live or step == max_new_tokens - 1:
            break
        mask = torch.cat([mask, torch.ones(len(prompts), 1, dtype=torch.long)], 1)
        position = position + 1
        logits = (
            model(
                input_ids=picked[:, None].to(device),
                attention_mask=mask.to(device),
                position_ids=position.to(device),
                past_key_values=cache,
                use_cache=True,
            )
            .logits[:, -1]
            .float()
            .cpu()
        )
    model.train(was_training)
    return tokens, logprobs, entropies


__all__ = ["sample_plainly"]
