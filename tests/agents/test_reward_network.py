from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

from milepost.agents.engines.llama import FastLlama
from milepost.agents.lora import trainable_parameters
from milepost.agents.reward_model.learned import LearnedRewardModel
from milepost.agents.reward_model.network import Ids, RewardNetwork, add_adapter, load_backbone, pooling_of
from milepost.rewards.reward_model.text import StepEncoder
from milepost.rewards.reward_model.versions import Calibration
from milepost.rewards.step_view import EpisodeView, StepView
from milepost.sandbox.errors import EngineError

from ..trainers.preferred_episodes import tiny_backbone
from .tiny_llama import VOCABULARY, tiny_llama

token = st.integers(0, VOCABULARY - 1)
stems = st.lists(token, min_size=1, max_size=12).map(tuple)
batches = st.tuples(stems, st.lists(st.lists(token, max_size=10).map(tuple), min_size=1, max_size=6))


@pytest.fixture(scope="module")
def network() -> RewardNetwork:
    return RewardNetwork(tiny_llama(), heads=3, seed=1)


@given(batches)
@settings(max_examples=25, deadline=None)
def test_the_trie_equals_the_plain_model(network: RewardNetwork, batch):
    stem, tails = batch
    sequences = [stem + tail for tail in tails]
    with torch.no_grad():
        trie = network.scores(sequences, max_tokens=24)
        plain = network.scores(sequences, max_tokens=24, fast=False)
    torch.testing.assert_close(trie, plain, atol=1e-4, rtol=1e-4)


def test_gradients_of_the_trie_equal_the_plain_models(network: RewardNetwork):
    sequences: list[Ids] = [(1, 2, 3, 4), (1, 2, 3, 5, 6), (1, 2), (7, 8)]
    parameters = [*trainable_parameters(network.backbone), network.weight_HE, network.bias_H]
    gradients = []
    for fast in (True, False):
        loss = (network.scores(sequences, fast=fast) * torch.arange(12.0).view(4, 3).sin()).sum()
        gradients.append(torch.autograd.grad(loss, parameters))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
    assert all(float(g.abs().max()) > 0 for g in gradients[0])


def test_shared_tokens_are_computed_once(network: RewardNetwork):
    before = network.computed_tokens
    with torch.no_grad():
        scores = network.scores([(1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 4)])
    assert network.computed_tokens - before == 5
    assert torch.equal(scores[0], scores[2])
    assert not torch.equal(scores[0], scores[1])


def test_no_sequence_no_score(network: RewardNetwork):
    assert network.scores([]).shape == (0, 3)


def bert() -> Any:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        architectures=["BertForMaskedLM"],
    )
    return BertModel(config).eval().requires_grad_(False)


def test_an_encoder_is_read_over_all_its_tokens_and_padding_does_not_count():
    backbone = bert()
    assert FastLlama.of(add_adapter(bert(), rank=2, alpha=4, seed=0)) is None
    assert pooling_of(backbone.config) == "mean"
    network = RewardNetwork(add_adapter(backbone, rank=2, alpha=4, seed=0), heads=2, pooling="mean")
    together = network.scores([(1, 2), (3, 4, 5, 6, 7)])
    torch.testing.assert_close(together[:1], network.scores([(1, 2)]), atol=1e-5, rtol=1e-4)
    together.sum().backward()
    assert any(p.grad is not None and float(p.grad.abs().max()) > 0 for p in trainable_parameters(network.backbone))


def test_an_encoder_decoder_is_refused():
    with pytest.raises(EngineError, match="encoder-decoder"):
        pooling_of(BertConfig(is_encoder_decoder=True))


def test_a_backbone_is_cut_after_so_many_layers(tmp_path):
    folder = tiny_backbone(tmp_path / "tiny")
    whole, _, pooling = load_backbone(str(folder), dtype=torch.float32)
    cut, _, _ = load_backbone(str(folder), layers=1, dtype=torch.float32)
    uncut, _, _ = load_backbone(str(folder), layers=9, dtype=torch.float32)
    assert pooling == "last"
    ids = torch.tensor([[5, 6, 7]])
    states = whole.model(ids, output_hidden_states=True).hidden_states
    want = whole.model.norm(states[1])[:, -1]  # after one layer
    for fast in (True, False):
        torch.testing.assert_close(
            RewardNetwork(cut, heads=1).hidden([(5, 6, 7)], fast=fast), want, atol=1e-5, rtol=1e-4
        )
    torch.testing.assert_close(
        RewardNetwork(uncut, heads=1).hidden([(5, 6, 7)]), states[2][:, -1], atol=1e-5, rtol=1e-4
    )


def test_a_backbone_whose_layers_cannot_be_cut_is_named(tmp_path):
    folder = tiny_backbone(tmp_path / "tiny")
    bert().save_pretrained(folder)
    assert load_backbone(str(folder))[2] == "mean"
    with pytest.raises(EngineError, match="layers of a bert model"):
        load_backbone(str(folder), layers=1)


def test_heads_come_back_as_saved_and_a_wrong_file_is_named(network: RewardNetwork, tmp_path):
    network.save_heads(tmp_path / "heads.safetensors")
    other = RewardNetwork(network.backbone, heads=3, seed=9)
    assert not torch.equal(other.weight_HE, network.weight_HE)
    other.load_heads(tmp_path / "heads.safetensors")
    assert torch.equal(other.weight_HE, network.weight_HE)
    with pytest.raises(EngineError, match=r"\(4, 32\)"):
        RewardNetwork(network.backbone, heads=4).load_heads(tmp_path / "heads.safetensors")
    with pytest.raises(EngineError, match="absent"):
        other.load_heads(tmp_path / "absent")


def learned(network: RewardNetwork) -> LearnedRewardModel:
    encoder = StepEncoder(lambda text: [ord(c) % VOCABULARY for c in text])
    calibration = Calibration(temperature=0.5, offset=0.25, demonstration_step=0.1)
    return LearnedRewardModel(network, encoder, calibration, version="v007")


def episode(*actions: str) -> EpisodeView:
    steps = tuple(StepView(before="page", action=action, after="page") for action in actions)
    return EpisodeView(task="t", seed=0, goal="go", steps=steps)


def test_scores_sum_and_say_who_speaks(network: RewardNetwork):
    model = learned(network)
    (scores,) = model.score([episode("a", "b", "c")])
    (raw_SH,) = model.raw([episode("a", "b", "c")])
    assert sum(s.value for s in scores) == pytest.approx(float(raw_SH.mean(1).sum()) - 0.25)
    assert [s.raw for s in scores] == pytest.approx(raw_SH.mean(1).tolist())
    assert [s.spread for s in scores] == pytest.approx(raw_SH.std(1).tolist())
    assert all(0.5 <= s.confidence <= 1.0 and s.version == model.version == "v007" for s in scores)


def test_a_batch_scores_as_its_episodes_do_alone(network: RewardNetwork):
    episodes = [episode("a", "b"), episode(), episode("b")]
    together = learned(network).raw(episodes)
    assert [len(r) for r in together] == [2, 0, 1]
    for one, batched in zip(episodes, together, strict=True):
        np.testing.assert_allclose(learned(network).raw([one])[0], batched, atol=1e-6)


def test_a_grown_episode_costs_its_new_step(network: RewardNetwork):
    model = learned(network)
    first = model.score([episode("a")])[0]
    before = network.computed_tokens
    assert model.score([episode("a")])[0] == first
    assert network.computed_tokens == before
    grown = model.score([episode("a", "b")])[0]
    assert grown[0] == first[0]
    assert network.computed_tokens > before
