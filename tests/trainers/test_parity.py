"""The gap between the sampler's log-probabilities and the trainer's: its measure, and where it is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from milepost.agents.engines.hf import HFEngine
from milepost.agents.lora import trainable_parameters
from milepost.agents.records import StepRecord, Trajectory
from milepost.trainers.config import GRPOConfig
from milepost.trainers.objective import Objective
from milepost.trainers.parity import LogprobGap, gap_of_episodes, gap_of_samples
from milepost.trainers.policy_update import UpdateConfig, update_policy
from milepost.trainers.token_samples import TokenSample
from milepost.trainers.trpo_update import TrustRegion, trust_region_update

from ..agents.tiny_llama import stir, tiny_llama

PROMPTS = [(3, 4, 5, 6), (3, 4, 7), (8, 9)]
OFF = 0.25


def batch_of(model, off=0.0):
    """Samples whose sampler was off by so much: by its own numbers each token was likelier."""
    prompts = [p for p in PROMPTS for _ in range(6)]
    drawn = HFEngine(model).sample(
        prompts, max_new_tokens=4, temperature=1.0, stop_ids=[2], generator=torch.Generator().manual_seed(0)
    )
    return [
        TokenSample(
            prompt_ids=p, response_ids=s.ids, behaviour_logprobs=tuple(x + off for x in s.logprobs),
            advantage=1.0 if s.ids[0] % 2 else -1.0,
        )
        for p, s in zip(prompts, drawn, strict=True)
    ]  # fmt: skip


def tokens_of(batch):
    return sum(len(s.response_ids) for s in batch)


def test_a_gap_is_gathered_in_parts():
    gap = LogprobGap()
    assert gap.metrics() == {}
    gap.add(torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -1.9]))
    gap.add(torch.tensor([]), torch.tensor([]))
    gap.add(torch.tensor([-3.0]), torch.tensor([-3.0]))
    assert gap.metrics() == pytest.approx({"logprob_gap": 0.2, "logprob_gap_max": 0.5, "logprob_gap_tokens": 3.0})


@pytest.mark.parametrize("off", [0.0, OFF])
def test_an_update_tells_the_gap_before_it_and_not_what_it_moved(off):
    model = tiny_llama()
    batch = batch_of(model, off)
    optimizer = torch.optim.AdamW(list(trainable_parameters(model)), lr=5e-2)
    metrics = update_policy(model, optimizer, batch, UpdateConfig(minibatches=3, epochs=2, max_pack_tokens=20))
    assert metrics["logprob_gap"] == pytest.approx(off, abs=1e-4)
    assert metrics["logprob_gap_max"] == pytest.approx(off, abs=1e-3)
    assert 0 < metrics["logprob_gap_tokens"] < tokens_of(batch), "of the first minibatch"
    assert metrics["mismatch"] > off + 0.05, "the policy has moved since"


def test_a_natural_step_tells_it_of_all_tokens_and_weighs_them():
    model = tiny_llama()
    batch = batch_of(model, OFF)
    told = trust_region_update(model, batch, TrustRegion(), objective=Objective(), max_pack_tokens=20)
    assert told["logprob_gap"] == pytest.approx(OFF, abs=1e-4)
    assert told["logprob_gap_tokens"] == tokens_of(batch)
    known = [
        replace(s, advantage=1.0, old_logprobs=tuple(x - OFF for x in s.behaviour_logprobs))
        for s in batch_of(model, OFF)
    ]
    capped = trust_region_update(
        model, known, TrustRegion(max_kl=1e-9), objective=Objective(importance_cap=0.5), max_pack_tokens=20
    )
    free = trust_region_update(model, known, TrustRegion(max_kl=1e-9), objective=Objective(), max_pack_tokens=20)
    assert capped["loss"] == pytest.approx(0.5 * free["loss"], rel=1e-2)


def test_samples_whose_trainers_numbers_are_known_tell_it_all():
    batch = batch_of(tiny_llama())
    assert gap_of_samples(batch) == {}
    known = [replace(s, old_logprobs=tuple(x - OFF for x in s.behaviour_logprobs)) for s in batch]
    metrics = gap_of_samples(known)
    assert metrics["logprob_gap"] == pytest.approx(OFF, abs=1e-5)
    assert metrics["logprob_gap_tokens"] == tokens_of(batch)


def test_episodes_that_taught_nothing_are_measured_by_themselves():
    model = tiny_llama()
    steps = tuple(
        StepRecord(
            prompt_ids=s.prompt_ids, response_ids=s.response_ids, behaviour_logprobs=s.behaviour_logprobs,
            action="", observation="", reward=0.0, milestones_before=0, milestones_after=0, error="", entropy=None,
        )
        for s in batch_of(model) * 4
    )  # fmt: skip
    episode = Trajectory(
        task="a",
        seed=0,
        steps=steps,
        success=False,
        terminated=True,
        truncated=False,
        stop_reason="",
        failure=None,
        policy_version=0,
    )
    fresh = gap_of_episodes(model, [episode], temperature=1.0, max_pack_tokens=50)
    assert fresh["logprob_gap_max"] < 1e-3
    assert 8 <= fresh["logprob_gap_tokens"] <= 16 * 4, "some steps of many"
    stir(model, 7)
    assert gap_of_episodes(model, [episode], temperature=1.0, max_pack_tokens=50)["logprob_gap"] > 0.05
    assert gap_of_episodes(model, [], temperature=1.0, max_pack_tokens=50) == {}


def test_another_sampler_is_corrected_unless_the_configuration_says_otherwise():
    def of(**own):
        config = GRPOConfig.model_validate({"tasks": ["a"], "run": "r", **own})
        return config.old_logprobs, config.importance_cap

    assert of() == of(engine="hf") == ("sampler", None)
    assert of(engine="vllm") == of(engine="vllm", preset="grpo") == ("trainer", 2.0)
    assert of(engine="vllm", importance_cap=5.0) == ("trainer", 5.0)
    assert of(engine="vllm", importance_cap=None) == ("trainer", None)
    assert of(engine="vllm", old_logprobs="sampler") == ("sampler", None)
