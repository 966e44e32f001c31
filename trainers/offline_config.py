"""The configurations of training without new rollouts, or with few: preferences, demonstrations, expert iteration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .config import LoraConfig

ObjectiveName = Literal[
    "dpo", "ipo", "kto", "apo-zero", "apo-zero-unpaired", "apo-down", "simpo", "orpo", "slic", "discopop"
]
UNPAIRED = frozenset({"kto", "apo-zero-unpaired"})
"""Objectives that learn from single episodes or steps instead of pairs."""
WITHOUT_REFERENCE = frozenset({"simpo", "orpo"})
_USED: dict[str, set[str]] = {
    "dpo": {"beta", "label_smoothing", "nll_coef"},
    "ipo": {"beta", "nll_coef"},
    "kto": {"beta", "desirable_weight", "undesirable_weight"},
    "apo-zero": {"beta", "nll_coef"},
    "apo-zero-unpaired": {"beta", "desirable_weight", "undesirable_weight"},
    "apo-down": {"beta", "nll_coef"},
    "simpo": {"beta", "margin", "nll_coef"},
    "orpo": {"odds_weight", "nll_coef"},
    "slic": {"beta", "margin", "nll_coef"},
    "discopop": {"beta", "discopop_temperature", "nll_coef"},
}
"""Which numbers each objective uses."""
_DEFAULT_BETA = {"simpo": 2.0}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfflineConfig(_Section):
    """What every offline run depends on.

    Attributes:
        tasks: environment ids, bare task names, or names of suites: what is learnt from and evaluated.
        run: the run's folder; an existing one with the same configuration is resumed.
        model: a model's name in the cache, or a folder in Hugging Face format.
        start: folder of a run whose newest checkpoint is where training starts; None: the model with a fresh adapter.
        seed: seeds every random draw of the run.
        epochs: passes over the examples.
        max_updates: most optimiser steps; None: as many as the epochs have.
        batch: examples per optimiser step.
        learning_rate: peak AdamW learning rate of the adapter.
        warmup_updates: optimiser steps over which it rises; it then falls linearly to a tenth.
        max_grad_norm: gradient norm bound.
        pack_tokens: most tokens in one packed forward pass; bounds memory.
        checkpoint_every: optimiser steps between checkpoints; a killed run loses at most these.
        evaluation_seeds: held-out seeds per task before and after; 0 skips the evaluations.
        evaluate_before: whether the start is evaluated, too.
        max_new_tokens: longest action in tokens.
        concurrency: most episodes alive at once.
        precision: arithmetic of the model; `auto` is the one this machine is fast in, bfloat16 or float32.
        wandb: project on Weights & Biases that mirrors the metrics; None: none.
        lora: the adapter, where training starts from the model itself.
    """

    tasks: tuple[str, ...] = Field(min_length=1)
    run: Path
    model: str = "smollm2-135m-instruct"
    start: Path | None = None
    seed: int = Field(default=0, ge=0)
    epochs: int = Field(default=2, ge=1)
    max_updates: int | None = Field(default=None, ge=1)
    batch: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_updates: int = Field(default=5, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    pack_tokens: int = Field(default=1536, ge=64)
    checkpoint_every: int = Field(default=10, ge=1)
    evaluation_seeds: int = Field(default=64, ge=0)
    evaluate_before: bool = True
    max_new_tokens: int = Field(default=24, ge=1)
    concurrency: int = Field(default=64, ge=1)
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    wandb: str | None = None
    lora: LoraConfig = LoraConfig()

    def to_plain(self) -> dict[str, Any]:
        """Return the resolved configuration as plain JSON- and YAML-ready data."""
        return self.model_dump(mode="json")


class LossConfig(_Section):
    """The loss of a preference run; see `preference_objectives` for what each number does.

    Attributes:
        objective: which loss.
        beta: its scale; None: 2 for `simpo`, 0.1 for the others.
        label_smoothing: of `dpo`: probability that a preference is the wrong way round.
        margin: by how much the better side should lead, of `simpo` (0.5 if None) and `slic` (1 if None).
        odds_weight: of `orpo`'s odds ratio beside the likelihood.
        discopop_temperature: of `discopop`'s gate.
        desirable_weight: of `kto` and `apo-zero-unpaired`; None: so that both kinds weigh the same in all.
        undesirable_weight: likewise.
        nll_coef: weight of the better side's negative log-likelihood beside the loss; it keeps the better actions
            likely where a loss would be content to make the worse ones unlikelier still.
    """

    objective: ObjectiveName = "dpo"
    beta: float | None = Field(default=None, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    margin: float | None = Field(default=None, ge=0)
    odds_weight: float = Field(default=0.25, ge=0)
    discopop_temperature: float = Field(default=0.05, gt=0)
    desirable_weight: float | None = Field(default=None, gt=0)
    undesirable_weight: float | None = Field(default=None, gt=0)
    nll_coef: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        """A number that the objective does not use is a mistake about one of the two."""
        if ignored := self.model_fields_set - _USED[self.objective] - {"objective"}:
            raise ValueError(
                f"{self.objective} does not use {', '.join(sorted(ignored))}; it takes "
                f"{', '.join(sorted(_USED[self.objective]))}. Leave out what it does not use"
            )
        return self

    @property
    def scale(self) -> float:
        """The loss's beta, its default where none is set."""
        return _DEFAULT_BETA.get(self.objective, 0.1) if self.beta is None else self.beta


class PairsConfig(_Section):
    """How recorded episodes become pairs.

    Attributes:
        unit: `step`: actions that share a frontier; `trajectory`: whole episodes of one task and seed.
        min_gap: least difference of returns-to-go (steps) or totals (episodes; success decides without one).
        most: most pairs of one prompt or frontier (steps), or of one task and seed (episodes).
        gamma: discount of returns-to-go per step; below 1 prefers the shorter way.
        across_prompts: whether steps at one frontier are paired although they answer different observations, where
            their own prompts make no pair.
        limit: most examples in all, drawn at random; None: all.
    """

    unit: Literal["step", "trajectory"] = "step"
    min_gap: float = Field(default=0.1, gt=0)
    most: int = Field(default=4, ge=1)
    gamma: float = Field(default=0.95, gt=0, le=1)
    across_prompts: bool = True
    limit: int | None = Field(default=None, ge=1)


class PreferenceTrainingConfig(OfflineConfig):
    """Everything a preference run depends on.

    Attributes:
        episodes: folders of runs with recorded episodes, of which pairs are made.
        preferences: JSONL files of rankings (see `rewards.preferences`), of which pairs of whole episodes are made;
            beside or instead of `episodes`.
        loss: which loss.
        pairs: how episodes become pairs.
    """

    episodes: tuple[Path, ...] = ()
    preferences: tuple[Path, ...] = ()
    loss: LossConfig = LossConfig()
    pairs: PairsConfig = PairsConfig()

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> Self:
        if not self.episodes and not self.preferences:
            raise ValueError("nothing to learn from: give `episodes` (run folders) or `preferences` (JSONL files)")
        if self.preferences and self.pairs.unit == "step":
            raise ValueError("`preferences` rank whole episodes: set `pairs.unit: trajectory`")
        return self


class SFTConfig(OfflineConfig):
    """Everything a supervised run depends on.

    Attributes:
        demonstrations: oracle episodes in all, spread evenly over the tasks.
        episodes: folders of runs whose successful episodes are demonstrations, too.
        most: most recorded demonstrations of one task and seed, the shortest first.
    """

    demonstrations: int = Field(default=18, ge=0, le=100_000)
    episodes: tuple[Path, ...] = ()
    most: int = Field(default=2, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> Self:
        if not self.episodes and not self.demonstrations:
            raise ValueError("nothing to learn from: give `demonstrations` above 0, or `episodes` (run folders)")
        return self


class ReSTConfig(OfflineConfig):
    """Everything an expert-iteration run depends on.

    Attributes:
        rounds: times that episodes are played with the policy as it is then (grow).
        groups: instances per round.
        group_size: episodes of each.
        temperature: sampling temperature of those episodes.
        thresholds: least share of a task's reward that an episode must have earned to be learnt from, rising; for each
            of them the policy is fitted once per round (improve).
        keep: most episodes of one task and seed per threshold, those that earned most first, then the shortest.
        memory: rounds whose episodes count, the newest among them.
        improve_from: `latest`: each fit goes on from the one before; `start`: each begins where the run began.
        epochs: passes of one fit.
        max_updates: most optimiser steps of one fit.
    """

    rounds: int = Field(default=3, ge=1)
    groups: int = Field(default=12, ge=1)
    group_size: int = Field(default=8, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    thresholds: tuple[float, ...] = Field(default=(0.5, 0.9), min_length=1)
    keep: int = Field(default=2, ge=1)
    memory: int = Field(default=2, ge=1)
    improve_from: Literal["latest", "start"] = "latest"
    learning_rate: float = Field(default=2e-4, gt=0)

    @model_validator(mode="after")
    def _thresholds_rise(self) -> Self:
        if (
            list(self.thresholds) != sorted(set(self.thresholds))
            or not 0 < self.thresholds[0] <= self.thresholds[-1] <= 1
        ):
            raise ValueError(f"thresholds: expected shares in (0, 1] that rise, got {list(self.thresholds)}")
        return self


__all__ = [
    "UNPAIRED",
    "WITHOUT_REFERENCE",
    "LossConfig",
    "ObjectiveName",
    "OfflineConfig",
    "PairsConfig",
    "PreferenceTrainingConfig",
    "ReSTConfig",
    "SFTConfig",
]
