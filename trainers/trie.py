"""The samples of an update, packed as a token trie: a token that several samples share is computed once.

Shape legend: P trie nodes that predict some response token, R response tokens of all samples together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..agents.engines.token_trie import Ints, TokenTrie, build_trie


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A trie of (prompt, response) samples with what a loss over their response tokens needs.

    Attributes:
        trie: of prompt + response of each sample, last response token left out (nothing is predicted from it).
        samples: index of each packed sample in the caller's list, S.
        rows_P: the nodes that predict some response token, ascending, without repeats.
        predictor_R: for each response token of each sample, in order, the row of `rows_P` that predicts it.
        targets_R: its token id.
        sample_R: its sample, as an index into `samples`.
    """

    trie: TokenTrie
    samples: tuple[int, ...]
    rows_P: Ints
    predictor_R: Ints
    targets_R: Ints
    sample_R: Ints


def make_pack(pairs: Sequence[tuple[Sequence[int], Sequence[int]]], samples: Sequence[int]) -> Pack:
    """Pack the chosen (prompt_ids, response_ids) pairs as one trie; prompts and responses are non-empty."""
    chosen = [pairs[i] for i in samples]
    if any(len(p) == 0 or len(r) == 0 for p, r in chosen):
        raise ValueError("expected a non-empty prompt and response in every sample; drop the empty ones first")
    trie = build_trie([(*p, *r[:-1]) for p, r in chosen])
    nodes = np.concatenate([path[len(p) - 1 :] for (p, _), path in zip(chosen, trie.paths, strict=True)])
    rows, predictor = np.unique(nodes, return_inverse=True)
    lengths = [len(r) for _, r in chosen]
    return Pack(
        trie=trie,
        samples=tuple(samples),
        rows_P=rows,
        predictor_R=predictor.astype(np.int64),
        targets_R=np.concatenate([np.asarray(r, dtype=np.int64) for _, r in chosen]),
        sample_R=np.repeat(np.arange(len(chosen)), lengths),
    )


def make_packs(pairs: Sequence[tuple[Sequence[int], Sequence[int]]], *, max_tokens: int) -> list[Pack]:
    """Split the samples into packs of at most `max_tokens` nodes (a single sample may exceed it), neighbours together.

    Samples are taken in lexicographic order, so those that share a prefix land in the same pack.
    """
    order = sorted(range(len(pairs)), key=lambda i: (tuple(pairs[i][0]), tuple(pairs[i][1])))
    packs: list[Pack] = []
    current: list[int] = []
    size = 0
    previous: tuple[int, ...] = ()
    for i in order:
        ids = (*pairs[i][0], *pairs[i][1])
        shared = next((k for k, (a, b) in enumerate(zip(previous, ids, strict=False)) if a != b), None)
        shared = min(len(previous), len(ids)) if shared is None else shared
        grow = len(ids) - shared
        if current and size + grow > max_tokens:
            packs.append(make_pack(pairs, current))
            current, size, grow = [], 0, len(ids)
        current.append(i)
        size += grow
        previous = ids
    if current:
        packs.append(make_pack(pairs, current))
    return packs


__all__ = ["Pack", "make_pack", "make_packs"]
