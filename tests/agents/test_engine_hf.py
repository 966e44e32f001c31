from __future__ import annotations

import pytest
import torch

from milepost.agents.engines import Engine
from milepost.agents.engines.hf import HFEngine
from milepost.agents.lora import adapter_off
from milepost.sandbox.errors import EngineError

from .tiny_llama import VOCABULARY, fast_form, stir, tiny_llama

SYSTEM = [3, 4, 5, 6, 7, 8, 9]
PROMPTS = [[*SYSTEM, 1, 2], [*SYSTEM, 1, 2], [*SYSTEM, 1, 2, 20, 21, 22], [*SYSTEM, 30], [40, 41]]


def _sample(engine, prompts=PROMPTS, *, temperature=1.0, stop_ids=(11, 12, 13, 14), seed=0, n=12):
    return engine.sample(
        prompts,
        max_new_tokens=n,
        temperature=temperature,
        stop_ids=stop_ids,
        generator=torch.Generator().manual_seed(seed),
    )


def _same(got, want):
    assert [s.ids for s in got] == [s.ids for s in want]
    assert [s.stopped for s in got] == [s.stopped for s in want]
    for a, b in zip(got, want, strict=True):
        assert a.logprobs == pytest.approx(b.logprobs, abs=1e-4)
        assert a.entropy == pytest.approx(b.entropy, abs=1e-4)


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("adapter", [False, True])
def test_the_fast_way_samples_what_the_plain_way_samples(temperature, adapter):
    model = tiny_llama(adapter=adapter)
    nothing_shared, system_shared, all_shared = PROMPTS, PROMPTS[:4], PROMPTS[:1]
    for seed, prompts in enumerate([nothing_shared, system_shared, all_shared]):
        want = _sample(HFEngine(model, fast=False), prompts * 4, temperature=temperature, seed=seed)
        _same(_sample(HFEngine(model), prompts * 4, temperature=temperature, seed=seed), want)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_log_probabilities_and_entropies_are_the_modules(temperature):
    model = tiny_llama()
    for prompt, sample in zip(PROMPTS, _sample(HFEngine(model), temperature=temperature), strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[*prompt, *sample.ids]])).logits[0, len(prompt) - 1 : -1]
        distribution = torch.distributions.Categorical(logits=logits / temperature)
        assert sample.logprobs == pytest.approx(distribution.log_prob(torch.tensor(sample.ids)).tolist(), abs=1e-4)
        assert sample.entropy == pytest.approx(float(distribution.entropy().mean()), abs=1e-4)


def test_a_row_with_a_seed_is_drawn_alike_in_any_company():
    engine = HFEngine(tiny_llama())

    def drawn(prompts, seeds):
        return engine.sample(prompts, max_new_tokens=12, temperature=1.0, stop_ids=(11, 12), seeds=seeds)

    together = drawn(PROMPTS, [5, 6, 7, 8, 9])
    assert together[0].ids != together[1].ids, "one prompt, two seeds"
    for prompt, seed, sample in zip(PROMPTS, [5, 6, 7, 8, 9], together, strict=True):
        _same(drawn([prompt], [seed]), [sample])
    _same(drawn(PROMPTS[::-1], [9, 8, 7, 6, 5]), together[::-1])
    with pytest.raises(EngineError, match="1 seeds for 2 prompts"):
        drawn(PROMPTS[:2], [1])


def test_responses_end_with_their_stop_token_or_at_the_limit():
    samples = _sample(HFEngine(tiny_llama()), PROMPTS * 12)
    assert {s.stopped for s in samples} == {True, False}
    for s in samples:
        assert len(s.ids) == len(s.logprobs)
        assert not set(s.ids[:-1]) & {11, 12, 13, 14}
        assert s.stopped == (s.ids[-1] in {11, 12, 13, 14})
        assert s.stopped or len(s.ids) == 12


def test_the_same_generator_draws_the_same_and_members_of_a_group_differ():
    engine = HFEngine(tiny_llama())
    first = _sample(engine, [PROMPTS[0]] * 8)
    assert _sample(HFEngine(tiny_llama()), [PROMPTS[0]] * 8) == first
    assert len({s.ids for s in first}) > 4
    assert _sample(engine, [PROMPTS[0]] * 8, seed=1) != first


def test_known_prefixes_are_not_computed_again():
    engine = HFEngine(tiny_llama())
    first = _sample(engine)
    cache = engine._cache
    assert cache is not None
    assert cache.tokens_computed == 7 + 2 + 3 + 1 + 2  # the trie of the four distinct prompts
    _same(_sample(engine), first)
    assert cache.tokens_computed == 15 + 4  # only the last token of each, whose logits are needed
    longer = [[*p, 44, 45] for p in PROMPTS]
    _same(_sample(engine, longer), _sample(HFEngine(tiny_llama()), longer))
    assert cache.tokens_computed == 19 + 4 * 2


def test_an_update_of_the_adapter_is_noticed():
    model = tiny_llama()
    engine = HFEngine(model)
    before = _sample(engine)
    stir(model, 5)
    after = _sample(engine)
    assert after != before
    _same(after, _sample(HFEngine(model, fast=False)))


def test_with_the_adapter_off_the_base_speaks():
    model = tiny_llama()
    engine = HFEngine(model)
    with_adapter = _sample(engine)
    with adapter_off(model):
        base = _sample(engine)
    _same(base, _sample(HFEngine(tiny_llama(adapter=False))))
    _same(_sample(engine), with_adapter)


def test_a_small_memory_budget_changes_nothing_but_the_batches():
    model = tiny_llama()
    want = _sample(HFEngine(model), PROMPTS * 4)
    token_bytes = fast_form(model).token_bytes
    _same(_sample(HFEngine(model, kv_budget_bytes=70 * token_bytes), PROMPTS * 4), want)


def test_it_is_an_engine():
    assert isinstance(HFEngine(tiny_llama()), Engine)
    assert HFEngine(tiny_llama()).sample([], max_new_tokens=1, temperature=0, stop_ids=[]) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"prompts": [[1], []]}, "prompt 1 has no tokens"),
        ({"max_new_tokens": 0}, "at least 1, got 0"),
        ({"temperature": -1.0}, "got -1.0"),
        ({"temperature": 1.0, "generator": None}, "needs a torch.Generator"),
    ],
)
def test_unusable_arguments_are_refused_with_a_cure(overrides, message):
    arguments = {"prompts": [[1]], "max_new_tokens": 4, "temperature": 0.0, "stop_ids": [2], "generator": None}
    with pytest.raises(EngineError, match=message):
        HFEngine(tiny_llama()).sample(**(arguments | overrides))


@pytest.mark.model
@pytest.mark.slow
def test_on_the_real_model_sampler_and_trainer_agree_to_bf16_noise():
    from milepost.agents.loading import load_model
    from milepost.agents.lora import add_lora
    from milepost.trainers.policy_update import response_logprobs
    from milepost.trainers.trie import make_packs

    model, tokenizer = load_model("smollm2-135m-instruct")
    model = add_lora(model)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.01)
    system = "You operate a web page. Answer with one action."
    pages = ['[1] button "Send"', '[1] link "Reports"\n[2] textbox "Search"']
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "system", "content": system}, {"role": "user", "content": page}],
            add_generation_prompt=True,
            return_dict=True,
        )["input_ids"]
        for page in pages
        for _ in range(4)
    ]
    samples = HFEngine(model, tokenizer).sample(
        prompts, max_new_tokens=12, temperature=1.0, stop_ids=[tokenizer.eos_token_id], generator=generator
    )
    pairs = [(p, s.ids) for p, s in zip(prompts, samples, strict=True)]
    (pack,) = make_packs(pairs, max_tokens=4096)
    with torch.no_grad():
        trained, _ = response_logprobs(model, pack)
    sampled = torch.tensor([x for i in pack.samples for x in samples[i].logprobs])
    gap = (trained - sampled).abs()
    assert float(gap.mean()) < 0.1
    for (prompt, ids), sample in zip(pairs, samples, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].float()
        own = torch.log_softmax(logits, -1).gather(1, torch.tensor(ids)[:, None])[:, 0]
        assert float((own - torch.tensor(sample.logprobs)).abs().mean()) < 0.25


def test_vocabulary_of_the_fixture_is_covered():
    assert max(max(p) for p in PROMPTS) < VOCABULARY
