"""One ranking of each pair out of several annotators' choices, to train on.

An annotator has one vote on a pair. Who preferred one episode at first and the other when the sides were swapped votes
for a tie, and so does who called it a tie once; who passed a pair over has no vote. An episode is preferred if more
than half of all votes are for it. What most call a tie, and what has no majority, is counted and left out, since it
says nothing to learn from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from ...rewards.labels import Purpose, episode_key
from ...rewards.preferences import RankedTrajectory, Ranking
from .verdicts import TIE, Calibration, Pairwise, by_annotator, by_pair, calibration_of, verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusSettings:
    """Whom to believe, and when.

    Attributes:
        min_accuracy: least accuracy on calibration pairs, 0 to 1; annotators below it have no vote.
        min_calibration: answered calibration pairs from which on an annotator's accuracy is taken to mean something;
            who has fewer is kept, and named.
        min_votes: least votes on a pair, 1 or more.
        with_calibration: also take the pairs whose answer was known.
    """

    min_accuracy: float = 0.75
    min_calibration: int = 4
    min_votes: int = 1
    with_calibration: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """What came of it.

    Attributes:
        rankings: one for each pair on which there is a majority for one episode.
        pairs: pairs with a choice of anybody; those left out are the following.
        calibration_pairs: left out because their answer was known.
        too_few: left out for want of votes.
        tied: left out because most call them a tie.
        disagreed: left out because there is no majority.
        unanimous: of `rankings`, those on which all votes agree.
        accepted: annotators with a vote, and how they did on calibration pairs.
        excluded: annotators without one, because they did worse than was asked for.
        unchecked: those of `accepted` who answered too few calibration pairs to tell.
    """

    rankings: tuple[Ranking, ...]
    pairs: int
    calibration_pairs: int
    too_few: int
    tied: int
    disagreed: int
    unanimous: int
    accepted: dict[str, Calibration]
    excluded: dict[str, Calibration]
    unchecked: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all of it but the rankings, of which only the number."""
        told = {
            name: getattr(self, name) for name in self.__slots__ if name not in ("rankings", "accepted", "excluded")
        }
        return {
            "rankings": len(self.rankings),
            **told,
            "accepted": {name: asdict(c) | {"accuracy": c.accuracy} for name, c in self.accepted.items()},
            "excluded": {name: asdict(c) | {"accuracy": c.accuracy} for name, c in self.excluded.items()},
        }


def consensus(labelled: Iterable[Ranking], settings: ConsensusSettings) -> Consensus:
    """Merge standing choices.

    Args:
        labelled: what `label_files.read_labels` returned.
        settings: see `ConsensusSettings`.
    """
    labelled = list(labelled)
    checked = {name: calibration_of(choices) for name, choices in by_annotator(labelled).items()}
    excluded = {name: c for name, c in checked.items() if _failed(c, settings)}
    accepted = {name: c for name, c in checked.items() if name not in excluded}
    rankings: list[Ranking] = []
    counts: Counter[str] = Counter()
    pairs = by_pair(labelled)
    for pairwise in pairs:
        if pairwise.purpose is Purpose.CALIBRATION and not settings.with_calibration:
            counts["calibration"] += 1
            continue
        votes = _votes(pairwise, accepted)
        if len(votes) < max(settings.min_votes, 1):
            counts["too few"] += 1
            continue
        winner, for_it = Counter(votes.values()).most_common(1)[0]
        if 2 * for_it <= len(votes):
            counts["disagreed"] += 1
        elif winner == TIE:
            counts["tied"] += 1
        else:
            counts["unanimous"] += for_it == len(votes)
            rankings.append(_ranking(pairwise, votes, winner))
    return Consensus(
        rankings=tuple(rankings),
        pairs=len(pairs),
        calibration_pairs=counts["calibration"],
        too_few=counts["too few"],
        tied=counts["tied"],
        disagreed=counts["disagreed"],
        unanimous=counts["unanimous"],
        accepted=accepted,
        excluded=excluded,
        unchecked=tuple(name for name, c in accepted.items() if c.answered < settings.min_calibration),
    )


def _failed(calibration: Calibration, settings: ConsensusSettings) -> bool:
    accuracy = calibration.accuracy
    return (
        accuracy is not None and calibration.answered >= settings.min_calibration and accuracy < settings.min_accuracy
    )


def _votes(pairwise: Pairwise, accepted: Iterable[str]) -> dict[str, str]:
    """Each annotator's vote: an episode's key, or TIE."""
    votes: dict[str, str] = {}
    for name in accepted:
        said = [verdict(r) for r in (pairwise.first.get(name), pairwise.again.get(name)) if r is not None]
        heard = {v for v in said if v is not None}
        if heard:
            votes[name] = heard.pop() if len(heard) == 1 else TIE
    return votes


def _ranking(pairwise: Pairwise, votes: dict[str, str], winner: str) -> Ranking:
    given = [said[name] for name in votes for said in (pairwise.first, pairwise.again) if name in said]
    like = given[0]
    items = sorted(
        (
            RankedTrajectory(trajectory=item.trajectory, rank=0 if episode_key(item.trajectory) == winner else 1)
            for item in like.items
        ),
        key=lambda item: item.rank,
    )
    for_it = [name for name, vote in votes.items() if vote == winner]
    reasons = [f"{r.annotator}: {r.reason}" for r in given if r.reason and votes[r.annotator] == winner]
    return replace(
        like,
        items=tuple(items),
        annotator="consensus of " + ", ".join(votes),
        reason="; ".join([f"{len(for_it)} of {len(votes)} votes ({', '.join(for_it)})", *reasons]),
        time=max(r.time for r in given),
        label=None,
    )


__all__ = ["Consensus", "ConsensusSettings", "consensus"]
