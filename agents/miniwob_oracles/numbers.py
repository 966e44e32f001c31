"""Pages of numbers: sums, guesses, sliders and spinners."""

from __future__ import annotations

import re

from .reading import Look, Oracle, Part, Script, act, click, fill


def _answer(look: Look, value: int) -> Script:
    look = yield fill(look.of("textbox")[0], str(value))
    yield click(look.one("Submit", "button"))


def _found(look: Look, pattern: str) -> tuple[str, ...]:
    """Return the groups of a pattern in what the page says; ValueError if it does not say it."""
    found = re.search(pattern, " ".join(look.texts))
    if found is None:
        raise ValueError(f"the page does not say {pattern!r}")
    return found.groups()


def _sum(look: Look) -> Script:
    a, sign, b = _found(look, r"(\d+) ([-+x]) (\d+) =")
    values = {"+": int(a) + int(b), "-": int(a) - int(b), "x": int(a) * int(b)}
    yield from _answer(look, values[sign])


def _unknown(look: Look) -> Script:
    left, sign, right, total = _found(look, r"(x|\d+) ([-+]) (x|\d+) = (\d+)")
    known = int(right if left == "x" else left)
    if sign == "+":
        yield from _answer(look, int(total) - known)
    elif left == "x":
        yield from _answer(look, int(total) + known)
    else:
        yield from _answer(look, known - int(total))


def _guess(look: Look) -> Script:
    low, high = 0, 9
    while low <= high:
        guess = (low + high) // 2
        look = yield fill(look.of("spinbutton")[0], str(guess))
        look = yield click(look.one("Submit", "button"))
        if "lower" in " ".join(look.texts):
            high = guess - 1
        else:
            low = guess + 1


def _generate(look: Look) -> Script:
    while True:
        look = yield click(look.one("Generate", "button"))
        if _fits(look, int(_found(look, r"(\d+)")[0])):
            yield click(look.one("Submit", "button"))


def _fits(look: Look, number: int) -> bool:
    if "less" in look.goal:
        return number < int(look.told(r"less than (\d+)")[0])
    if "greater" in look.goal:
        return number > int(look.told(r"greater than (\d+)")[0])
    return number % 2 == (1 if "odd" in look.goal else 0)


def _odd_or_even(look: Look) -> Script:
    for place, text in enumerate(look.texts):
        name = "Odd" if int(text) % 2 else "Even"
        look = yield click(look.named(name, "button")[place])
    yield click(look.one("Submit", "button"))


def _slide(look: Look, place: int, wanted: int) -> Part:
    """Bring a slider to a value by keys: whole pages first, as long as they bring it nearer."""

    def value() -> int:
        return int(look.texts[place])

    look = yield click(look.of("clickable")[place])
    page: int | None = None
    while value() != wanted:
        before, up = value(), value() < wanted
        paged = page is None or 2 * abs(wanted - before) > page
        look = yield act("press", ("PageUp" if up else "PageDown") if paged else ("ArrowRight" if up else "ArrowLeft"))
        if paged:
            moved = abs(value() - before)
            page = max(page or 1, moved) if moved else 10**6  # at its end a page is cut short
    return look


def _slider(look: Look) -> Script:
    (wanted,) = look.told(r"Select (-?\d+) with")
    look = yield from _slide(look, 0, int(wanted))
    yield click(look.one("Submit", "button"))


def _sliders(look: Look) -> Script:
    (listed,) = look.told(r"\[(.*)\]")
    for place, wanted in enumerate(listed.split(",")):
        look = yield from _slide(look, place, int(wanted))
    yield click(look.one("Submit", "button"))


def _slider_and_box(look: Look) -> Script:
    wanted, number = look.told(r"Select (-?\d+) with the slider, click the (\d)")
    look = yield from _slide(look, 0, int(wanted))
    look = yield act("check", look.of("checkbox")[int(number) - 1])
    yield click(look.one("Submit", "button"))


def _radio_and_number(look: Look) -> Script:
    radio, text, field = look.told(r'the (\d)\w\w radio button and enter the number "(-?\d+)" into the (\d)')
    look = yield act("check", look.of("radio")[int(radio) - 1])
    look = yield fill(look.of("textbox")[int(field) - 1], text)
    yield click(look.one("Submit", "button"))


def _spinner(look: Look) -> Script:
    (wanted,) = look.told(r"Select (-?\d+) with")
    look = yield fill(look.of("spinbutton")[0], wanted)
    yield click(look.one("Submit", "button"))


def _stock(look: Look) -> Script:
    limit = float(look.told(r"less than \$([\d.]+)\.$")[0])
    while True:
        price = re.search(r"price: \$([\d.]+)", " ".join(look.texts))
        if price is not None and float(price[1]) <= limit:
            yield click(look.one("Buy", "button"))
        look = yield act("wait", 60)


ORACLES: dict[str, Oracle] = {
    "form-sequence": _slider_and_box,
    "form-sequence-2": _radio_and_number,
    "generate-number": _generate,
    "guess-number": _guess,
    "odd-or-even": _odd_or_even,
    "simple-algebra": _unknown,
    "simple-arithmetic": _sum,
    "stock-market": _stock,
    "use-slider": _slider,
    "use-slider-2": _sliders,
    "use-spinner": _spinner,
}
