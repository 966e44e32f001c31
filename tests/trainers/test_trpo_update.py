"""TRPO's parts and its step, on a model of a few thousand weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from milepost.agents.engines.hf import HFEngine
from milepost.agents.lora import trainable_parameters
from milepost.trainers.objective import Objective
from milepost.trainers.pack_forward import plain_distributions
from milepost.trainers.token_samples import TokenSample
from milepost.trainers.trie import make_packs
from milepost.trainers.trpo_update import TrustRegion, _Curvature, conjugate_gradient, trust_region_update

from ..agents.tiny_llama import tiny_llama

PROMPTS = [(3, 4, 5, 6), (3, 4, 7), (8, 9)]


def batch_of(model, n=6):
    prompts = [p for p in PROMPTS for _ in range(n)]
    samples = HFEngine(model).sample(
        prompts, max_new_tokens=4, temperature=1.0, stop_ids=[2], generator=torch.Generator().manual_seed(0)
    )
    return [
        TokenSample(
            prompt_ids=p, response_ids=s.ids, behaviour_logprobs=s.logprobs, advantage=1.0 if s.ids[0] % 2 else -1.0
        )
        for p, s in zip(prompts, samples, strict=True)
    ]


def distributions(model, batch):
    (pack,) = make_packs([(s.prompt_ids, s.response_ids) for s in batch], max_tokens=10_000)
    with torch.no_grad():
        return plain_distributions(model, pack)[0], pack


def test_conjugate_gradient_solves_a_known_system():
    a = torch.tensor([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 2.0]])
    want = torch.tensor([1.0, -2.0, 0.5])
    x, residual = conjugate_gradient(lambda v: a @ v, a @ want, iterations=3)
    torch.testing.assert_close(x, want, atol=1e-5, rtol=0)
    assert residual < 1e-4
    rough, left = conjugate_gradient(lambda v: a @ v, a @ want, iterations=1)
    assert left > residual
    assert float((rough - want).norm()) > 0.01
    assert conjugate_gradient(lambda v: a @ v, torch.zeros(3), iterations=3)[0].tolist() == [0.0, 0.0, 0.0]


def test_the_fisher_product_is_the_second_derivative_of_the_kl():
    model = tiny_llama()
    parameters = list(trainable_parameters(model))
    curvature = _Curvature(model, batch_of(model), 1.0, 10_000)
    curvature.remember()
    generator = torch.Generator().manual_seed(1)
    direction = torch.cat([torch.randn(p.numel(), generator=generator) for p in parameters])
    along = float(direction.dot(curvature.product(parameters, direction)))
    assert curvature.kl() == pytest.approx(0.0, abs=1e-6)
    size, origin = 1e-3, parameters_to_vector(parameters).detach().clone()
    both_ways = []
    for sign in (1.0, -1.0):  # what is of third order cancels
        with torch.no_grad():
            vector_to_parameters(origin + sign * size * direction, parameters)
        both_ways.append(curvature.kl())
    assert sum(both_ways) / 2 == pytest.approx(0.5 * size**2 * along, rel=0.05)  # KL = v F v / 2 near the old policy


@pytest.mark.parametrize("max_kl", [1e-3, 2e-2])
def test_the_step_is_better_and_within_its_bound(max_kl):
    model = tiny_llama()
    batch = batch_of(model)
    old, pack = distributions(model, batch)
    region = TrustRegion(max_kl=max_kl, fisher_fraction=1.0)
    metrics = trust_region_update(model, batch, region, objective=Objective())
    new, _ = distributions(model, batch)
    weight_P = torch.bincount(torch.from_numpy(pack.predictor_R), minlength=len(pack.rows_P)) / len(pack.predictor_R)
    kl = float(((old.exp() * (old - new)).sum(-1) * weight_P).sum())
    assert metrics["optimizer_steps"] == 1.0
    assert metrics["approx_kl"] == pytest.approx(kl, rel=1e-3, abs=1e-6)
    assert max_kl / 10 < kl <= max_kl  # as far as it may, not just some small step
    assert metrics["surrogate_gain"] > 0
    good = [s for s in batch if s.advantage > 0]

    def likelihood(distribution):
        chosen = distribution[torch.from_numpy(pack.predictor_R), torch.from_numpy(pack.targets_R)]
        sign = torch.tensor([batch[i].advantage for i in pack.samples])[torch.from_numpy(pack.sample_R)]
        return float(chosen[sign > 0].mean())

    assert good
    assert likelihood(new) > likelihood(old)


def test_without_advantages_nothing_moves():
    model = tiny_llama()
    batch = [replace(s, advantage=0.0) for s in batch_of(model)]
    before = [p.detach().clone() for p in trainable_parameters(model)]
    metrics = trust_region_update(model, batch, TrustRegion(), objective=Objective())
    assert metrics["optimizer_steps"] == 0.0
    for a, b in zip(before, trainable_parameters(model), strict=True):
        assert torch.equal(a, b)
