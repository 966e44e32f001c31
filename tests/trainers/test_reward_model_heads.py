from __future__ import annotations

import numpy as np
import pytest
import torch

from milepost.agents.reward_model.network import RewardNetwork
from milepost.rewards.reward_model.calibration import sigmoid
from milepost.trainers.reward_model_config import RewardModelConfig
from milepost.trainers.reward_model_data import RankedEpisodes
from milepost.trainers.reward_model_fit import bootstrap_weights, episode_scores
from milepost.trainers.reward_model_heads import fit_heads, solve

from ..agents.tiny_llama import tiny_llama


def test_one_pair_one_feature_by_hand():
    # d/dw [log(1 + exp(-2 w)) + 0.5 w^2] = 0 at w = 2 sigma(-2 w)
    solution, loss = solve(
        torch.tensor([[2.0]], dtype=torch.float64), torch.ones(1, 1).double(), torch.zeros(1, 1).double(), penalty=0.5
    )
    w = float(solution)
    assert w == pytest.approx(2 * float(sigmoid(np.array(-2 * w))), abs=1e-5)
    assert loss == pytest.approx(float(np.log1p(np.exp(-2 * w))), abs=1e-6)


def test_a_margin_asks_for_more():
    leads, weights = torch.ones(1, 1).double(), torch.ones(1, 1).double()
    plain, _ = solve(leads, weights, torch.zeros(1, 1).double(), penalty=0.1)
    asked, _ = solve(leads, weights, torch.ones(1, 1).double(), penalty=0.1)
    assert float(asked) > float(plain) > 0


def test_weights_are_found_again_and_each_head_by_its_own_pairs():
    rng = np.random.default_rng(0)
    truth = np.array([1.0, -2.0, 0.5])
    leads = rng.normal(size=(4000, 3))
    won = rng.random(4000) < sigmoid(leads @ truth)
    leads_PE = torch.from_numpy(np.where(won[:, None], leads, -leads))
    weights_PH = torch.zeros(4000, 2, dtype=torch.float64)
    weights_PH[:2000, 0] = weights_PH[2000:, 1] = 1 / 2000
    solution_HE, _ = solve(leads_PE, weights_PH, torch.zeros(4000, 1).double(), penalty=1e-6)
    assert not torch.equal(solution_HE[0], solution_HE[1])
    for head in solution_HE.numpy():
        np.testing.assert_allclose(head, truth, atol=0.25)


def test_the_fitted_heads_order_what_they_were_fitted_to():
    network = RewardNetwork(tiny_llama(), heads=4)
    rng = np.random.default_rng(1)
    train = [
        RankedEpisodes(
            task="t",
            seed=seed,
            ranks=(0, 1, 2),
            steps=tuple(
                tuple((int(rng.integers(40)), 41 + good) for good in plan) for plan in ((1, 0, 1), (0, 1), (0, 0, 0))
            ),
            successes=(True, False, False),
        )
        for seed in range(8)
    ]
    weights_RH = bootstrap_weights(8, 4, seed=0)
    config = RewardModelConfig.model_validate({"preferences": ["p"], "out": "o", "head_rankings": 6})
    used, loss = fit_heads(network, train, weights_RH, config)
    assert used == 6
    assert loss < 0.3
    with torch.no_grad():
        hidden_SE = network.hidden([ids for ranked in train for episode in ranked.steps for ids in episode])
        features_SE = (hidden_SE - network.mean_E) / network.scale_E
        assert float(features_SE.square().sum(1).mean()) == pytest.approx(1.0, abs=0.3)
        for ranked in train:
            scores_KH = episode_scores(network, ranked.steps, max_tokens=512)
            assert scores_KH.argmax(0).tolist() == [0] * 4
            assert scores_KH.argmin(0).tolist() == [2] * 4
    assert len({tuple(row) for row in network.weight_HE.tolist()}) == 4


def test_no_time_still_reads_two_rankings():
    network = RewardNetwork(tiny_llama(), heads=1)
    train = [
        RankedEpisodes(task="t", seed=s, ranks=(0, 1), steps=(((s, 1),), ((s, 2),)), successes=(True, False))
        for s in range(5)
    ]
    config = RewardModelConfig.model_validate({"preferences": ["p"], "out": "o"})
    assert fit_heads(network, train, bootstrap_weights(5, 1, seed=0), config, deadline_s=0.0)[0] == 2


def test_bootstrap_weights_are_drawn_for_each_head_and_average_one():
    weights_RH = bootstrap_weights(500, 3, seed=2)
    assert weights_RH.mean(0).tolist() == pytest.approx([1.0] * 3)
    assert float(weights_RH.std(0).min()) > 0.8
    correlation = np.corrcoef(weights_RH.numpy().T)
    assert abs(correlation[0, 1]) < 0.2
    assert torch.equal(weights_RH, bootstrap_weights(500, 3, seed=2))
