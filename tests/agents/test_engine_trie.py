from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.agents.engines.token_trie import build_trie, plan_attention

SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=14), min_size=1, max_size=9)


@given(SEQUENCES)
def test_each_distinct_prefix_is_one_node(sequences):
    trie = build_trie(sequences)
    prefixes = {tuple(s[: i + 1]) for s in sequences for i in range(len(s))}
    assert len(trie) == len(prefixes)
    for sequence, path in zip(sequences, trie.paths, strict=True):
        assert trie.tokens_N[path].tolist() == sequence
        assert trie.positions_N[path].tolist() == list(range(len(sequence)))


@given(SEQUENCES)
def test_the_mask_lets_a_node_see_its_own_path_and_nothing_else(sequences):
    trie = build_trie(sequences)
    mask = trie.ancestor_mask()
    for path in trie.paths:
        for depth, node in enumerate(path):
            assert np.flatnonzero(mask[node]).tolist() == path[: depth + 1].tolist()


@given(SEQUENCES, st.integers(1, 20), st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_a_plan_computes_each_wanted_node_once_against_its_path(sequences, block_tokens, random):
    trie = build_trie(sequences)
    wanted = np.array([random.random() < 0.7 for _ in range(len(trie))])
    mask = trie.ancestor_mask()
    computed = np.zeros(len(trie), dtype=int)
    for group in plan_attention(trie, wanted, block_tokens=block_tokens):
        for block, slot in zip(*np.nonzero(group.real_BQ), strict=True):
            node = group.queries_BQ[block, slot]
            computed[node] += 1
            keys = group.keys_BK[block][group.allowed_BQK[block, slot]]
            assert sorted(keys.tolist()) == np.flatnonzero(mask[node]).tolist()
        assert not group.allowed_BQK[~group.real_BQ].any()
    assert computed.tolist() == wanted.astype(int).tolist()


def test_a_shared_stem_is_attended_to_but_not_repeated():
    stem = list(range(40))
    trie = build_trie([[*stem, 90, 91], [*stem, 92], [*stem, 93, 94, 95]])
    assert len(trie) == 40 + 2 + 1 + 3
    groups = plan_attention(trie, block_tokens=10)
    assert sum(int(g.real_BQ.sum()) for g in groups) == len(trie)
    assert max(g.queries_BQ.shape[1] for g in groups) <= 10


@pytest.mark.parametrize("sequences", [[], [[1], []]])
def test_nothing_to_build_from_is_refused(sequences):
    with pytest.raises(ValueError, match="no empty one"):
        build_trie(sequences)
