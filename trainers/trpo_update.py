"""TRPO's update: the largest step along the natural gradient that keeps the policy near the one that sampled.

Shape legend: R response tokens of the batch, P trie nodes that predict some of them, V vocabulary, D trainable weights.

The search direction solves F x = g by conjugate gradient, F being the Fisher matrix: the second derivative of the mean
KL(old || new) over packed tokens, applied to a vector by differentiating twice. The step is scaled to reach `max_kl` in
the quadratic model, then shortened until the KL really is within it and the surrogate really is better.

Source: Schulman et al. 2015 (TRPO, 1502.05477), section 6 and appendix C.

Deviations:
1. The Fisher matrix and the KL are those of a random share of the prompts (`fisher_fraction`), as in appendix C.1; the
   surrogate is that of all.
2. F is damped in the search for the direction, F + damping * I, and not in the step's scale.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ..agents.lora import trainable_parameters
from .objectives import Objective, policy_loss, token_weights
from .pack_forward import plain_distributions, response_logprobs
from .parity import LogprobGap
from .token_samples import TokenSample
from .trie import Pack, make_packs

_CURVATURE_TOKENS = 768
"""Most tokens of a pass that is differentiated twice: the memory of its attention grows with their square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRegion:
    """How large a step may be, and how it is found.

    Attributes:
        max_kl: bound of the mean KL(old || new) over the tokens, nats, above 0.
        cg_iterations: most Fisher-vector products, at least 1.
        damping: added to the Fisher matrix's diagonal, at least 0.
        backtracks: how often the step may be shortened, at least 1.
        backtrack_ratio: by how much each time, in (0, 1).
        fisher_fraction: share of the prompts on which curvature and KL are measured, in (0, 1].
    """

    max_kl: float = 0.01
    cg_iterations: int = 8
    damping: float = 1e-3
    backtracks: int = 8
    backtrack_ratio: float = 0.6
    fisher_fraction: float = 0.1


def conjugate_gradient(
    apply: Callable[[Tensor], Tensor], b: Tensor, *, iterations: int, tolerance: float = 1e-10
) -> tuple[Tensor, float]:
    """Solve A x = b for a symmetric positive definite A, given as a product with a vector.

    Returns:
        x, and the residual's norm over that of b.
    """
    x = torch.zeros_like(b)
    residual = b.clone()
    direction = b.clone()
    square = residual.dot(residual)
    start = float(square)
    for _ in range(iterations):
        if float(square) <= tolerance * start:
            break
        product = apply(direction)
        curvature = float(direction.dot(product))
        if curvature <= 0.0:  # rounding, or a matrix that is not positive definite: what is found so far stands
            break
        size = float(square) / curvature
        x += size * direction
        residual -= size * product
        after = residual.dot(residual)
        direction = residual + (after / square) * direction
        square = after
    return x, math.sqrt(float(square) / start) if start > 0 else 0.0


def trust_region_update(
    model: Any,
    batch: Sequence[TokenSample],
    region: TrustRegion,
    *,
    objective: Objective,
    temperature: float = 1.0,
    max_pack_tokens: int = 2048,
    generator: torch.Generator | None = None,
) -> dict[str, float]:
    """Improve the policy on one batch by one constrained step.

    Args:
        model: a causal LM with trainable weights.
        batch: samples.
        region: see `TrustRegion`.
        objective: its ratio level, normalisation and importance cap; the surrogate is rho A, without clipping.
        temperature: the one the samples were drawn at.
        max_pack_tokens: most trie nodes in one forward pass.
        generator: draws the prompts on which curvature is measured; None takes the first ones.

    Returns:
        loss, surrogate_gain, approx_kl (the measured KL), grad_norm, cg_residual, step_share (of the full step that was
        taken; 0: none was good), optimizer_steps (0 or 1), and gaps and sizes as `update_policy` returns them.
    """
    started = time.perf_counter()
    parameters = list(trainable_parameters(model))
    model.eval()
    whole = _Surrogate(model, batch, objective, temperature, max_pack_tokens)
    measured = _share(batch, region.fisher_fraction, generator)
    curvature = _Curvature(model, measured, temperature, min(max_pack_tokens, _CURVATURE_TOKENS))
    before = whole.loss(gradient=True)
    gradient_D = parameters_to_vector([torch.zeros_like(p) if p.grad is None else p.grad for p in parameters])
    model.zero_grad(set_to_none=True)
    origin_D = parameters_to_vector(parameters).detach().clone()
    taken, after, kl, residual = 0.0, before, 0.0, 0.0
    if float(gradient_D.norm()) > 0:
        curvature.remember()

        def fisher(vector_D: Tensor) -> Tensor:
            return curvature.product(parameters, vector_D) + region.damping * vector_D

        direction_D, residual = conjugate_gradient(fisher, -gradient_D, iterations=region.cg_iterations)
        size = float(direction_D.dot(curvature.product(parameters, direction_D)))
        full_D = direction_D * math.sqrt(2.0 * region.max_kl / size) if size > 0 else torch.zeros_like(direction_D)
        for k in range(region.backtracks):
            share = region.backtrack_ratio**k
            _set(parameters, origin_D + share * full_D)
            kl, after = curvature.kl(), whole.loss(gradient=False)
            if kl <= region.max_kl and after < before:
                taken = share
                break
        else:
            _set(parameters, origin_D)
            after, kl = before, 0.0
    return {
        "loss": after,
        "policy_loss": after,
        "surrogate_gain": before - after,
        "approx_kl": kl,
        "grad_norm": float(gradient_D.norm()),
        "cg_residual": residual,
        "step_share": taken,
        "mismatch": whole.mismatch,
        "optimizer_steps": float(taken > 0),
        "samples": float(len(batch)),
        "response_tokens": float(sum(len(s.response_ids) for s in batch)),
        "trie_tokens": float(sum(len(p.trie) for p in whole.packs)),
        "plain_tokens": float(sum(len(s.prompt_ids) + len(s.response_ids) for s in batch)),
        "update_s": time.perf_counter() - started,
        **whole.gap.metrics(),
    }


class _Surrogate:
    """The loss of the whole batch, pack by pack."""

    def __init__(
        self, model: Any, batch: Sequence[TokenSample], objective: Objective, temperature: float, max_tokens: int
    ) -> None:
        self._model, self._batch, self._temperature = model, batch, temperature
        self._objective = Objective(
            surrogate="ratio", ratio=objective.ratio, normalisation=objective.normalisation,
            length_tokens=objective.length_tokens, importance_cap=objective.importance_cap,
        )  # fmt: skip
        self.packs = make_packs([(s.prompt_ids, s.response_ids) for s in batch], max_tokens=max_tokens)
        self._weights = _weights(batch, self._objective)
        self.mismatch = 0.0
        self.gap = LogprobGap()

    def loss(self, *, gradient: bool) -> float:
        total, mismatch = 0.0, 0.0
        with torch.set_grad_enabled(gradient):
            for pack in self.packs:
                picked = [self._batch[i] for i in pack.samples]
                logprobs_R, _ = response_logprobs(self._model, pack, temperature=self._temperature)
                sampler_R = torch.tensor([x for s in picked for x in s.behaviour_logprobs])
                if gradient:  # once, and before the step
                    self.gap.add(logprobs_R, sampler_R)
                loss, sums = policy_loss(
                    self._objective,
                    logprobs_R=logprobs_R,
                    behaviour_R=torch.tensor([x for s in picked for x in s.old_logprobs or s.behaviour_logprobs]),
                    advantages_R=torch.tensor([x for s in picked for x in s.advantages]),
                    weight_R=torch.cat([self._weights[i] for i in pack.samples]),
                    sample_R=torch.from_numpy(pack.sample_R),
                    sampler_R=sampler_R,
                )
                if gradient:
                    loss.backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach())
                mismatch += float(sums["mismatch"])
        if gradient:
            self.mismatch = mismatch
        return total


class _Curvature:
    """The mean KL(old || new) over the tokens of some samples, and its second derivative's product with a vector."""

    def __init__(self, model: Any, batch: Sequence[TokenSample], temperature: float, max_tokens: int) -> None:
        self._model, self._temperature = model, temperature
        self._packs = make_packs([(s.prompt_ids, s.response_ids) for s in batch], max_tokens=max_tokens)
        tokens = sum(len(s.response_ids) for s in batch)
        self._weights = [_node_weights(pack, 1.0 / max(tokens, 1)) for pack in self._packs]
        self._old: list[Tensor] = []

    def remember(self) -> None:
        """Take the policy as it is for the old one."""
        self._old = [self._distributions(pack) for pack in self._packs]

    def kl(self) -> float:
        """Return the mean KL from the old policy to the present one, nats a token."""
        return sum(
            float(_mean_kl(old_PV, self._distributions(pack), weight_P))
            for pack, old_PV, weight_P in zip(self._packs, self._old, self._weights, strict=True)
        )

    def product(self, parameters: Sequence[torch.nn.Parameter], vector_D: Tensor) -> Tensor:
        """Return the Fisher matrix's product with a vector; the present policy must be the old one."""
        total_D = torch.zeros_like(vector_D)
        for pack, old_PV, weight_P in zip(self._packs, self._old, self._weights, strict=True):
            with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # the fused kernels differentiate only once
                new_PV, _ = plain_distributions(self._model, pack, temperature=self._temperature)
                kl = _mean_kl(old_PV, new_PV, weight_P)
                slope = torch.autograd.grad(kl, parameters, create_graph=True)
                along = torch.cat([g.reshape(-1) for g in slope]).dot(vector_D)
                second = torch.autograd.grad(along, parameters)
            total_D += torch.cat([g.reshape(-1) for g in second])
        return total_D

    @torch.no_grad()
    def _distributions(self, pack: Pack) -> Tensor:
        return plain_distributions(self._model, pack, temperature=self._temperature)[0]


def _mean_kl(old_PV: Tensor, new_PV: Tensor, weight_P: Tensor) -> Tensor:
    return ((old_PV.exp() * (old_PV - new_PV)).sum(-1) * weight_P).sum()


def _node_weights(pack: Pack, each: float) -> Tensor:
    """(P,) how much each node counts: `each` for every response token that it predicts."""
    weight_P = torch.zeros(len(pack.rows_P))
    return weight_P.index_add_(0, torch.from_numpy(pack.predictor_R), torch.full((len(pack.predictor_R),), each))


def _weights(batch: Sequence[TokenSample], objective: Objective) -> Sequence[Tensor]:
    counts = torch.tensor([len(s.response_ids) for s in batch])
    sample_R = torch.arange(len(batch)).repeat_interleave(counts)
    weight_R = token_weights(sample_R, len(batch), objective.normalisation, objective.length_tokens)
    return torch.split(weight_R, counts.tolist())


def _share(batch: Sequence[TokenSample], fraction: float, generator: torch.Generator | None) -> list[TokenSample]:
    """Return the samples of a random share of the prompts, at least one."""
    prompts = list(dict.fromkeys(s.prompt_ids for s in batch))
    count = max(1, math.ceil(fraction * len(prompts)))
    order = range(len(prompts)) if generator is None else torch.randperm(len(prompts), generator=generator).tolist()
    chosen = {prompts[i] for i in list(order)[:count]}
    return [s for s in batch if s.prompt_ids in chosen]


def _set(parameters: Sequence[torch.nn.Parameter], vector_D: Tensor) -> None:
    """Write weights in place, so that whoever watches their version sees the change."""
    with torch.no_grad():
        fresh = [p.detach().clone() for p in parameters]
        vector_to_parameters(vector_D, fresh)
        for parameter, value in zip(parameters, fresh, strict=True):
            parameter.copy_(value)


__all__ = ["TrustRegion", "conjugate_gradient", "trust_region_update"]
