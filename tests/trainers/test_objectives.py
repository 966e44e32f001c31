from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.trainers.divergence import k1, k2, kl_coef_after, penalty_after
from milepost.trainers.objective import Objective
from milepost.trainers.objectives import clipped_surrogate, k3, policy_loss, ratios, surrogate, token_weights

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
    assert token_weights(sample_R, 3, "constant", 8).tolist() == pytest.approx([1 / 24] * 6)
    with pytest.raises(ValueError, match="length_tokens"):
        token_weights(sample_R, 3, "constant")


def test_hand_worked_k1_and_k2():
    logprobs, reference = torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -1.0])
    assert k1(logprobs, reference).tolist() == pytest.approx([0.5, -1.0])
    assert k2(logprobs, reference).tolist() == pytest.approx([0.125, 0.5])


def test_hand_worked_ratio_levels():
    gaps = torch.tensor([LOG(2.0), LOG(8.0), LOG(0.5)])
    sample_R = torch.tensor([0, 0, 1])
    nothing = torch.zeros(3)
    assert ratios(gaps, nothing, "token").tolist() == pytest.approx([2.0, 8.0, 0.5])
    assert ratios(gaps, nothing, "sequence", sample_R).tolist() == pytest.approx([4.0, 4.0, 0.5])  # sqrt(2 * 8)
    assert ratios(gaps, nothing, "product", sample_R).tolist() == pytest.approx([16.0, 16.0, 0.5])
    with pytest.raises(ValueError, match="sample_R"):
        ratios(gaps, nothing, "sequence")


def test_hand_worked_dual_clip():
    logprobs = torch.log(torch.tensor([5.0, 5.0, 2.0]))
    advantages = torch.tensor([-1.0, 1.0, -1.0])
    gain, _, bound = surrogate(Objective(dual_clip=3.0), logprobs, torch.zeros(3), advantages)
    # a bad token that has become five times likelier counts three times, a good one 1.28 times as ever
    assert gain.tolist() == pytest.approx([-3.0, 1.28, -2.0])
    assert bound.tolist() == [True, True, False]


def test_hand_worked_clipped_weight_keeps_the_gradient_of_clipped_tokens():
    logprobs = torch.log(torch.tensor([0.9, 0.1])).requires_grad_()
    behaviour = torch.log(torch.tensor([0.1, 0.1]))
    advantages = torch.tensor([2.0, -1.0])
    objective = Objective(surrogate="cispo", eps_low=1.0, eps_high=4.0)
    gain, ratio, bound = surrogate(objective, logprobs, behaviour, advantages)
    assert ratio.tolist() == pytest.approx([9.0, 1.0])
    assert bound.tolist() == [True, False]
    gain.sum().backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == pytest.approx([5.0 * 2.0, -1.0])  # the weight is 1 + 4, not 9 and not 0


def test_hand_worked_penalty_and_its_coefficient():
    old, new = torch.log(torch.tensor([0.5])), torch.log(torch.tensor([0.25]))
    loss, sums = policy_loss(
        Objective(surrogate="ratio", penalty_coef=2.0),
        logprobs_R=new, behaviour_R=old, advantages_R=torch.tensor([1.0]), weight_R=torch.ones(1),
    )  # fmt: skip
    kl = 0.5 - LOG(0.5) - 1  # KL(old || new) by new/old - log(new/old) - 1
    assert float(sums["kl_old"]) == pytest.approx(kl)
    assert float(loss) == pytest.approx(-0.5 + 2.0 * kl)
    assert penalty_after(1.0, 0.005, 0.01) == 0.5
    assert penalty_after(1.0, 0.016, 0.01) == 2.0
    assert penalty_after(1.0, 0.010, 0.01) == 1.0
    assert kl_coef_after(0.1, 0.022, 0.02) == pytest.approx(0.1 * (1 + 0.1 * 0.1))
    assert kl_coef_after(0.1, 9.0, 0.02) == pytest.approx(0.1 * 1.02)


def test_hand_worked_truncated_importance_sampling():
    loss, sums = policy_loss(
        Objective(surrogate="ratio", importance_cap=2.0),
        logprobs_R=torch.log(torch.tensor([0.4, 0.2])), behaviour_R=torch.log(torch.tensor([0.4, 0.2])),
        sampler_R=torch.log(torch.tensor([0.1, 0.4])), advantages_R=torch.tensor([1.0, 1.0]),
        weight_R=torch.tensor([0.5, 0.5]),
    )  # fmt: skip
    assert float(loss) == pytest.approx(-0.5 * 2.0 - 0.5 * 0.5)  # 4 is capped at 2, 1/2 stays
    assert float(sums["ratio"]) == pytest.approx(1.0)
    assert float(sums["mismatch"]) == pytest.approx(0.5 * LOG(4.0) + 0.5 * LOG(2.0))


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


OBJECTIVES = st.builds(
    Objective,
    surrogate=st.sampled_from(["clip", "ratio", "log", "cispo"]),
    ratio=st.sampled_from(["token", "sequence", "product"]),
    dual_clip=st.sampled_from([None, 1.5]),
    kl_coef=st.just(0.4),
    kl_estimator=st.sampled_from(["k1", "k2", "k3"]),
    penalty_coef=st.sampled_from([0.0, 0.7]),
    entropy_coef=st.just(0.03),
    normalisation=st.sampled_from(["token", "sequence", "constant"]),
    length_tokens=st.just(7),
    importance_cap=st.sampled_from([None, 1.1]),
)


def naive_loss(objective: Objective, rows, advantages) -> float:
    """The objective in scalars, one token at a time, from the formulas of docs/training.md."""
    losses, penalties, entropies = [], [], []
    total = sum(len(row["new"]) for row in rows)
    for row, a in zip(rows, advantages, strict=True):
        gaps = [new - old for new, old in zip(row["new"], row["old"], strict=True)]
        n = len(gaps)
        level = {"sequence": sum(gaps) / n, "product": sum(gaps)}
        for t, (new, old, ref, sampler) in enumerate(
            zip(*(row[k] for k in ("new", "old", "ref", "sampler")), strict=True)
        ):
            rho = math.exp(level.get(objective.ratio, gaps[t]))
            held = min(1 + objective.eps_high, max(1 - objective.eps_low, rho))
            gain = {"clip": min(rho * a, held * a), "ratio": rho * a, "log": a * new, "cispo": held * a * new}
            value = gain[objective.surrogate]
            if objective.dual_clip is not None and a < 0 and objective.surrogate in ("clip", "ratio"):
                value = max(value, objective.dual_clip * a)
            if objective.importance_cap is not None:
                value *= min(math.exp(old - sampler), objective.importance_cap)
            kl = {"k1": new - ref, "k2": (new - ref) ** 2 / 2, "k3": math.exp(ref - new) - (ref - new) - 1}
            weight = {"token": 1 / total, "sequence": 1 / (n * len(rows)), "constant": 1 / (7 * len(rows))}
            share = weight["token" if objective.normalisation == "constant" else objective.normalisation]
            losses.append(weight[objective.normalisation] * (-value + 0.4 * kl[objective.kl_estimator]))
            penalties.append(share * (math.exp(new - old) - (new - old) - 1))
            entropies.append(share * row["entropy"][t])
    return float(sum(losses) + objective.penalty_coef * sum(penalties) - 0.03 * sum(entropies))


def drawn(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, size=rng.integers(1, 5)).tolist()
    keys = ("new", "old", "ref", "entropy", "sampler")
    rows = [{k: rng.normal(size=n) * 0.4 - 1 for k in keys} for n in lengths]
    return rows, rng.normal(size=len(lengths)), torch.arange(len(rows)).repeat_interleave(torch.tensor(lengths))


def ours(objective: Objective, rows, advantages, sample_R, *, logprobs_R=None):
    def flat(key):
        return torch.tensor(np.concatenate([r[key] for r in rows]))  # fp64: ratios of whole responses reach 1e2

    normalisation = objective.normalisation
    return policy_loss(
        objective,
        logprobs_R=flat("new") if logprobs_R is None else logprobs_R,
        behaviour_R=flat("old"),
        advantages_R=torch.tensor(advantages)[sample_R],
        weight_R=token_weights(sample_R, len(rows), normalisation, objective.length_tokens),
        share_R=token_weights(sample_R, len(rows), "token" if normalisation == "constant" else normalisation),
        sample_R=sample_R,
        entropy_R=flat("entropy"),
        reference_R=flat("ref"),
        sampler_R=flat("sampler"),
    )


@given(st.integers(0, 10_000), OBJECTIVES)
@settings(max_examples=60, deadline=None)
def test_an_independent_computation_agrees(seed, objective):
    rows, advantages, sample_R = drawn(seed)
    got, _ = ours(objective, rows, advantages, sample_R)
    assert float(got) == pytest.approx(naive_loss(objective, rows, advantages), abs=1e-5, rel=1e-5)


@given(
    st.integers(0, 10_000), st.sampled_from(["clip", "ratio", "log", "cispo"]), st.sampled_from(["token", "sequence"])
)
@settings(max_examples=60, deadline=None)
def test_on_policy_every_surrogate_is_the_plain_policy_gradient(seed, kind, normalisation):
    rows, advantages, sample_R = drawn(seed)
    for row in rows:
        row["new"] = row["old"]
    slopes = []
    for surrogate_kind in (kind, "log"):
        logprobs_R = torch.tensor(np.concatenate([r["old"] for r in rows]), dtype=torch.float32, requires_grad=True)
        objective = Objective(surrogate=surrogate_kind, normalisation=normalisation)
        loss, sums = ours(objective, rows, advantages, sample_R, logprobs_R=logprobs_R)
        loss.backward()
        assert float(sums["ratio"]) == pytest.approx(1.0, abs=1e-6)
        slopes.append(logprobs_R.grad)
    torch.testing.assert_close(slopes[0], slopes[1])


@given(st.integers(0, 10_000), OBJECTIVES.filter(lambda o: o.ratio == "token"))
@settings(max_examples=60, deadline=None)
def test_tokens_of_no_weight_carry_no_gradient(seed, objective):
    rows, advantages, sample_R = drawn(seed)
    count = len(sample_R)
    weight_R = torch.rand(count, generator=torch.Generator().manual_seed(seed))
    weight_R[0] = 0.0
    logprobs_R = torch.tensor(np.concatenate([r["new"] for r in rows]), dtype=torch.float32, requires_grad=True)
    old_R, other_R = torch.randn(2, count, generator=torch.Generator().manual_seed(seed))
    loss, _ = policy_loss(
        objective, logprobs_R=logprobs_R, behaviour_R=old_R, reference_R=other_R, entropy_R=other_R.abs(),
        advantages_R=torch.tensor(advantages, dtype=torch.float32)[sample_R], weight_R=weight_R,
    )  # fmt: skip
    loss.backward()
    assert logprobs_R.grad is not None
    assert float(logprobs_R.grad[0]) == 0.0


@given(st.integers(0, 10_000), OBJECTIVES)
@settings(max_examples=60, deadline=None)
def test_no_advantage_is_no_policy_gradient(seed, objective):
    rows, _, sample_R = drawn(seed)
    logprobs_R = torch.tensor(np.concatenate([r["new"] for r in rows]), dtype=torch.float32, requires_grad=True)
    gain_R, _, _ = surrogate(objective, logprobs_R, torch.zeros(len(sample_R)), torch.zeros(len(sample_R)), sample_R)
    gain_R.sum().backward()
    assert logprobs_R.grad is not None
    assert float(logprobs_R.grad.abs().max()) == 0.0
