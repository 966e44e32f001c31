"""What a run may add to its updates: another reference, demonstrations, numbers computed beforehand."""

from __future__ import annotations

import pytest
import torch

from milepost.agents.engines.hf import HFEngine
from milepost.agents.lora import trainable_parameters
from milepost.trainers.objective import Objective
from milepost.trainers.pack_forward import logprobs_of
from milepost.trainers.policy_update import TokenSample, UpdateConfig, update_policy
from milepost.trainers.pretraining_term import PretrainingTerm
from milepost.trainers.reference import AveragedReference

from ..agents.tiny_llama import tiny_llama

PROMPTS = [(3, 4, 5, 6), (3, 4, 7), (8, 9)]
DEMONSTRATIONS = [((3, 4, 5), (7, 8, 2)), ((8, 9), (6, 2))]


def batch_of(model, advantage=0.0):
    prompts = [p for p in PROMPTS for _ in range(4)]
    drawn = HFEngine(model).sample(
        prompts, max_new_tokens=4, temperature=1.0, stop_ids=[2], generator=torch.Generator().manual_seed(0)
    )
    return [
        TokenSample(prompt_ids=p, response_ids=s.ids, behaviour_logprobs=s.logprobs, advantage=advantage)
        for p, s in zip(prompts, drawn, strict=True)
    ]


def optimizer_of(model, rate):
    return torch.optim.AdamW(list(trainable_parameters(model)), lr=rate, weight_decay=0.0)


def logprobs(model, pairs):
    return [x for row in logprobs_of(model, pairs, temperature=1.0, max_pack_tokens=1000) for x in row]


def moved(model, by):
    with torch.no_grad():
        for p in trainable_parameters(model):
            p.add_(by)


def weights_of(model):
    return [p.detach().clone() for p in trainable_parameters(model)]


def test_an_averaged_reference_follows_at_its_own_pace(tmp_path):
    model = tiny_llama()
    start = weights_of(model)
    at_once, slowly = AveragedReference(model, 0.0), AveragedReference(model, 0.75)
    moved(model, 0.4)
    for reference, share in ((at_once, 0.0), (slowly, 0.0)):
        with reference.speaking():
            for p, s in zip(trainable_parameters(model), start, strict=True):
                torch.testing.assert_close(p.detach(), s + share)
    at_once.follow()
    slowly.follow()
    slowly.save(tmp_path / "reference.pt")
    again = AveragedReference(model, 0.75)
    again.load(tmp_path / "reference.pt")
    for reference, share in ((at_once, 0.4), (slowly, 0.1), (again, 0.1)):
        with reference.speaking():
            for p, s in zip(trainable_parameters(model), start, strict=True):
                torch.testing.assert_close(p.detach(), s + share)
    for p, s in zip(trainable_parameters(model), start, strict=True):
        torch.testing.assert_close(p.detach(), s + 0.4)


def test_a_reference_told_beforehand_is_the_one_that_counts():
    model = tiny_llama()
    pairs = [(s.prompt_ids, s.response_ids) for s in batch_of(model)]
    reference = AveragedReference(model, 0.0)
    told = logprobs_of(model, pairs, temperature=1.0, max_pack_tokens=1000)
    batch = [
        TokenSample(
            prompt_ids=s.prompt_ids, response_ids=s.response_ids, behaviour_logprobs=s.behaviour_logprobs,
            advantage=0.0, reference_logprobs=x,
        )
        for s, x in zip(batch_of(model), told, strict=True)
    ]  # fmt: skip
    config = UpdateConfig(objective=Objective(kl_coef=1.0))
    assert update_policy(model, optimizer_of(model, 0.0), batch, config)["kl_reference"] == pytest.approx(0.0, abs=1e-6)
    moved(model, 0.02)
    apart = update_policy(model, optimizer_of(model, 0.0), batch, config)["kl_reference"]
    assert apart > 1e-4
    with reference.speaking():
        back = logprobs(model, pairs)
    assert back == pytest.approx([x for row in told for x in row], abs=1e-5)
    base = update_policy(model, optimizer_of(model, 0.0), batch_of(model), config)["kl_reference"]
    assert base != pytest.approx(apart, rel=1e-2)  # not told, the adapter off is the reference


def test_the_trainers_own_old_numbers_make_the_first_ratio_exactly_one():
    model = tiny_llama()
    batch = [
        TokenSample(
            prompt_ids=s.prompt_ids, response_ids=s.response_ids, advantage=1.0,
            behaviour_logprobs=tuple(x - 0.3 for x in s.behaviour_logprobs),
            old_logprobs=logprobs_of(model, [(s.prompt_ids, s.response_ids)], temperature=1.0, max_pack_tokens=99)[0],
        )
        for s in batch_of(model)
    ]  # fmt: skip
    config = UpdateConfig(objective=Objective(importance_cap=1.2))
    metrics = update_policy(model, optimizer_of(model, 0.0), batch, config)
    assert metrics["ratio"] == pytest.approx(1.0, abs=1e-5)
    assert metrics["mismatch"] == pytest.approx(0.3, abs=1e-4)
    assert metrics["policy_loss"] == pytest.approx(-1.2, abs=1e-4)  # exp(0.3) is above the cap


def test_demonstrations_in_the_loss_become_likelier():
    model = tiny_llama()
    before = sum(logprobs(model, DEMONSTRATIONS))
    term = PretrainingTerm(DEMONSTRATIONS, coef=2.0, count=9, max_pack_tokens=5)
    config = UpdateConfig(epochs=3)
    metrics = update_policy(model, optimizer_of(model, 1e-2), batch_of(model), config, extra=term)
    assert sum(logprobs(model, DEMONSTRATIONS)) > before + 0.1
    assert metrics["extra_loss"] < -before / 5  # nats a token, of the five demonstrated ones, and falling
    with pytest.raises(ValueError, match="at least one"):
        PretrainingTerm([], coef=1.0, count=1, max_pack_tokens=5)


def test_the_demonstrations_gradient_is_its_weight_times_the_likelihoods():
    slopes = []
    for coef in (1.0, 3.0):
        model = tiny_llama()
        PretrainingTerm(DEMONSTRATIONS, coef=coef, count=2, max_pack_tokens=1000).backward(model)
        slopes.append([p.grad for p in trainable_parameters(model)])
    for one, three in zip(*slopes, strict=True):
        torch.testing.assert_close(3.0 * one, three, atol=1e-5, rtol=1e-4)


def test_token_advantages_weigh_each_token_by_itself():
    model = tiny_llama()
    whole = batch_of(model, advantage=1.0)
    by_token = [
        TokenSample(
            prompt_ids=s.prompt_ids, response_ids=s.response_ids, behaviour_logprobs=s.behaviour_logprobs,
            advantage=9.0, token_advantages=tuple(float(t % 2) for t in range(len(s.response_ids))),
        )
        for s in whole
    ]  # fmt: skip
    share = sum(sum(s.advantages) for s in by_token) / sum(len(s.response_ids) for s in by_token)
    metrics = update_policy(model, optimizer_of(model, 0.0), by_token, UpdateConfig())
    assert metrics["policy_loss"] == pytest.approx(-share, abs=1e-4)


def test_constant_length_divides_the_loss_and_not_what_is_reported():
    model = tiny_llama()
    batch = batch_of(model, advantage=1.0)
    objective = Objective(normalisation="constant", length_tokens=100)
    metrics = update_policy(model, optimizer_of(model, 0.0), batch, UpdateConfig(objective=objective))
    tokens = sum(len(s.response_ids) for s in batch)
    assert metrics["policy_loss"] == pytest.approx(-tokens / (100 * len(batch)), abs=1e-4)
    assert metrics["ratio"] == pytest.approx(1.0, abs=1e-4)
