"""What a large mailbox holds: letters of many people in several folders, drawn from the episode's seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....sandbox.errors import TaskError
from ..people import draw_people
from ..website import text_parameter

FOLDERS = ("Inbox", "Projects", "Travel", "Invoices", "Archive", "Spam", "Bin")
TARGETS = ("Inbox", "Projects", "Travel", "Invoices", "Archive")
"""Folders that letters can be moved to."""
TOPICS = (
    "Boat trip", "Budget", "Contract", "Dinner", "Garden", "Holiday", "Hotel", "Interview", "Lunch", "Meeting",
    "New desk", "Newsletter", "Office move", "Party", "Piano", "Printer", "Review", "Survey", "Training", "Workshop",
)  # fmt: skip
PLACES = (
    "Ashford", "Brookton", "Castleby", "Dunmere", "Eastwick", "Fairhaven", "Greenport", "Highfield", "Ironbridge",
    "Kingsley",
)  # fmt: skip
SENTENCES = (
    "Bring your notes, please. We begin at nine.",
    "I have moved it by an hour. Tell me if that is too late.",
    "Could you have a look before we meet?",
    "Nothing is settled yet, so all ideas are welcome.",
    "The room is booked. See you there.",
    "Thank you for your help with this.",
    "We are six so far. Two more would be fine.",
    "You will find the list on my desk.",
)
COUNTS = {"Inbox": 120, "Projects": 30, "Travel": 20, "Invoices": 30, "Archive": 50, "Spam": 6}
"""How many letters each folder holds at first."""
SENDERS = 60
CONTACTS = 40
ROWS_PER_PAGE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter as an episode starts with it; `attachment` is a file's name, "" for none."""

    sender: str
    subject: str
    body: str
    folder: str
    time: str
    unread: bool
    attachment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a task says of the letter that it is about; None for what it leaves open.

    Attributes:
        subject: of the letter; None if the task is about none.
        sender: who sent it.
        folder: where it lies.
        body: what it says.
        attachment: name of the file that it brings.
        late: it stands on the second page of its folder, not on the first.
        pile: subjects of three letters that one more sender has sent to the inbox.
        pile_sender: that sender.
    """

    subject: str | None
    sender: str | None
    folder: str
    body: str | None
    attachment: str | None
    late: bool
    pile: tuple[str, ...]
    pile_sender: str | None


def wanted_of(parameters: Mapping[str, Any]) -> Wanted:
    """Read a task's parameters.

    Raises:
        TaskError: the folder is none of `COUNTS`, or a pile has no sender.
    """

    def text(name: str) -> str | None:
        return text_parameter("post", parameters, name) if name in parameters else None

    folder = text("letter_folder") or "Inbox"
    if folder not in COUNTS:
        raise TaskError(f"the application 'post' has no folder {folder!r} with letters; it has {', '.join(COUNTS)}")
    pile = tuple(subject for name in ("pile_first", "pile_second", "pile_third") if (subject := text(name)))
    if pile and "pile_sender" not in parameters:
        raise TaskError("the application 'post' expects 'pile_sender' beside a pile of letters; add it")
    return Wanted(
        subject=text("letter"),
        sender=text("sender"),
        folder=folder,
        body=text("letter_body"),
        attachment=text("letter_file"),
        late=str(parameters.get("on_page", "1")) == "2",
        pile=pile,
        pile_sender=text("pile_sender"),
    )


def subjects() -> tuple[str, ...]:
    """Return the beginnings of all drawn subjects; a number behind them tells them apart."""
    return tuple(f"{topic} in {place}" for topic in TOPICS for place in PLACES)


def draw_letters(rng: np.random.Generator, wanted: Wanted) -> list[Letter]:
    """Return the letters of all folders, newest of each first; no subject occurs twice."""
    known = tuple(name for name in (wanted.sender, wanted.pile_sender) if name is not None)
    people = draw_people(rng, SENDERS, without=known)
    total = sum(COUNTS.values())
    begins = subjects()
    numbers = rng.choice(np.arange(100, 1000), size=total, replace=False).tolist()
    which = rng.integers(len(begins), size=total).tolist()
    whose = rng.integers(len(people), size=total).tolist()
    says = rng.integers(len(SENTENCES), size=(total, 2)).tolist()
    unread = (rng.random(total) < 0.3).tolist()
    files = (rng.random(total) < 0.2).tolist()
    letters: list[Letter] = []
    for folder, count in COUNTS.items():
        given = _given(rng, folder, count, wanted)
        minutes = sorted(rng.choice(np.arange(14 * 60), size=count, replace=False).tolist(), reverse=True)
        for rank in range(count):
            i = len(letters)
            sender, subject, body, attachment = given.get(rank, (None, None, None, None))
            minute = 6 * 60 + minutes[rank]
            letters.append(
                Letter(
                    sender=sender or people[whose[i]],
                    subject=subject or f"{begins[which[i]]} {numbers[i]}",
                    body=body or "\n".join(SENTENCES[k] for k in dict.fromkeys(says[i])),
                    folder=folder,
                    time=f"{minute // 60}:{minute % 60:02d}",
                    unread=unread[i],
                    attachment=attachment or (f"notes-{numbers[i]}.txt" if files[i] and not subject else ""),
                )
            )
    return letters


_Given = tuple[str | None, str | None, str | None, str | None]


def _given(rng: np.random.Generator, folder: str, count: int, wanted: Wanted) -> dict[int, _Given]:
    """Return by rank what a folder's letters must be: sender, subject, body and attachment."""
    given: dict[int, _Given] = {}
    if wanted.subject is not None and folder == wanted.folder:
        first = ROWS_PER_PAGE if wanted.late else 1
        rank = int(rng.integers(first, min(first + ROWS_PER_PAGE - 1, count)))
        given[rank] = (wanted.sender, wanted.subject, wanted.body, wanted.attachment)
    if folder == "Inbox":
        ranks = rng.choice(np.arange(2 * ROWS_PER_PAGE, count), size=len(wanted.pile), replace=False).tolist()
        given |= {
            rank: (wanted.pile_sender, subject, None, None) for rank, subject in zip(ranks, wanted.pile, strict=True)
        }
    return given


__all__ = [
    "CONTACTS",
    "COUNTS",
    "FOLDERS",
    "PLACES",
    "ROWS_PER_PAGE",
    "SENDERS",
    "SENTENCES",
    "TARGETS",
    "TOPICS",
    "Letter",
    "Wanted",
    "draw_letters",
    "subjects",
    "wanted_of",
]
