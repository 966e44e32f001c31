"""One annotator's way through a plan: what is next, what was chosen, what is taken back.

Each choice is on disk before the next pair is shown, so that a kill loses nothing; a session begins by reading what
its annotator chose before and goes on from there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ...rewards.label_files import append_label
from ...rewards.labels import Choice, Label, LabelRecord, PairKey, Purpose, episode_key, pair_key, standing
from ...rewards.preferences import PreferenceSource, RankedTrajectory, Ranking, read_all
from ...sandbox.errors import RunError
from .plan import LabelPlan, Slot

MAX_REASON_CHARS = 500
MAX_ANNOTATOR_CHARS = 80

Place = tuple[PairKey, Purpose]


class NotTheCurrentPairError(RunError):
    """A choice came for a pair that is not being asked about: from another tab, or twice."""


class LabelSession:
    """Takes one annotator's choices; may be called from several threads.

    Args:
        plan: what the annotator is shown.
        out: the file of choices; others may write to it at the same time.
        now: gives the time to write down.

    Raises:
        RewardError: the file holds a line that is no preference.
        RunError: the annotator's name cannot be used.
    """

    def __init__(self, plan: LabelPlan, out: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.plan = plan
        self.out = out
        self.annotator = checked_annotator(plan.annotator)
        self._now = now
        self._lock = threading.Lock()
        self._slots = {_place(slot): slot for slot in plan.slots}
        self._by_id = {slot.id: slot for slot in plan.slots}
        self._answered: dict[Place, Label] = {}  # in the order of the choices
        for ranking in standing(read_all(out, torn=True)) if out.exists() else []:
            place = (pair_key(ranking), ranking.label.purpose) if ranking.label is not None else None
            if ranking.annotator == self.annotator and place in self._slots and ranking.label is not None:
                self._answered[place] = ranking.label

    @property
    def total(self) -> int:
        """How many pairs are shown in all."""
        return len(self._slots)

    @property
    def done(self) -> int:
        """How many of them were answered, skipped ones among them."""
        return len(self._answered)

    def slot(self, slot_id: str) -> Slot | None:
        """Return the slot of that id; None if there is none."""
        return self._by_id.get(slot_id)

    def ahead(self, count: int) -> list[Slot]:
        """Return the next slots that are not answered, the current one first."""
        with self._lock:
            return self._ahead(count)

    def _ahead(self, count: int) -> list[Slot]:
        return [slot for place, slot in self._slots.items() if place not in self._answered][:count]

    def choose(self, slot_id: str, choice: Choice, *, reason: str = "", seconds: float = 0.0) -> None:
        """Write down what was chosen for the current pair.

        Args:
            slot_id: the current slot's id.
            choice: left, right, tie or skip.
            reason: in the annotator's words; line breaks become spaces, and what is beyond MAX_REASON_CHARS is cut.
            seconds: how long the pair was looked at, 0 to `labels.MAX_SECONDS`.

        Raises:
            NotTheCurrentPairError: another pair is being asked about.
            RewardError: it cannot be written; nothing was chosen then.
        """
        if choice is Choice.UNDO:
            raise ValueError("undo() takes a choice back")
        with self._lock:
            ahead = self._ahead(1)
            if not ahead or ahead[0].id != slot_id:
                raise NotTheCurrentPairError("this pair is not the one being asked about; load the page again")
            slot = ahead[0]
            label = Label(
                choice=choice,
                left=slot.left,
                purpose=slot.purpose,
                seconds=round(seconds, 2),
                expected=slot.pair.expected,
            )
            self._append(slot, label, " ".join(reason.split())[:MAX_REASON_CHARS])
            self._answered[_place(slot)] = label

    def undo(self) -> bool:
        """Take the last choice back, so that its pair is asked about again; returns whether there was one."""
        with self._lock:
            if not self._answered:
                return False
            place, label = next(reversed(self._answered.items()))
            slot = self._slots[place]
            undone = Label(choice=Choice.UNDO, left=label.left, purpose=label.purpose, expected=label.expected)
            self._append(slot, undone, "")
            del self._answered[place]
            return True

    def _append(self, slot: Slot, label: Label, reason: str) -> None:
        ranks = LabelRecord.of(label).ranks()
        append_label(
            self.out,
            Ranking(
                task=slot.pair.task,
                seed=slot.pair.seed,
                items=tuple(
                    RankedTrajectory(trajectory=ref, rank=rank)
                    for ref, rank in zip(slot.pair.episodes, ranks, strict=True)
                ),
                source=PreferenceSource.PERSON,
                annotator=self.annotator,
                reason=reason,
                time=self._now(),
                label=label,
            ),
        )


def checked_annotator(name: str) -> str:
    """Return the name as it is written down.

    Raises:
        RunError: it is empty, too long, or holds what cannot be printed.
    """
    name = name.strip()
    if not name or len(name) > MAX_ANNOTATOR_CHARS or not name.isprintable():
        raise RunError(
            f"an annotator's name has 1 to {MAX_ANNOTATOR_CHARS} printable characters; came {name[:100]!r}. Give one "
            "with --annotator."
        )
    return name


def _place(slot: Slot) -> Place:
    first, second = sorted(map(episode_key, slot.pair.episodes))
    return (slot.pair.task, slot.pair.seed, (first, second)), slot.purpose


__all__ = ["MAX_REASON_CHARS", "LabelSession", "NotTheCurrentPairError", "checked_annotator"]
