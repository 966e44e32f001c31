"""Pointing at an element becomes the action that an agent would have written, and means that element and no other."""

import pytest

from milepost.envs.action_targets import resolve_target
from milepost.envs.actions import ACTION_TYPES, parse_action
from milepost.errors import ActionError
from milepost.sandbox.snapshot import Element
from milepost.trainers.playing.offers import offers

ALL = frozenset(ACTION_TYPES)


def element(ref: int, role: str, name: str, **more: object) -> Element:
    given: dict[str, object] = {"box": (10.0, 10.0, 80.0, 20.0), "interactive": True, **more}
    return Element(ref=ref, role=role, name=name, **given)  # type: ignore[arg-type]


PAGE = [
    element(1, "heading", "Orders", interactive=False),
    element(2, "textbox", 'Say "hello"'),
    element(3, "combobox", "Country", options=("France", "Spain")),
    element(4, "button", "Open"),
    element(5, "link", "Open"),
    element(6, "button", "Remove"),
    element(7, "button", "Remove"),
    element(8, "button", ""),
    element(9, "button", "Far away", in_viewport=False),
    element(10, "button", "Nowhere", box=None),
]


def test_what_is_in_view_and_takes_an_action_is_offered():
    assert [offer.element.ref for offer in offers(PAGE, ALL)] == [2, 3, 4, 5, 6, 7, 8]
    assert [offer.element.ref for offer in offers(PAGE, frozenset({"fill"}))] == [2]


def test_every_offer_means_its_element():
    for offer in offers(PAGE, ALL):
        action = parse_action(offer.action("x"))
        target = action.model_dump(exclude={"kind", "text", "option"})
        assert resolve_target(elements=PAGE, verb=offer.verb, **target).ref == offer.element.ref


def test_names_come_first_and_are_no_longer_than_need_be():
    written = {offer.element.ref: offer.action("France") for offer in offers(PAGE, ALL)}
    assert written[3] == 'select("Country", "France")'
    assert written[2].startswith("fill(")
    assert parse_action(written[2]).model_dump()["text"] == "France"
    assert written[4] == 'click("Open", role="button")'
    assert written[7] == 'click("Remove", role="button", nth=2)'
    assert written[8] == "click(8)"


def test_a_field_wants_a_text():
    field = offers(PAGE, ALL)[0]
    with pytest.raises(ActionError, match="wants a text"):
        field.action(None)
