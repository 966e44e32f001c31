from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.trainers.preference_objectives import (
    PairLogprobs,
    UnpairedLogprobs,
    apo_down,
    apo_zero,
    apo_zero_unpaired,
    discopop,
    dpo,
    ipo,
    kto,
    negative_loglikelihood,
    orpo,
    reference_point,
    simpo,
    slic,
)

# One pair, worked by hand: r_c = -4 + 5 = 1 over 4 tokens, r_j = -6 + 4 = -2 over 2 tokens, so the gap is 3.
PAIR = PairLogprobs(
    chosen_P=torch.tensor([-4.0], dtype=torch.float64),
    rejected_P=torch.tensor([-6.0], dtype=torch.float64),
    reference_chosen_P=torch.tensor([-5.0], dtype=torch.float64),
    reference_rejected_P=torch.tensor([-4.0], dtype=torch.float64),
    chosen_tokens_P=torch.tensor([4]),
    rejected_tokens_P=torch.tensor([2]),
)
SAMPLES = UnpairedLogprobs(
    logprobs_U=torch.tensor([-4.0, -6.0], dtype=torch.float64),
    reference_U=torch.tensor([-5.0, -4.0], dtype=torch.float64),
    desirable_U=torch.tensor([True, False]),
)


@pytest.mark.parametrize(
    ("loss", "by_hand"),
    [
        (dpo(PAIR, beta=0.5), 0.2014132780),  # ln(1 + e^-1.5)
        (dpo(PAIR, beta=0.5, label_smoothing=0.1), 0.3514132780),  # and 0.1 * 1.5 more
        (ipo(PAIR, beta=0.5), 0.0625),  # (1/4 + 2/2 - 1)^2
        (apo_zero(PAIR, beta=0.5), 0.6464820901),  # 1 - sigma(0.5) + sigma(-1)
        (apo_down(PAIR, beta=0.5), 0.8048848551),  # sigma(0.5) + 1 - sigma(1.5)
        (simpo(PAIR, beta=2.0, margin=0.5), 0.0297504190),  # means -1 and -3: ln(1 + e^-3.5)
        (slic(PAIR, beta=0.25), 0.25),  # 1 - 0.75
        (slic(PAIR, beta=0.5), 0.0),
        (slic(PAIR, beta=0.25, with_reference=False), 0.5),  # 1 - 0.25 * 2
        (discopop(PAIR, beta=0.1, temperature=0.3), 0.6906705904),  # 0.2689414 * 0.5543552 + 0.7310586 * 0.7408182
        (negative_loglikelihood(PAIR), 1.0),
    ],
)
def test_a_pair_worked_by_hand(loss, by_hand):
    assert loss.tolist() == pytest.approx([by_hand], abs=5e-7)


def test_odds_ratio_worked_by_hand():
    # p_c = e^-1, p_j = e^-3: odds 0.5819767 and 0.0523957; log odds ratio 2.4075869; -log sigma of it 0.0862058
    assert orpo(PAIR, weight=0.0).tolist() == pytest.approx([1.0])
    odds = math.exp(-1) / (1 - math.exp(-1)) / (math.exp(-3) / (1 - math.exp(-3)))
    assert orpo(PAIR, weight=0.5).tolist() == pytest.approx([1.0 + 0.5 * math.log(1 + 1 / odds)])
    assert orpo(PAIR, weight=0.5).item() == pytest.approx(1.0431029, abs=1e-6)


def test_unpaired_losses_worked_by_hand():
    # ratios 1 and -2, z0 = 0.5, beta = 2: 1.5 (1 - sigma(1)) and 0.5 (1 - sigma(5))
    got = kto(SAMPLES, beta=2.0, z0=0.5, desirable_weight=1.5, undesirable_weight=0.5)
    assert got.tolist() == pytest.approx([0.4034121, 0.0033464], abs=1e-6)
    assert apo_zero_unpaired(SAMPLES, beta=0.5).sum().item() == pytest.approx(apo_zero(PAIR, beta=0.5).item())


def test_the_reference_point_is_a_mean_that_never_falls_below_zero_and_has_no_gradient():
    policy = torch.tensor([-1.0, -2.0], requires_grad=True)
    z0 = reference_point(policy, torch.tensor([-2.0, -3.5]))
    assert z0.item() == pytest.approx(1.25)
    assert not z0.requires_grad
    assert reference_point(policy, torch.tensor([5.0, 5.0])).item() == 0.0


def test_the_odds_ratio_is_exact_at_both_ends():
    def pair(chosen: float, rejected: float) -> PairLogprobs:
        sides = [torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (chosen, rejected)]
        one, zero = torch.tensor([1]), torch.zeros(1)
        return PairLogprobs(
            chosen_P=sides[0], rejected_P=sides[1], reference_chosen_P=zero, reference_rejected_P=zero,
            chosen_tokens_P=one, rejected_tokens_P=one,
        )  # fmt: skip

    for chosen, rejected in [(-1e-12, -1e-12), (-200.0, -200.0), (-1e-9, -300.0)]:
        extreme = pair(chosen, rejected)
        loss = orpo(extreme, weight=1.0)
        loss.backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(extreme.chosen_P.grad).all()  # type: ignore[arg-type]
    assert orpo(pair(-1e-12, -1e-12), weight=1.0).item() == pytest.approx(math.log(2))


logprob = st.floats(-40, -0.1)


@settings(deadline=None)
@given(st.lists(st.tuples(logprob, logprob, logprob, logprob), min_size=1, max_size=6))
def test_every_loss_pushes_the_two_sides_apart(rows):
    columns = torch.tensor(rows, dtype=torch.float64).unbind(1)
    chosen, rejected = columns[0].clone().requires_grad_(), columns[1].clone().requires_grad_()
    pairs = PairLogprobs(
        chosen_P=chosen, rejected_P=rejected, reference_chosen_P=columns[2], reference_rejected_P=columns[3],
        chosen_tokens_P=torch.full((len(rows),), 3), rejected_tokens_P=torch.full((len(rows),), 5),
    )  # fmt: skip
    for loss in (
        dpo(pairs, beta=0.1),
        apo_zero(pairs, beta=0.1),
        simpo(pairs, beta=2.0, margin=0.5),
        orpo(pairs, weight=1.0),
        slic(pairs, beta=0.1),
    ):
        assert loss.shape == (len(rows),)
        up, down = torch.autograd.grad(loss.sum(), [chosen, rejected], retain_graph=True)
        assert (up <= 0).all()
        assert (down >= 0).all()


def _tiny(seed: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=20, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            pad_token_id=1,
        )
    )  # fmt: skip


def _tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = {f"w{i}": i for i in range(20)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")), pad_token="w1", eos_token="w2"
    )


def _batch() -> dict[str, torch.Tensor]:
    """Six sequences, the first three better than the others; prompts and responses of several lengths."""
    prompts, lengths = [2, 3, 4, 2, 3, 4], [9, 6, 8, 5, 9, 7]
    generator = torch.Generator().manual_seed(0)
    columns = torch.arange(max(lengths))
    ends = torch.tensor(lengths)[:, None]
    return {
        "input_ids": torch.randint(3, 20, (6, max(lengths)), generator=generator).where(columns < ends, 1),
        "attention_mask": (columns < ends).long(),
        "completion_mask": ((columns < ends) & (columns >= torch.tensor(prompts)[:, None])).long(),
    }


def _dataset(rows: list[dict[str, Any]]) -> Any:
    """The rows with a name of their own: some versions of pyarrow cannot be hashed for one."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    return Dataset(InMemoryTable.from_pylist(rows), fingerprint="rows")


def _sums(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    logprobs = torch.log_softmax(logits, -1).gather(2, batch["input_ids"][:, 1:, None])[..., 0]
    mask = batch["completion_mask"][:, 1:]
    return (logprobs * mask).sum(1), mask.sum(1)


def _pairs(model: Any, reference: Any) -> PairLogprobs:
    sums, tokens = _sums(model, _batch())
    reference_sums, _ = _sums(reference, _batch())
    return PairLogprobs(
        chosen_P=sums[:3], rejected_P=sums[3:], reference_chosen_P=reference_sums[:3],
        reference_rejected_P=reference_sums[3:], chosen_tokens_P=tokens[:3], rejected_tokens_P=tokens[3:],
    )  # fmt: skip


OF_THE_DPO_FAMILY = {
    "sigmoid": lambda pairs: dpo(pairs, beta=0.7),
    "hinge": lambda pairs: slic(pairs, beta=0.7),
    "ipo": lambda pairs: ipo(pairs, beta=0.7),
    "apo_zero": lambda pairs: apo_zero(pairs, beta=0.7),
    "apo_down": lambda pairs: apo_down(pairs, beta=0.7),
    "discopop": lambda pairs: discopop(pairs, beta=0.7),
}


@pytest.mark.filterwarnings("ignore")  # of the data set's hashing, with some versions of pyarrow
def test_trl_agrees_on_the_dpo_family(tmp_path, monkeypatch):
    pytest.importorskip("trl")
    from trl import DPOConfig, DPOTrainer

    monkeypatch.setattr(DPOTrainer, "_prepare_dataset", lambda self, dataset, *rest: dataset)  # it is not looked at
    model, reference = _tiny(0), _tiny(1)
    rows = [{"prompt_ids": [3, 4], "chosen_ids": [5, 6], "rejected_ids": [7, 8]}] * 2
    trainer = DPOTrainer(
        model=model,
        ref_model=reference,
        processing_class=_tokenizer(),
        train_dataset=_dataset(rows),
        args=DPOConfig(output_dir=str(tmp_path), report_to=[], use_cpu=True, bf16=False, beta=0.7),
    )
    pairs = _pairs(model, reference)
    for loss_type, ours in OF_THE_DPO_FAMILY.items():
        trainer.loss_types = [loss_type]
        with torch.no_grad():
            theirs = trainer.compute_loss(model, _batch())
        assert ours(pairs).mean().item() == pytest.approx(theirs.item(), abs=1e-5), loss_type


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("loss_type", ["kto", "apo_zero_unpaired"])
def test_trl_agrees_on_unpaired_losses(tmp_path, monkeypatch, loss_type):
    pytest.importorskip("trl")
    from trl import KTOConfig, KTOTrainer

    monkeypatch.setattr(KTOTrainer, "_prepare_dataset", lambda self, dataset, *rest: dataset)
    model, reference = _tiny(0), _tiny(1)
    rows = [{"prompt_ids": [3, 4], "completion_ids": [5, i], "label": i > 6} for i in range(5, 9)]
    trainer = KTOTrainer(
        model=model,
        ref_model=reference,
        processing_class=_tokenizer(),
        train_dataset=_dataset(rows),
        args=KTOConfig(
            output_dir=str(tmp_path), report_to=[], use_cpu=True, bf16=False, beta=0.7, loss_type=loss_type,
            desirable_weight=1.3, undesirable_weight=0.8, per_device_train_batch_size=2,
        ),
    )  # fmt: skip
    batch = _batch()
    other = {**batch, "input_ids": batch["input_ids"].flip(0).where(batch["attention_mask"] == 1, 1)}
    desirable = torch.tensor([True, False, True, True, False, False])
    inputs = {**batch, "label": desirable} | {f"KL_{key}": value for key, value in other.items()}
    with torch.no_grad():
        theirs = trainer.compute_loss(model, inputs)
    samples = UnpairedLogprobs(
        logprobs_U=_sums(model, batch)[0], reference_U=_sums(reference, batch)[0], desirable_U=desirable
    )
    if loss_type == "kto":
        z0 = reference_point(_sums(model, other)[0], _sums(reference, other)[0])
        ours = kto(samples, beta=0.7, z0=z0, desirable_weight=1.3, undesirable_weight=0.8)
    else:
        ours = apo_zero_unpaired(samples, beta=0.7) * torch.where(desirable, 1.3, 0.8)
    assert ours.mean().item() == pytest.approx(theirs.item(), abs=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_trl_agrees_on_simpo_orpo_and_the_hinge_without_a_reference():
    pytest.importorskip("trl")
    from trl.experimental.cpo import CPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    pairs = _pairs(_tiny(0), _tiny(1))
    here = SimpleNamespace(device="cpu")
    cpo = SimpleNamespace(beta=0.7, alpha=0.0, label_smoothing=0.0, simpo_gamma=0.4, accelerator=here)
    cpo.loss_type = "simpo"
    theirs, _, _ = CPOTrainer.cpo_loss(cpo, pairs.chosen_mean_P, pairs.rejected_mean_P)
    torch.testing.assert_close(simpo(pairs, beta=0.7, margin=0.4), theirs, atol=1e-5, rtol=0)
    cpo.loss_type = "hinge"
    theirs, _, _ = CPOTrainer.cpo_loss(cpo, pairs.chosen_P, pairs.rejected_P)
    torch.testing.assert_close(slic(pairs, beta=0.7, with_reference=False), theirs, atol=1e-5, rtol=0)
    odds, *_ = ORPOTrainer.odds_ratio_loss(
        SimpleNamespace(beta=0.3, accelerator=here), pairs.chosen_mean_P, pairs.rejected_mean_P
    )
    torch.testing.assert_close(orpo(pairs, weight=0.3), -pairs.chosen_mean_P - odds, atol=1e-5, rtol=0)
