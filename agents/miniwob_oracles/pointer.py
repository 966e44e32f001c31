"""Pages that are about dragging, and about points."""

from __future__ import annotations

import re

from .reading import Look, Oracle, Script, act, click

_GRID_CENTRE = (77, 127)
_GRID_STEP = 30


def _grid_point(look: Look) -> Script:
    across, up = (int(number) for number in look.told(r"\((-?\d),(-?\d)\)"))
    yield act("mouse_click", _GRID_CENTRE[0] + _GRID_STEP * across, _GRID_CENTRE[1] - _GRID_STEP * up)


def _past(start: tuple[float, float], end: tuple[float, float], by: float = 8) -> str:
    """Return a drag that goes a little beyond its end: there a neighbour gives way for certain."""
    beyond = [b + by * ((b > a) - (b < a)) for a, b in zip(start, end, strict=True)]
    return act("mouse_drag", *start, *beyond)


_FIRST_ROW, _ROW_STEP = (60.0, 69.8), 28.6


def _row(look: Look) -> Script:
    name, where = look.told(r"Drag (\w+) (.*)\.")
    names = look.texts
    place = names.index(name)
    if where.endswith("position") and where.startswith("to the"):
        target = int(re.sub(r"\D", "", where)) - 1
    else:
        target = {"to the top": 0, "to the bottom": len(names) - 1}.get(
            where, place + (1 if where.startswith("down") else -1)
        )
    x, top = _FIRST_ROW
    yield _past((x, top + _ROW_STEP * place), (x, top + _ROW_STEP * target))


_COLUMNS = {"left": 0, "center": 1, "right": 2}
_ROWS = {"top": 0, "center": 1, "bottom": 2}
_MOVES = {"up by one": -3, "down by one": 3, "left by one": -1, "right by one": 1}
_FIRST_CELL, _CELL_STEP = (28.0, 78.0), 46


def _grid_item(look: Look) -> Script:
    name, where = look.told(r"Drag (\w+) (.*)\.")
    place = look.texts.index(name)
    if where in _MOVES:
        target = place + _MOVES[where]
    else:
        words = where.removeprefix("to the ").split()
        row, column = words if len(words) == 2 else ("center", words[0])
        target = 3 * _ROWS[row] + _COLUMNS[column]
    yield _past(_cell(place), _cell(target))


def _cell(place: int) -> tuple[float, float]:
    x, y = _FIRST_CELL
    return x + _CELL_STEP * (place % 3), y + _CELL_STEP * (place // 3)


def _sort(look: Look) -> Script:
    """Drag the smallest of the rest up to its place, until all are in theirs."""
    for place in range(len(look.texts)):
        numbers = [int(text) for text in look.texts]
        least = numbers.index(min(numbers[place:]), place)
        if numbers[place] != numbers[least]:
            x, top = _FIRST_ROW
            look = yield _past((x, top + _ROW_STEP * least), (x, top + _ROW_STEP * place))
    yield click(look.one("Submit", "button"))


def _resize(look: Look) -> Script:
    """Pull at the corner, where the handle is."""
    side, direction = look.told(r"so that the (\w+) is (\w+)")
    x, y, width, height = look.boxes[look.of("textbox")[0].ref or 0]
    by = 15 if direction == "larger" else -15
    corner = x + width - 4, y + height - 4
    to = (corner[0] + by, corner[1]) if side == "width" else (corner[0], corner[1] + by)
    look = yield act("mouse_drag", *corner, *to)
    yield click(look.one("Submit", "button"))


ORACLES: dict[str, Oracle] = {
    "drag-items": _row,
    "drag-items-grid": _grid_item,
    "drag-sort-numbers": _sort,
    "grid-coordinate": _grid_point,
    "resize-textarea": _resize,
}
