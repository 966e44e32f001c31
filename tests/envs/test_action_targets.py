from __future__ import annotations

import pytest

from milepost.envs.action_targets import resolve_target
from milepost.errors import ActionError
from milepost.sandbox.snapshot import Element


def page(*described: tuple[str, str]) -> list[Element]:
    interactive = {"button", "link", "textbox", "searchbox", "combobox", "checkbox"}
    return [
        Element(ref=i, role=role, name=name, interactive=role in interactive)
        for i, (role, name) in enumerate(described, start=1)
    ]


FORM = page(
    ("heading", "Name"),
    ("text", "Please read the terms"),
    ("textbox", "Name"),
    ("textbox", "Name of manager"),
    ("combobox", "Country"),
    ("button", "Save"),
    ("button", "Save and send"),
    ("link", "Open"),
    ("button", "Open"),
    ("link", "Open"),
    ("row", "Ada 42"),
)


@pytest.mark.parametrize(
    ("verb", "target", "ref"),
    [
        ("fill", "Name", 3),  # exact beats prefix, and only fields can be filled
        ("fill", "name", 3),
        ("fill", "  NAME  of manager", 4),
        ("fill", "manager", 4),
        ("click", "Save", 6),
        ("click", "save and", 7),
        ("click", "Ada 42", 11),  # nothing interactive is called so
        ("click", "Please read the terms", 2),
        ("select", "Country", 5),
        ("click", 7, 7),
        ("fill", 4, 4),
    ],
)
def test_finds_the_element_that_is_meant(verb, target, ref):
    assert resolve_target(target, FORM, verb=verb).ref == ref


def test_ambiguity_lists_calls_that_work():
    with pytest.raises(ActionError) as caught:
        resolve_target("Open", FORM)
    assert str(caught.value) == (
        '"Open" fits 3 elements; use click("Open", nth=1), click("Open", nth=2), click("Open", nth=3)'
    )
    assert resolve_target("Open", FORM, nth=2).ref == 9
    assert resolve_target("Open", FORM, role="button").ref == 9
    assert resolve_target("Open", FORM, role="link", nth=2).ref == 10


def test_ambiguous_parts_are_listed_by_their_whole_names():
    with pytest.raises(ActionError, match=r'use click\("Save all"\), click\("Save one"\)'):
        resolve_target("Save", page(("button", "Save all"), ("button", "Save one")))


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"target": "Sav it"}, 'close names: "Save"'),
        ({"target": "Nmae", "verb": "fill"}, 'close names: "Name"'),
        ({"target": "Save", "verb": "fill"}, 'fill needs a text field, but "Save" is a button'),
        ({"target": 6, "verb": "fill"}, r"\[6\] is a button"),
        ({"target": 99}, r"no element \[99\]"),
        ({"target": "Open", "nth": 4}, "only 3"),
        ({"target": "Save", "role": "link"}, "with role link"),
        ({"target": " "}, "no element"),
    ],
)
def test_says_why_nothing_fits(kwargs, reason):
    with pytest.raises(ActionError, match=reason) as caught:
        resolve_target(kwargs.pop("target"), FORM, **kwargs)
    assert len(str(caught.value)) < 300


def test_an_empty_page_offers_nothing():
    with pytest.raises(ActionError, match="nothing on this page takes click"):
        resolve_target("Save", [])
