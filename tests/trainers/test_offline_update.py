"""Losses of whole responses through packs equal those of plain sequences, in value and in gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.agents.lora import trainable_parameters
from milepost.trainers.offline_config import LossConfig
from milepost.trainers.offline_update import backward, backward_weighted, side_sums, turn_logprobs
from milepost.trainers.preference_batch import batch_loss, batch_turns, pair_loss, sample_loss, sample_weights
from milepost.trainers.preference_objectives import PairLogprobs, UnpairedLogprobs
from milepost.trainers.turns import Example, OfflineData, Turns, load_data, mismatched, save_data

from ..agents.tiny_llama import tiny_llama

MODEL = tiny_llama()
TRUE = tiny_llama().double()
"""The same model in double precision: what is wanted must not be rounded itself, since some losses magnify that."""
TOKENS = st.integers(0, 3)
ONE_MORE = st.integers(0, 2)
PAIRED = ["dpo", "ipo", "apo-zero", "apo-down", "simpo", "orpo", "slic", "discopop"]


@st.composite
def offline_data(draw):
    """Pairs whose two sides share prompts and whole turns, as recorded episodes do."""
    system = draw(st.lists(TOKENS, min_size=1, max_size=5))
    prompts = draw(st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=1, max_size=3))
    response = st.lists(TOKENS, min_size=1, max_size=4)
    turns, examples = Turns(), []

    def side():
        drawn = [((*system, *draw(st.sampled_from(prompts))), tuple(draw(response)))]
        drawn += [((*system, *draw(st.sampled_from(prompts))), tuple(draw(response))) for _ in range(draw(ONE_MORE))]
        return tuple(turns.add(turn) for turn in drawn)

    for _ in range(draw(st.integers(1, 4))):
        examples.append(Example(task="t", chosen=side(), rejected=side()))
    reference = tuple(draw(st.floats(-9, -1)) for _ in range(len(turns)))
    return OfflineData(turns=turns, examples=tuple(examples), reference_T=reference)


def plain_turn(model, turn):
    prompt, response = turn
    logits = model(input_ids=torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(response)[:, None]).sum()


def plain_sum(model, data, side):
    return torch.stack([plain_turn(model, data.turns[i]) for i in side]).sum()


def gradients(model):
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in trainable_parameters(model)]


@pytest.mark.parametrize("objective", PAIRED)
@given(data=offline_data(), pack_tokens=st.sampled_from([1, 12, 1000]))
@settings(max_examples=5, deadline=None)
def test_pairs_through_packs_equal_one_sequence_at_a_time(objective, data, pack_tokens):
    config = LossConfig(objective=objective, nll_coef=0.2, **({} if objective == "orpo" else {"beta": 0.3}))
    reference = torch.tensor(data.reference_T, dtype=torch.float64)
    batch = data.examples

    def column(side, source):
        return torch.stack([source(getattr(example, side)) for example in batch])

    def fixed(side):
        return reference[list(side)].sum()

    def count(side):
        return torch.tensor(float(data.turns.tokens(side)))

    pairs = PairLogprobs(
        chosen_P=column("chosen", lambda side: plain_sum(TRUE, data, side)),
        rejected_P=column("rejected", lambda side: plain_sum(TRUE, data, side)),
        reference_chosen_P=column("chosen", fixed),
        reference_rejected_P=column("rejected", fixed),
        chosen_tokens_P=column("chosen", count),
        rejected_tokens_P=column("rejected", count),
    )
    TRUE.zero_grad(set_to_none=True)
    want = pair_loss(config, pairs).mean()
    want.backward()
    want_gradients = gradients(TRUE)

    MODEL.zero_grad(set_to_none=True)
    indices, turns = batch_turns(data, batch)
    loss_of = batch_loss(config, data, batch, indices, z0=0.0, weights=(1.0, 1.0))
    got, _, _ = backward(MODEL, turns, loss_of, pack_tokens=pack_tokens)
    assert got == pytest.approx(float(want.detach()), abs=1e-5, rel=1e-5)
    for a, b in zip(gradients(MODEL), want_gradients, strict=True):
        torch.testing.assert_close(a.double(), b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("objective", ["kto", "apo-zero-unpaired"])
@given(data=offline_data(), pack_tokens=st.sampled_from([1, 1000]))
@settings(max_examples=5, deadline=None)
def test_samples_through_packs_equal_one_sequence_at_a_time(objective, data, pack_tokens):
    config = LossConfig(objective=objective, beta=0.3)
    reference = torch.tensor(data.reference_T)
    batch = [Example(task="t", chosen=e.chosen) if i % 2 else Example(task="t", rejected=e.rejected)
             for i, e in enumerate(data.examples)]  # fmt: skip
    sides = [e.chosen or e.rejected for e in batch]
    weights = sample_weights(config, batch)
    samples = UnpairedLogprobs(
        logprobs_U=torch.stack([plain_sum(MODEL, data, side) for side in sides]),
        reference_U=torch.stack([reference[list(side)].sum() for side in sides]),
        desirable_U=torch.tensor([bool(e.chosen) for e in batch]),
    )
    MODEL.zero_grad(set_to_none=True)
    want = sample_loss(config, samples, z0=0.4, weights=weights).mean()
    want.backward()
    want_gradients = gradients(MODEL)

    MODEL.zero_grad(set_to_none=True)
    indices, turns = batch_turns(data, batch)
    loss_of = batch_loss(config, data, batch, indices, z0=0.4, weights=weights)
    got, _, _ = backward(MODEL, turns, loss_of, pack_tokens=pack_tokens)
    assert got == pytest.approx(float(want.detach()), abs=1e-5, rel=1e-5)
    for a, b in zip(gradients(MODEL), want_gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@given(data=offline_data(), pack_tokens=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_log_probabilities_of_turns_equal_one_sequence_at_a_time(data, pack_tokens):
    turns = [data.turns[i] for i in range(len(data.turns))]
    got = turn_logprobs(MODEL, turns, pack_tokens=pack_tokens)
    with torch.no_grad():
        want = torch.stack([plain_turn(MODEL, turn) for turn in turns])
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-6)


@given(data=offline_data(), pack_tokens=st.sampled_from([1, 12, 1000]))
@settings(max_examples=10, deadline=None)
def test_a_weighted_sum_through_packs_equals_one_sequence_at_a_time(data, pack_tokens):
    turns = [data.turns[i] for i in range(len(data.turns))]
    weights = torch.linspace(-1, 1, len(turns))
    MODEL.zero_grad(set_to_none=True)
    want = (torch.stack([plain_turn(MODEL, turn) for turn in turns]) * weights).sum()
    want.backward()
    want_gradients = gradients(MODEL)
    MODEL.zero_grad(set_to_none=True)
    got, _ = backward_weighted(MODEL, turns, weights, pack_tokens=pack_tokens)
    assert got == pytest.approx(float(want.detach()), abs=1e-5, rel=1e-5)
    for a, b in zip(gradients(MODEL), want_gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_sides_are_summed_and_an_empty_one_is_zero():
    got = side_sums(torch.tensor([1.0, 2.0, 4.0]), [[0, 2], [], [1, 1]])
    assert got.tolist() == [5.0, 0.0, 4.0]


def test_weights_make_both_kinds_count_alike_unless_they_are_set():
    kinds = [Example(task="t", chosen=(0,))] * 3 + [Example(task="t", rejected=(0,))]
    good, bad = sample_weights(LossConfig(objective="kto"), kinds)
    assert (3 * good, bad) == pytest.approx((2.0, 2.0))
    assert sample_weights(LossConfig(objective="kto", desirable_weight=1.0, undesirable_weight=0.5), kinds) == (
        1.0,
        0.5,
    )


def test_data_come_back_as_written(tmp_path):
    turns = Turns()
    first, second = turns.add(((1, 2), (3,))), turns.add(((1, 2), (4, 5)))
    assert turns.add(((1, 2), (3,))) == first
    assert turns.prompts == [(1, 2)]
    other = mismatched(turns, [first, second], [second])
    assert [turns[i] for i in other] == [((1, 2), (4, 5)), ((1, 2), (4, 5))]
    data = OfflineData(
        turns=turns,
        examples=(Example(task="t", chosen=(first,), rejected=(second,), mismatched=other),),
        reference_T=(-0.1, -1 / 3),
    )
    save_data(tmp_path / "data.json", data)
    back = load_data(tmp_path / "data.json")
    assert (back.turns.items, back.examples, back.reference_T) == (turns.items, data.examples, data.reference_T)
