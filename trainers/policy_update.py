"""One policy update: minibatches of samples, packed as tries, through the objective.

Where several processes train together (`ranks`), each is given the whole batch and computes its part of each minibatch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from ..agents.lora import adapter_off, trainable_parameters
from .objectives import Objective, policy_loss, token_weights
from .pack_forward import PackForward, forward_pack, response_logprobs
from .parity import LogprobGap
from .ranks import Ranks
from .token_samples import TokenSample
from .trie import make_pack, make_packs


class ValueTerm(Protocol):
    """What a critic adds to an update."""

    @property
    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """Its own weights, which `step` updates."""

    def loss(
        self, forward: PackForward, samples: Sequence[TokenSample], share: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return its loss on a pack's samples, and detached diagnostics.

        Args:
            forward: of the policy over the pack.
            samples: the pack's, in its order.
            share: weight of one sample; they sum to 1 over the minibatch.
        """

    def step(self) -> None:
        """Update the critic's own weights from the gradients collected since the last step, and clear them."""

    def clear(self) -> None:
        """Drop the gradients collected since the last step."""


class ExtraTerm(Protocol):
    """A further loss of each minibatch, such as that of demonstrations."""

    def backward(self, model: Any) -> float:
        """Add its gradient to the model's and return the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig:
    """How a batch becomes optimiser steps.

    Attributes:
        objective: what is maximised.
        epochs: passes over the batch, at least 1.
        minibatches: optimiser steps in each pass, at least 1; prompts are dealt to them at random, all samples of a
            prompt to the same one (they share its computation, and their advantages balance).
        max_grad_norm: gradients are scaled down to this global norm, above 0.
        temperature: the one the samples were drawn at; logits are divided by it. Above 0.
        max_pack_tokens: most trie nodes in one forward pass; bounds memory.
        target_kl: when the policy's k3 to the sampler on a minibatch exceeds this (nats a token), the rest of the batch
            is left; None never does. The first minibatch is always learnt from.
        kl_fraction: share of each minibatch's prompts, drawn at random, on whose samples the KL to the reference is
            estimated, in (0, 1]; their weights make up for the others. The reference costs a third of an update at 1.
    """

    objective: Objective = field(default_factory=Objective)
    epochs: int = 1
    minibatches: int = 1
    max_grad_norm: float = 1.0
    temperature: float = 1.0
    max_pack_tokens: int = 2048
    target_kl: float | None = None
    kl_fraction: float = 1.0


def update_policy(
    model: Any,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[TokenSample],
    config: UpdateConfig,
    *,
    generator: torch.Generator | None = None,
    learning_rate: Callable[[int], float] | None = None,
    critic: ValueTerm | None = None,
    extra: ExtraTerm | None = None,
    ranks: Ranks | None = None,
) -> dict[str, float]:
    """Improve the policy on one batch of samples.

    Args:
        model: a causal LM, with a LoRA adapter if `kl_coef` is above 0 (the adapter switched off is the reference).
        optimizer: over the model's trainable parameters.
        batch: samples; those with advantage 0 still count in the normalisation, KL and entropy.
        config: see `UpdateConfig`.
        generator: deals samples to minibatches; None keeps their order.
        learning_rate: of each optimiser step, by the number of steps made before it here; None leaves the optimizer's.
        critic: learns beside the policy.
        extra: a further loss of each minibatch; its gradient joins the objective's.
        ranks: the processes that make this update together, each with the same batch and the same `generator`; None:
            this one alone.

    Returns:
        Means over the minibatches computed: loss, policy_loss, ratio, clip_fraction, approx_kl, mismatch, entropy,
        kl_reference, kl_old, importance_weight, extra_loss and the critic's (if used), grad_norm; last_kl_old, of the
        last minibatch; the first one's logprob_gap, logprob_gap_max and logprob_gap_tokens (see `parity`); and sizes:
        optimizer_steps, samples, response_tokens, trie_tokens, plain_tokens (without sharing), update_s.
    """
    started = time.perf_counter()
    ranks = Ranks() if ranks is None else ranks
    learnt = [*trainable_parameters(model), *(() if critic is None else critic.parameters)]
    objective = config.objective
    totals: dict[str, float] = {}
    norms: list[float] = []
    computed = 0
    trie_tokens = 0
    kl_old = 0.0
    gap = LogprobGap()
    model.eval()
    for chunk in (c for _ in range(config.epochs) for c in _deal(batch, config.minibatches, generator)):
        counts = torch.tensor([len(s.response_ids) for s in chunk])
        weights: Sequence[Tensor] = torch.split(
            token_weights(
                torch.arange(len(chunk)).repeat_interleave(counts), len(chunk), objective.normalisation,
                objective.length_tokens,
            ),
            counts.tolist(),
        )  # fmt: skip
        shares = weights if objective.normalisation != "constant" else _token_shares(counts)
        kl_weights = _kl_weights(chunk, weights, config.kl_fraction if objective.kl_coef > 0 else 0.0, generator)
        sample_share = 1.0 / len(chunk)
        if ranks.several:
            mine = _mine(chunk, ranks)
            chunk, kl_weights = [chunk[i] for i in mine], [kl_weights[i] for i in mine]
            weights, shares = [weights[i] for i in mine], [shares[i] for i in mine]
        packs = make_packs([(s.prompt_ids, s.response_ids) for s in chunk], max_tokens=config.max_pack_tokens)
        optimizer.zero_grad(set_to_none=True)
        found: dict[str, float] = {}
        for pack in packs:
            trie_tokens += len(pack.trie)
            picked = [chunk[i] for i in pack.samples]
            kl_weight_R = torch.cat([kl_weights[i] for i in pack.samples])
            referred = [s for s, i in zip(picked, pack.samples, strict=True) if bool(kl_weights[i].any())]
            reference = _reference(model, referred, config) if referred else None
            forward = forward_pack(
                model, pack, temperature=config.temperature, entropy_gradient=objective.entropy_coef > 0
            )
            reference_R = forward.logprobs_R.detach().clone()
            if reference is not None:
                reference_R[kl_weight_R > 0] = reference
            old_R = torch.tensor([x for s in picked for x in s.old_logprobs or s.behaviour_logprobs])
            sampler_R = torch.tensor([x for s in picked for x in s.behaviour_logprobs])
            if not norms:  # the policy is still the one that sampled
                gap.add(forward.logprobs_R, sampler_R)
            loss, sums = policy_loss(
                objective,
                logprobs_R=forward.logprobs_R,
                behaviour_R=old_R,
                advantages_R=torch.tensor([x for s in picked for x in s.advantages]),
                weight_R=torch.cat([weights[i] for i in pack.samples]),
                sample_R=torch.from_numpy(pack.sample_R),
                entropy_R=forward.entropy_R,
                reference_R=reference_R if objective.kl_coef > 0 else None,
                reference_weight_R=kl_weight_R,
                sampler_R=sampler_R,
                share_R=torch.cat([shares[i] for i in pack.samples]),
            )
            if critic is not None:
                value_term, value_sums = critic.loss(forward, picked, sample_share)
                loss, sums = loss + value_term, sums | value_sums
            loss.backward()  # type: ignore[no-untyped-call]
            for name, value in {"loss": loss.detach(), **sums}.items():
                found[name] = found.get(name, 0.0) + float(value)
        found = ranks.summed(found)
        totals = {name: totals.get(name, 0.0) + found.get(name, 0.0) for name in {**totals, **found}}
        kl_old = found.get("kl_old", 0.0)
        computed += 1
        if config.target_kl is not None and norms and found["approx_kl"] > config.target_kl:
            if critic is not None:
                critic.clear()
            break
        if extra is not None and ranks.main:
            totals["extra_loss"] = totals.get("extra_loss", 0.0) + extra.backward(model)
        ranks.sum_gradients(learnt)
        norm = torch.nn.utils.clip_grad_norm_(list(trainable_parameters(model)), config.max_grad_norm)
        if learning_rate is not None:
            _set_learning_rate(optimizer, learning_rate(len(norms)))
        optimizer.step()
        if critic is not None:
            critic.step()
        norms.append(float(norm))
    optimizer.zero_grad(set_to_none=True)
    metrics = {k: v / max(computed, 1) for k, v in ranks.agreed(totals).items()}
    metrics |= LogprobGap.together(ranks.gathered(gap)).metrics()
    if norms:
        metrics["grad_norm"] = sum(norms) / len(norms)
    if objective.penalty_coef > 0 and computed:
        metrics["last_kl_old"] = kl_old
    metrics["optimizer_steps"] = float(len(norms))
    metrics["samples"] = float(len(batch))
    metrics["response_tokens"] = float(sum(len(s.response_ids) for s in batch))
    metrics["trie_tokens"] = ranks.summed({"trie_tokens": float(trie_tokens)})["trie_tokens"]
    metrics["plain_tokens"] = float(config.epochs * sum(len(s.prompt_ids) + len(s.response_ids) for s in batch))
    metrics["update_s"] = time.perf_counter() - started
    return metrics


def _mine(chunk: Sequence[TokenSample], ranks: Ranks) -> list[int]:
    """Which of a minibatch's samples this rank computes: whole prompts, those that begin alike together."""
    prompts: dict[tuple[int, ...], list[int]] = {}
    for i in sorted(range(len(chunk)), key=lambda i: chunk[i].prompt_ids):
        prompts.setdefault(chunk[i].prompt_ids, []).append(i)
    units = list(prompts.values())
    costs = [len(prompt) + sum(len(chunk[i].response_ids) for i in unit) for prompt, unit in prompts.items()]
    stretch = ranks.stretch(costs)
    return [i for unit in units[stretch.start : stretch.stop] for i in unit]


def _token_shares(counts: Tensor) -> Sequence[Tensor]:
    """The same weight for every token of a minibatch, by sample."""
    total = int(counts.sum())
    return torch.split(torch.full((total,), 1.0 / max(total, 1)), counts.tolist())


def _reference(model: Any, samples: Sequence[TokenSample], config: UpdateConfig) -> Tensor:
    """Log-probabilities of the samples' response tokens under the reference, in order: as told, or the adapter off."""
    if all(s.reference_logprobs is not None for s in samples):
        return torch.tensor([x for s in samples for x in s.reference_logprobs or ()])
    pack = make_pack([(s.prompt_ids, s.response_ids) for s in samples], range(len(samples)))
    with torch.no_grad(), adapter_off(model):
        return response_logprobs(model, pack, temperature=config.temperature)[0]


def _kl_weights(
    chunk: Sequence[TokenSample], weights: Sequence[Tensor], fraction: float, generator: torch.Generator | None
) -> list[Tensor]:
    """Weights of each sample's tokens in the KL: those of a random share of the prompts, scaled to keep their sum."""
    prompts = list(dict.fromkeys(s.prompt_ids for s in chunk))
    count = math.ceil(fraction * len(prompts))
    if count == len(prompts):
        return list(weights)
    chosen = {prompts[i] for i in torch.randperm(len(prompts), generator=generator)[:count].tolist()}
    kept = [w if s.prompt_ids in chosen else torch.zeros_like(w) for s, w in zip(chunk, weights, strict=True)]
    total = sum(float(w.sum()) for w in kept)
    return [w * (sum(float(x.sum()) for x in weights) / total) for w in kept] if total else kept


def _set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def _deal(batch: Sequence[TokenSample], minibatches: int, generator: torch.Generator | None) -> list[list[TokenSample]]:
    """Split the batch into minibatches of about equal size, the samples of one prompt together; none is empty."""
    by_prompt: dict[tuple[int, ...], list[TokenSample]] = {}
    for sample in batch:
        by_prompt.setdefault(sample.prompt_ids, []).append(sample)
    units = list(by_prompt.values())
    if generator is not None:
        units = [units[i] for i in torch.randperm(len(units), generator=generator).tolist()]
    chunks: list[list[TokenSample]] = [[] for _ in range(min(minibatches, len(units)))]
    for unit in units:
        min(chunks, key=len).extend(unit)
    return chunks


__all__ = ["ExtraTerm", "TokenSample", "UpdateConfig", "ValueTerm", "response_logprobs", "update_policy"]
