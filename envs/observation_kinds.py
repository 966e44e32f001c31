"""What an environment's agent gets to see: the kinds of observation asked for, their space, and how each is made.

Whatever the kinds, an observation holds the texts `goal`, `last_action`, `last_action_result` and `last_action_error`.
The kinds add:

    text        url, title, focused, page, files: texts; the page as one line per element
    html        the page's HTML, pruned: a text
    screenshot  the viewport: uint8 of shape (720, 1280, 3), RGB
    marks       the same, with a numbered box around each interactive element
    boxes       float32 of shape (256, 5): reference, x, y, width, height of each interactive element in view; -1: none
    tabs        the open tabs, one a line: a text
    clipboard   the clipboard's text

What is not asked for is not computed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..sandbox.errors import TaskError
from ..sandbox.page import VIEWPORT
from ..sandbox.snapshot import Snapshot
from .frames import decode_png, pillow
from .observation import ALWAYS_SHOWN, LIMITS_CHARS, Observation, bounded, build_observation, render_tabs
from .observation_marks import MAX_BOXES, MAX_REF, draw_marks, padded_boxes
from .spaces import UnicodeText

DEFAULT_KINDS = ("text",)
EXTRA_LIMITS_CHARS = {"html": 20_000, "tabs": 4_000, "clipboard": 4_000}
"""Longest text of the keys that are not part of "text", in characters."""

_PICTURES = ("screenshot", "marks")
_PICTURE_SHAPE = (VIEWPORT[1], VIEWPORT[0], 3)
KINDS = ("text", "html", *_PICTURES, "boxes", "tabs", "clipboard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sights:
    """What was read of the computer for one observation besides its snapshot; None was not asked for.

    Attributes:
        screenshot: the viewport as PNG.
        html: the page's pruned HTML.
        clipboard: the clipboard's text.
    """

    screenshot: bytes | None = None
    html: str | None = None
    clipboard: str | None = None


class Eyes:
    """Makes the observations of the kinds asked for.

    Args:
        kinds: any of KINDS, each once.

    Attributes:
        kinds: the same.
        space: the space of every observation.

    Raises:
        TaskError: a kind is unknown or given twice.
        gymnasium.error.DependencyNotInstalled: a picture is asked for, and Pillow is missing.
    """

    def __init__(self, kinds: Sequence[str] = DEFAULT_KINDS) -> None:
        given = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        if unknown := [kind for kind in given if kind not in KINDS]:
            raise TaskError(f"observations are any of {', '.join(KINDS)}; came {unknown[0]!r}")
        if len(set(given)) < len(given):
            raise TaskError(f"each kind of observation is given once; came {', '.join(given)}")
        self.kinds = given
        if self.needs_screenshot:
            pillow(f"observations={given!r}")
        self.space: spaces.Space[Any] = spaces.Dict({key: _space(key) for key in self._keys()})

    @property
    def needs_screenshot(self) -> bool:
        """Whether a screenshot must be taken for each observation."""
        return any(kind in self.kinds for kind in _PICTURES)

    async def observe(self, *, goal: str, snapshot: Snapshot, sights: Sights, **last: str) -> Observation:
        """`see` as a coroutine: pictures are worked on in a thread of their own, other episodes go on meanwhile."""
        if self.needs_screenshot:
            return await asyncio.to_thread(self.see, goal=goal, snapshot=snapshot, sights=sights, **last)
        return self.see(goal=goal, snapshot=snapshot, sights=sights, **last)

    def see(
        self,
        *,
        goal: str,
        snapshot: Snapshot | None,
        sights: Sights,
        last_action: str = "",
        last_action_result: str = "",
        last_action_error: str = "",
    ) -> Observation:
        """Make one observation.

        Args:
            goal: the task, in words.
            snapshot: the computer now; None when it failed, which leaves everything of the page empty.
            sights: what else was read of it.
            last_action: canonical text of the last action, or what the agent sent if it could not be read.
            last_action_result: what it changed, or its output.
            last_action_error: why it could not be done, "" if it was.

        Returns:
            A fresh member of `space`.
        """
        texts = build_observation(
            goal=goal,
            snapshot=snapshot if "text" in self.kinds else None,
            last_action=last_action,
            last_action_result=last_action_result,
            last_action_error=last_action_error,
        )
        seen: Observation = {key: texts[key] for key in self._keys() if key in texts}
        picture = None
        pictures = [kind for kind in self.kinds if kind in _PICTURES]
        if pictures and sights.screenshot is not None:
            picture = decode_png(sights.screenshot, wanted_by=f"observations=({pictures[0]!r},)")
        for kind in self.kinds:
            if kind != "text":
                seen[kind] = _seen(kind, snapshot, sights, picture)
        return seen

    def _keys(self) -> list[str]:
        texts = LIMITS_CHARS if "text" in self.kinds else ALWAYS_SHOWN
        return [*texts, *(kind for kind in self.kinds if kind != "text")]


def _space(key: str) -> spaces.Space[Any]:
    if key in _PICTURES:
        return spaces.Box(0, 255, _PICTURE_SHAPE, np.uint8)
    if key == "boxes":
        high = np.array([MAX_REF, VIEWPORT[0], VIEWPORT[1], VIEWPORT[0], VIEWPORT[1]], dtype=np.float32)
        return spaces.Box(np.float32(-1), np.tile(high, (MAX_BOXES, 1)), dtype=np.float32)
    return UnicodeText((LIMITS_CHARS | EXTRA_LIMITS_CHARS)[key])


def _seen(kind: str, snapshot: Snapshot | None, sights: Sights, picture: NDArray[np.uint8] | None) -> Any:
    elements = () if snapshot is None else snapshot.elements
    match kind:
        case "screenshot" | "marks":
            if picture is None:
                return np.zeros(_PICTURE_SHAPE, dtype=np.uint8)
            return draw_marks(picture, elements) if kind == "marks" else picture
        case "boxes":
            return padded_boxes(elements)
        case "tabs":
            return bounded(render_tabs(() if snapshot is None else snapshot.tabs), EXTRA_LIMITS_CHARS[kind])
        case "html":
            return bounded(sights.html or "", EXTRA_LIMITS_CHARS[kind])
        case _:
            return bounded(sights.clipboard or "", EXTRA_LIMITS_CHARS[kind])


__all__ = ["DEFAULT_KINDS", "EXTRA_LIMITS_CHARS", "KINDS", "Eyes", "Sights"]
