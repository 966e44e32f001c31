"""What a person's choice between two episodes carries besides the preference itself.

A line of preferences that a person gave in the labelling page holds, beside what every preference holds,

    "label": {"choice": "left", "left": 1, "purpose": "new", "seconds": 14.2, "expected": null}

so that it can be told later whether sides were favoured, whether the person was attentive, and what took how long.
Such lines also say what is no preference: that two episodes are as good as each other, that a pair was passed over,
that the last choice on a pair is taken back. Files of them only ever grow; of the lines of one annotator on one pair
and purpose the last one stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from .preferences import Ranking, TrajectoryRef

MAX_SECONDS = 86_400.0
"""A choice that took longer than a day was not being made all that time."""

Side = Annotated[int, Field(ge=0, le=1)]
PairKey = tuple[str, int, tuple[str, str]]
"""Task, seed, and the two episodes' keys in order: the same for every annotator, side and copy of a run."""


class Choice(StrEnum):
    """What was answered."""

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"
    SKIP = "skip"
    UNDO = "undo"


class Purpose(StrEnum):
    """Why a pair was shown: to be labelled, because its answer is known, or once more with the sides swapped."""

    NEW = "new"
    CALIBRATION = "calibration"
    SWAPPED = "swapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """How a choice came about.

    Attributes:
        choice: what was answered.
        left: which of the ranking's two items was shown on the left, 0 or 1.
        purpose: why the pair was shown.
        seconds: how long the pair was looked at before the choice, 0 to MAX_SECONDS.
        expected: of a calibration pair the item that is known to be better, 0 or 1; else None.
    """

    choice: Choice
    left: int
    purpose: Purpose = Purpose.NEW
    seconds: float = 0.0
    expected: int | None = None

    @property
    def preferred(self) -> int | None:
        """The item that was preferred, 0 or 1; None where none was."""
        if self.choice is Choice.LEFT:
            return self.left
        return 1 - self.left if self.choice is Choice.RIGHT else None


class LabelRecord(BaseModel):
    """A label as it stands in a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choice: Choice
    left: Side
    purpose: Purpose = Purpose.NEW
    seconds: float = Field(default=0.0, ge=0, le=MAX_SECONDS, allow_inf_nan=False)
    expected: Side | None = None

    def to_label(self) -> Label:
        """Return it as the plain record."""
        return Label(
            choice=self.choice, left=self.left, purpose=self.purpose, seconds=self.seconds, expected=self.expected
        )

    @classmethod
    def of(cls, label: Label) -> LabelRecord:
        """Return a label as it is written."""
        return cls(
            choice=label.choice, left=label.left, purpose=label.purpose, seconds=label.seconds, expected=label.expected
        )

    def ranks(self) -> tuple[int, int]:
        """Return the ranks that the choice gives the two items; equal ones where nothing was preferred."""
        preferred = self.to_label().preferred
        return (0, 0) if preferred is None else (0, 1) if preferred == 0 else (1, 0)


def episode_key(ref: TrajectoryRef) -> str:
    """Return what tells an episode from others: its ledger's hash, or its place where no ledger was written."""
    return ref.ledger_hash or f"{ref.run}/{ref.file}#{ref.index}"


def pair_key(ranking: Ranking) -> PairKey:
    """Return the pair that a label is about."""
    first, second = sorted(episode_key(item.trajectory) for item in ranking.items)
    return ranking.task, ranking.seed, (first, second)


def standing(labelled: Iterable[Ranking]) -> list[Ranking]:
    """Return the choices that stand, in the order they were made: what was made anew or taken back is left out.

    Args:
        labelled: labelled rankings, in the order they were made; ones without a label pass through.
    """
    kept: dict[object, Ranking] = {}
    for position, ranking in enumerate(labelled):
        if ranking.label is None:
            kept[position] = ranking
            continue
        place = (ranking.annotator, pair_key(ranking), ranking.label.purpose)
        kept.pop(place, None)
        if ranking.label.choice is not Choice.UNDO:
            kept[place] = ranking
    return list(kept.values())


def to_learn_from(rankings: Iterable[Ranking]) -> list[Ranking]:
    """Return the rankings that a reward model may learn from.

    Of labelled ones these are the standing choices that prefer one episode; pairs whose answer was known and pairs that
    were shown again are there to check the annotator and are left out.
    """
    return [
        ranking
        for ranking in standing(rankings)
        if ranking.label is None
        or (ranking.label.purpose is Purpose.NEW and ranking.label.choice in (Choice.LEFT, Choice.RIGHT))
    ]


__all__ = [
    "MAX_SECONDS",
    "Choice",
    "Label",
    "LabelRecord",
    "PairKey",
    "Purpose",
    "Side",
    "episode_key",
    "pair_key",
    "standing",
    "to_learn_from",
]
