"""A loss of whole responses' log-probabilities, through packed tries of any number: value and gradient.

Shape legend: T turns of a batch, R response tokens of a pack, E sides (of pairs or samples).

A preference loss couples sides that may lie in different packs, and all packs' graphs at once may not fit into memory.
So with several packs the log-probabilities are computed without gradient first; the loss then gives each turn's
coefficient, d loss / d log pi, with which the packs are gone through again, one graph at a time. It is the same
gradient, for a third more work; one pack needs no first pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .policy_update import response_logprobs
from .trie import Pack, make_packs
from .turns import Turn

LossOf = Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]
"""From each turn's log-probability, (T,), to the scalar loss and what else is worth logging."""


def turn_logprobs(
    model: Any,
    turns: Sequence[Turn],
    *,
    pack_tokens: int,
    on_pack: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Return each turn's log-probability, (T,) in nats, without gradient.

    Args:
        model: a causal LM.
        turns: prompts and responses.
        pack_tokens: most tokens in one forward pass.
        on_pack: told (packs done, in all).
    """
    packs = make_packs(turns, max_tokens=pack_tokens)
    sums_T = torch.zeros(len(turns))
    with torch.no_grad():
        for done, pack in enumerate(packs, start=1):
            sums_T[list(pack.samples)] = _sums(model, pack)
            on_pack(done, len(packs))
    return sums_T


def backward(
    model: Any, turns: Sequence[Turn], loss_of: LossOf, *, pack_tokens: int
) -> tuple[float, dict[str, float], int]:
    """Add the gradient of a loss of the turns' log-probabilities to the parameters' gradients.

    Args:
        model: a causal LM.
        turns: distinct prompts and responses of the batch.
        loss_of: the loss.
        pack_tokens: most tokens in one forward pass; bounds memory.

    Returns:
        The loss, what else `loss_of` gave, and the trie tokens that were computed.
    """
    packs = make_packs(turns, max_tokens=pack_tokens)
    tokens = sum(len(pack.trie) for pack in packs)
    if len(packs) == 1:
        order = torch.empty(len(turns), dtype=torch.long)
        order[list(packs[0].samples)] = torch.arange(len(turns))
        loss, metrics = loss_of(_sums(model, packs[0])[order])
        loss.backward()  # type: ignore[no-untyped-call]
    else:
        sums_T = torch.zeros(len(turns))
        with torch.no_grad():
            for pack in packs:
                sums_T[list(pack.samples)] = _sums(model, pack)
        sums_T.requires_grad_()
        loss, metrics = loss_of(sums_T)
        loss.backward()  # type: ignore[no-untyped-call]
        assert sums_T.grad is not None
        _backward_weighted(model, packs, sums_T.grad)
        tokens *= 2
    return float(loss.detach()), {name: float(value.detach()) for name, value in metrics.items()}, tokens


def backward_weighted(model: Any, turns: Sequence[Turn], weights_T: Tensor, *, pack_tokens: int) -> tuple[float, int]:
    """Add the gradient of the weighted sum of the turns' log-probabilities, which needs one pass only.

    Args:
        model: a causal LM.
        turns: distinct prompts and responses.
        weights_T: of each.
        pack_tokens: most tokens in one forward pass; bounds memory.

    Returns:
        The sum, and the trie tokens that were computed.
    """
    packs = make_packs(turns, max_tokens=pack_tokens)
    return _backward_weighted(model, packs, weights_T), sum(len(pack.trie) for pack in packs)


def _backward_weighted(model: Any, packs: Sequence[Pack], weights_T: Tensor) -> float:
    total = 0.0
    for pack in packs:
        weights = weights_T[list(pack.samples)]
        if bool(weights.any()):
            part = (_sums(model, pack) * weights).sum()
            part.backward()  # type: ignore[no-untyped-call]
            total += float(part.detach())
    return total


def side_sums(logprobs_T: Tensor, sides: Sequence[Sequence[int]]) -> Tensor:
    """Return the sum of the turns' log-probabilities of each side, (E,); a side may be empty, and then has 0."""
    lengths = torch.tensor([len(side) for side in sides])
    index = torch.tensor([turn for side in sides for turn in side], dtype=torch.long)
    owner = torch.arange(len(sides)).repeat_interleave(lengths)
    return torch.zeros(len(sides), dtype=logprobs_T.dtype).index_add(0, owner, logprobs_T[index])


def _sums(model: Any, pack: Pack) -> Tensor:
    """Each packed sample's log-probability, in the order of the pack."""
    logprobs_R, _ = response_logprobs(model, pack)
    return torch.zeros(len(pack.samples)).index_add(0, torch.from_numpy(pack.sample_R), logprobs_R.float())


__all__ = ["LossOf", "backward", "backward_weighted", "side_sums", "turn_logprobs"]
