"""The critic, its losses, and what becomes of episodes that it values."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from milepost.agents.engines.hf import HFEngine
from milepost.agents.lora import trainable_parameters
from milepost.agents.records import StepRecord, Trajectory
from milepost.agents.reward_model.network import RewardNetwork
from milepost.trainers.critic import Critic
from milepost.trainers.critic_credit import credit_by_critic, to_critic_samples, whitened
from milepost.trainers.objective import Objective
from milepost.trainers.policy_update import TokenSample, UpdateConfig, update_policy
from milepost.trainers.ppo_config import CriticConfig, PPOConfig
from milepost.trainers.value_loss import explained_variance, value_loss

from ..agents.tiny_llama import tiny_llama

PROMPTS = [(3, 4, 5, 6), (3, 4, 7), (8, 9)]


def test_hand_worked_value_loss():
    values = torch.tensor([1.0, 2.0, 0.0], requires_grad=True)
    old, targets, weights = (
        torch.tensor([0.5, 0.5, 0.5]),
        torch.tensor([2.0, 2.0, -1.0]),
        torch.tensor([0.5, 0.25, 0.25]),
    )
    loss, bound = value_loss(values, old, targets, weights)
    assert float(loss.detach()) == pytest.approx(0.5 * (0.5 * 1 + 0.25 * 0 + 0.25 * 1))
    assert float(bound) == 0.0
    loss, bound = value_loss(values, old, targets, weights, clip=0.2)
    # held: 0.7, 0.7, 0.3; squared errors 1.69, 1.69, 1.69, each worse than the free one
    assert float(loss.detach()) == pytest.approx(0.5 * 1.69)
    assert float(bound) == pytest.approx(1.0)
    loss.backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 0.0, 0.0]  # beyond the clip nothing pulls


def test_hand_worked_explained_variance():
    assert explained_variance([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == pytest.approx(1.0)
    assert explained_variance([5.0, 5.0, 5.0], [1.0, 2.0, 3.0]) == pytest.approx(0.0)
    assert explained_variance([3.0, 2.0, 1.0], [1.0, 2.0, 3.0]) == pytest.approx(-3.0)
    assert math.isnan(explained_variance([1.0], [1.0]))


def critic_of(model, *, shared=True, per_token=False, stop_gradient=True, rate=5e-2, clip=None, coef=1.0):
    network = RewardNetwork(model, heads=1)
    with torch.no_grad():
        network.weight_HE.zero_()
    return Critic(
        network, shared=shared, per_token=per_token, config=CriticConfig(learning_rate=rate,
        stop_gradient=stop_gradient),
        value_coef=coef, value_clip=clip, max_grad_norm=10.0, pack_tokens=1000,
    )  # fmt: skip


def batch_of(model, critic, n=4):
    prompts = [p for p in PROMPTS for _ in range(n)]
    drawn = HFEngine(model).sample(
        prompts, max_new_tokens=4, temperature=1.0, stop_ids=[2], generator=torch.Generator().manual_seed(0)
    )
    values = critic.values([(p, s.ids) for p, s in zip(prompts, drawn, strict=True)])
    wanted = {p: float(i) for i, p in enumerate(PROMPTS)}
    return [
        TokenSample(
            prompt_ids=p, response_ids=s.ids, behaviour_logprobs=s.logprobs, advantage=0.0,
            value_targets=(wanted[p],) * len(v), old_values=v,
        )
        for p, s, v in zip(prompts, drawn, values, strict=True)
    ]  # fmt: skip


def optimizer_of(model, rate=0.0):
    return torch.optim.AdamW(list(trainable_parameters(model)), lr=rate, weight_decay=0.0)


@pytest.mark.parametrize(("shared", "per_token"), [(True, False), (True, True), (False, False)])
def test_a_critic_learns_what_its_states_are_worth(shared, per_token):
    model = tiny_llama()
    critic = critic_of(model if shared else tiny_llama(seed=1), shared=shared, per_token=per_token)
    batch = batch_of(model, critic)
    assert {v for s in batch for v in s.old_values} == {0.0}
    assert all(len(s.old_values) == (len(s.response_ids) if per_token else 1) for s in batch)
    first = update_policy(model, optimizer_of(model), batch, UpdateConfig(), critic=critic)
    assert first["value_loss"] == pytest.approx(0.5 * (0 + 1 + 4) / 3, abs=1e-4)
    assert first["ratio"] == pytest.approx(1.0, abs=1e-4)
    last = update_policy(model, optimizer_of(model), batch, UpdateConfig(epochs=80), critic=critic)
    pairs = [(s.prompt_ids, s.response_ids) for s in batch]
    errors = [v - s.value_targets[0] for s, told in zip(batch, critic.values(pairs), strict=True) for v in told[:1]]
    assert sum(e * e for e in errors) / len(errors) < 0.2  # of 5/3 at the start
    assert last["optimizer_steps"] == 80.0


def test_what_an_update_reads_is_what_the_critic_says():
    model = tiny_llama()
    for per_token in (False, True):
        critic = critic_of(model, per_token=per_token)
        batch = batch_of(model, critic)
        with torch.no_grad():
            critic.network.weight_HE.normal_(generator=torch.Generator().manual_seed(3))
        said = critic.values([(s.prompt_ids, s.response_ids) for s in batch])
        first = critic.value_of_prompts([s.prompt_ids for s in batch])
        assert [v[0] for v in said] == pytest.approx(first, abs=1e-4)
        told = [replace(s, value_targets=v) for s, v in zip(batch, said, strict=True)]
        metrics = update_policy(model, optimizer_of(model), told, UpdateConfig(max_pack_tokens=12), critic=critic)
        assert metrics["value_loss"] == pytest.approx(0.0, abs=1e-7)


def test_the_value_loss_reaches_the_policy_only_if_it_may():
    def moved(stop_gradient):
        model = tiny_llama()
        critic = critic_of(model, stop_gradient=stop_gradient)
        with torch.no_grad():
            critic.network.weight_HE.normal_(generator=torch.Generator().manual_seed(3))
        batch = batch_of(model, critic)
        metrics = update_policy(model, optimizer_of(model), batch, UpdateConfig(), critic=critic)
        return metrics["grad_norm"]

    assert moved(True) == pytest.approx(0.0, abs=1e-6)
    assert moved(False) > 1e-3


def test_a_saved_critic_goes_on_as_if_nothing_had_happened(tmp_path):
    def trained(folder=None):
        model = tiny_llama()
        critic = critic_of(model)
        batch = batch_of(model, critic)
        update_policy(model, optimizer_of(model), batch, UpdateConfig(epochs=3), critic=critic)
        if folder is not None:
            critic.save(folder)
            critic = critic_of(model)
            critic.load(folder)
        update_policy(model, optimizer_of(model), batch, UpdateConfig(epochs=3), critic=critic)
        return critic.values([(s.prompt_ids, s.response_ids) for s in batch])

    straight, resumed = trained(), trained(tmp_path / "critic")
    assert [v[0] for v in resumed] == pytest.approx([v[0] for v in straight], abs=1e-6)


class FixedCritic:
    """Values a state by its last token; a prompt's is its length."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def values(self, pairs):
        return [(float(p[-1]),) for p, _ in pairs]

    def value_of_prompts(self, prompts):
        self.asked += prompts
        return [10.0] * len(prompts)


class Words:
    """A tokenizer of one token a chat."""

    def apply_chat_template(self, conversation, **_):
        return {"input_ids": [len(conversation)]}


def episode(rewards, *, truncated=False):
    steps = tuple(
        StepRecord(
            prompt_ids=(t,), response_ids=(4, 5), behaviour_logprobs=(-1.0, -1.0), action="a", observation="o",
            reward=r,             milestones_before=0, milestones_after=0,
        )
        for t, r in enumerate(rewards)
    )  # fmt: skip
    return Trajectory(
        task="milepost/search-open-v0", seed=0, steps=steps, success=False, terminated=not truncated,
        truncated=truncated, stop_reason="", failure=None, policy_version=0, final_observation="Goal: x",
    )  # fmt: skip


def test_only_what_was_cut_short_goes_on_from_its_last_state():
    config = PPOConfig(tasks=("a",), run=Path("r"), gamma=0.5, gae_lambda=1.0, whiten=False)
    critic = FixedCritic()
    done = credit_by_critic(config, critic, Words(), [episode([1.0, 2.0]), episode([1.0, 2.0], truncated=True)])
    # V is 0 then 1; terminated: returns 2, 2; truncated: the last return is 2 + 10 / 2 = 7, the one before 1 + 7 / 2
    assert done.returns == [[(2.0,), (2.0,)], [(4.5,), (7.0,)]]
    assert done.advantages == [[(2.0,), (1.0,)], [(4.5,), (6.0,)]]
    assert len(critic.asked) == 1
    samples = to_critic_samples(config, [episode([1.0, 2.0]), episode([1.0, 2.0], truncated=True)], done, stop_ids=(5,))
    assert [(s.advantage, s.value_targets, s.old_values) for s in samples][:2] == [
        (2.0, (2.0,), (0.0,)),
        (1.0, (2.0,), (1.0,)),
    ]
    assert samples[0].advantages == (2.0, 2.0)


def test_whitening_keeps_the_shape_and_the_masks():
    rows = whitened([[(1.0, 3.0), None], [(5.0,)]])
    assert rows[0][1] is None
    flat = [a for row in rows for part in row if part is not None for a in part]
    assert flat == pytest.approx([-math.sqrt(1.5), 0.0, math.sqrt(1.5)], abs=1e-5)


def test_a_batch_may_be_split_without_changing_the_value_loss():
    losses = []
    for max_pack_tokens in (1, 10_000):
        model = tiny_llama()
        critic = critic_of(model)
        config = UpdateConfig(max_pack_tokens=max_pack_tokens, objective=Objective())
        losses.append(update_policy(model, optimizer_of(model), batch_of(model, critic), config, critic=critic))
    assert losses[0]["value_loss"] == pytest.approx(losses[1]["value_loss"], abs=1e-6)
