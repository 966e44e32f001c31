from __future__ import annotations

import pytest
import torch

from milepost.agents.engines.hf import HFEngine
from milepost.agents.lora import load_lora, save_lora, trainable_parameters
from milepost.trainers.objectives import Objective
from milepost.trainers.policy_update import TokenSample, UpdateConfig, response_logprobs, update_policy
from milepost.trainers.trie import make_packs

from ..agents.tiny_llama import tiny_llama

PROMPTS = [(3, 4, 5, 6), (3, 4, 7)]


def draw(model, n=8, seed=0):
    prompts = [p for p in PROMPTS for _ in range(n)]
    samples = HFEngine(model).sample(
        prompts, max_new_tokens=5, temperature=1.0, stop_ids=[2], generator=torch.Generator().manual_seed(seed)
    )
    return list(zip(prompts, samples, strict=True))


def batch_of(drawn, advantage):
    return [
        TokenSample(prompt_ids=p, response_ids=s.ids, behaviour_logprobs=s.logprobs, advantage=advantage(s))
        for p, s in drawn
    ]


def optimizer_of(model, lr=1e-2):
    return torch.optim.AdamW(list(trainable_parameters(model)), lr=lr, weight_decay=0.0)


def mean_logprob(model, drawn):
    (pack,) = make_packs([(p, s.ids) for p, s in drawn], max_tokens=10_000)
    with torch.no_grad():
        return float(response_logprobs(model, pack)[0].mean())


def test_on_fresh_samples_the_ratio_is_one_and_the_samplers_numbers_are_the_trainers():
    model = tiny_llama()
    drawn = draw(model)
    metrics = update_policy(model, optimizer_of(model, 0.0), batch_of(drawn, lambda s: 1.0), UpdateConfig())
    assert metrics["mismatch"] < 1e-4
    assert metrics["ratio"] == pytest.approx(1.0, abs=1e-4)
    assert metrics["clip_fraction"] == 0.0
    assert metrics["policy_loss"] == pytest.approx(-1.0, abs=1e-4)
    assert metrics["trie_tokens"] < metrics["plain_tokens"]


def test_what_was_rewarded_becomes_likelier():
    model = tiny_llama()
    drawn = draw(model)
    good = [d for d in drawn if d[1].ids[0] % 2]
    bad = [d for d in drawn if not d[1].ids[0] % 2]
    before = mean_logprob(model, good), mean_logprob(model, bad)
    optimizer = optimizer_of(model, 1e-3)
    for _ in range(3):
        update_policy(model, optimizer, batch_of(drawn, lambda s: 1.0 if s.ids[0] % 2 else -1.0), UpdateConfig())
    assert mean_logprob(model, good) > before[0] + 0.02
    assert mean_logprob(model, bad) < before[1] - 0.02


@pytest.mark.parametrize(
    "objective",
    [
        Objective(kl_coef=0.1, entropy_coef=0.1),
        Objective(kl_coef=0.1, entropy_coef=0.1, ratio="sequence", normalisation="sequence", penalty_coef=0.3),
        Objective(kl_coef=0.1, entropy_coef=0.1, surrogate="cispo", normalisation="constant", length_tokens=9),
    ],
    ids=["token", "sequence", "constant"],
)
def test_packs_do_not_change_the_update(objective):
    updated = []
    for max_pack_tokens in (1, 7, 10_000):
        model = tiny_llama()
        batch = batch_of(draw(model), lambda s: float(s.ids[0] % 3) - 1.0)
        config = UpdateConfig(objective=objective, max_pack_tokens=max_pack_tokens)
        metrics = update_policy(model, optimizer_of(model), batch, config)
        updated.append((metrics, [p.detach().clone() for p in trainable_parameters(model)]))
    for metrics, parameters in updated[1:]:
        for key in ("loss", "entropy", "kl_reference", "grad_norm"):
            assert metrics[key] == pytest.approx(updated[0][0][key], abs=1e-4)
        for a, b in zip(parameters, updated[0][1], strict=True):
            torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-2)


def test_entropy_bonus_raises_entropy_and_kl_pulls_to_the_base():
    model = tiny_llama()
    batch = batch_of(draw(model), lambda s: 0.0)
    optimizer = optimizer_of(model)
    config = UpdateConfig(objective=Objective(entropy_coef=1.0))
    entropies = [update_policy(model, optimizer, batch, config)["entropy"] for _ in range(6)]
    assert entropies[-1] > entropies[0] + 0.05

    model = tiny_llama()
    optimizer = optimizer_of(model)
    config = UpdateConfig(objective=Objective(kl_coef=1.0))
    divergences = [update_policy(model, optimizer, batch, config)["kl_reference"] for _ in range(10)]
    assert divergences[-1] < divergences[0] / 2


def test_a_prompts_samples_stay_in_one_minibatch():
    model = tiny_llama()
    metrics = update_policy(
        model,
        optimizer_of(model, 0.0),
        batch_of(draw(model), lambda s: 1.0),
        UpdateConfig(minibatches=2),
        generator=torch.Generator().manual_seed(0),
    )
    whole = update_policy(model, optimizer_of(model, 0.0), batch_of(draw(model), lambda s: 1.0), UpdateConfig())
    # two minibatches repeat the two tokens that both prompts share, nothing else
    assert metrics["trie_tokens"] == whole["trie_tokens"] + 2


def test_an_adapter_comes_back_from_its_folder(tmp_path):
    model = tiny_llama()
    drawn = draw(model)
    want = mean_logprob(model, drawn)
    save_lora(model, tmp_path)
    loaded = load_lora(tiny_llama(adapter=False), tmp_path)
    assert mean_logprob(loaded, drawn) == pytest.approx(want, abs=1e-5)
    assert all(p.dtype == torch.float32 for p in trainable_parameters(loaded))
    assert (tmp_path / "adapter_config.json").exists()


def test_a_policy_that_has_moved_too_far_learns_no_more_from_the_batch():
    def steps(target_kl):
        model = tiny_llama()
        rates: list[int] = []

        def learning_rate(step: int) -> float:
            rates.append(step)
            return 0.05

        metrics = update_policy(
            model,
            optimizer_of(model),
            batch_of(draw(model), lambda s: 1.0 if s.ids[0] % 2 else -1.0),
            UpdateConfig(minibatches=3, epochs=2, target_kl=target_kl),
            learning_rate=learning_rate,
        )
        assert rates == list(range(len(rates)))
        assert metrics["optimizer_steps"] == len(rates)
        return len(rates), metrics["approx_kl"]

    made, moved = steps(None)
    assert made > 2
    assert moved > 1e-3
    assert steps(1e-6)[0] == 1
    assert steps(1e9)[0] == made


def test_kl_on_a_share_of_the_prompts_estimates_the_kl_on_all_of_them():
    model = tiny_llama()
    prompts = [(3, 4, i) for i in range(5, 13)]
    samples = HFEngine(model).sample(
        prompts, max_new_tokens=4, temperature=1.0, stop_ids=[2], generator=torch.Generator().manual_seed(0)
    )
    batch = [
        TokenSample(prompt_ids=p, response_ids=s.ids, behaviour_logprobs=s.logprobs, advantage=0.0)
        for p, s in zip(prompts, samples, strict=True)
    ]
    objective = Objective(kl_coef=0.1, normalisation="sequence")

    def kl(fraction, seed=0):
        config = UpdateConfig(objective=objective, kl_fraction=fraction, max_pack_tokens=12)
        generator = torch.Generator().manual_seed(seed)
        return update_policy(model, optimizer_of(model, 0.0), batch, config, generator=generator)["kl_reference"]

    estimates = [kl(0.25, seed) for seed in range(40)]
    assert max(estimates) > min(estimates)
    spread = torch.tensor(estimates).std() / len(estimates) ** 0.5
    assert abs(sum(estimates) / len(estimates) - kl(1.0)) < 4 * float(spread)
