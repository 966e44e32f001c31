from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from milepost.trainers.objectives import Objective, clipped_surrogate, k3, policy_loss, token_weights

from ..agents.tiny_llama import VOCABULARY, tiny_llama

LOG = math.log


def test_hand_worked_clipping():
    behaviour = torch.zeros(6)
    logprobs = torch.log(torch.tensor([1.0, 1.5, 1.5, 0.5, 0.5, 1.25]))
    advantages = torch.tensor([2.0, 2.0, -2.0, 2.0, -2.0, 2.0])
    gain, ratio, bound = clipped_surrogate(logprobs, behaviour, advantages, eps_low=0.2, eps_high=0.28)
    assert ratio.tolist() == pytest.approx([1.0, 1.5, 1.5, 0.5, 0.5, 1.25])
    # a good token gains nothing above 1.28, a bad one nothing below 0.8; the harmful side is never clipped
    assert gain.tolist() == pytest.approx([2.0, 2.56, -3.0, 1.0, -1.6, 2.5])
    assert bound.tolist() == [False, True, False, False, True, False]


def test_hand_worked_k3():
    logprobs = torch.log(torch.tensor([0.5, 0.5, 0.25]))
    reference = torch.log(torch.tensor([0.5, 0.25, 0.5]))
    assert k3(logprobs, reference).tolist() == pytest.approx([0.0, 0.5 - LOG(0.5) - 1, 2 - LOG(2) - 1])


def test_hand_worked_weights():
    sample_R = torch.tensor([0, 0, 0, 1, 2, 2])
    assert token_weights(sample_R, 3, "token").tolist() == pytest.approx([1 / 6] * 6)
    assert token_weights(sample_R, 3, "sequence").tolist() == pytest.approx([1 / 9] * 3 + [1 / 3] + [1 / 6] * 2)


def test_hand_worked_loss():
    logprobs = torch.log(torch.tensor([0.6, 0.3]))
    loss, sums = policy_loss(
        Objective(kl_coef=0.5, entropy_coef=0.1),
        logprobs_R=logprobs,
        behaviour_R=torch.log(torch.tensor([0.4, 0.3])),
        advantages_R=torch.tensor([1.0, -1.0]),
        weight_R=torch.tensor([0.5, 0.5]),
        entropy_R=torch.tensor([1.0, 3.0]),
        reference_R=torch.log(torch.tensor([0.6, 0.6])),
    )
    policy = -0.5 * 1.28 + 0.5 * 1.0
    kl = 0.5 * (2 - LOG(2) - 1)
    assert float(sums["policy_loss"]) == pytest.approx(policy)
    assert float(sums["kl_reference"]) == pytest.approx(kl)
    assert float(sums["entropy"]) == pytest.approx(2.0)
    assert float(sums["ratio"]) == pytest.approx(1.25)
    assert float(sums["clip_fraction"]) == pytest.approx(0.5)
    assert float(sums["mismatch"]) == pytest.approx(0.5 * LOG(1.5))
    assert float(loss) == pytest.approx(policy + 0.5 * kl - 0.1 * 2.0)


def test_a_token_of_weight_zero_has_no_say():
    def value(last):
        return float(
            policy_loss(
                Objective(),
                logprobs_R=torch.tensor([-1.0, last]),
                behaviour_R=torch.tensor([-1.1, -1.0]),
                advantages_R=torch.tensor([1.0, 5.0]),
                weight_R=torch.tensor([1.0, 0.0]),
            )[0]
        )

    assert value(-3.0) == value(-0.1)


@pytest.mark.parametrize(("name", "needed"), [("kl_coef", "reference_R"), ("entropy_coef", "entropy_R")])
def test_a_coefficient_without_its_tensor_is_refused(name, needed):
    coefficient: dict[str, Any] = {name: 0.1}
    with pytest.raises(ValueError, match=needed):
        policy_loss(
            Objective(**coefficient),
            logprobs_R=torch.zeros(1),
            behaviour_R=torch.zeros(1),
            advantages_R=torch.zeros(1),
            weight_R=torch.ones(1),
        )


@given(st.integers(0, 10_000), st.sampled_from(["token", "sequence"]))
def test_an_independent_computation_agrees(seed, normalisation):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, size=rng.integers(1, 5))
    rows = [{k: rng.normal(size=n) * 0.6 - 1 for k in ("new", "old", "ref", "entropy")} for n in lengths]
    advantages = rng.normal(size=len(lengths))

    per_sample = []
    for row, a in zip(rows, advantages, strict=True):
        tokens = []
        for new, old, ref, entropy in zip(row["new"], row["old"], row["ref"], row["entropy"], strict=True):
            rho = math.exp(new - old)
            surrogate = min(rho * a, max(0.8, min(1.28, rho)) * a)
            tokens.append(-surrogate + 0.4 * (math.exp(ref - new) - (ref - new) - 1) - 0.03 * entropy)
        per_sample.append(tokens)
    if normalisation == "token":
        want = sum(map(sum, per_sample)) / sum(map(len, per_sample))
    else:
        want = sum(sum(t) / len(t) for t in per_sample) / len(per_sample)

    def flat(key):
        return torch.tensor(np.concatenate([r[key] for r in rows]))

    sample_R = torch.arange(len(rows)).repeat_interleave(torch.tensor(lengths))
    got, _ = policy_loss(
        Objective(kl_coef=0.4, entropy_coef=0.03, normalisation=normalisation),
        logprobs_R=flat("new"),
        behaviour_R=flat("old"),
        advantages_R=torch.tensor(advantages)[sample_R],
        weight_R=token_weights(sample_R, len(rows), normalisation),
        entropy_R=flat("entropy"),
        reference_R=flat("ref"),
    )
    assert float(got) == pytest.approx(want, abs=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("loss_type", "normalisation"), [("bnpo", "token"), ("grpo", "sequence")])
def test_trl_agrees(tmp_path, loss_type, normalisation):
    pytest.importorskip("trl")
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    words = {f"w{i}": i for i in range(VOCABULARY)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")), pad_token="w1", eos_token="w2"
    )
    model = tiny_llama(adapter=False)
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([{"prompt": "w3 w4"}] * 4),
        args=GRPOConfig(
            output_dir=str(tmp_path),
            report_to=[],
            use_cpu=True,
            bf16=False,
            per_device_train_batch_size=4,
            num_generations=4,
            loss_type=loss_type,
            epsilon=0.2,
            epsilon_high=0.28,
            temperature=0.9,
            disable_dropout=True,
            use_bias_correction_kl=False,
        ),
    )
    trainer.beta = 0.4  # given to the constructor it would load a reference model; ours is in the inputs
    generator = torch.Generator().manual_seed(0)
    lengths = [3, 5, 1, 4]
    completion_mask = torch.tensor([[int(t < n) for t in range(5)] for n in lengths])
    inputs = {
        "prompt_ids": torch.randint(3, VOCABULARY, (4, 6), generator=generator),
        "prompt_mask": torch.ones(4, 6, dtype=torch.long),
        "completion_ids": torch.randint(3, VOCABULARY, (4, 5), generator=generator),
        "completion_mask": completion_mask,
        "advantages": torch.randn(4, generator=generator),
    }
    model.eval()
    with torch.no_grad():
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
        logp = torch.log_softmax(model(input_ids=ids).logits[:, 5:-1] / 0.9, -1)
        logprobs = logp.gather(2, inputs["completion_ids"][..., None])[..., 0]
    inputs["old_per_token_logps"] = logprobs + torch.randn(4, 5, generator=generator) * 0.3
    inputs["ref_per_token_logps"] = logprobs + torch.randn(4, 5, generator=generator) * 0.3
    with torch.no_grad():
        want = float(trainer._compute_loss(model, inputs))

    keep = completion_mask.bool()
    sample_R = torch.arange(4).repeat_interleave(torch.tensor(lengths))
    got, _ = policy_loss(
        Objective(kl_coef=0.4, normalisation=normalisation),
        logprobs_R=logprobs[keep],
        behaviour_R=inputs["old_per_token_logps"][keep],
        advantages_R=inputs["advantages"][sample_R],
        weight_R=token_weights(sample_R, 4, normalisation),
        reference_R=inputs["ref_per_token_logps"][keep],
    )
    assert float(got) == pytest.approx(want, abs=1e-5)
