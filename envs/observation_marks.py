"""Where an agent can act, as numbers: boxes in an array, and numbered marks on a screenshot.

Both hold the interactive elements of which any part lies in the viewport, cut to it, in document order. A mark's
number is the element's reference, as actions take it. Marks are drawn here, on the picture, never on the page.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..sandbox.page import VIEWPORT
from ..sandbox.snapshot import Element
from .frames import pillow

MAX_BOXES = 256
"""Most elements in one observation's boxes and marks; further ones are left out."""

MAX_REF = 2**24
"""Largest reference that a float32 holds exactly; elements of late frames may lie beyond it and are left out."""

_COLOURS = ("#c1121f", "#1d4ed8", "#15803d", "#7e22ce", "#b45309", "#0e7490", "#be185d", "#3f3f46")
_FONT_SIZE = 13
_PADDING = 2
_INSET = 2  # of a label from the edge of the box that it lies in

# What a label pays for each pixel that it hides: of another label, of something drawn, of an element's box.
_LABEL_COST, _INK_COST, _BOX_COST = 400, 32, 1
_CORNER_COST = 240  # and for touching its box at a corner only, where it might be taken for a neighbour's
_INK_CONTRAST = 24  # a pixel that differs by more from its neighbour, of 255, is part of something drawn


def visible_boxes(elements: Sequence[Element]) -> NDArray[np.float32]:
    """Return the boxes of the interactive elements in view.

    Args:
        elements: the page's elements in document order.

    Returns:
        float32 of shape (N, 5), N at most MAX_BOXES: reference, x, y, width, height, in CSS pixels of the viewport,
        with 0 <= x, 0 <= y, 0 < width, 0 < height, x + width <= 1280, y + height <= 720.
    """
    rows = [
        (e.ref, max(e.box[0], 0), max(e.box[1], 0), e.box[0] + e.box[2], e.box[1] + e.box[3])
        for e in elements
        if e.interactive and e.box is not None and e.ref <= MAX_REF
    ]
    found = np.array(rows, dtype=np.float32).reshape(-1, 5)
    found[:, 3] = np.minimum(found[:, 3], VIEWPORT[0]) - found[:, 1]
    found[:, 4] = np.minimum(found[:, 4], VIEWPORT[1]) - found[:, 2]
    shown: NDArray[np.float32] = found[(found[:, 3] > 0) & (found[:, 4] > 0)][:MAX_BOXES]
    return shown


def padded_boxes(elements: Sequence[Element]) -> NDArray[np.float32]:
    """Return `visible_boxes` as float32 of shape (MAX_BOXES, 5); rows without an element hold -1."""
    boxes = visible_boxes(elements)
    padded = np.full((MAX_BOXES, 5), -1, dtype=np.float32)
    padded[: len(boxes)] = boxes
    return padded


def draw_marks(picture: NDArray[np.uint8], elements: Sequence[Element]) -> NDArray[np.uint8]:
    """Return the picture with a numbered box around every interactive element in view.

    A label touches its box, or lies in it, where it hides the least of what is drawn there, and no other label if that
    can be helped.

    Args:
        picture: RGB, uint8 of shape (height, width, 3); it is not changed.
        elements: the page's elements in document order.

    Raises:
        gymnasium.error.DependencyNotInstalled: Pillow is missing.
    """
    pil = pillow("observations=('marks',)")
    from PIL import ImageDraw, ImageFont

    image = pil.fromarray(picture)
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(_FONT_SIZE)
    boxes = visible_boxes(elements)
    edges = _edges(boxes)
    for row, (left, top, right, bottom) in enumerate(edges.tolist()):
        canvas.rectangle((left, top, right - 1, bottom - 1), outline=_COLOURS[row % len(_COLOURS)], width=2)
    texts = [str(int(ref)) for ref in boxes[:, 0]]
    outlines = [canvas.textbbox((0, 0), text, font=font) for text in texts]
    sizes = [(round(x1 - x0) + 2 * _PADDING + 1, round(y1 - y0) + 2 * _PADDING) for x0, y0, x1, y1 in outlines]
    for row, (left, top, right, bottom) in enumerate(_places(picture, edges, sizes).tolist()):
        x0, y0 = outlines[row][:2]
        canvas.rectangle((left, top, right - 1, bottom - 1), fill=_COLOURS[row % len(_COLOURS)])
        canvas.text((left + _PADDING - x0, top + _PADDING - y0), texts[row], fill="white", font=font)
    return np.array(image, dtype=np.uint8)


def _edges(boxes: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return left, top, right and bottom of each box in whole pixels; none is empty."""
    low = np.round(boxes[:, 1:3])
    high = np.maximum(np.round(boxes[:, 1:3] + boxes[:, 3:5]), low + 1)
    return np.hstack([low, high]).astype(np.int64)


def _places(
    picture: NDArray[np.uint8], edges: NDArray[np.int64], sizes: Sequence[tuple[int, int]]
) -> NDArray[np.int64]:
    """Return where the labels of these sizes go, one a box, as `edges` are: each to its cheapest place."""
    labels = np.zeros((len(edges), 4), dtype=np.int64)
    if not sizes:
        return labels
    room = np.array([picture.shape[1], picture.shape[0]], dtype=np.int64)
    reach = np.max(sizes, axis=0) + _INSET  # a label that begins within a small box may end beyond it
    low = np.clip(edges[:, :2].min(axis=0) - reach, 0, room)  # no label lies outside low and high
    high = np.clip(edges[:, 2:].max(axis=0) + reach, low, room)
    ink = _ink(picture[low[1] : high[1], low[0] : high[0]])
    for row, size in enumerate(sizes):
        places, corner = _candidates(size, edges[row], room)
        x0, y0, x1, y1 = (places - np.tile(low, 2)).T
        hidden = ink[y1, x1] - ink[y0, x1] - ink[y1, x0] + ink[y0, x0]
        costs = _INK_COST * hidden + _BOX_COST * _overlap(places, edges) + _LABEL_COST * _overlap(places, labels[:row])
        labels[row] = places[int(np.argmin(costs + _CORNER_COST * corner))]
    return labels


def _ink(picture: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return how many pixels above and left of each pixel's corner are drawn on: shape (height + 1, width + 1)."""
    red, green, blue = (picture[..., channel].astype(np.int16) for channel in range(3))
    grey = (3 * red + 6 * green + blue) // 10
    drawn = np.zeros(grey.shape, dtype=np.bool_)
    drawn[:, 1:] |= np.abs(np.diff(grey, axis=1)) > _INK_CONTRAST
    drawn[1:, :] |= np.abs(np.diff(grey, axis=0)) > _INK_CONTRAST
    ink = np.zeros((grey.shape[0] + 1, grey.shape[1] + 1), dtype=np.int32)
    inner = ink[1:, 1:]
    np.cumsum(drawn, axis=1, out=inner)
    np.cumsum(inner, axis=0, out=inner)
    return ink


def _candidates(
    size: tuple[int, int], box: NDArray[np.int64], room: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the places around and in a box that a label may take, and which of them touch it at a corner only."""
    width, height = size
    left, top, right, bottom = box.tolist()
    beside, above = (left - width, right), (top - height, bottom)
    ends = (left, right - width), (top, bottom - height)
    middle = (left + right - width) // 2, (top + bottom - height) // 2
    corners = [
        *((x, y) for y in above for x in (*ends[0], middle[0])),
        *((x, y) for y in (*ends[1], middle[1]) for x in beside),
        *(
            (x, y)
            for y in (top + _INSET, bottom - height - _INSET, middle[1])
            for x in (left + _INSET, right - width - _INSET)
        ),
        *((x, y) for y in above for x in beside),
    ]
    touches = np.array([x in beside and y in above for x, y in corners])
    places = np.array([(x, y, x + width, y + height) for x, y in corners], dtype=np.int64)
    shift = np.maximum(-places[:, :2], 0) - np.maximum(places[:, 2:] - room, 0)
    return places + np.tile(shift, 2), touches


def _overlap(places: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each place the area, in pixels, that it shares with the others together."""
    low = np.maximum(places[:, None, :2], others[None, :, :2])
    high = np.minimum(places[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None)
    areas: NDArray[np.int64] = (shared[..., 0] * shared[..., 1]).sum(axis=1)
    return areas


__all__ = ["MAX_BOXES", "MAX_REF", "draw_marks", "padded_boxes", "visible_boxes"]
