"""How often a judge is right, by how sure it seems: from judgements whose true outcome is known.

The signal is the agreement of the samples or, of a single one, the distance of its score from one half, doubled. A
monotone map from it to the probability of being right is fitted for passes and for failures apart, since a policy in
training moves towards whatever wrongly passes. Both true outcomes weigh the same in it, however rare one is among the
examples: so a verdict that has nothing to do with the truth is right one time in two, and 0.5 is useless whatever the
tasks. A judge that is not shown to be better than that has no confidence above it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...sandbox.errors import RewardError
from .judgement import Judgement
from .verdict import PASSING_SCORE

CHANCE = 0.5
"""The confidence of a verdict that says nothing about the truth."""

_BIN = 10  # fewest examples of one value of a map
_Z = 1.645  # one-sided 95 % of the normal distribution
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A judgement whose truth is known.

    Attributes:
        signal: how sure the judge seems, in [0, 1].
        passed: what it said.
        truth: whether the rubric was met.
    """

    signal: float
    passed: bool
    truth: bool

    @property
    def right(self) -> bool:
        """Whether the judge was right."""
        return self.passed == self.truth


class Steps(BaseModel):
    """A rising step function: from `starts[i]` on it has `values[i]`, below the first start it has the first value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    starts: tuple[_Share, ...] = Field(min_length=1)
    values: tuple[_Share, ...] = Field(min_length=1)

    def at(self, signal: float) -> float:
        """Return the value at a signal."""
        return self.values[max(0, int(np.searchsorted(self.starts, signal, side="right")) - 1)]


class Quality(BaseModel):
    """What a judge's examples show of it.

    Attributes:
        examples: how many there were; judgements that abstained are none.
        accuracy: share that was right; None without examples.
        balanced_accuracy: mean of the shares that were right among the true and among the false; 0.5 is chance. None
            unless there are some of both.
        lower_bound: what it exceeds with 95 % confidence; None likewise.
        ece: expected calibration error of the signal itself, read as a probability from 0.5 to 1; None without
            examples.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    examples: int = Field(ge=0)
    accuracy: _Share | None
    balanced_accuracy: _Share | None
    lower_bound: float | None
    ece: _Share | None


class Calibration(BaseModel):
    """A judge's calibration. It belongs to one model, prompt and way of sampling.

    Attributes:
        model: the model's name.
        prompt_version: version and hash of the prompt.
        samples: how many a question has.
        temperature: of the samples.
        quality: what the examples showed.
        maps: for "passed" and "failed" verdicts, from signal to probability of being right; a side with too few
            examples has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    prompt_version: str
    samples: int
    temperature: float
    quality: Quality
    maps: Mapping[str, Steps]

    @property
    def skilled(self) -> bool:
        """Whether the examples show the judge to be better than chance."""
        return self.quality.lower_bound is not None and self.quality.lower_bound > CHANCE

    def confidence(self, signal: float, *, passed: bool) -> float | None:
        """Return the probability that such a verdict is right: 0.5 from a judge without skill; None if never seen."""
        steps = self.maps.get(_side(passed))
        if steps is None:
            return None
        return steps.at(signal) if self.skilled else min(CHANCE, steps.at(signal))

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            RewardError: there is none, or it is damaged.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise RewardError(
                f"{path} is no calibration of a judge: {error}. Make one with `calibrate` and `write`."
            ) from error


def signal_of(judgement: Judgement) -> float:
    """Return how sure a judgement with a verdict seems."""
    if judgement.agreement is not None:
        return judgement.agreement
    if judgement.score is None:
        raise ValueError("an abstention has no signal; leave it out")
    return 2.0 * abs(judgement.score - PASSING_SCORE)


def examples_of(judgements: Sequence[Judgement], truths: Sequence[bool]) -> list[Example]:
    """Pair judgements with what is true of them; those that abstain are left out.

    Raises:
        ValueError: the two are not equally many.
    """
    return [
        Example(signal=signal_of(judgement), passed=judgement.passed, truth=truth)
        for judgement, truth in zip(judgements, truths, strict=True)
        if judgement.passed is not None
    ]


def calibrate(
    examples: Sequence[Example], *, model: str, prompt_version: str, samples: int, temperature: float
) -> Calibration:
    """Fit a calibration. Of a judge that has not judged both a true and a false one, it says that it has no skill.

    Args:
        examples: judgements with their truth; some hundred, of both outcomes, for a map worth having.
        model: the model's name.
        prompt_version: as `Judgement.prompt_version` has it.
        samples: how many a question had.
        temperature: of the samples.
    """
    quality = measure(examples)
    counts = {truth: sum(each.truth is truth for each in examples) for truth in (True, False)}
    maps = {}
    for passed in (True, False) if all(counts.values()) else ():
        ones = sorted((each for each in examples if each.passed is passed), key=lambda each: each.signal)
        if len(ones) >= _BIN:
            maps[_side(passed)] = _fit(ones, [0.5 * len(examples) / counts[each.truth] for each in ones])
    return Calibration(
        model=model,
        prompt_version=prompt_version,
        samples=samples,
        temperature=temperature,
        quality=quality,
        maps=maps,
    )


def measure(examples: Sequence[Example]) -> Quality:
    """Return what examples show of a judge."""
    right = {truth: [each.right for each in examples if each.truth is truth] for truth in (True, False)}
    balanced, lower = None, None
    if all(right.values()):
        balanced = sum(float(np.mean(each)) for each in right.values()) / 2
        # Smoothed, so that a side that was always right among three examples does not pass for certain.
        smooth = [(sum(each) + 1) / (len(each) + 2) for each in right.values()]
        variance = sum(s * (1 - s) / len(each) for s, each in zip(smooth, right.values(), strict=True)) / 4
        lower = balanced - _Z * float(np.sqrt(variance))
    signals = [(1 + each.signal) / 2 for each in examples]
    correct = [each.right for each in examples]
    return Quality(
        examples=len(examples),
        accuracy=float(np.mean(correct)) if examples else None,
        balanced_accuracy=balanced,
        lower_bound=lower,
        ece=expected_calibration_error(signals, correct) if examples else None,
    )


def expected_calibration_error(confidences: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> float:
    """Return the mean gap between confidence and share of right answers over bins of equal width, by their size.

    Args:
        confidences: in [0, 1].
        right: whether each was right.
        bins: how many.
    """
    confidence, correct = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[which == b].mean() - correct[which == b].mean()) * (which == b).sum() for b in set(which)]
    return float(sum(gaps) / len(confidence))


def _fit(ones: Sequence[Example], weights: Sequence[float]) -> Steps:
    """Pool neighbours, by signal, until each has enough examples and none is right less often than the one below."""
    pools: list[list[float]] = []  # start, weight of the right ones, weight, count, end
    for one, weight in zip(ones, weights, strict=True):
        if not pools or (one.signal > pools[-1][4] and pools[-1][3] >= _BIN):
            pools.append([one.signal, 0.0, 0.0, 0.0, one.signal])
        pool = pools[-1]
        pool[1] += weight * one.right
        pool[2] += weight
        pool[3] += 1
        pool[4] = one.signal
    if len(pools) > 1 and pools[-1][3] < _BIN:
        _merge(pools)
    rising: list[list[float]] = []
    for pool in pools:
        rising.append(pool)
        while len(rising) > 1 and _value(rising[-2]) >= _value(rising[-1]):
            _merge(rising)
    return Steps(starts=tuple(pool[0] for pool in rising), values=tuple(_value(pool) for pool in rising))


def _merge(pools: list[list[float]]) -> None:
    _, *sums, end = pools.pop()
    pools[-1][1:] = [*(a + b for a, b in zip(pools[-1][1:4], sums, strict=True)), end]


def _value(pool: Sequence[float]) -> float:
    return (pool[1] + 1) / (pool[2] + 2)  # drawn towards chance by what one right and one wrong example would weigh


def _side(passed: bool) -> str:
    return "passed" if passed else "failed"


__all__ = [
    "CHANCE",
    "Calibration",
    "Example",
    "Quality",
    "Steps",
    "calibrate",
    "examples_of",
    "expected_calibration_error",
    "measure",
    "signal_of",
]
