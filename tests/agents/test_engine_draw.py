from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from milepost.agents.engines.draw import draw_tokens, invert_cdf


def test_hand_worked_inversion():
    p = torch.tensor([[0.0, 0.25, 0.0, 0.5, 0.25]]).repeat(5, 1)
    u = torch.tensor([0.0, 0.2499, 0.25, 0.7499, 0.75], dtype=torch.float64)
    assert invert_cdf(p, u).tolist() == [1, 1, 3, 3, 4]


@given(st.integers(1, 700), st.floats(0, 1, exclude_max=True), st.integers(0, 2**31))
def test_inversion_agrees_with_a_plain_search(vocabulary, u, seed):
    p = np.random.default_rng(seed).dirichlet(np.full(vocabulary, 0.1)).astype(np.float32)
    got = int(invert_cdf(torch.from_numpy(p)[None], torch.tensor([u], dtype=torch.float64))[0])
    ends = p.astype(np.float64).cumsum()
    goal = u * ends[-1]
    assert p[got] > 0
    assert ends[got] >= goal - 1e-6
    assert ends[got] - p[got] <= goal + 1e-6


def test_frequencies_follow_the_distribution():
    logits = torch.randn(1, 600, generator=torch.Generator().manual_seed(1)) * 3
    n = 200_000
    u = torch.rand(n, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    p = torch.softmax(logits / 0.7, -1)
    counts = torch.bincount(invert_cdf(p.expand(n, -1), u), minlength=600)
    expected = p[0].double() * n
    common = expected > 20
    z = (counts[common] - expected[common]) / expected[common].sqrt()
    assert float(z.abs().max()) < 4.5


def test_logprob_and_entropy_are_those_of_the_tempered_distribution():
    logits = torch.randn(6, 300, generator=torch.Generator().manual_seed(3)) * 4
    u = torch.linspace(0.01, 0.99, 6, dtype=torch.float64)
    tokens, logprobs, entropy = draw_tokens(logits.clone(), u, 0.6)
    distribution = torch.distributions.Categorical(logits=logits / 0.6)
    torch.testing.assert_close(logprobs, distribution.log_prob(tokens), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(entropy, distribution.entropy(), atol=1e-5, rtol=1e-5)


def test_greedy_takes_the_most_likely_token_and_reports_temperature_one():
    logits = torch.randn(6, 300, generator=torch.Generator().manual_seed(3)) * 4
    tokens, logprobs, _ = draw_tokens(logits.clone(), None, 0.0)
    assert tokens.tolist() == logits.argmax(-1).tolist()
    torch.testing.assert_close(logprobs, logits.log_softmax(-1).amax(-1), atol=1e-5, rtol=1e-5)
