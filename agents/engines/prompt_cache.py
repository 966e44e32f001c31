"""Keys and values of prompt tokens, kept between calls while the weights stand still.

A token's entry depends only on the tokens before it, so entries form a trie: whatever prefix a new prompt shares with
any prompt seen since the weights last changed is not computed again.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .llama import FastLlama
from .llama_ops import GroupTensors
from .token_trie import Ints, build_trie, plan_attention


class PromptCache:
    """See the module's docstring. `tokens_computed` and `tokens_asked` count over its life."""

    def __init__(self, fast: FastLlama, *, max_tokens: int, block_tokens: int = 192) -> None:
        self._fast = fast
        self._max_tokens = max_tokens
        self._block_tokens = block_tokens
        self._slot_of: dict[tuple[int, int], int] = {}
        self._capacity = 0
        self.store: list[tuple[Tensor, Tensor]] = []
        self.tokens_computed = 0
        self.tokens_asked = 0

    def clear(self) -> None:
        """Forget everything: the weights have changed."""
        self._slot_of.clear()

    def prefill(self, prompts: list[tuple[int, ...]], *, adapter: bool) -> tuple[Tensor, list[Ints]]:
        """Compute what is missing of the prompts.

        Returns:
            Normed hidden states (n, E) of each prompt's last token; and for each prompt its tokens' rows in the store.
        """
        trie = build_trie(prompts)
        if len(self._slot_of) + len(trie) > self._max_tokens:
            self.clear()
        parents = np.full(len(trie), -1, dtype=np.int64)
        for path in trie.paths:
            parents[path[1:]] = path[:-1]
        slots: list[int] = []
        fresh: list[int] = []
        known = self._slot_of
        for node, (token, parent) in enumerate(zip(trie.tokens_N.tolist(), parents.tolist(), strict=True)):
            key = (slots[parent] if parent >= 0 else -1, token)
            slot = known.get(key)
            if slot is None:
                slot = known[key] = len(known)
                fresh.append(node)
            slots.append(slot)
        wanted = np.zeros(len(trie), dtype=np.bool_)
        wanted[fresh] = True
        wanted[[path[-1] for path in trie.paths]] = True
        self._reserve(len(known))
        slots_N = np.asarray(slots, dtype=np.int64)
        nodes = np.flatnonzero(wanted)
        row_of = np.zeros(len(trie), dtype=np.int64)
        row_of[nodes] = np.arange(len(nodes))
        groups = [
            GroupTensors.of(g, self._fast.dtype, row_of, slots_N)
            for g in plan_attention(trie, wanted, block_tokens=self._block_tokens)
        ]
        hidden = self._fast.prefill(
            torch.from_numpy(trie.tokens_N[nodes]),
            torch.from_numpy(trie.positions_N[nodes]),
            groups,
            torch.from_numpy(row_of[[path[-1] for path in trie.paths]]),
            store=self.store,
            slots=torch.from_numpy(slots_N[nodes]),
            adapter=adapter,
        )
        self.tokens_computed += len(nodes)
        self.tokens_asked += sum(map(len, prompts))
        return hidden, [slots_N[path] for path in trie.paths]

    def _reserve(self, n: int) -> None:
        if n <= self._capacity:
            return
        capacity = max(n, min(2 * self._capacity, self._max_tokens), 1024)
        fast = self._fast

        def grown(old: Tensor | None) -> Tensor:
            new = torch.zeros(capacity, fast.kv_heads, fast.head_width, dtype=fast.dtype)
            if old is not None:
                new[: len(old)] = old
            return new

        previous: list[tuple[Tensor | None, Tensor | None]] = list(self.store) or [(None, None)] * fast.n_layers
        self.store = [(grown(k), grown(v)) for k, v in previous]
        self._capacity = capacity


__all__ = ["PromptCache"]
