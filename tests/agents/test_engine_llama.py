from __future__ import annotations

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from milepost.agents.engines.llama import FastLlama, why_not
from milepost.agents.engines.llama_ops import FrozenMatrix, GroupTensors
from milepost.agents.engines.token_trie import build_trie, plan_attention
from milepost.agents.lora import adapter_off, add_lora

from .tiny_llama import VOCABULARY, fast_form, stir, tiny_llama

SEQUENCES = [[5, 6, 7, 8, 9, 10], [5, 6, 7, 1], [5, 6, 7, 1, 2, 3, 4], [30, 31]]


def _inputs(trie, dtype):
    groups = [GroupTensors.of(g, dtype) for g in plan_attention(trie, block_tokens=4)]
    return torch.from_numpy(trie.tokens_N), torch.from_numpy(trie.positions_N), groups, torch.arange(len(trie))


def _module_hidden(model, trie, sequences):
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    want = torch.empty(len(trie), base.config.hidden_size)
    with torch.no_grad():
        for sequence, path in zip(sequences, trie.paths, strict=True):
            want[path] = base.model(input_ids=torch.tensor([sequence])).last_hidden_state[0]
    return want


def refusal(model) -> str:
    reason = why_not(model)
    assert reason is not None
    return reason


def test_hidden_states_are_the_modules_own():
    for adapter in (False, True):
        model = tiny_llama(adapter=adapter)
        trie = build_trie(SEQUENCES)
        want = _module_hidden(model, trie, SEQUENCES)
        fast = fast_form(model)
        fast.refresh()
        inputs = _inputs(trie, fast.dtype)
        torch.testing.assert_close(fast.prefill(*inputs), want, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(fast.hidden(*inputs).detach(), want, atol=1e-5, rtol=1e-5)


def test_adapter_off_is_the_base():
    model = tiny_llama()
    trie = build_trie(SEQUENCES)
    fast = fast_form(model)
    fast.refresh()
    inputs = _inputs(trie, fast.dtype)
    with adapter_off(model):
        want = _module_hidden(model, trie, SEQUENCES)
    torch.testing.assert_close(fast.prefill(*inputs, adapter=False), want, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(fast.prefill(*inputs), want, atol=1e-2)


def test_a_refresh_sees_new_adapter_weights():
    model = tiny_llama()
    trie = build_trie(SEQUENCES)
    fast = fast_form(model)
    assert fast.refresh(fast)
    assert not fast.refresh(fast)
    stir(model, 7)
    assert fast.refresh(fast)
    want = _module_hidden(model, trie, SEQUENCES)
    torch.testing.assert_close(fast.prefill(*_inputs(trie, fast.dtype)), want, atol=1e-5, rtol=1e-5)


def test_the_fast_form_is_kept_until_the_module_changes():
    model = tiny_llama(adapter=False)
    first = FastLlama.of(model)
    assert FastLlama.of(model) is first
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.mul_(2.0)
    second = FastLlama.of(model)
    assert second is not first
    wrapped = add_lora(model, rank=2)
    assert FastLlama.of(wrapped) is not second
    trie = build_trie(SEQUENCES)
    stir(wrapped, 1)
    fast = fast_form(wrapped)
    fast.refresh()
    want = _module_hidden(wrapped, trie, SEQUENCES)
    torch.testing.assert_close(fast.prefill(*_inputs(trie, fast.dtype)), want, atol=1e-5, rtol=1e-5)


def test_what_it_does_not_cover_it_says():
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2))
    assert "gpt2" in refusal(gpt2)
    assert FastLlama.of(gpt2) is None
    assert "biases" in refusal(tiny_llama(adapter=False, attention_bias=True))
    half = tiny_llama()
    half.get_base_model().model.layers[0].mlp.up_proj = half.get_base_model().model.layers[0].mlp.up_proj.base_layer
    assert "only some" in refusal(half.get_base_model())


def test_log_probabilities_and_entropies_have_the_gradients_of_the_plain_head():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(VOCABULARY, 16, generator=generator)
    plain = torch.randn(150, 16, generator=generator, requires_grad=True)
    ours = plain.detach().clone().requires_grad_()
    rows = torch.randint(150, (230,), generator=generator)
    targets = torch.randint(VOCABULARY, (230,), generator=generator)
    weights = torch.randn(230, generator=generator), torch.randn(150, generator=generator)

    logp = torch.log_softmax(plain @ weight.t() / 0.8, -1)
    want = logp[rows, targets], -(logp.exp() * logp).sum(-1)
    fast = fast_form(tiny_llama())
    fast.head = FrozenMatrix(weight)
    got = fast.logprobs(ours, rows, targets, temperature=0.8, entropy_gradient=True)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-5)
    for outputs in (got, want):
        sum(((o * w).sum() for o, w in zip(outputs, weights, strict=True)), torch.zeros(())).backward()
    torch.testing.assert_close(ours.grad, plain.grad, atol=1e-4, rtol=1e-4)


def test_a_packed_bf16_matrix_multiplies_like_a_plain_one():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(96, 64, generator=generator).bfloat16()
    x = torch.randn(5, 64, generator=generator).bfloat16()
    y = torch.randn(5, 96, generator=generator).bfloat16()
    matrix = FrozenMatrix(weight)
    for got, want in [
        (matrix.forward(x), x.float() @ weight.float().t()),
        (matrix.forward(x, y), x.float() @ weight.float().t() + y.float()),
        (matrix.transposed(y), y.float() @ weight.float()),
        (matrix.transposed(y, x), y.float() @ weight.float() + x.float()),
    ]:
        torch.testing.assert_close(got.float(), want, atol=0.15, rtol=0.02)
