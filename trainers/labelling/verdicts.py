"""What several annotators said of each pair, whatever side its episodes were on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...rewards.labels import Choice, PairKey, Purpose, episode_key, pair_key
from ...rewards.preferences import Ranking

TIE = "tie"


@dataclass(slots=True)
class Pairwise:
    """All that was said of one pair.

    Attributes:
        key: the pair.
        purpose: why it was shown first: to be labelled, or for calibration.
        first: each annotator's choice at the first showing.
        again: each annotator's choice when it was shown with the sides swapped.
    """

    key: PairKey
    purpose: Purpose
    first: dict[str, Ranking] = field(default_factory=dict)
    again: dict[str, Ranking] = field(default_factory=dict)


def verdict(ranking: Ranking) -> str | None:
    """Return the key of the episode that was preferred, TIE, or None where the pair was passed over."""
    label = ranking.label
    if label is None or label.choice is Choice.SKIP:
        return None
    preferred = label.preferred
    return TIE if preferred is None else episode_key(ranking.items[preferred].trajectory)


def by_pair(labelled: Iterable[Ranking]) -> list[Pairwise]:
    """Gather standing choices by pair, in the order of the pairs' first choices.

    A pair that was set aside for calibration in one plan and labelled in another is two.
    """
    found: dict[tuple[PairKey, Purpose], Pairwise] = {}
    for ranking in labelled:
        if ranking.label is None:
            continue
        purpose = Purpose.CALIBRATION if ranking.label.purpose is Purpose.CALIBRATION else Purpose.NEW
        key = pair_key(ranking)
        pairwise = found.setdefault((key, purpose), Pairwise(key=key, purpose=purpose))
        said = pairwise.again if ranking.label.purpose is Purpose.SWAPPED else pairwise.first
        said[ranking.annotator] = ranking
    return list(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How an annotator did on pairs whose answer is known; a tie is no right answer, a skipped pair none at all."""

    right: int
    answered: int

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; None without answers."""
        return self.right / self.answered if self.answered else None


def calibration_of(choices: Sequence[Ranking]) -> Calibration:
    """Return how one annotator did."""
    asked = [
        ranking.label
        for ranking in choices
        if ranking.label is not None and ranking.label.expected is not None and ranking.label.choice is not Choice.SKIP
    ]
    return Calibration(right=sum(label.preferred == label.expected for label in asked), answered=len(asked))


def by_annotator(labelled: Iterable[Ranking]) -> dict[str, list[Ranking]]:
    """Return each annotator's choices, by name."""
    found: dict[str, list[Ranking]] = {}
    for ranking in labelled:
        found.setdefault(ranking.annotator, []).append(ranking)
    return dict(sorted(found.items()))


__all__ = ["TIE", "Calibration", "Pairwise", "by_annotator", "by_pair", "calibration_of", "verdict"]
