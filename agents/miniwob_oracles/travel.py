"""Pages with a calendar to choose a date from."""

from __future__ import annotations

import re

from .reading import Look, Oracle, Part, Script, act, click, fill
from .tables import minutes

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _pick(look: Look, field: int, month: int, day: int, year: int) -> Part:
    """Open the calendar of a field, go to the month, and choose the day."""
    look = yield act("click", field)
    wanted = 12 * year + month - 1
    while (shown := _month_shown(look)) != wanted:
        look = yield act("click", "Prev" if shown > wanted else "Next")
    look = yield act("click", str(day), role="link")
    look = yield act("wait", 600)  # it closes slowly, over what lies beneath
    return look


def _month_shown(look: Look) -> int:
    found = re.search(rf"({'|'.join(_MONTHS)}) (\d{{4}})", " ".join(look.texts))
    if found is None:
        raise ValueError("no calendar is open")
    return 12 * int(found[2]) + _MONTHS.index(found[1])


def _date(look: Look) -> Script:
    month, day, year = (int(number) for number in look.told(r"(\d\d)/(\d\d)/(\d{4})"))
    look = yield from _pick(look, look.of("textbox")[0].ref or 0, month, day, year)
    yield click(look.one("Submit", "button"))


def _city(look: Look, field: str, name: str) -> Part:
    """Type a name or a code, and choose the airport that it means."""
    look = yield fill(look.one(field, "textbox"), name)
    look = yield act("wait", 500)
    fits = [text for text in look.texts if text.endswith(f"({name})") or text.startswith(f"{name} (")]
    fits = fits or [text for text in look.texts if name in text and text.endswith(")")]
    look = yield act("click", fits[0])
    return look


def _flight(look: Look) -> Script:
    best, start, end, month, day, year = look.told(
        r"Book the (\w+) one-way flight from: (.*) to: (.*) on (\d\d)/(\d\d)/(\d{4})"
    )
    look = yield from _city(look, "From:", start)
    look = yield from _city(look, "To:", end)
    date = next(line for line in look.of("textbox") if "readonly" in line.states)
    look = yield from _pick(look, date.ref or 0, int(month), int(day), int(year))
    look = yield click(look.one("Search", "button"))
    offers = [line for line in look.of("button") if line.name.startswith("Book flight")]
    if best == "cheapest":
        values = [int(line.name.rpartition("$")[2]) for line in offers]
    else:
        values = [minutes(text) for text in look.texts if re.fullmatch(r"\d+h \d+m", text)]
    yield click(offers[values.index(min(values))])


ORACLES: dict[str, Oracle] = {
    "book-flight": _flight,
    "book-flight-nodelay": _flight,
    "choose-date": _date,
    "choose-date-easy": _date,
    "choose-date-medium": _date,
    "choose-date-nodelay": _date,
}
