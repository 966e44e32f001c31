"""Snapshots written as differences come back as they were, whatever pages and states hold."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.rewards.ledger_snapshots import COLUMNS, SnapshotDecoder, SnapshotEncoder
from milepost.sandbox.snapshot import DialogInfo, Element, FileInfo, Snapshot, TabInfo

from .scenes import el, file, page

texts = st.sampled_from(["", "a", '"', '},{"ref":', "],[", '{"same":[0,1]}', "\x00\n", "😀", "O'Neill\\"])
numbers = st.sampled_from([0.0, 18.5, 22.25, 1e9])
elements = st.builds(
    Element,
    ref=st.integers(0, 5),
    role=texts,
    name=texts,
    value=st.none() | texts,
    states=st.lists(texts, max_size=2).map(tuple),
    options=st.lists(texts, max_size=2).map(tuple),
    depth=st.integers(0, 2),
    box=st.none() | st.tuples(numbers, numbers, numbers, numbers),
    in_viewport=st.booleans(),
    interactive=st.booleans(),
    frame=st.integers(0, 1),
)
files = st.builds(FileInfo, path=texts, size_bytes=st.integers(0, 3), sha256=texts)
tabs = st.builds(TabInfo, index=st.integers(1, 3), url=texts, title=texts, active=st.booleans())
dialogs = st.builds(DialogInfo, dialog_type=texts, message=texts, default_value=texts)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
states = st.lists(st.tuples(st.sampled_from(["set", "drop", "a", "b", ""]), json), max_size=4).map(dict)


@st.composite
def episodes(draw):
    """Snapshots that share much with one another, rows in another order or place included."""
    pool = draw(st.lists(elements, min_size=1, max_size=8))
    return [
        Snapshot(
            url=draw(texts),
            title=draw(texts),
            focused=draw(st.none() | st.integers(0, 3)),
            elements=tuple(draw(st.lists(st.sampled_from(pool), max_size=12))),
            elements_omitted=draw(st.integers(0, 1)),
            files=tuple(draw(st.lists(files, max_size=3))),
            tabs=tuple(draw(st.lists(tabs, max_size=2))),
            dialog=draw(st.none() | dialogs),
            app_state=draw(states),
        )
        for _ in range(draw(st.integers(1, 5)))
    ]


def written(snapshots: list[Snapshot]) -> list[dict[str, Any]]:
    encoder = SnapshotEncoder()
    return [orjson.loads(orjson.dumps(encoder.encode(snapshot))) for snapshot in snapshots]


def read(parts: list[dict[str, Any]]) -> list[Snapshot]:
    decoder = SnapshotDecoder(orjson.loads(orjson.dumps(COLUMNS)))
    return [decoder.decode(part) for part in parts]


@given(episodes())
def test_what_comes_back_is_what_was_seen(snapshots):
    again = read(written(snapshots))
    assert again == snapshots
    for one, other in zip(again, snapshots, strict=True):
        assert repr(one.elements) == repr(other.elements)
        assert orjson.dumps(one.app_state) == orjson.dumps(other.app_state)  # the order of keys too: queries show it


def test_what_did_not_change_is_not_written_again():
    first = page("/", *(el(i, "button", f"B{i}") for i in range(50)), files=[file("a")], state={"a": [1], "b": [2]})
    typed = page("/", *first.elements[:20], el(20, "button", "new"), *first.elements[21:], files=[file("a")],
                 state={"a": [1], "b": [3]})  # fmt: skip
    _, same, changed = written([first, first, typed])
    assert same == {}
    assert changed.keys() == {"elements", "app_state"}
    assert changed["elements"][0] == {"same": [0, 20]}
    assert changed["elements"][1][:3] == [20, "button", "new"]
    assert changed["elements"][2:] == [{"same": [21, 50]}]
    assert changed["app_state"] == {"set": {"b": [3]}}


def test_a_state_that_is_altered_in_place_is_noticed():
    state: dict[str, Any] = {"expenses": []}
    encoder = SnapshotEncoder()
    encoder.encode(page(state=state))
    state["expenses"].append({"name": "Ada"})
    assert orjson.loads(orjson.dumps(encoder.encode(page(state=state)))) == {
        "app_state": {"set": {"expenses": [{"name": "Ada"}]}}
    }


def test_rows_that_the_page_before_did_not_have_are_refused():
    decoder = SnapshotDecoder(COLUMNS)
    with pytest.raises(ValueError, match="expected rows of the 0 elements before, got 0 to 1"):
        decoder.decode({"elements": [{"same": [0, 1]}]})


def test_a_column_that_a_later_version_adds_is_read_as_its_default():
    decoder = SnapshotDecoder({"elements": ["ref", "role", "name", "states", "options", "box"]})
    snapshot = decoder.decode({"elements": [[7, "button", "Save", [], [], None]]})
    assert snapshot.elements == (el(7, "button", "Save"),)
