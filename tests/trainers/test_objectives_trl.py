"""Our objectives and TRL's, on the same model and batch, to 1e-5 in fp32."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from milepost.trainers.objective import Objective
from milepost.trainers.objectives import policy_loss, token_weights

from ..agents.tiny_llama import VOCABULARY, tiny_llama

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LENGTHS = [3, 5, 1, 4]
LONGEST = 6
"""TRL's longest completion: what its dr_grpo divides by."""


@pytest.fixture(scope="module")
def trainers(tmp_path_factory):
    """TRL's GRPO and RLOO trainers around one tiny model."""
    pytest.importorskip("trl")
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    words = {f"w{i}": i for i in range(VOCABULARY)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")), pad_token="w1", eos_token="w2"
    )
    common: dict[str, Any] = dict(
        output_dir=str(tmp_path_factory.mktemp("trl")), report_to=[], use_cpu=True, bf16=False,
        per_device_train_batch_size=4, num_generations=4, epsilon=0.2, epsilon_high=0.28, temperature=0.9,
        disable_dropout=True, max_completion_length=LONGEST,
    )  # fmt: skip
    inputs: dict[str, Any] = dict(
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([{"prompt": "w3 w4"}] * 4),
    )
    model = tiny_llama(adapter=False)
    grpo = GRPOTrainer(model=model, args=GRPOConfig(**common, use_bias_correction_kl=False), **inputs)
    rloo = RLOOTrainer(model=model, args=RLOOConfig(**common, beta=0.0), **inputs)
    return model.eval(), grpo, rloo


@pytest.fixture(scope="module")
def batch(trainers):
    """What TRL's losses are given, and the same flat."""
    model = trainers[0]
    generator = torch.Generator().manual_seed(0)
    inputs = {
        "prompt_ids": torch.randint(3, VOCABULARY, (4, 6), generator=generator),
        "prompt_mask": torch.ones(4, 6, dtype=torch.long),
        "completion_ids": torch.randint(3, VOCABULARY, (4, 5), generator=generator),
        "completion_mask": torch.tensor([[int(t < n) for t in range(5)] for n in LENGTHS]),
        "advantages": torch.randn(4, generator=generator),
        "num_items_in_batch": torch.tensor(float(sum(LENGTHS))),
    }
    with torch.no_grad():
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
        logp = torch.log_softmax(model(input_ids=ids).logits[:, 5:-1] / 0.9, -1)
        logprobs = logp.gather(2, inputs["completion_ids"][..., None])[..., 0]
    inputs["old_per_token_logps"] = logprobs + torch.randn(4, 5, generator=generator) * 0.3
    inputs["ref_per_token_logps"] = logprobs + torch.randn(4, 5, generator=generator) * 0.3
    inputs["old_logps"] = (inputs["old_per_token_logps"] * inputs["completion_mask"]).sum(1)
    return inputs, logprobs


def our_loss(objective: Objective, batch) -> float:
    inputs, logprobs = batch
    keep = inputs["completion_mask"].bool()
    sample_R = torch.arange(4).repeat_interleave(torch.tensor(LENGTHS))
    loss, _ = policy_loss(
        objective,
        logprobs_R=logprobs[keep],
        behaviour_R=inputs["old_per_token_logps"][keep],
        advantages_R=inputs["advantages"][sample_R],
        weight_R=token_weights(sample_R, 4, objective.normalisation, objective.length_tokens),
        sample_R=sample_R,
        reference_R=inputs["ref_per_token_logps"][keep],
    )
    return float(loss)


CASES = {
    "grpo": Objective(normalisation="sequence", kl_coef=0.4),
    "bnpo": Objective(normalisation="token", kl_coef=0.4),
    "dr_grpo": Objective(normalisation="constant", length_tokens=LONGEST, kl_coef=0.4),
    "dapo": Objective(normalisation="token", kl_coef=0.4),
    "cispo": Objective(surrogate="cispo", normalisation="token", eps_low=1.0, eps_high=0.28, kl_coef=0.4),
}


@pytest.mark.parametrize("loss_type", CASES)
def test_grpo_losses_agree(trainers, batch, loss_type, monkeypatch):
    _, trainer, _ = trainers
    monkeypatch.setattr(trainer, "beta", 0.4)  # given to the constructor it would load a reference model
    monkeypatch.setattr(trainer, "loss_type", loss_type)
    if loss_type == "cispo":  # TRL's bound is the weight itself, the paper's 1 + epsilon
        monkeypatch.setattr(trainer, "epsilon_high", 1.28)
    with torch.no_grad():
        want = float(trainer._compute_loss(trainers[0], batch[0]))
    assert our_loss(CASES[loss_type], batch) == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("delta", [None, 1.3])
def test_sequence_ratios_and_the_dual_clip_agree(trainers, batch, delta, monkeypatch):
    _, trainer, _ = trainers
    monkeypatch.setattr(trainer, "beta", 0.0)
    monkeypatch.setattr(trainer, "loss_type", "grpo")
    monkeypatch.setattr(trainer, "importance_sampling_level", "sequence" if delta is None else "token")
    monkeypatch.setattr(trainer.args, "delta", delta)
    with torch.no_grad():
        want = float(trainer._compute_loss(trainers[0], batch[0]))
    objective = Objective(normalisation="sequence", ratio="sequence" if delta is None else "token", dual_clip=delta)
    assert our_loss(objective, batch) == pytest.approx(want, abs=1e-5)


def test_leave_one_out_agrees(trainers, batch):
    _, _, trainer = trainers
    with torch.no_grad():
        want = float(trainer._compute_loss(trainers[0], batch[0]))
    assert our_loss(Objective(normalisation="sequence", ratio="product"), batch) == pytest.approx(want, abs=1e-5)
