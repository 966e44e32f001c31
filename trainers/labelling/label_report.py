"""How far annotators' choices can be trusted: agreement with each other, with what is known, and with themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import median
from typing import Any

from ...rewards.agreement import binomial_p_value, cohen_kappa, krippendorff_alpha, observed_agreement
from ...rewards.labels import Choice, Purpose
from ...rewards.preferences import Ranking
from .verdicts import TIE, Pairwise, by_annotator, by_pair, calibration_of, verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBias:
    """How often the left one was chosen, where a side was; `p_value` is that of even odds, two-sided."""

    left: int
    chosen: int
    p_value: float

    @property
    def share(self) -> float | None:
        """Share of choices that fell on the left; None without choices."""
        return self.left / self.chosen if self.chosen else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapConsistency:
    """What became of choices when the sides were swapped.

    Attributes:
        same: the same answer: the same episode, or a tie both times.
        followed_side: the same side, so the other episode.
        to_or_from_tie: a tie once, an episode once.
    """

    same: int
    followed_side: int
    to_or_from_tie: int

    @property
    def shown(self) -> int:
        """How many pairs were answered both times."""
        return self.same + self.followed_side + self.to_or_from_tie

    @property
    def share(self) -> float | None:
        """Share of the same answers; None without pairs."""
        return self.same / self.shown if self.shown else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorReport:
    """One annotator's choices.

    Attributes:
        choices: how many of each kind.
        side: which side was favoured.
        swapped: what became of choices when sides were swapped.
        calibration_right: of the known answers, those that were given.
        calibration_answered: pairs with a known answer that were answered, ties among them.
        seconds: the median choice's, without skipped pairs; None without choices.
    """

    choices: dict[str, int]
    side: SideBias
    swapped: SwapConsistency
    calibration_right: int
    calibration_answered: int
    seconds: float | None

    @property
    def calibration_accuracy(self) -> float | None:
        """Share of the known answers that were given; None without any."""
        return self.calibration_right / self.calibration_answered if self.calibration_answered else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoAnnotators:
    """Agreement of two annotators on the pairs that both answered; categories are the two episodes and a tie."""

    first: str
    second: str
    pairs: int
    observed: float | None
    kappa: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReport:
    """The whole report.

    Attributes:
        choices: standing choices in all.
        pairs: different pairs that were answered, skipped ones not counted.
        shared_pairs: those answered by two annotators or more.
        alpha: Krippendorff's alpha of all annotators; None where it is not defined.
        side: which side was favoured, all annotators together.
        annotators: each one's part.
        agreement: of every two.
    """

    choices: int
    pairs: int
    shared_pairs: int
    alpha: float | None
    side: SideBias
    annotators: dict[str, AnnotatorReport]
    agreement: tuple[TwoAnnotators, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        document = asdict(self)
        document["side"]["share"] = self.side.share
        for name, report in self.annotators.items():
            told = document["annotators"][name]
            told["side"]["share"] = report.side.share
            told["swapped"] |= {"shown": report.swapped.shown, "share": report.swapped.share}
            told["calibration_accuracy"] = report.calibration_accuracy
        return document


def label_report(labelled: Iterable[Ranking]) -> LabelReport:
    """Examine standing choices.

    Args:
        labelled: what `label_files.read_labels` returned.
    """
    labelled = list(labelled)
    pairs = by_pair(labelled)
    said = _categories(pairs)
    choices = by_annotator(labelled)
    return LabelReport(
        choices=len(labelled),
        pairs=sum(bool(unit) for unit in said),
        shared_pairs=sum(len(unit) > 1 for unit in said),
        alpha=krippendorff_alpha([list(unit.values()) for unit in said]),
        side=_side(labelled),
        annotators={name: _annotator(name, given, pairs) for name, given in choices.items()},
        agreement=tuple(_two(first, second, said) for first, second in combinations(choices, 2)),
    )


def _annotator(name: str, given: Sequence[Ranking], pairs: Sequence[Pairwise]) -> AnnotatorReport:
    calibration = calibration_of(given)
    labels = [ranking.label for ranking in given if ranking.label is not None]
    seconds = [label.seconds for label in labels if label.choice is not Choice.SKIP]
    counts = Counter(label.choice for label in labels)
    return AnnotatorReport(
        choices={choice.value: counts[choice] for choice in (Choice.LEFT, Choice.RIGHT, Choice.TIE, Choice.SKIP)},
        side=_side(given),
        swapped=_swapped(name, pairs),
        calibration_right=calibration.right,
        calibration_answered=calibration.answered,
        seconds=round(median(seconds), 3) if seconds else None,
    )


def _side(given: Iterable[Ranking]) -> SideBias:
    """Repeats are left out: with the sides swapped, a steady annotator chooses as often left as right."""
    counts = Counter(r.label.choice for r in given if r.label is not None and r.label.purpose is not Purpose.SWAPPED)
    left, chosen = counts[Choice.LEFT], counts[Choice.LEFT] + counts[Choice.RIGHT]
    return SideBias(left=left, chosen=chosen, p_value=binomial_p_value(left, chosen))


def _swapped(name: str, pairs: Iterable[Pairwise]) -> SwapConsistency:
    counts: Counter[str] = Counter()
    for pairwise in pairs:
        if name not in pairwise.first or name not in pairwise.again:
            continue
        before, after = verdict(pairwise.first[name]), verdict(pairwise.again[name])
        if before is None or after is None:
            continue
        counts["same" if before == after else "tie" if TIE in (before, after) else "side"] += 1
    return SwapConsistency(same=counts["same"], followed_side=counts["side"], to_or_from_tie=counts["tie"])


def _two(first: str, second: str, said: Iterable[dict[str, str]]) -> TwoAnnotators:
    both = [(unit[first], unit[second]) for unit in said if first in unit and second in unit]
    return TwoAnnotators(
        first=first, second=second, pairs=len(both), observed=observed_agreement(both), kappa=cohen_kappa(both)
    )


def _categories(pairs: Iterable[Pairwise]) -> list[dict[str, str]]:
    """Each pair's first verdicts as categories that all pairs share: its first episode, its second, or a tie.

    Which of two episodes is the first is settled by their keys, so by chance, and is the same for every annotator.
    """
    found: list[dict[str, str]] = []
    for pairwise in pairs:
        names = {episode: f"episode {n}" for n, episode in enumerate(pairwise.key[2], start=1)} | {TIE: TIE}
        found.append({name: names[v] for name, r in pairwise.first.items() if (v := verdict(r)) is not None})
    return found


__all__ = [
    "AnnotatorReport",
    "LabelReport",
    "SideBias",
    "SwapConsistency",
    "TwoAnnotators",
    "label_report",
]
