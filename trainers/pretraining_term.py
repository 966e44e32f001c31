"""PPO-ptx: a share of every gradient step goes to imitating demonstrations.

InstructGPT mixes in the gradient of pretraining text, so that the policy does not forget language; what an agent should
not forget is how the tasks are done, so the text here is the oracle's demonstrations.

Source: Ouyang et al. 2022 (2203.02155), equation 2: + gamma_ptx * E[log pi(x)].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .pack_forward import response_logprobs
from .trie import make_packs

Pair = tuple[tuple[int, ...], tuple[int, ...]]


class PretrainingTerm:
    """Adds the gradient of coef * mean negative log-likelihood of a few demonstrated actions, drawn anew each time.

    Args:
        demonstrations: (prompt_ids, response_ids) of each action.
        coef: weight, above 0.
        count: actions in each minibatch; all of them if there are fewer.
        max_pack_tokens: most tokens in one forward pass.
        generator: draws them.
    """

    def __init__(
        self,
        demonstrations: Sequence[Pair],
        *,
        coef: float,
        count: int,
        max_pack_tokens: int,
        generator: torch.Generator | None = None,
    ) -> None:
        if not demonstrations:
            raise ValueError("expected at least one demonstrated action, got none")
        self._demonstrations = list(demonstrations)
        self._coef, self._count = coef, min(count, len(self._demonstrations))
        self._max_pack_tokens, self._generator = max_pack_tokens, generator

    def backward(self, model: Any) -> float:
        """Add the gradient to the model's; return the mean negative log-likelihood, nats a token."""
        chosen = torch.randperm(len(self._demonstrations), generator=self._generator)[: self._count].tolist()
        pairs = [self._demonstrations[i] for i in chosen]
        tokens = sum(len(response) for _, response in pairs)
        total = 0.0
        for pack in make_packs(pairs, max_tokens=self._max_pack_tokens):
            logprobs_R, _ = response_logprobs(model, pack)
            loss = -logprobs_R.sum() / tokens
            (self._coef * loss).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total


__all__ = ["Pair", "PretrainingTerm"]
