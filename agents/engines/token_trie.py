"""Token sequences merged into a trie, and the attention that computes each of its nodes once.

Shape legend: N trie nodes, B blocks of a group, Q queries of a block, K keys of a block.

A node is one token in one context. Nodes are numbered in depth-first order, so the descendants of node i are exactly
the nodes i+1 .. ends[i]-1 and the ancestor test is two comparisons: a query attends to its ancestors and to itself.

A dense (N, N) mask would waste most of its work on pairs of unrelated branches. `plan_attention` cuts the trie into
blocks: runs of sibling subtrees, or pieces of an unbranched stem, each attending to the path above it and in itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTrie:
    """Distinct prefixes of a set of sequences.

    Attributes:
        tokens_N: token id of each node.
        positions_N: its distance from the root, from 0.
        ends_N: one past its last descendant.
        paths: for each sequence, in the order given, the nodes of its tokens.
    """

    tokens_N: Ints
    positions_N: Ints
    ends_N: Ints
    paths: tuple[Ints, ...]

    def __len__(self) -> int:
        return len(self.tokens_N)

    def ancestor_mask(self) -> Bools:
        """(N, N): whether the row's node may attend to the column's node."""
        index = np.arange(len(self))
        mask: Bools = (index[None, :] <= index[:, None]) & (index[:, None] < self.ends_N[None, :])
        return mask


def build_trie(sequences: Sequence[Sequence[int]]) -> TokenTrie:
    """Merge the sequences' common prefixes.

    Args:
        sequences: token ids, at least one sequence, each non-empty. Equal sequences share all their nodes.

    Raises:
        ValueError: there is no sequence, or one of them is empty.
    """
    if not sequences or any(len(s) == 0 for s in sequences):
        raise ValueError("expected at least one sequence and no empty one: an empty sequence has no node")
    keys = [tuple(s) for s in sequences]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    tokens: list[Ints] = []
    positions: list[Ints] = []
    ends = np.zeros(sum(map(len, keys)), dtype=np.int64)
    paths: list[Ints] = [np.zeros(0, dtype=np.int64)] * len(keys)
    previous = path = np.zeros(0, dtype=np.int64)
    count = 0
    for i in order:
        current = np.asarray(keys[i], dtype=np.int64)
        overlap = min(len(previous), len(current))
        differ = np.flatnonzero(previous[:overlap] != current[:overlap])
        shared = int(differ[0]) if len(differ) else overlap
        ends[path[shared:]] = count
        tokens.append(current[shared:])
        positions.append(np.arange(shared, len(current)))
        path = np.concatenate([path[:shared], np.arange(count, count + len(current) - shared)])
        paths[i] = path
        previous = current
        count += len(current) - shared
    ends[path] = count
    return TokenTrie(
        tokens_N=np.concatenate(tokens),
        positions_N=np.concatenate(positions),
        ends_N=ends[:count].copy(),
        paths=tuple(paths),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionGroup:
    """Blocks of similar size, computed as one batch.

    Attributes:
        queries_BQ: nodes that ask; padding repeats node 0.
        keys_BK: nodes that answer; padding repeats node 0.
        allowed_BQK: whether the query may attend to the key; rows and columns of padding are all False.
        real_BQ: False on padding.
    """

    queries_BQ: Ints
    keys_BK: Ints
    allowed_BQK: Bools
    real_BQ: Bools


def plan_attention(trie: TokenTrie, wanted_N: Bools | None = None, *, block_tokens: int = 128) -> list[AttentionGroup]:
    """Cut the trie into attention blocks that together compute each wanted node once.

    Args:
        trie: the trie.
        wanted_N: nodes to compute; None means all. The others' keys and values are known already.
        block_tokens: most nodes in one block, at least 1. Smaller wastes less on unrelated pairs, larger needs fewer
            calls.
    """
    blocks: list[tuple[Ints, Ints]] = []
    everything = np.arange(len(trie))
    for start, stop, context in _cut(trie.ends_N, block_tokens):
        queries = everything[start:stop] if wanted_N is None else start + np.flatnonzero(wanted_N[start:stop])
        if len(queries):
            blocks.append((queries, np.concatenate([context, everything[start:stop]])))
    blocks.sort(key=lambda b: (len(b[0]), len(b[1])))
    groups: list[AttentionGroup] = []
    first = 0
    for i in range(1, len(blocks) + 1):
        if i == len(blocks) or _padding_outweighs(blocks[first : i + 1]):
            groups.append(_group(blocks[first:i], trie.ends_N))
            first = i
    return groups


def _padding_outweighs(blocks: list[tuple[Ints, Ints]]) -> bool:
    """Whether batching these blocks computes over 1.5 times the pairs that they need, and enough to matter."""
    needed = sum(len(q) * len(k) for q, k in blocks)
    batched = len(blocks) * max(len(q) for q, _ in blocks) * max(len(k) for _, k in blocks)
    return batched > 1.5 * needed and batched - needed > 8192


def _cut(ends_N: Ints, limit: int) -> list[tuple[int, int, Ints]]:
    """Blocks as (start, stop, context nodes): runs of whole sibling subtrees, or pieces of an unbranched stem."""
    blocks: list[tuple[int, int, Ints]] = []
    ends = ends_N.tolist()
    todo: list[tuple[int, int, Ints]] = [(0, len(ends), np.zeros(0, dtype=np.int64))]
    while todo:
        start, stop, context = todo.pop()
        run = start
        node = start
        while node < stop:
            end = ends[node]
            if end - run > limit and run < node:
                blocks.append((run, node, context))
                run = node
            if end - node > limit:
                tip = node + 1
                while tip < end and ends[tip - 1] == end and ends[tip] == end:
                    tip += 1
                above = context
                for piece in range(node, tip, limit):
                    last = min(piece + limit, tip)
                    blocks.append((piece, last, above))
                    above = np.concatenate([above, np.arange(piece, last)])
                if tip < end:
                    todo.append((tip, end, above))
                run = end
            node = end
        if run < stop:
            blocks.append((run, stop, context))
    return blocks


def _group(blocks: list[tuple[Ints, Ints]], ends_N: Ints) -> AttentionGroup:
    n_queries = max(len(q) for q, _ in blocks)
    n_keys = max(len(k) for _, k in blocks)
    queries = np.zeros((len(blocks), n_queries), dtype=np.int64)
    keys = np.zeros((len(blocks), n_keys), dtype=np.int64)
    real_queries = np.zeros((len(blocks), n_queries), dtype=np.bool_)
    real_keys = np.zeros((len(blocks), n_keys), dtype=np.bool_)
    for b, (q, k) in enumerate(blocks):
        queries[b, : len(q)], real_queries[b, : len(q)] = q, True
        keys[b, : len(k)], real_keys[b, : len(k)] = k, True
    allowed = (keys[:, None, :] <= queries[:, :, None]) & (queries[:, :, None] < ends_N[keys][:, None, :])
    allowed &= real_queries[:, :, None] & real_keys[:, None, :]
    return AttentionGroup(queries_BQ=queries, keys_BK=keys, allowed_BQK=allowed, real_BQ=real_queries)


__all__ = ["AttentionGroup", "TokenTrie", "build_trie", "plan_attention"]
