"""Pages of menus and trees."""

from __future__ import annotations

import re

from .reading import Look, Oracle, Part, Script, act, click

_OPENING_MS = 500


def _open(look: Look, name: str) -> Part:
    """Open a menu's entry by resting the pointer on it."""
    look = yield act("hover", look.one(name, "menuitem"))
    look = yield act("wait", _OPENING_MS)
    return look


def _menu(look: Look) -> Script:
    *way, last = look.told(r"Select (.*)")[0].split(">")
    for name in way:
        look = yield from _open(look, name)
    yield click(look.one(last, "menuitem"))


def _menu_button(look: Look) -> Script:
    """Solve those problems that tell the entry's name; others tell only its picture."""
    (name,) = look.told(r'labeled "(.*)"')
    look = yield click(look.one("Menu", "button"))
    if not look.named(name, "menuitem"):
        look = yield from _open(look, "Playback")
    yield click(look.one(name, "menuitem"))


def _pie(look: Look) -> Script:
    (name,) = look.told(r'labeled "(.)"')
    look = yield click(look.one("+", "clickable"))
    for _ in range(6):  # it opens frame by frame
        look = yield act("wait", 400)
        look = yield act("click", name)
        if not look.error:
            break


_FOLDER = re.compile(r'class="folder[^"]*">([^<]*)<')


def _tree(look: Look) -> Script:
    """Open the folders, one after another, until the name is in sight."""
    (name,) = look.told(r'named "(.*)"')
    opened: set[str] = set()
    while not any(line.name == name for line in look.lines):
        folder = next(found for found in _FOLDER.findall(look.html) if found not in opened)
        opened.add(folder)
        look = yield act("click", folder)
    yield act("click", name)


ORACLES: dict[str, Oracle] = {
    "click-menu": _menu,
    "click-menu-2": _menu_button,
    "click-pie": _pie,
    "click-pie-nodelay": _pie,
    "navigate-tree": _tree,
}
