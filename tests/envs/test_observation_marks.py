from __future__ import annotations

import builtins

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from milepost.envs.frames import decode_png
from milepost.envs.observation_kinds import Eyes
from milepost.envs.observation_marks import MAX_BOXES, draw_marks, padded_boxes, visible_boxes
from milepost.sandbox.snapshot import Element

WHITE = np.full((720, 1280, 3), 255, dtype=np.uint8)


def button(ref: int, x: float, y: float, width: float, height: float, *, interactive: bool = True) -> Element:
    return Element(ref=ref, role="button", name=str(ref), box=(x, y, width, height), interactive=interactive)


def coloured(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    drawn: NDArray[np.bool_] = (picture != 255).any(axis=2)
    return drawn


sides = st.floats(-2000, 3000, allow_nan=False)
elements = st.lists(
    st.builds(
        button,
        st.integers(1, 10**6),
        sides,
        sides,
        st.floats(0, 3000),
        st.floats(0, 3000),
        interactive=st.booleans(),
    ),
    max_size=20,
)


@settings(deadline=None)
@given(elements)
def test_boxes_lie_in_the_viewport_and_in_their_space(drawn: list[Element]):
    boxes = visible_boxes(drawn)
    assert (boxes[:, 1:3] >= 0).all()
    assert (boxes[:, 3:] > 0).all()
    assert (boxes[:, 1] + boxes[:, 3] <= 1280.001).all()
    assert (boxes[:, 2] + boxes[:, 4] <= 720.001).all()
    assert padded_boxes(drawn) in Eyes(["boxes"]).space["boxes"]  # type: ignore[index]
    shown = {e.ref for e in drawn if e.interactive}
    assert {int(ref) for ref in boxes[:, 0]} <= shown


def test_boxes_are_cut_to_the_viewport_and_padded():
    drawn = [
        button(1, 10, 20, 30, 40),
        button(2, 10, 20, 30, 40, interactive=False),
        button(3, -10, -20, 30, 40),
        button(4, 1270, 700, 30, 40),
        button(5, 10, 720, 30, 40),
        button(6, -30, 0, 30, 40),
        Element(ref=7, role="button", name="no box", interactive=True),
        button(8, 5, 5, 0, 10),
    ]
    padded = padded_boxes(drawn)
    assert padded.dtype == np.float32
    assert padded.shape == (MAX_BOXES, 5)
    assert padded[:3].tolist() == [[1, 10, 20, 30, 40], [3, 0, 0, 20, 20], [4, 1270, 700, 10, 20]]
    assert (padded[3:] == -1).all()


def test_more_elements_than_there_is_room_for_are_left_out():
    drawn = [button(i, i, i, 10, 10) for i in range(1, 400)]
    assert padded_boxes(drawn)[:, 0].tolist() == list(range(1, MAX_BOXES + 1))
    assert padded_boxes(drawn) in Eyes(["boxes"]).space["boxes"]  # type: ignore[index]


def test_every_reference_that_is_shown_is_exact():
    drawn = [button(ref, 10, 20, 30, 40) for ref in (1, 300_017, 2**24 - 1, 2**24, 2**24 + 1, 10**9)]
    assert visible_boxes(drawn)[:, 0].astype(int).tolist() == [1, 300_017, 2**24 - 1, 2**24]


def test_a_mark_is_an_outline_and_a_label_outside_it():
    marked = draw_marks(WHITE, [button(42, 300, 200, 100, 50)])
    assert marked.shape == WHITE.shape
    assert marked.dtype == np.uint8
    drawn = coloured(marked)
    assert drawn[200, 300:400].all()
    assert drawn[249, 300:400].all()
    assert drawn[200:250, 300].all()
    assert drawn[200:250, 399].all()
    assert not drawn[202:248, 302:398].any(), "what the element shows stays free"
    rows, columns = np.nonzero(drawn[:200])
    label = marked[rows.min() : 200, columns.min() : columns.max() + 1]
    colours, counts = np.unique(label.reshape(-1, 3), axis=0, return_counts=True)
    assert counts.max() > 0.4 * counts.sum(), "a filled block"
    assert colours[counts.argmax()].min() < 100, "of the mark's colour"
    assert counts[(colours > 200).all(axis=1)].sum() > 20, "with the number in white"
    assert (WHITE == 255).all(), "the picture that came is left as it was"


def test_different_numbers_look_different():
    one, other = (draw_marks(WHITE, [button(ref, 300, 200, 100, 50)]) for ref in (18, 81))
    assert (one != other).any()


def test_labels_do_not_hide_each_other_where_there_is_room():
    """Each label is a filled block of its own colour: with 20 buttons in a grid, all are whole."""
    drawn = [button(100 + i, 20 + 60 * (i % 5), 100 + 60 * (i // 5), 40, 24) for i in range(20)]
    alone = sum(int(coloured(draw_marks(WHITE, [element])).sum()) for element in drawn)
    assert int(coloured(draw_marks(WHITE, drawn)).sum()) == alone, "nothing lies over anything else"


def test_labels_keep_off_what_is_drawn_on_the_page():
    picture = WHITE.copy()
    picture[185:199, 300:360:2] = 0  # a text above the left end of the field
    drawn = draw_marks(picture, [button(7, 300, 200, 400, 30)])
    assert (drawn[185:199, 300:360] == picture[185:199, 300:360]).all()


def test_marks_at_the_edges_stay_in_the_picture():
    corners = [button(i, x, y, 30, 20) for i, (x, y) in enumerate([(0, 0), (1250, 0), (0, 700), (1250, 700)], start=91)]
    everything = button(99, 0, 0, 1280, 720)
    drawn = coloured(draw_marks(WHITE, [everything, *corners]))
    assert drawn[0, :].all()
    assert draw_marks(WHITE, []).tolist() == WHITE.tolist()


def test_a_picture_is_drawn_the_same_every_time():
    drawn = [button(i, 5 * i, 3 * i, 60, 20) for i in range(1, 100)]
    assert (draw_marks(WHITE, drawn) == draw_marks(WHITE, drawn)).all()


def test_without_pillow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    load = builtins.__import__

    def refuse(name: str, *args, **kwargs):
        if name.startswith("PIL"):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for kinds in (("marks",), ("text", "screenshot")):
        with pytest.raises(
            gymnasium.error.DependencyNotInstalled, match=r"observations=.*pip install 'milepost\[train\]'"
        ):
            Eyes(kinds)
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match="render_mode"):
        decode_png(b"")
    Eyes(("text", "html", "boxes", "tabs", "clipboard"))
