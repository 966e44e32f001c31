"""Pages of dialogs, tabs and sections that open."""

from __future__ import annotations

from .reading import Look, Oracle, Part, Script, act, click

_OPENING_MS = 500


def _close(look: Look) -> Script:
    yield click(look.one("Close", "button"))


def _dialog_button(look: Look) -> Script:
    (name,) = look.told(r'"(\w+)"')
    yield click(look.one("Close" if name == "x" else name, "button"))


def _tab(look: Look) -> Script:
    (name,) = look.told(r"(Tab #\d)")
    yield click(look.one(name, "link"))


def _link_behind_tabs(look: Look) -> Script:
    (name,) = look.told(r'link "(.+)"')
    for tab in [line.name for line in look.of("link")]:
        if look.named(name, "clickable"):
            break
        look = yield click(look.one(tab, "link"))
    yield click(look.one(name, "clickable"))


def _expand(look: Look, name: str) -> Part:
    look = yield click(look.one(name, "tab"))
    look = yield act("wait", _OPENING_MS)
    return look


def _section(look: Look) -> Script:
    look = yield from _expand(look, look.of("tab")[0].name)
    yield click(look.one("Submit", "button"))


def _link_in_sections(look: Look) -> Script:
    (name,) = look.told(r'link "(.+)"')
    for section in [line.name for line in look.of("tab")]:
        look = yield from _expand(look, section)
        if look.named(name, "clickable"):
            break
    yield click(look.one(name, "clickable"))


ORACLES: dict[str, Oracle] = {
    "click-collapsible": _section,
    "click-collapsible-2": _link_in_sections,
    "click-collapsible-2-nodelay": _link_in_sections,
    "click-collapsible-nodelay": _section,
    "click-dialog": _close,
    "click-dialog-2": _dialog_button,
    "click-tab": _tab,
    "click-tab-2": _link_behind_tabs,
    "click-tab-2-easy": _link_behind_tabs,
    "click-tab-2-hard": _link_behind_tabs,
    "click-tab-2-medium": _link_behind_tabs,
}
