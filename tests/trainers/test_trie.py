"""The packed update equals the plain one: same loss, same gradients, one sequence at a time in fp32."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2Config, Qwen2ForCausalLM

from milepost.agents.engines.llama import FastLlama
from milepost.agents.lora import adapter_off, add_lora, trainable_parameters
from milepost.trainers.objectives import Objective, policy_loss, token_weights
from milepost.trainers.policy_update import response_logprobs
from milepost.trainers.trie import make_packs

from ..agents.tiny_llama import VOCABULARY, stir, tiny_llama

TOKENS = st.integers(0, 3)
RESPONSE = st.lists(TOKENS, min_size=1, max_size=5)


@st.composite
def sample_pairs(draw):
    """Samples that share what real ones share: a system text, prompts, whole responses."""
    system = draw(st.lists(TOKENS, max_size=6))
    prompts = draw(st.lists(st.lists(TOKENS, min_size=1, max_size=6), min_size=1, max_size=3))
    pairs = [(system + p, r) for p in prompts for r in draw(st.lists(RESPONSE, min_size=1, max_size=4))]
    return draw(st.permutations(pairs))


def tiny_qwen():
    """A model without a fast form: takes the dense mask and the module's own forward."""
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
        )
    )
    model = add_lora(model.eval(), rank=4)
    stir(model, 0)
    return model.eval()


def plain_logprobs(model, prompt, response, temperature):
    logits = model(input_ids=torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1] / temperature
    logp = torch.log_softmax(logits, -1)
    return logp.gather(1, torch.tensor(response)[:, None])[:, 0], -(logp.exp() * logp).sum(-1)


def gradients(model, loss):
    model.zero_grad(set_to_none=True)
    loss.backward()
    copies = []
    for parameter in trainable_parameters(model):
        assert parameter.grad is not None
        copies.append(parameter.grad.clone())
    return copies


def near_its_base(model):
    """Bring the adapter to where training leaves it, within a nat of the base, as `tiny_qwen` is.

    k3 multiplies a rounding error of a log-probability by exp(reference - policy) - 1: at the four nats that `stir`
    makes of `tiny_llama`, 1e-6 in a log-probability is 4e-5 in the loss, whichever way it was computed.
    """
    with torch.no_grad():
        for parameter in trainable_parameters(model):
            parameter.mul_(0.4)
    return model


MODELS = {"fast": near_its_base(tiny_llama()), "plain": tiny_qwen()}
FAR = {"fast": tiny_llama(), "plain": tiny_qwen()}


@pytest.mark.parametrize("kind", ["fast", "plain"])
@given(pairs=sample_pairs(), max_tokens=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_log_probabilities_equal_one_sequence_at_a_time(kind, pairs, max_tokens):
    for pack in make_packs(pairs, max_tokens=max_tokens):
        got_R, entropy_R = response_logprobs(FAR[kind], pack, temperature=0.8, entropy_gradient=True)
        chosen = [pairs[i] for i in pack.samples]
        want = [plain_logprobs(FAR[kind], prompt, response, 0.8) for prompt, response in chosen]
        torch.testing.assert_close(got_R, torch.cat([logp for logp, _ in want]), atol=1e-5, rtol=0)
        torch.testing.assert_close(entropy_R, torch.cat([entropy for _, entropy in want]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["fast", "plain"])
@given(pairs=sample_pairs(), max_tokens=st.integers(1, 60), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_loss_and_gradients_equal_one_sequence_at_a_time(kind, pairs, max_tokens, seed):
    model = MODELS[kind]
    assert (FastLlama.of(model) is not None) == (kind == "fast")
    objective = Objective(kl_coef=0.3, entropy_coef=0.2, normalisation="sequence" if seed % 2 else "token")
    temperature = 0.8
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor([len(r) for _, r in pairs])
    behaviour = [torch.randn(n, generator=generator) * 0.4 for n in counts.tolist()]
    advantages = torch.randn(len(pairs), generator=generator).tolist()
    sample_R = torch.arange(len(pairs)).repeat_interleave(counts)
    weights = torch.split(token_weights(sample_R, len(pairs), objective.normalisation), counts.tolist())

    def parts(i, logprobs, entropy, reference):
        behaviour_R = logprobs.detach() + behaviour[i]
        return dict(
            logprobs_R=logprobs,
            behaviour_R=behaviour_R,
            advantages_R=torch.full_like(behaviour_R, advantages[i]),
            weight_R=weights[i],
            entropy_R=entropy,
            reference_R=reference,
        )

    want = torch.zeros(())
    for i, (prompt, response) in enumerate(pairs):
        with torch.no_grad(), adapter_off(model):
            reference, _ = plain_logprobs(model, prompt, response, temperature)
        logprobs, entropy = plain_logprobs(model, prompt, response, temperature)
        want = want + policy_loss(objective, **parts(i, logprobs, entropy, reference))[0]
    want_gradients = gradients(model, want)

    got = torch.zeros(())
    for pack in make_packs(pairs, max_tokens=max_tokens):
        with torch.no_grad(), adapter_off(model):
            reference, _ = response_logprobs(model, pack, temperature=temperature)
        logprobs, entropy = response_logprobs(model, pack, temperature=temperature, entropy_gradient=True)
        lengths = [len(pairs[i][1]) for i in pack.samples]
        columns = zip(
            pack.samples, logprobs.split(lengths), entropy.split(lengths), reference.split(lengths), strict=True
        )
        together = [parts(*column) for column in columns]
        merged = {key: torch.cat([p[key] for p in together]) for key in together[0]}
        got = got + policy_loss(objective, **merged)[0]
    assert float(got.detach()) == pytest.approx(float(want.detach()), abs=1e-5)
    for a, b in zip(gradients(model, got), want_gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@given(pairs=sample_pairs(), max_tokens=st.integers(1, 60))
def test_packs_hold_every_sample_once_and_stay_small(pairs, max_tokens):
    packs = make_packs(pairs, max_tokens=max_tokens)
    assert sorted(i for pack in packs for i in pack.samples) == list(range(len(pairs)))
    for pack in packs:
        assert len(pack.samples) == 1 or len(pack.trie) <= max_tokens
        assert pack.targets_R.tolist() == [t for i in pack.samples for t in pairs[i][1]]
        assert pack.sample_R.tolist() == [s for s, i in enumerate(pack.samples) for _ in pairs[i][1]]
        assert pack.rows_P.tolist() == np.unique(pack.rows_P).tolist()


def test_shared_tokens_are_packed_once():
    (pack,) = make_packs([([1, 2, 3], [7, 8]), ([1, 2, 3], [7, 9]), ([1, 2, 4], [7, 8])], max_tokens=100)
    assert len(pack.trie) == 6  # 1 2 3 7, and 4 7; the last token of a response predicts nothing
    assert len(pack.rows_P) == 4  # 3, 7 under 3, 4, 7 under 4
    assert pack.predictor_R.tolist() == [0, 1, 0, 1, 2, 3]


@pytest.mark.parametrize("pair", [([], [1]), ([1], [])])
def test_an_empty_side_is_refused(pair):
    with pytest.raises(ValueError, match="non-empty prompt and response"):
        make_packs([pair], max_tokens=10)
