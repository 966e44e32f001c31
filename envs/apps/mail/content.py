"""What the messages of an inbox say: people, subjects and bodies, drawn from the episode's seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

DOMAIN = "harbor.example"
PEOPLE = (
    "Ada Baker",
    "Adam Bell",
    "Alice Brown",
    "Anna Carter",
    "Ben Cook",
    "Carl Fisher",
    "Clara Ford",
    "David Green",
    "Emma Hill",
    "Eva King",
    "Frank Lane",
    "Grace Miles",
    "Helen Moore",
    "Jack Parker",
    "John Reed",
    "Kate Rose",
    "Lucy Stone",
    "Mark Taylor",
    "Nina White",
    "Paul Young",
)
TOPICS = (
    "Boat trip",
    "Budget",
    "Dinner",
    "Garden",
    "Holiday",
    "Lunch",
    "Meeting",
    "New desk",
    "Party",
    "Piano",
    "Review",
    "Workshop",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
BODIES = (
    "Bring your notes, please. We begin at nine.",
    "I have moved it by an hour. Tell me if that is too late.",
    "Could you have a look before we meet?",
    "Nothing is settled yet, so all ideas are welcome.",
    "The room is booked. See you there.",
    "Thank you for your help with this.",
    "We are six so far. Two more would be fine.",
    "You will find the list on my desk.",
)
INBOX_MESSAGES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message that somebody has sent; `time` as the inbox shows it, e.g. "9:40"."""

    sender: str
    subject: str
    body: str
    time: str
    unread: bool


def address_of(person: str) -> str:
    """Return a person's e-mail address: the first name at the domain."""
    return f"{person.split()[0].lower()}@{DOMAIN}"


def draw_letters(rng: np.random.Generator) -> list[Letter]:
    """Return the messages of an inbox, oldest first; no person and no topic occurs twice."""
    people = rng.permutation(PEOPLE).tolist()
    topics = rng.permutation(TOPICS).tolist()
    bodies = rng.permutation(BODIES).tolist()
    days = rng.choice(DAYS, size=INBOX_MESSAGES).tolist()
    minutes = sorted(rng.choice(np.arange(7 * 60, 12 * 60), size=INBOX_MESSAGES, replace=False).tolist())
    unread = rng.permutation([True, True, False, False, False]).tolist()
    return [
        Letter(
            sender=people[i],
            subject=f"{topics[i]} on {days[i]}",
            body=bodies[i],
            time=f"{minutes[i] // 60}:{minutes[i] % 60:02d}",
            unread=unread[i],
        )
        for i in range(INBOX_MESSAGES)
    ]


def with_invoices(letters: Sequence[Letter], newest: str, older: str) -> list[Letter]:
    """Return the letters, oldest first, three of them about invoices; the newest letter is not of the newest invoice.

    Args:
        letters: as `draw_letters` draws them.
        newest: the number of the newest invoice.
        older: that of one before it.
    """
    subjects = {0: f"Invoice {older}", 2: f"Invoice {newest}", len(letters) - 1: f"Reminder: invoice {older}"}
    bodies = {
        0: f"Here is invoice {older}. Please pay it within a month.",
        2: f"Here is invoice {newest}. Please pay it within a month.",
        len(letters) - 1: f"Invoice {older} is still open. Could you see to it?",
    }
    return [
        replace(letter, subject=subjects.get(i, letter.subject), body=bodies.get(i, letter.body))
        for i, letter in enumerate(letters)
    ]


__all__ = [
    "BODIES",
    "DAYS",
    "DOMAIN",
    "INBOX_MESSAGES",
    "PEOPLE",
    "TOPICS",
    "Letter",
    "address_of",
    "draw_letters",
    "with_invoices",
]
