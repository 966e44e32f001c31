"""The configuration of a GRPO run: a YAML file, `key=value` overrides, and nothing hidden."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..rewards.judge.config import JudgeConfig
from ..rewards.router import Mode, Unscored
from ..sandbox.errors import RunError

S = TypeVar("S", bound=BaseModel)
_REWARD_EXAMPLE = "examples/reward_layers/judge.yaml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WarmStartConfig(_Section):
    """Supervised warm start on oracle demonstrations. `demonstrations: 0` skips it.

    Attributes:
        demonstrations: oracle episodes in all, spread evenly over the tasks.
        epochs: passes over them.
        learning_rate: peak AdamW learning rate.
        batch_demonstrations: demonstrations per optimiser step.
    """

    demonstrations: int = Field(default=18, ge=0, le=100_000)
    epochs: int = Field(default=2, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    batch_demonstrations: int = Field(default=6, ge=1)


class BlendConfig(_Section):
    """How much each layer counts in a blend; each in [0, 1], together 1."""

    rule: float = Field(default=0.6, ge=0, le=1)
    model: float = Field(default=0.2, ge=0, le=1)
    judge: float = Field(default=0.2, ge=0, le=1)


class ThresholdsConfig(_Section):
    """How sure a layer must be to be believed in a cascade, in [0, 1].

    Attributes:
        model: of the learned reward model.
        judge: of the judge.
        tasks: other thresholds by task: `{note-write: {model: 0.9}}`.
        milestones: other thresholds by "task/milestone".
    """

    model: float = Field(default=0.8, ge=0, le=1)
    judge: float = Field(default=0.6, ge=0, le=1)
    tasks: dict[str, dict[Literal["model", "judge"], float]] = {}
    milestones: dict[str, dict[Literal["model", "judge"], float]] = {}


class RewardConfig(_Section):
    """Which layers make the reward that the policy learns from. Evaluation is by rules wherever they speak.

    Attributes:
        mode: `rules`; `model` or `judge` alone; `cascade`: the first that is sure, in that order; `blend`: all of them.
            Milestones with `source: model` or `source: judge` are asked about in `rules` too, of the layers given.
        model: folder of a version of the learned reward model.
        judge: the judge's settings, see docs/judge.md.
        thresholds: for the cascade.
        weights: for the blend.
        unscored: what becomes of a step that nobody scored: `mask` leaves it out of the loss, `carry` lets later
            rewards flow over it, `require` stops the run.
    """

    mode: Mode = Mode.RULES
    model: Path | None = None
    judge: JudgeConfig | None = None
    thresholds: ThresholdsConfig = ThresholdsConfig()
    weights: BlendConfig = BlendConfig()
    unscored: Unscored = Unscored.MASK


class LoraConfig(_Section):
    """Low-rank adapter on every linear layer of the decoder."""

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, gt=0)


class GRPOConfig(_Section):
    """Everything a GRPO run depends on.

    Attributes:
        tasks: environment ids, bare task names, or names of suites, of which the tasks that are not held out are meant.
        run: the run's folder; an existing one with the same configuration is resumed.
        model: a model's name in the cache, or a folder in Hugging Face format.
        seed: seeds every random draw of the run.
        iterations: most GRPO iterations.
        time_budget_s: wall time for warm start, GRPO and evaluations together; None: no limit.
        groups: groups per iteration; a group is one task and one seed.
        group_size: episodes per group.
        max_replacements: dead groups of an iteration that may be replaced by fresh ones, which begin while the others
            are still played (see `replacement`).
        advantage: `frontier` (return-to-go against siblings at the same milestones) or `outcome` (the
            total reward against the group).
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
        minibatches: optimiser steps per iteration.
        clip_low, clip_high: the ratio is clipped to [1 - clip_low, 1 + clip_high].
        negative_scale: negative advantages are multiplied by this; below 1 a small model forgets less of what it knows.
        kl_coef: weight of k3(pi || base), the base being the model with the adapter off.
        kl_fraction: share of an update's prompts on which that KL is estimated; at 1 it costs a third of the update.
        entropy_coef: weight of the entropy bonus at the start.
        entropy_target: when set, the entropy weight adapts to hold the mean token entropy near this (nats).
        max_grad_norm: gradient norm bound.
        pack_tokens: most tokens in one packed forward pass.
        concurrency: most episodes alive at once.
        evaluation_seeds: held-out seeds per task of the last evaluation; 0 skips the evaluations.
        interim_evaluation_seeds: held-out seeds per task of the evaluations before GRPO (the first ones of the last
            evaluation's); None is as many. They cost time that training could have.
        solved_at: stop early when the training success rate reaches this in `solved_for` iterations in a row.
        solved_for: see `solved_at`.
        reward: which layers make the reward, see `RewardConfig`.
        precision: arithmetic of the model; `auto` is the one this machine is fast in, bfloat16 or float32.
    """

    tasks: tuple[str, ...] = Field(min_length=1)
    run: Path
    model: str = "smollm2-135m-instruct"
    seed: int = Field(default=0, ge=0)
    iterations: int = Field(default=20, ge=0)
    time_budget_s: float | None = Field(default=None, gt=0)
    groups: int = Field(default=8, ge=1)
    group_size: int = Field(default=8, ge=2)
    max_replacements: int = Field(default=4, ge=0)
    advantage: Literal["frontier", "outcome"] = "frontier"
    gamma: float = Field(default=0.95, gt=0, le=1)
    temperature: float = Field(default=1.0, gt=0)
    max_new_tokens: int = Field(default=24, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_updates: int = Field(default=12, ge=0)
    decay_from: float = Field(default=0.5, ge=0, le=1)
    target_kl: float | None = Field(default=0.05, gt=0)
    minibatches: int = Field(default=2, ge=1)
    clip_low: float = Field(default=0.2, gt=0, lt=1)
    clip_high: float = Field(default=0.28, gt=0)
    negative_scale: float = Field(default=0.5, gt=0, le=1)
    kl_coef: float = Field(default=0.005, ge=0)
    kl_fraction: float = Field(default=1.0, gt=0, le=1)
    entropy_coef: float = Field(default=0.0, ge=0)
    entropy_target: float | None = Field(default=None, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    pack_tokens: int = Field(default=1536, ge=64)
    concurrency: int = Field(default=64, ge=1)
    evaluation_seeds: int = Field(default=64, ge=0)
    interim_evaluation_seeds: int | None = Field(default=None, ge=1)
    solved_at: float = Field(default=0.97, gt=0)
    solved_for: int = Field(default=2, ge=1)
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    reward: RewardConfig = RewardConfig()
    lora: LoraConfig = LoraConfig()
    warm_start: WarmStartConfig = WarmStartConfig()

    def seeds_of(self, stage: str) -> int:
        """Return the held-out seeds per task of an evaluation: "untrained", "warm_start" or "trained"."""
        if stage == "trained" or self.interim_evaluation_seeds is None:
            return self.evaluation_seeds
        return min(self.evaluation_seeds, self.interim_evaluation_seeds)

    def to_plain(self) -> dict[str, Any]:
        """Return the resolved configuration as plain JSON- and YAML-ready data."""
        return self.model_dump(mode="json")


def load_config(path: Path, overrides: Sequence[str] = ()) -> GRPOConfig:
    """Read a GRPO run's configuration; see `load_settings`."""
    return load_settings(path, overrides, GRPOConfig, kind="GRPO", example="examples/quickstart/config.yaml")


def load_settings(path: Path, overrides: Sequence[str], settings: type[S], *, kind: str, example: str) -> S:
    """Read a configuration.

    Args:
        path: YAML file with the fields of `settings`.
        overrides: `key=value` items, dots reaching into sections (`warm_start.epochs=1`); values are YAML.
        settings: what it must fit.
        kind: of configuration, for messages.
        example: a file of that kind, for messages.

    Raises:
        RunError: the file is missing, is no YAML, or a key or value does not fit; says which and what would.
    """
    data = _read_mapping(path, example)
    for item in overrides:
        _override(data, item)
    return _fitted(data, settings, f"{path} with {len(overrides)} overrides is no valid {kind} configuration")


def load_reward(path: Path | None, overrides: Sequence[str] = ()) -> RewardConfig:
    """Read which layers make the reward, for an evaluation.

    Args:
        path: YAML file with a `reward:` section; what else is in it, as in a training's configuration, is another
            command's. None: the overrides say it all.
        overrides: `reward.KEY=VALUE` items, as for training.

    Raises:
        RunError: the file is missing, has no such section, or a key or value does not fit.
    """
    data: dict[str, Any] = {} if path is None else _read_mapping(path, _REWARD_EXAMPLE)
    if path is not None and "reward" not in data:
        raise RunError(
            f"{path}: expected a `reward:` section, got {', '.join(map(str, data)) or 'nothing'}. Put the settings "
            f"under `reward:`, as in {_REWARD_EXAMPLE}."
        )
    for item in overrides:
        if not item.startswith("reward."):
            raise RunError(f"setting {item!r}: expected one that begins with `reward.`, such as reward.mode=cascade.")
        _override(data, item)
    where = "the settings" if path is None else f"{path} with {len(overrides)} overrides"
    return _fitted(data.get("reward", {}), RewardConfig, f"the reward of {where} is not valid")


def _read_mapping(path: Path, example: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(
            f"cannot read the configuration {path}: {error.strerror}. Give a YAML file, such as {example}."
        ) from error
    except yaml.YAMLError as error:
        raise RunError(f"{path} is not valid YAML: {error}. Mend the line it names.") from error
    if not isinstance(data, dict):
        raise RunError(f"{path}: expected a mapping of settings at the top, got {type(data).__name__}.")
    return data


def _fitted(data: Any, settings: type[S], wrong: str) -> S:
    try:
        return settings.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r})" for e in error.errors())
        raise RunError(f"{wrong}: {problems}. Known settings: {', '.join(settings.model_fields)}.") from error


def _override(data: dict[str, Any], item: str) -> None:
    key, separator, value = item.partition("=")
    if not separator or not key:
        raise RunError(f"override {item!r}: expected key=value, for example iterations=5 or warm_start.epochs=1.")
    *sections, last = key.split(".")
    for section in sections:
        inner = data.setdefault(section, {})
        if not isinstance(inner, dict):
            raise RunError(f"override {item!r}: {section!r} is a value, not a section.")
        data = inner
    try:
        data[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RunError(f"override {item!r}: its value is no YAML: {error}. Quote it, or mend it.") from error


__all__ = ["GRPOConfig", "LoraConfig", "RewardConfig", "WarmStartConfig", "load_config", "load_reward", "load_settings"]
