"""Which pairs of recorded episodes a person is shown, in which order, and which episode stands on the left.

The pairs are the same for every annotator of the same runs, so that their agreement can be measured; order and sides
are each annotator's own. Everything is drawn from hashes of names: the same command gives the same plan, which is how
labelling goes on where it stopped, and asking for more pairs keeps those that were asked for before.

1. Pairs to label are drawn from all groups of task and seed in turn.
2. Calibration pairs have an answer that nobody disputes: one episode succeeded, the other did not and earned much less.
   Half of such pairs are set aside for that. They come among the others and look like them.
3. Some pairs from the first half come once more in the second, with the sides swapped.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, zip_longest
from pathlib import Path

from ...rewards.labels import Purpose, episode_key
from ...rewards.preferences import TrajectoryRef
from ...sandbox.errors import RunError
from ..episode_groups import GroupedEpisode, group_episodes

Group = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """How many pairs of which kind are shown.

    Attributes:
        pairs: most pairs to label, 1 or more.
        seeds: most seeds of each task; None: all.
        calibration: calibration pairs as a share of the pairs to label, 0 to 1.
        repeats: pairs shown again with the sides swapped, as a share of the pairs to label, 0 to 1.
        clear_gap: by what share of the better one's rule total the episodes of a calibration pair must differ, over 0.
    """

    pairs: int = 50
    seeds: int | None = None
    calibration: float = 0.15
    repeats: float = 0.1
    clear_gap: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two episodes of one task and seed, in the order of their keys; `expected` is the one known to be better."""

    task: str
    seed: int
    episodes: tuple[TrajectoryRef, TrajectoryRef]
    name: str
    expected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One showing of a pair.

    Attributes:
        id: tells it from the others, and nothing else: it gives away neither pair nor purpose.
        pair: what is shown.
        purpose: why.
        left: which of the pair's episodes is on the left, 0 or 1.
    """

    id: str
    pair: Pair
    purpose: Purpose
    left: int

    @property
    def shown(self) -> tuple[TrajectoryRef, TrajectoryRef]:
        """The episodes on the left and on the right."""
        return self.pair.episodes[self.left], self.pair.episodes[1 - self.left]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlan:
    """All that one annotator is shown, in order, and what it was drawn from."""

    annotator: str
    slots: tuple[Slot, ...]
    episodes: int
    groups: int

    def count(self, purpose: Purpose) -> int:
        """Return how many slots have this purpose."""
        return sum(slot.purpose is purpose for slot in self.slots)


def make_plan(runs: Iterable[Path], annotator: str, settings: PlanSettings) -> LabelPlan:
    """Read the runs' episodes and draw what an annotator is shown.

    Raises:
        RunError: a run holds no episodes, a file is damaged, or there are no two episodes to compare.
    """
    runs = list(runs)
    read = group_episodes(runs, scored_only=False)
    groups = {name: group for name, group in read.groups.items() if len(group) > 1}
    if settings.seeds is not None:
        groups = _fewer_seeds(groups, settings.seeds)
    if not groups:
        raise RunError(
            f"{', '.join(map(str, runs))}: expected two or more episodes of the same task and seed with different "
            "actions, found none. Record several episodes of each seed, or give further runs."
        )
    pairs, calibration = draw_pairs(groups, settings)
    return LabelPlan(
        annotator=annotator,
        slots=arrange(pairs, calibration, annotator, repeats=_rounded(settings.repeats * len(pairs))),
        episodes=sum(map(len, groups.values())),
        groups=len(groups),
    )


def draw_pairs(
    groups: dict[Group, list[GroupedEpisode]], settings: PlanSettings
) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Return the pairs to label and those for calibration."""
    drawn = list(_in_turn([_shuffled(_pairs(*name, group, settings.clear_gap)) for name, group in groups.items()]))
    clear = [pair for pair in drawn if pair.expected is not None]
    set_aside = clear[: len(clear) // 2] if settings.calibration else []
    kept = {pair.name for pair in set_aside}
    pairs = [replace(pair, expected=None) for pair in drawn if pair.name not in kept][: settings.pairs]
    return tuple(pairs), tuple(set_aside[: _rounded(settings.calibration * len(pairs))])


def arrange(pairs: Sequence[Pair], calibration: Sequence[Pair], annotator: str, *, repeats: int) -> tuple[Slot, ...]:
    """Return one annotator's slots in order: pairs and calibration mixed, repeats in the second half."""
    slots = [_slot(pair, Purpose.NEW, annotator) for pair in pairs]
    slots += [_slot(pair, Purpose.CALIBRATION, annotator) for pair in calibration]
    slots.sort(key=lambda slot: slot.id)
    half = math.ceil(len(slots) / 2)
    again = [_slot(slot.pair, Purpose.SWAPPED, annotator) for slot in slots[:half] if slot.purpose is Purpose.NEW]
    later = sorted([*slots[half:], *again[:repeats]], key=lambda slot: slot.id)
    return (*slots[:half], *later)


def _pairs(task: str, seed: int, group: Sequence[GroupedEpisode], clear_gap: float) -> Iterator[Pair]:
    keyed = sorted(((episode_key(episode.ref), episode) for episode in group), key=lambda named: named[0])
    for (first_key, first), (second_key, second) in combinations(keyed, 2):
        yield Pair(
            task=task,
            seed=seed,
            episodes=(first.ref, second.ref),
            name=_digest(task, str(seed), first_key, second_key),
            expected=_known_better(first, second, clear_gap),
        )


def _known_better(first: GroupedEpisode, second: GroupedEpisode, clear_gap: float) -> int | None:
    if {first.success, second.success} != {True, False} or first.total is None or second.total is None:
        return None
    better, worse = (first, second) if first.success else (second, first)
    assert better.total is not None
    assert worse.total is not None
    clear = better.total > 0 and better.total - worse.total >= clear_gap * better.total
    return int(better is second) if clear else None


def _slot(pair: Pair, purpose: Purpose, annotator: str) -> Slot:
    # A repeat has the sides of the first showing, swapped; so the first one's side is drawn from the pair alone.
    left = int(_digest("side", pair.name, annotator), 16) % 2
    return Slot(
        id=_digest("slot", pair.name, purpose, annotator)[:20],
        pair=pair,
        purpose=purpose,
        left=1 - left if purpose is Purpose.SWAPPED else left,
    )


def _fewer_seeds(groups: dict[Group, list[GroupedEpisode]], most: int) -> dict[Group, list[GroupedEpisode]]:
    seeds: dict[str, list[int]] = {}
    for task, seed in groups:
        seeds.setdefault(task, []).append(seed)
    kept = {(task, seed) for task, found in seeds.items() for seed in sorted(found)[:most]}
    return {name: group for name, group in groups.items() if name in kept}


def _shuffled(pairs: Iterable[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: pair.name)


def _in_turn(groups: Sequence[Sequence[Pair]]) -> Iterator[Pair]:
    """One pair of each group, then a second of each, and so on; the groups in the order of their first pairs' names."""
    for turn in zip_longest(*sorted(groups, key=lambda group: group[0].name)):
        yield from (pair for pair in turn if pair is not None)


def _rounded(number: float) -> int:
    return math.floor(number + 0.5)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


__all__ = [
    "LabelPlan",
    "Pair",
    "PlanSettings",
    "Slot",
    "arrange",
    "draw_pairs",
    "make_plan",
]
