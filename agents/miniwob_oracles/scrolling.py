"""Pages whose text must be scrolled, or marked."""

from __future__ import annotations

from .reading import Look, Oracle, Part, Script, act, click, fill

_MOST_SCROLLS = 45


def _scroll(look: Look, direction: str) -> Part:
    """Scroll the text area until nothing is left."""
    area = look.of("textbox")[0].ref or 0
    for _ in range(_MOST_SCROLLS):
        look = yield act("scroll", direction, target=area)
        if look.error:
            break
    return look


def _to_end(look: Look) -> Script:
    (end,) = look.told(r"to the (top|bottom)")
    look = yield from _scroll(look, "up" if end == "top" else "down")
    yield click(look.one("Submit", "button"))


def _sign(look: Look) -> Script:
    if "Scroll" in look.goal:
        name, button = look.told(r'name "(.*?)" then press "(\w+)"')
        look = yield from _scroll(look, "down")
        look = yield fill(look.one("Name", "textbox"), name)
        yield click(look.one(button, "button"))
    else:
        yield click(look.one("Cancel", "button"))


def _mark(look: Look) -> Script:
    """Click the paragraph three times; it stands above the button, or below it."""
    below = look.lines[0].role == "button"
    look = yield act("mouse_click", 20, 94 if below else 60, count=3)
    yield click(look.one("Submit", "button"))


ORACLES: dict[str, Oracle] = {
    "highlight-text": _mark,
    "scroll-text-2": _to_end,
    "sign-agreement": _sign,
}
