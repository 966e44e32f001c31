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
    look = yield act("wait", 1000)
    look = yield act("wait", 1000)
    yield act("click", name)


_ENTRY = re.compile(r'class="(folder|file)[^"]*">([^<]*)<')


def _tree(look: Look) -> Script:
    """Open the folders, one after another, until the name is in sight."""
    (name,) = look.told(r'named "(.*)"')
    opened: set[str] = set()
    while not any(line.name == name for line in look.lines):
        entries = _ENTRY.findall(look.html)
        place = next(i for i, (kind, folder) in enumerate(entries) if kind == "folder" and folder not in opened)
        folder = entries[place][1]
        opened.add(folder)
        look = yield act("click", folder, nth=1 + [entry for _, entry in entries[:place]].count(folder))
    yield act("click", name, nth=1)


ORACLES: dict[str, Oracle] = {
    "click-menu": _menu,
    "click-menu-2": _menu_button,
    "click-pie": _pie,
    "click-pie-nodelay": _pie,
    "navigate-tree": _tree,
}
