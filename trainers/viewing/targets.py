"""Where on the page an action aims, for the mark on its picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...envs.action_base import TargetedAction
from ...envs.action_page import MouseClick, MouseDrag, MouseMove
from ...envs.action_targets import resolve_target
from ...envs.actions import parse_action
from ...sandbox.errors import ActionError
from ...sandbox.snapshot import VIEWPORT, Element
from ..local_page.text import harmless

_MAX_NAME_CHARS = 80


def target_of(action: str, elements: Sequence[Element]) -> dict[str, Any] | None:
    """Return where an action aims, as the environment would find it.

    Args:
        action: its text, as the policy wrote it.
        elements: the page's elements before the action.

    Returns:
        what: role and name of the element, or the point in words; and box: [left, top, width, height] as shares of the
        viewport, 0 to 1, cut to it, None where no part of it is in view. None if the action aims at nothing, or at
        nothing that is there.
    """
    try:
        parsed = parse_action(action)
        if isinstance(parsed, MouseClick | MouseMove | MouseDrag):
            return {"what": f"point {parsed.x:g}, {parsed.y:g}", "box": _share(parsed.x - 8, parsed.y - 8, 16, 16)}
        if not isinstance(parsed, TargetedAction):
            return None
        element = resolve_target(parsed.target, elements, verb=parsed.kind, role=parsed.role, nth=parsed.nth)
    except ActionError:
        return None
    name = harmless(element.name, _MAX_NAME_CHARS)
    return {"what": f'{element.role} "{name}"', "box": None if element.box is None else _share(*element.box)}


def _share(x: float, y: float, width: float, height: float) -> list[float] | None:
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, float(VIEWPORT[0])), min(y + height, float(VIEWPORT[1]))
    if right <= left or bottom <= top:
        return None
    shares = (left / VIEWPORT[0], top / VIEWPORT[1], (right - left) / VIEWPORT[0], (bottom - top) / VIEWPORT[1])
    return [round(share, 5) for share in shares]


__all__ = ["target_of"]
