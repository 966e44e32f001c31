"""From credited episodes to a better policy: reward terms, samples, and the update."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from ..agents.lora import adapter_off, trainable_parameters
from ..agents.records import Trajectory
from .config import GRPOConfig
from .objective import Objective
from .online_config import OnlineConfig
from .pack_forward import logprobs_of
from .parity import gap_of_samples
from .policy_update import UpdateConfig, ValueTerm, update_policy
from .pretraining_term import Pair, PretrainingTerm
from .reward_terms import with_kl_penalty, with_overlong_penalty
from .schedule import scheduled
from .token_samples import TokenSample
from .trpo_update import TrustRegion, trust_region_update

if TYPE_CHECKING:
    from .coefficients import Coefficients
    from .online_run import OnlineRun

FINAL_LEARNING_RATE = 0.1  # of the highest


def with_reward_terms(run: OnlineRun, trajectories: list[Trajectory]) -> tuple[list[Trajectory], dict[str, float]]:
    """Return the episodes with the trainer's own reward terms, as configured, and what was measured on the way."""
    config, measured = run.config, dict[str, float]()
    if config.overlong_cache_tokens is not None:
        trajectories = with_overlong_penalty(
            trajectories,
            most_tokens=config.max_new_tokens,
            cache_tokens=config.overlong_cache_tokens,
            weight=config.overlong_weight,
        )
    if config.kl_in == "reward" and run.coefficients.kl > 0:
        run.progress.phase("reference")
        pairs = [(s.prompt_ids, s.response_ids) for t in trajectories for s in t.steps]
        said = iter(_reference_logprobs(run, pairs))
        trajectories, measured["kl_reference"] = with_kl_penalty(
            trajectories,
            [[s.behaviour_logprobs for s in t.steps] for t in trajectories],
            [[next(said) for _ in t.steps] for t in trajectories],
            coef=run.coefficients.kl,
        )
    return trajectories, measured


def learn(run: OnlineRun, batch: Sequence[TokenSample], critic: ValueTerm | None = None) -> dict[str, float]:
    """Update the policy on a batch, as configured; return the measurements of the update ({} for an empty batch)."""
    config = run.config
    if not batch:
        run.engine.forget()  # a resumed run has nothing in its caches either, and sums round by what is there
        return {}
    run.progress.phase("update")
    samples = _with_logprobs(run, batch)
    if isinstance(config, GRPOConfig) and config.update == "trpo":
        update = trust_region_update(
            run.model,
            samples,
            TrustRegion(**config.trpo.model_dump()),
            objective=objective_of(config, run.coefficients),
            temperature=config.temperature,
            max_pack_tokens=config.pack_tokens,
            generator=run.generator,
        )
        run.ranks.share_parameters(trainable_parameters(run.model))  # each rank has computed it all
    else:
        update = update_policy(
            run.model,
            run.optimizer,
            samples,
            _update_config(config, run.coefficients),
            generator=run.generator,
            learning_rate=partial(_learning_rate, config, run.updates, run.done),
            critic=critic,
            extra=_pretraining(run),
            ranks=run.ranks,
        )
    started = time.perf_counter()
    run.engine.weights_changed()
    update["weight_sync_s"] = time.perf_counter() - started
    return update | gap_of_samples(samples)


def objective_of(config: OnlineConfig, weights: Coefficients) -> Objective:
    """Return the objective that a configuration describes, with the weights that it has come to."""
    return Objective(
        surrogate=config.surrogate,
        ratio=config.ratio,
        eps_low=config.clip_low,
        eps_high=config.clip_high,
        dual_clip=config.dual_clip,
        kl_coef=weights.kl if config.kl_in == "loss" else 0.0,
        kl_estimator=config.kl_estimator,
        penalty_coef=weights.penalty,
        entropy_coef=weights.entropy,
        normalisation=config.normalisation,
        length_tokens=config.max_new_tokens,
        importance_cap=config.importance_cap,
    )


def _update_config(config: OnlineConfig, weights: Coefficients) -> UpdateConfig:
    return UpdateConfig(
        objective=objective_of(config, weights),
        epochs=config.epochs,
        minibatches=config.minibatches,
        max_grad_norm=config.max_grad_norm,
        temperature=config.temperature,
        max_pack_tokens=config.pack_tokens,
        target_kl=config.target_kl,
        kl_fraction=config.kl_fraction,
    )


def _with_logprobs(run: OnlineRun, batch: Sequence[TokenSample]) -> Sequence[TokenSample]:
    """Add the log-probabilities that must be known before the policy changes."""
    config = run.config
    pairs = [(s.prompt_ids, s.response_ids) for s in batch]
    if config.old_logprobs == "trainer":
        old = _logprobs(run, pairs)
        batch = [replace(s, old_logprobs=x) for s, x in zip(batch, old, strict=True)]
    if run.reference is not None and config.kl_in == "loss" and run.coefficients.kl > 0:
        batch = [replace(s, reference_logprobs=x) for s, x in zip(batch, _reference_logprobs(run, pairs), strict=True)]
    return batch


def _reference_logprobs(run: OnlineRun, pairs: Sequence[Pair]) -> list[tuple[float, ...]]:
    speaks: AbstractContextManager[None] = adapter_off(run.model) if run.reference is None else run.reference.speaking()
    with speaks:
        return _logprobs(run, pairs)


def _logprobs(run: OnlineRun, pairs: Sequence[Pair]) -> list[tuple[float, ...]]:
    """Log-probabilities under the model as it is, each rank computing a part."""
    config = run.config
    return run.ranks.mapped(
        pairs,
        lambda part: logprobs_of(run.model, part, temperature=config.temperature, max_pack_tokens=config.pack_tokens),
    )


def _pretraining(run: OnlineRun) -> PretrainingTerm | None:
    config = run.config
    if config.ptx_coef == 0:
        return None
    return PretrainingTerm(
        run.demonstrations,
        coef=config.ptx_coef,
        count=config.ptx_steps,
        max_pack_tokens=config.pack_tokens,
        generator=torch.Generator().manual_seed(config.seed + run.iteration),
    )


def _learning_rate(config: OnlineConfig, updates: int, progress: float, steps: int) -> float:
    return scheduled(
        config.learning_rate, step=updates + steps, warmup_steps=config.warmup_updates, progress=progress,
        decay_from=config.decay_from, final_fraction=FINAL_LEARNING_RATE,
    )  # fmt: skip


__all__ = ["FINAL_LEARNING_RATE", "learn", "objective_of", "with_reward_terms"]
