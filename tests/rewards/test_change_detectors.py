"""element_gone, element_changed, dialog_closed, focused, and what they know of pages behind dialogs."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.sandbox.snapshot import Snapshot

from .scenes import Step, click, el, fires, focus, js_dialog, loaded, moments, page, submit, tabbed, typed, went

A, B = el(1, "row", "Invoice A open"), el(2, "row", "Invoice B open")
ITEMS = page("/items", A, B)
RESET = ([went("/items"), loaded("/items")], ITEMS)
NOW_A = page("/items", A)
GONE = {"kind": "element_gone", "role": "row", "name_contains": "{who}"}
WHO = {"who": "Invoice B"}
DELETE = click("button", "Delete B")


def modal(*inside, ref=50, name="Sure?", path="/items", role="dialog"):
    """What is reported while a modal dialog is open: the dialog only."""
    return page(path, el(ref, role, name), *(replace(e, depth=1) for e in inside))


def test_an_element_is_gone_once():
    assert fires(GONE, RESET, ([DELETE], NOW_A), ([], NOW_A), parameters=WHO) == [1]


@pytest.mark.parametrize(
    "shown",
    [
        ITEMS,  # nothing happened
        page("/items", B),  # another one is gone
        page("/items", A, el(9, "row", "Invoice B open")),  # drawn anew
        page("/items", A, el(2, "row", "Invoice C open")),  # renamed: the same element
        page("/items", A, el(2, "group", "Invoice B open")),  # of another role now: the same element
        page("/other", A),  # another view
        replace(NOW_A, elements_omitted=3),  # it may be among those that were not read
        modal(el(51, "button", "Delete")),  # covered by a dialog
    ],
)
def test_an_element_that_may_still_be_there_is_not_gone(shown):
    assert fires(GONE, RESET, ([DELETE], shown), parameters=WHO) == []


def test_leaving_the_page_or_the_tab_makes_nothing_gone():
    away = [DELETE, went("/items"), loaded("/items")]
    assert fires(GONE, RESET, (away, NOW_A), parameters=WHO) == []
    assert fires(GONE | {"same_document": False}, RESET, (away, NOW_A), parameters=WHO) == [1]
    elsewhere = ([DELETE, went("/start"), loaded("/start")], page("/start"))
    assert fires(GONE | {"same_document": False}, RESET, elsewhere, parameters=WHO) == []
    first = ([went("/items")], tabbed(ITEMS, "/items", "/items"))
    switched: Step = ([], tabbed(NOW_A, "/items", "/items", active=2))
    assert fires(GONE | {"same_document": False}, first, switched, parameters=WHO) == []
    closed: Step = ([], tabbed(NOW_A, "/items"))
    assert fires(GONE, first, closed, parameters=WHO) == []


def test_gone_after_a_modal_dialog_asked():
    asked = ([DELETE], modal(el(51, "button", "Delete")))
    agreed = click("button", "Delete")
    assert fires(GONE, RESET, asked, ([agreed], NOW_A), parameters=WHO) == [2]
    assert fires(GONE, RESET, asked, ([agreed], ITEMS), parameters=WHO) == []  # refused
    again = ([agreed], modal(el(61, "button", "Yes"), ref=60, name="Really?"))
    assert fires(GONE, RESET, asked, again, asked, ([agreed], NOW_A), parameters=WHO) == [4]
    reloaded = ([agreed, went("/items"), loaded("/items")], NOW_A)
    assert fires(GONE, RESET, asked, reloaded, parameters=WHO) == []


def test_gone_within_a_dialog_and_with_it():
    listed = modal(el(51, "row", "Invoice B open"), el(52, "row", "Invoice A open"))
    opened = ([DELETE], listed)
    assert fires(GONE, ([], page("/items")), opened, ([], modal(el(52, "row", "Invoice A open"))), parameters=WHO) == [
        2
    ]
    assert fires(GONE, ([], page("/items")), opened, ([], page("/items")), parameters=WHO) == [2]
    other = modal(el(71, "row", "Invoice C open"), ref=70)
    assert fires(GONE, ([], page("/items")), opened, ([], other), parameters=WHO) == []


def test_gone_in_a_frame_is_not_followed():
    inner = replace(B, frame=1)
    assert fires(GONE, ([], page("/items", A, inner)), ([DELETE], NOW_A), parameters=WHO) == []


def test_after_input_wants_the_agents_doing():
    spec = GONE | {"after_input": True}
    assert fires(spec, RESET, ([], NOW_A), parameters=WHO) == []
    assert fires(spec, RESET, ([DELETE], NOW_A), parameters=WHO) == [1]
    scripted = {**DELETE, "origin": "browser"}
    assert fires(spec, RESET, ([scripted], NOW_A), parameters=WHO) == []


def test_looks_keep_the_reset_and_what_lies_behind():
    asked, again = modal(), modal(ref=60)
    steps = moments(RESET, ([], NOW_A), ([], asked), ([], again), ([], asked), ([], NOW_A), ([], NOW_A))
    assert [m.reset for m in steps] == [None, *[ITEMS] * 6]
    assert [m.behind for m in steps] == [(), (), (), (NOW_A,), (NOW_A, asked), (NOW_A,), ()]


CHANGED = {"kind": "element_changed", "role": "row", "name_contains": "Invoice B", "to_text_contains": "paid"}
PAID = page("/items", A, el(2, "row", "Invoice B paid"))


def test_an_element_changes():
    assert fires(CHANGED, RESET, ([click("button", "Pay B")], PAID), ([], PAID)) == [1]
    assert fires(CHANGED | {"after_input": True}, RESET, ([], PAID)) == []
    asked: Step = ([], modal())
    assert fires(CHANGED, RESET, asked, ([], PAID)) == [2]
    assert fires(CHANGED, RESET, asked, ([], ITEMS)) == []


@pytest.mark.parametrize(
    "shown",
    [
        ITEMS,
        page("/items", el(1, "row", "Invoice A paid"), B),  # another one
        page("/items", A, el(3, "row", "Invoice B paid")),  # a new one in its place
        page("/items", A, el(2, "row", "Invoice B overdue")),  # to something else
    ],
)
def test_another_change_is_not_it(shown):
    assert fires(CHANGED, RESET, ([click("button", "Pay B")], shown)) == []


def test_a_change_needs_the_same_document_and_a_transition():
    assert fires(CHANGED, RESET, ([went("/items")], PAID)) == []
    assert fires(CHANGED, ([], PAID), ([], page("/items", el(2, "row", "Invoice B paid again")))) == []
    framed = page("/items", replace(B, frame=1))
    assert fires(CHANGED, ([], framed), ([], page("/items", el(2, "row", "Invoice B paid")))) == []


def test_values_states_and_text_below_change():
    def at(value, states=(), below="low"):
        slider = el(4, "slider", "Volume", value=value, states=states)
        return ([], page("/", slider, el(5, "group", "Level"), el(6, "text", below, depth=1)))

    volume = {"kind": "element_changed", "role": "slider", "name": "Volume"}
    assert fires(volume | {"to_value": "7"}, at("5"), at("6"), at("7")) == [2]
    assert fires(volume | {"to_value_pattern": r"\d"}, at("10"), at("7"), at("6")) == [1]
    assert fires(volume | {"gained": ["invalid"]}, at("5"), at("5", ["disabled"]), at("5", ["invalid"])) == [2]
    assert fires(volume | {"lost": ["disabled"]}, at("5", ["disabled"]), at("5")) == [1]
    both = volume | {"to_value": "7", "lost": ["disabled"]}
    assert fires(both, at("5", ["disabled"]), at("7", ["disabled"]), at("7")) == [2]
    level = {"kind": "element_changed", "role": "group", "to_text": "Level high"}
    assert fires(level, at("5"), at("5", below="middle"), at("5", below="high")) == [2]


CLOSED = {"kind": "dialog_closed", "text_contains": "Delete B"}


def test_a_dialog_of_the_page_closes():
    opened = ([DELETE], modal(el(51, "text", "Delete B for good")))
    assert fires(CLOSED, RESET, opened, ([click("button", "Cancel")], ITEMS), ([], ITEMS)) == [2]
    beside = page("/items", A, el(50, "alertdialog", "Delete B"), el(51, "button", "OK", depth=1), B)
    assert fires(CLOSED, RESET, ([], beside), ([], ITEMS)) == [2]
    assert fires({"kind": "dialog_closed"}, RESET, opened, ([], ITEMS)) == [2]


@pytest.mark.parametrize(
    ("happened", "shown"),
    [
        ([], modal(el(51, "text", "Delete B for good"))),  # still open
        ([], modal(el(61, "text", "Really?"), ref=60)),  # covered by another
        ([], modal(el(51, "text", "Deleting..."))),  # it says something else now
        ([went("/items")], ITEMS),  # left
        ([], page("/items", A, B, el(70, "dialog", "Delete B"))),  # drawn anew
        ([typed("textbox", "Note", "Delete B closed")], modal(el(51, "text", "Delete B for good"))),
    ],
)
def test_a_dialog_that_is_not_closed(happened, shown):
    assert fires(CLOSED, RESET, ([DELETE], modal(el(51, "text", "Delete B for good"))), (happened, shown)) == []


def test_what_is_no_dialog_does_not_close():
    asked = page("/items", A, B, el(50, "group", "Delete B"), el(51, "status", "Delete B"))
    assert fires(CLOSED, RESET, ([], asked), ([], ITEMS)) == []
    assert fires(CLOSED, ([], asked), ([js_dialog("Delete A")], ITEMS)) == []


def test_the_button_that_closed_a_dialog():
    spec = CLOSED | {"button": "OK"}
    opened: Step = ([], modal(el(51, "text", "Delete B for good")))
    assert fires(spec, RESET, opened, ([click("button", "OK")], ITEMS)) == [2]
    for other in ([], [click("button", "Cancel")], [click("link", "OK")], [submit("OK")]):
        assert fires(spec, RESET, opened, (other, ITEMS)) == []
    assert fires(spec, RESET, ([click("button", "OK"), js_dialog("Delete B")], ITEMS)) == []


def test_a_dialog_of_the_browser_is_answered():
    yes, no = ([js_dialog("Delete B?")], ITEMS), ([js_dialog("Delete B?", accepted=False)], ITEMS)
    assert fires(CLOSED, RESET, yes, no) == [1, 2]
    assert fires(CLOSED | {"accepted": True}, RESET, yes, no) == [1]
    assert fires(CLOSED | {"accepted": False}, RESET, yes, no) == [2]
    assert fires(CLOSED, ([js_dialog("Delete B?")], ITEMS)) == []  # the reset pays nothing
    opened: Step = ([], modal(el(51, "text", "Delete B for good")))
    assert fires(CLOSED | {"accepted": True}, RESET, opened, ([], ITEMS)) == []


FOCUSED = {"kind": "focused", "role": "textbox", "name": "Subject"}
FIELDS = page("/", el(1, "textbox", "To", value=""), el(2, "textbox", "Subject", value=""))


def at(snapshot: Snapshot, ref: int | None) -> Snapshot:
    return replace(snapshot, focused=ref)


def test_focus_by_the_agents_input():
    there = ([focus("textbox", "Subject", 2)], at(FIELDS, 2))
    assert fires(FOCUSED, ([], FIELDS), there, ([], at(FIELDS, 2))) == [1]


@pytest.mark.parametrize(
    ("happened", "focused"),
    [
        ([], 2),  # the page took it by itself
        ([focus("textbox", "To", 1)], 1),  # another field
        ([focus("textbox", "Subject", 2)], 1),  # and away again
        ([focus("textbox", "Subject", 2)], None),
        ([focus("textbox", "Subject", 2), went("/")], 2),  # on the document before
        ([focus("button", "Subject", 2)], 2),
        ([{**focus("textbox", "Subject", 2), "origin": "browser"}], 2),
        ([typed("textbox", "To", "Subject", 1)], 1),
    ],
)
def test_focus_near_misses(happened, focused):
    assert fires(FOCUSED, ([], FIELDS), (happened, at(FIELDS, focused))) == []


def test_focus_that_was_there_at_the_reset_is_known():
    detector = DETECTOR_ADAPTER.validate_python(FOCUSED).build({})
    held = [detector.held_at_reset(moments(([], at(FIELDS, ref)))[0]) for ref in (None, 1, 2, 99)]
    assert held == [False, False, True, False]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "element_gone"}, "at least one of role"),
        ({"kind": "element_gone", "after_input": True}, "at least one of role"),
        ({"kind": "element_changed", "role": "row"}, "at least one of to_text"),
        ({"kind": "element_changed", "to_text": "paid"}, "at least one of role"),
        ({"kind": "focused"}, "at least one of role"),
        ({"kind": "dialog_closed", "accepted": True, "button": "OK"}, "got both"),
    ],
)
def test_a_detector_that_says_too_little_or_too_much_is_refused(spec, message):
    with pytest.raises(ValidationError, match=message):
        DETECTOR_ADAPTER.validate_python(spec)
