"""Pages that ask for one thing, or a few in order, to be clicked."""

from __future__ import annotations

import re

from .reading import Look, Oracle, Script, act, click


def _only_button(look: Look) -> Script:
    yield click(look.of("button")[0])


def _quoted_button(look: Look) -> Script:
    (name,) = look.told(r'"(.+)"')
    yield click(look.one(name, "button"))


def _told_button(look: Look) -> Script:
    (name,) = look.told(r"button (\w+)")
    yield click(look.one(name, "button"))


def _one_two(look: Look) -> Script:
    look = yield click(look.one("ONE", "button"))
    yield click(look.one("TWO", "button"))


def _one_wait_two(look: Look) -> Script:
    (seconds,) = look.told(r"wait (\d+) second")
    look = yield click(look.one("ONE", "button"))
    look = yield act("wait", 1000 * int(seconds) - 100)  # each step takes some of the page's time, too
    yield click(look.one("TWO", "button"))


def _link(look: Look) -> Script:
    (name,) = look.told(r'"(.+)"')
    yield click(look.one(name))


def _first_textbox(look: Look) -> Script:
    yield click(look.of("textbox")[0])


def _nth_textbox(look: Look) -> Script:
    (number,) = look.told(r"(\d)\w\w input")
    yield click(look.of("textbox")[int(number) - 1])


def _widget(look: Look) -> Script:
    (kind,) = look.told(r'"(\w+)"')
    if kind in ("text", "textarea"):  # they read alike, but for their HTML
        kinds = [
            "textarea" if tag == "textarea" else "text"
            for tag in re.findall(r'<(textarea|input type="input")', look.html)
        ]
        yield click(look.of("textbox")[kinds.index(kind)])
    else:
        yield click(look.of(kind)[0])


def _card(look: Look) -> Script:
    cards = [line for line in look.of("clickable") if re.fullmatch(r"\d+", line.name)]
    look = yield click(max(cards, key=lambda line: int(line.name)))
    yield click(look.one("Submit", "button"))


ORACLES: dict[str, Oracle] = {
    "button-delay": _one_wait_two,
    "click-button": _quoted_button,
    "click-button-sequence": _one_two,
    "click-link": _link,
    "click-test": _only_button,
    "click-test-2": _told_button,
    "click-test-transfer": _told_button,
    "click-widget": _widget,
    "find-greatest": _card,
    "focus-text": _first_textbox,
    "focus-text-2": _nth_textbox,
    "unicode-test": _quoted_button,
}
