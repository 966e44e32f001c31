"""The vLLM engine against a package with vLLM's interface; test_engine_vllm_live.py has the real one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from milepost.agents.engines import Engine
from milepost.agents.engines.opening import open_engine
from milepost.agents.engines.vllm import VLLMEngine, VLLMOptions
from milepost.agents.lora import adapter_off, merged_weights
from milepost.sandbox.errors import EngineError

from .fake_vllm import EOS, install
from .tiny_llama import stir, tiny_llama

FOLDER = Path("some-model")
PROMPTS = [[1, 2], [3, 4, 5], [1, 2]]


def _sample(engine, *, seed=0, temperature=1.0, n=12, seeds=None):
    generator = torch.Generator().manual_seed(seed)
    return engine.sample(
        PROMPTS, max_new_tokens=n, temperature=temperature, stop_ids=(EOS,), generator=generator, seeds=seeds
    )


def _logits(model):
    with torch.no_grad():
        return model(input_ids=torch.tensor([[1, 2, 3, 4]])).logits


def test_merged_weights_are_those_of_the_adapted_model():
    model = tiny_llama()
    merged = LlamaForCausalLM(model.config).eval()
    merged.load_state_dict(dict(merged_weights(model)))
    torch.testing.assert_close(_logits(merged), _logits(model), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(_logits(merged), _logits(tiny_llama(adapter=False)), atol=1e-2)
    with adapter_off(model):
        off = dict(merged_weights(model))
    plain = tiny_llama(adapter=False)
    assert off.keys() == dict(plain.named_parameters()).keys()
    assert all(torch.equal(off[name], weight) for name, weight in plain.named_parameters())


def test_what_vllm_is_started_with(monkeypatch):
    llm = install(monkeypatch)
    options = VLLMOptions(gpu_memory_utilization=0.3, kv_cache_gb=0.5, context_tokens=64)
    engine = VLLMEngine(tiny_llama(), FOLDER, options=options)
    assert isinstance(engine, Engine)
    assert os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert llm.made[0].arguments == {
        "model": "some-model",
        "dtype": "float32",
        "skip_tokenizer_init": True,
        "use_tqdm_on_load": False,
        "generation_config": "vllm",
        "logprobs_mode": "processed_logprobs",
        "enable_prefix_caching": True,
        "gpu_memory_utilization": 0.3,
        "max_model_len": 64,
        "enforce_eager": True,
        "hf_overrides": {"head_dtype": "float32"},
        "kv_cache_memory_bytes": 1 << 29,
    }


def test_a_gpu_is_left_to_size_its_cache_and_to_record_graphs(monkeypatch):
    llm = install(monkeypatch, cpu=False)
    VLLMEngine(tiny_llama(), FOLDER)
    assert "kv_cache_memory_bytes" not in llm.made[0].arguments
    assert llm.made[0].arguments["enforce_eager"] is False
    assert llm.made[0].ways == ["in place"]


@pytest.mark.parametrize("cpu", [True, False])
def test_new_weights_are_handed_over_and_cached_prompts_dropped(monkeypatch, cpu):
    llm = install(monkeypatch, cpu=cpu)
    model = tiny_llama()
    engine = VLLMEngine(model, FOLDER)
    [made] = llm.made
    first = dict(made.weights)
    assert made.resets == 1, "it begins with the trainer's weights, not the folder's"
    stir(model, 5)
    engine.weights_changed()
    assert made.resets == 2
    assert made.weights.keys() == first.keys() == {name for name, _ in merged_weights(model)}
    changed = {name for name in first if not torch.equal(first[name], made.weights[name])}
    assert len(changed) == 2 * 7, "every adapted matrix, and nothing else"
    assert all(torch.equal(made.weights[name], weight) for name, weight in merged_weights(model))
    stir(model, 6)
    engine.forget()
    assert made.resets == 3
    assert not all(torch.equal(made.weights[name], weight) for name, weight in merged_weights(model)), "kept as before"


def test_requests_say_all_that_matters_and_answers_are_read_back(monkeypatch):
    llm = install(monkeypatch)
    samples = _sample(VLLMEngine(tiny_llama(), FOLDER), temperature=0.7, seeds=[123, 246, 35])
    for asked, seed in zip(llm.made[0].asked, [123, 246, 35], strict=True):
        assert vars(asked) == {
            "temperature": 0.7, "max_tokens": 12, "seed": seed, "logprobs": 0, "stop_token_ids": [EOS],
            "ignore_eos": True, "detokenize": False,
        }  # fmt: skip
    assert [s.ids for s in samples] == [(1, 2, EOS), (2, 4, 6), (3, 5, EOS)]
    assert [s.stopped for s in samples] == [True, False, True]
    assert samples[0].logprobs == (-0.25, -0.5, -0.75)
    assert samples[0].entropy == pytest.approx(0.5), "minus the mean log-probability"


def test_seeds_come_from_the_generator(monkeypatch):
    install(monkeypatch)
    engine = VLLMEngine(tiny_llama(), FOLDER)
    first = _sample(engine)
    assert _sample(engine) == first
    assert _sample(engine, seed=1) != first
    assert first[0] != first[2], "the same prompt, drawn twice"


def test_greedy_decoding_has_no_seed_and_tells_no_entropy(monkeypatch):
    llm = install(monkeypatch)
    samples = _sample(VLLMEngine(tiny_llama(), FOLDER), temperature=0.0)
    assert [asked.seed for asked in llm.made[0].asked] == [None] * 3
    assert [s.entropy for s in samples] == [None] * 3


def test_it_is_closed_with_the_run(monkeypatch, tmp_path):
    llm = install(monkeypatch)
    model = tiny_llama()
    model.get_base_model().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with open_engine("vllm", model, str(tmp_path)) as engine:
        assert isinstance(engine, VLLMEngine)
        assert not llm.made[0].stopped
    assert llm.made[0].stopped


def test_no_vllm_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    with pytest.raises(EngineError, match=r"pip install 'milepost\[vllm\]'.*engine: hf"):
        VLLMEngine(tiny_llama(), FOLDER)


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("start", r"cannot run the model in some-model: no room for the cache\. .*vllm.kv_cache_gb"),
        ("weights", r"does not take the policy's weights: no room for the cache\. .*engine: hf"),
        ("sample", r"cannot sample 3 prompts: no room for the cache\. .*concurrency"),
    ],
)
def test_what_vllm_cannot_do_is_told_with_a_cure(monkeypatch, where, told):
    install(monkeypatch, refuses={where: ValueError("no room for the cache.\nTraceback ...")})
    threads = torch.set_num_threads
    with pytest.raises(EngineError, match=told):
        _sample(VLLMEngine(tiny_llama(), FOLDER))
    assert torch.set_num_threads is threads


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"max_new_tokens": 14}, r"at most 16 tokens .* got a prompt of 3 and max_new_tokens 14"),
        ({"seeds": [1]}, r"1 seeds for 3 prompts"),
        ({"generator": None}, r"torch\.Generator"),
    ],
)
def test_requests_that_cannot_be_are_refused(monkeypatch, overrides, told):
    install(monkeypatch)
    engine = VLLMEngine(tiny_llama(), FOLDER, options=VLLMOptions(context_tokens=16))
    arguments = {
        "max_new_tokens": 2, "temperature": 1.0, "stop_ids": (EOS,), "generator": torch.Generator(),
    } | overrides  # fmt: skip
    with pytest.raises(EngineError, match=told):
        engine.sample(PROMPTS, **arguments)
    assert engine.sample([], max_new_tokens=1, temperature=0, stop_ids=[]) == []
