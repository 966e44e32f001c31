"""The samples of an update, packed as a token trie: a token that several samples share is computed once.

Shape legend: N trie nodes (one per distinct prefix), S samples, R response tokens of all samples together.

A node is one token in one context. Nodes are numbered in depth-first order, so the descendants of node i are exactly the
nodes i+1 .. end[i]-1 and the ancestor test is two comparisons. A query may attend to its ancestors and itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTrie:
    """Distinct prefixes of a set of sequences.

    Attributes:
        tokens_N: token id of each node.
        positions_N: its distance from the root, from 0.
        parents_N: its parent node; -1 for a first token.
        ends_N: one past its last descendant.
        paths: for each sequence, in the order given, the nodes of its tokens.
    """

    tokens_N: Ints
    positions_N: Ints
    parents_N: Ints
    ends_N: Ints
    paths: tuple[Ints, ...]

    def __len__(self) -> int:
        return len(self.tokens_N)

    def ancestor_mask(self) -> npt.NDArray[np.bool_]:
        """(N, N): whether the row's node may attend to the column's node."""
        index = np.arange(len(self))
        mask: npt.NDArray[np.bool_] = (index[None, :] <= index[:, None]) & (index[:, None] < self.ends_N[None, :])
        return mask


def build_trie(sequences: Sequence[Sequence[int]]) -> TokenTrie:
    """Merge the sequences' common prefixes.

    Args:
        sequences: token ids; each non-empty. Equal sequences share all their nodes.
    """
    if not sequences or any(len(s) == 0 for s in sequences):
        raise ValueError("expected at least one sequence and no empty one: an empty sequence has no node")
    keys = [tuple(s) for s in sequences]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    tokens: list[Ints] = []
    positions: list[Ints] = []
    parents: list[Ints] = []
    ends = np.zeros(sum(map(len, keys)), dtype=np.int64)
    paths: list[Ints] = [np.zeros(0, dtype=np.int64)] * len(keys)
    previous = np.zeros(0, dtype=np.int64)
    path = np.zeros(0, dtype=np.int64)
    count = 0
    for i in order:
        current = np.asarray(keys[i], dtype=np.int64)
        overlap = min(len(previous), len(current))
        differ = np.flatnonzero(previous[:overlap] != current[:overlap])
        shared = int(differ[0]) if len(differ) else overlap
        ends[path[shared:]] = count
        fresh = np.arange(count, count + len(current) - shared)
        tokens.append(current[shared:])
        positions.append(np.arange(shared, len(current)))
        above = path[shared - 1 : shared] if shared else np.array([-1])
        parents.append(np.concatenate([above, fresh[:-1]])[: len(fresh)])
        path = np.concatenate([path[:shared], fresh])
        paths[i] = path
        previous = current
        count += len(fresh)
    ends[path] = count
    return TokenTrie(
        tokens_N=np.concatenate(tokens),
        positions_N=np.concatenate(positions),
        parents_N=np.concatenate(parents),
        ends_N=ends[:count].copy(),
        paths=tuple(paths),
    )


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


__all__ = ["Pack", "TokenTrie", "build_trie", "make_pack", "make_packs"]
