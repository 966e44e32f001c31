"""What every run of an online trainer depends on, whichever way it credits steps."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..agents.engines.base import EngineKind
from .config_sections import LoraConfig, RewardConfig, Section, VLLMConfig, WarmStartConfig
from .curriculum import Curriculum
from .objective import KLEstimator, Normalisation, RatioLevel, Surrogate
from .presets import PRESETS, Trainer
from .settings_file import merged
from .token_samples import TruncationMask

DEFAULT_IMPORTANCE_CAP = 2.0
"""Of an engine whose arithmetic is not the trainer's."""


class OnlineConfig(Section):
    """Settings of sampling, objective, schedule and evaluation.

    Attributes:
        preset: name of a method whose settings are taken where the configuration gives none (see `presets`).
        tasks: environment ids, bare task names, or names of suites, of which the tasks that are not held out are meant.
        run: the run's folder; an existing one with the same configuration is resumed.
        model: a model's name in the cache, or a folder in Hugging Face format.
        start: folder of a training run (its newest checkpoint is meant), or one of its checkpoints, whose adapter this
            run goes on with; there is no warm start then unless it is asked for. None: a fresh adapter.
        seed: seeds every random draw of the run.
        iterations: most iterations.
        time_budget_s: wall time for warm start, training and evaluations together; None: no limit.
        groups: groups per iteration; a group is one task and one seed.
        group_size: episodes per group.
        max_replacements: dead groups of an iteration that may be replaced by fresh ones.
        resample: replace dead replacements too, as long as `max_replacements` lasts.
        curriculum: which tasks and instances get more groups: those that `failing`, those at the `frontier` of ability
            (instances always solved or never begun are dropped, others come again), or all alike (`uniform`).
        gamma: discount of returns-to-go per step; below 1 prefers the shorter way.
        temperature: sampling temperature of training rollouts; evaluation is greedy.
        max_new_tokens: longest action in tokens.
        learning_rate: AdamW learning rate of the adapter.
        warmup_updates: optimiser steps over which the learning rate rises to it; Adam's first steps are all sign and
            would undo the warm start at full size.
        decay_from: the share of the run (iterations or time, whichever is further) after which the learning rate falls,
            to a tenth at the end; 1 never. The last large steps otherwise decide what the run ends with.
        target_kl: an iteration's remaining minibatches are left when the policy has moved further than this from the
            sampler (k3, nats a token); None never does.
        epochs: passes over an iteration's batch.
        minibatches: optimiser steps in each of them.
        surrogate: `clip`, `ratio` (unclipped), `log` (plain policy gradient) or `cispo` (clipped weight).
        ratio: of each `token`, of a response's tokens as a geometric mean (`sequence`), or of the whole (`product`).
        clip_low, clip_high: the ratio is clipped to [1 - clip_low, 1 + clip_high]; clip_low 1: no lower bound.
        dual_clip: a negative advantage counts at most this many times; None: without bound.
        normalisation: the loss is a mean over all tokens (`token`), over responses of their token means (`sequence`),
            or over responses of their sums over `max_new_tokens` (`constant`).
        negative_scale: negative advantages are multiplied by this; below 1 a small model forgets less of what it knows.
        old_logprobs: what the ratio compares with: the `sampler`'s own numbers, or the `trainer`'s, computed before the
            update.
        importance_cap: with the trainer's, a token counts min(pi_old / pi_sampler, this) times; None: once.
        mask_truncated: leave out of the loss `responses` without an end token, `episodes` cut short, or `both`.
        overlong_cache_tokens: a response's reward falls linearly over the last so many of `max_new_tokens`; None: not.
        overlong_weight: by how much in all.
        kl_coef: weight of the KL to the reference.
        kl_in: that KL is a term of the `loss`, or taken off each step's `reward` (log pi - log pi_ref of its tokens).
        kl_estimator: of the KL in the loss: `k1`, `k2` or `k3`.
        kl_target: when set, kl_coef adapts to hold the KL to the reference near this (nats a token).
        kl_fraction: share of an update's prompts on which that KL is estimated; at 1 it costs a third of the update.
        reference_decay: the reference is the base model with the adapter off (None), or an average of the policy since
            the warm start that keeps this share of itself in each iteration (0: the policy before the iteration).
        penalty_coef: weight of KL(old || new) in the loss; adapts to `penalty_target`.
        penalty_target: KL(old || new) that an iteration should make, nats a token; None: penalty_coef stays.
        entropy_coef: weight of the entropy bonus at the start.
        entropy_target: when set, the entropy weight adapts to hold the mean token entropy near this (nats).
        ptx_coef: weight of the demonstrations' negative log-likelihood in the loss.
        ptx_steps: demonstrated actions in each minibatch.
        max_grad_norm: gradient norm bound.
        pack_tokens: most tokens in one packed forward pass.
        concurrency: most episodes alive at once.
        evaluation_seeds: held-out seeds per task of the last evaluation; 0 skips the evaluations.
        interim_evaluation_seeds: held-out seeds per task of the evaluations before training (the first ones of the last
            evaluation's); None is as many. They cost time that training could have.
        validate_every: iterations between validations while training, which also say which checkpoint was the best;
            None: none.
        validation_seeds: held-out seeds per task of each of them, others than the evaluations'.
        solved_at: stop early when the training success rate reaches this in `solved_for` iterations in a row.
        solved_for: see `solved_at`.
        reward: which layers make the reward, see `RewardConfig`.
        engine: what samples: `hf`, the module that is trained, or `vllm`, a copy that is kept equal to it. With `vllm`
            the defaults of `old_logprobs` and `importance_cap` are `trainer` and 2: its arithmetic is another.
        vllm: what vLLM may use.
        overlap: sample for whichever episodes are ready while the others' browsers step. It uses engine and browsers at
            once where they do not compete for the same processor; batches then differ from run to run, and with them
            the last bits of log-probabilities.
        precision: arithmetic of the model; `auto` is the one this machine is fast in, bfloat16 or float32.
        wandb: project on Weights & Biases that mirrors the metrics; None: none.
        lora: the adapter.
        warm_start: supervised start on oracle demonstrations.
    """

    trainer: ClassVar[Trainer]

    preset: str | None = None
    tasks: tuple[str, ...] = Field(min_length=1)
    run: Path
    model: str = "smollm2-135m-instruct"
    start: Path | None = None
    seed: int = Field(default=0, ge=0)
    iterations: int = Field(default=20, ge=0)
    time_budget_s: float | None = Field(default=None, gt=0)
    groups: int = Field(default=8, ge=1)
    group_size: int = Field(default=8, ge=1)
    max_replacements: int = Field(default=0, ge=0)
    resample: bool = False
    curriculum: Curriculum = "failing"
    gamma: float = Field(default=0.95, gt=0, le=1)
    temperature: float = Field(default=1.0, gt=0)
    max_new_tokens: int = Field(default=24, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_updates: int = Field(default=12, ge=0)
    decay_from: float = Field(default=0.5, ge=0, le=1)
    target_kl: float | None = Field(default=0.05, gt=0)
    epochs: int = Field(default=1, ge=1)
    minibatches: int = Field(default=2, ge=1)
    surrogate: Surrogate = "clip"
    ratio: RatioLevel = "token"
    clip_low: float = Field(default=0.2, gt=0, le=1)
    clip_high: float = Field(default=0.28, gt=0)
    dual_clip: float | None = Field(default=None, gt=1)
    normalisation: Normalisation = "token"
    negative_scale: float = Field(default=0.5, gt=0, le=1)
    old_logprobs: Literal["sampler", "trainer"] = "sampler"
    importance_cap: float | None = Field(default=None, gt=0)
    mask_truncated: TruncationMask = "none"
    overlong_cache_tokens: int | None = Field(default=None, ge=1)
    overlong_weight: float = Field(default=1.0, ge=0)
    kl_coef: float = Field(default=0.0, ge=0)
    kl_in: Literal["loss", "reward"] = "loss"
    kl_estimator: KLEstimator = "k3"
    kl_target: float | None = Field(default=None, gt=0)
    kl_fraction: float = Field(default=1.0, gt=0, le=1)
    reference_decay: float | None = Field(default=None, ge=0, lt=1)
    penalty_coef: float = Field(default=0.0, ge=0)
    penalty_target: float | None = Field(default=0.01, gt=0)
    entropy_coef: float = Field(default=0.0, ge=0)
    entropy_target: float | None = Field(default=None, ge=0)
    ptx_coef: float = Field(default=0.0, ge=0)
    ptx_steps: int = Field(default=16, ge=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    pack_tokens: int = Field(default=1536, ge=64)
    concurrency: int = Field(default=64, ge=1)
    evaluation_seeds: int = Field(default=64, ge=0)
    interim_evaluation_seeds: int | None = Field(default=None, ge=1)
    validate_every: int | None = Field(default=None, ge=1)
    validation_seeds: int = Field(default=16, ge=1)
    solved_at: float = Field(default=0.97, gt=0)
    solved_for: int = Field(default=2, ge=1)
    engine: EngineKind = "hf"
    vllm: VLLMConfig = VLLMConfig()
    overlap: bool = False
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    wandb: str | None = None
    reward: RewardConfig = RewardConfig()
    lora: LoraConfig = LoraConfig()
    warm_start: WarmStartConfig = WarmStartConfig()

    @model_validator(mode="before")
    @classmethod
    def _with_mismatch_corrected(cls, data: Any) -> Any:
        """Weigh the tokens of another sampler by the trainer's numbers, unless the configuration says how to do it."""
        if not isinstance(data, Mapping) or data.get("engine") != "vllm" or data.get("old_logprobs") == "sampler":
            return data
        return {"old_logprobs": "trainer", "importance_cap": DEFAULT_IMPORTANCE_CAP, **data}

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        """Put the preset's settings below the configuration's own."""
        if not isinstance(data, Mapping):
            return data
        if data.get("start") is not None:
            data = merged({"warm_start": {"demonstrations": 0}}, data)
        name = data.get("preset")
        if name is None:
            return data
        preset = PRESETS.get(name) if isinstance(name, str) else None
        if preset is None:
            near = get_close_matches(str(name), PRESETS, n=1)
            raise ValueError(
                f"preset: expected one of {', '.join(PRESETS)}, got {name!r}"
                + (f"; the nearest is {near[0]}" if near else "")
            )
        if preset.trainer != cls.trainer:
            raise ValueError(
                f"preset {name} belongs to another trainer: use `milepost train {preset.trainer}`, or one of "
                f"{', '.join(n for n, p in PRESETS.items() if p.trainer == cls.trainer)}"
            )
        return merged(preset.settings, data)

    @model_validator(mode="after")
    def _check_terms(self) -> OnlineConfig:
        if self.importance_cap is not None and self.old_logprobs == "sampler":
            raise ValueError("importance_cap weighs the sampler's numbers by the trainer's: set old_logprobs: trainer")
        if self.overlong_cache_tokens is not None and self.overlong_cache_tokens > self.max_new_tokens:
            raise ValueError(
                f"overlong_cache_tokens must be at most max_new_tokens ({self.max_new_tokens}), got "
                f"{self.overlong_cache_tokens}"
            )
        if self.ptx_coef > 0 and not self.warm_start.demonstrations:
            raise ValueError("ptx_coef needs demonstrations: set warm_start.demonstrations above 0")
        if self.kl_target is not None and self.kl_coef == 0:
            raise ValueError("kl_target adapts kl_coef, which must be above 0 to begin with")
        return self

    @property
    def held_out_seeds(self) -> int:
        """How many held-out seeds per task training must never draw."""
        return self.evaluation_seeds + (self.validation_seeds if self.validate_every is not None else 0)

    def seeds_of(self, stage: str) -> int:
        """Return the held-out seeds per task of an evaluation: "untrained", "warm_start" or "trained"."""
        if stage == "trained" or self.interim_evaluation_seeds is None:
            return self.evaluation_seeds
        return min(self.evaluation_seeds, self.interim_evaluation_seeds)

    def to_plain(self) -> dict[str, Any]:
        """Return the resolved configuration as plain JSON- and YAML-ready data."""
        return self.model_dump(mode="json")

    @classmethod
    def unset(cls) -> dict[str, Any]:
        """Return the settings of a run that names none: what those of an older run that lacks a key were."""
        return cls.model_construct().model_dump(mode="json", exclude={"tasks", "run"}, warnings=False)


__all__ = ["OnlineConfig"]
