"""One forward pass over a pack of samples: log-probabilities, entropies and hidden states of their response tokens.

Shape legend: P trie nodes that predict some response token, R response tokens of all samples, E model width, V
vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..agents.engines.llama import FastLlama, adapter_is_off
from ..agents.engines.llama_ops import GroupTensors
from ..agents.engines.token_trie import plan_attention
from .trie import Pack, make_packs


@dataclass(frozen=True, slots=True, kw_only=True)
class PackForward:
    """What a forward pass over a pack gave.

    Attributes:
        logprobs_R: log-probability of each response token, nats.
        entropy_R: entropy of the distribution it came from, nats.
        hidden_P: hidden states, after the last norm, of the nodes that predict some token, (P, E).
        predictor_R: for each response token, the row of `hidden_P` that predicts it.
    """

    logprobs_R: Tensor
    entropy_R: Tensor
    hidden_P: Tensor
    predictor_R: Tensor


def forward_pack(model: Any, pack: Pack, *, temperature: float = 1.0, entropy_gradient: bool = False) -> PackForward:
    """Run a causal LM over a pack; a Llama on the CPU takes the fast form.

    Args:
        model: the model; differentiable in its trainable weights while gradients are enabled.
        pack: the samples.
        temperature: divides the logits.
        entropy_gradient: whether the entropy must be differentiable; it costs a product with the vocabulary.
    """
    trie = pack.trie
    predictor = torch.from_numpy(pack.predictor_R)
    targets = torch.from_numpy(pack.targets_R)
    rows = torch.from_numpy(pack.rows_P)
    fast = FastLlama.of(model)
    if fast is not None:
        groups = [GroupTensors.of(g, fast.dtype) for g in plan_attention(trie)]
        tokens, positions = torch.from_numpy(trie.tokens_N), torch.from_numpy(trie.positions_N)
        if torch.is_grad_enabled():
            hidden = fast.hidden(tokens, positions, groups, rows)
        else:
            fast.refresh()
            hidden = fast.prefill(tokens, positions, groups, rows, adapter=not adapter_is_off(model))
        logprobs_R, entropy_P = fast.logprobs(
            hidden, predictor, targets, temperature=temperature, entropy_gradient=entropy_gradient
        )
        return PackForward(
            logprobs_R=logprobs_R, entropy_R=entropy_P[predictor], hidden_P=hidden, predictor_R=predictor
        )
    logp_PV, hidden = plain_distributions(model, pack, temperature=temperature)
    entropy = -(logp_PV.exp() * logp_PV).sum(-1)
    return PackForward(
        logprobs_R=logp_PV[predictor, targets], entropy_R=entropy[predictor], hidden_P=hidden, predictor_R=predictor
    )


def plain_distributions(model: Any, pack: Pack, *, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Log-probabilities (P, V) in fp32 and hidden states (P, E) by the module's own forward, with a dense mask."""
    trie = pack.trie
    rows = torch.from_numpy(pack.rows_P)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    allowed = torch.from_numpy(trie.ancestor_mask())
    bias = torch.zeros(allowed.shape, dtype=base.dtype).masked_fill(~allowed, torch.finfo(base.dtype).min)
    hidden = base.model(
        input_ids=torch.from_numpy(trie.tokens_N)[None],
        position_ids=torch.from_numpy(trie.positions_N)[None],
        attention_mask=bias[None, None],
        use_cache=False,
    ).last_hidden_state[0][rows]
    return torch.log_softmax(base.lm_head(hidden).float() / temperature, -1), hidden


def response_logprobs(
    model: Any, pack: Pack, *, temperature: float = 1.0, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """Log-probability (R,) and entropy (R,) of each response token of the pack; see `forward_pack`."""
    done = forward_pack(model, pack, temperature=temperature, entropy_gradient=entropy_gradient)
    return done.logprobs_R, done.entropy_R


@torch.no_grad()
def logprobs_of(
    model: Any,
    pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]],
    *,
    temperature: float,
    max_pack_tokens: int,
) -> list[tuple[float, ...]]:
    """Return the log-probabilities of each (prompt_ids, response_ids) pair's response tokens, without gradient."""
    found: dict[int, tuple[float, ...]] = {}
    for pack in make_packs(pairs, max_tokens=max_pack_tokens):
        logprobs_R, _ = response_logprobs(model, pack, temperature=temperature)
        parts = torch.split(logprobs_R, [len(pairs[i][1]) for i in pack.samples])
        found |= {i: tuple(part.tolist()) for i, part in zip(pack.samples, parts, strict=True)}
    return [found[i] for i in range(len(pairs))]


__all__ = ["PackForward", "forward_pack", "logprobs_of", "plain_distributions", "response_logprobs"]
