"""Pages to look something up in: tables, contacts, search results."""

from __future__ import annotations

import re

from .reading import Look, Oracle, Part, Script, act, click, fill


def _rows(look: Look) -> dict[str, str]:
    """Return the table's values by their labels."""
    rows = (line.name.split(" · ", 1) for line in look.lines if line.role == "row" and " · " in line.name)
    return {label: value for label, value in rows}


def _one_value(look: Look) -> Script:
    (label,) = look.told(r"value of (.*) into")
    look = yield fill(look.of("textbox")[0], _rows(look)[label])
    yield click(look.one("Submit", "button"))


def _two_values(look: Look) -> Script:
    values = _rows(look)
    labels = [text.removesuffix(":") for text in look.texts if text.endswith(":")]
    for place, label in enumerate(labels):
        look = yield fill(look.of("textbox")[place], values[label])
    yield click(look.one("Submit", "button"))


_KINDS = ("phone", "email", "address")


def _contact(look: Look) -> Script:
    name, kind = look.told(r"Find (.*) in the contact book and click on their (\w+)")
    while name not in [line.name for line in look.lines if line.role == "heading"]:
        look = yield click(look.one(">", "link"))
    yield click(look.of("link")[_KINDS.index(kind)])


def _to_page(look: Look, number: int) -> Part:
    if number > 1:
        look = yield click(look.one(str(number), "link"))
    return look


def _search(look: Look) -> Script:
    text, place = look.told(r'enter "(.*?)" and press "Search", then find and click the (\d)')
    look = yield fill(look.of("textbox")[0], text)
    look = yield click(look.one("Search", "button"))
    look = yield from _to_page(look, (int(place) - 1) // 3 + 1)
    yield click(look.of("link")[(int(place) - 1) % 3])


def _prices(look: Look) -> Script:
    what = look.told(r"with the (.*)\.")[0]
    prices = [int(line.name.rpartition("$")[2]) for line in look.of("button")]
    durations = [minutes(text) for text in look.texts if re.match(r"\d+h", text)]
    values = prices if "cost" in what else durations
    best = (min if what in ("cheapest cost", "shortest duration") else max)(values)
    yield click(look.of("button")[values.index(best)])


def minutes(text: str) -> int:
    """Return a duration such as "3h 20m" in minutes."""
    hours, minutes = re.findall(r"\d+", text)[:2]
    return 60 * int(hours) + int(minutes)


def _terminal(look: Look) -> Script:
    ending = re.search(r"extension \.(\S+)", look.goal)
    look = yield act("wait", 300)
    look = yield click(look.of("textbox")[0])
    look = yield act("type", "ls")
    look = yield act("press", "Enter")
    files = next(look.texts[i + 1] for i, text in enumerate(look.texts) if text.endswith("ls")).split()
    if ending is None:
        file = next(name for name in files if "." not in name)
    else:
        file = next(name for name in files if name.endswith("." + ending[1]))
    look = yield act("type", f"rm {file}")
    yield act("press", "Enter")


ORACLES: dict[str, Oracle] = {
    "buy-ticket": _prices,
    "phone-book": _contact,
    "read-table": _one_value,
    "read-table-2": _two_values,
    "search-engine": _search,
    "terminal": _terminal,
}
