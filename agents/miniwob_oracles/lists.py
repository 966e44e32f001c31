"""Pages of lists to choose from, and of fields that propose what to enter."""

from __future__ import annotations

from .reading import Look, Oracle, Script, act, click, fill


def _choose(look: Look) -> Script:
    (name,) = look.told(r"Select (.*) from the list")
    look = yield act("select", look.of("combobox")[0], name)
    yield click(look.one("Submit", "button"))


def _choose_several(look: Look) -> Script:
    (names,) = look.told(r"Select (.*) from the scroll list")
    whole = look.of("listbox")[0]
    for name in _split(names, whole.options):
        look = yield act("select", whole, name)
    yield click(look.one("Submit", "button"))


def _split(names: str, options: tuple[str, ...]) -> list[str]:
    """Return one name or two; a name may have a comma itself."""
    if names in options or ", " not in names:
        return [names]
    cuts = [place for place in range(len(names)) if names.startswith(", ", place)]
    cut = next((place for place in cuts if names[:place] in options), cuts[0])
    return [names[:cut], names[cut + 2 :]]


def _autocomplete(look: Look) -> Script:
    start, end = look.told(r'starts with "(.*?)"(?: and ends with "(.*?)")?')
    look = yield fill(look.one("Tags:", "textbox"), start)
    look = yield act("wait", 500)
    for line in look.lines:
        if line.ref is None and line.role == "text" and line.name.startswith(start) and line.name.endswith(end):
            look = yield act("click", line.name)
            break
    else:  # it is there, below what is shown
        look = yield fill(look.one("Tags:", "textbox"), start)
    yield click(look.one("Submit", "button"))


def _dropdown(look: Look) -> Script:
    choice, button = look.told(r'Choose (.*) from the dropdown, then click the button labeled "(\w+)"')
    look = yield click(look.of("clickable")[0])
    look = yield act("click", choice)
    yield click(look.one(button, "button"))


ORACLES: dict[str, Oracle] = {
    "choose-list": _choose,
    "click-scroll-list": _choose_several,
    "form-sequence-3": _dropdown,
    "use-autocomplete": _autocomplete,
    "use-autocomplete-nodelay": _autocomplete,
}
