"""field_filled, query_filled, fields_filled, clicked, submit_dialog, toggle_changed."""

import pytest

from .scenes import answered, click, el, fires, js_dialog, page, submit, typed, went


def form(name="", amount="", **more):
    return page("/new", el(1, "textbox", "Name", value=name), el(2, "textbox", "Amount", value=amount), **more)


RESET = ([went("/new")], form())
FILLED = {"kind": "field_filled", "name": "Name", "value": "{who}"}
WHO = {"who": "Ada {x}"}


def test_field_filled_needs_input_and_value():
    good = ([typed("textbox", "Name", "Ada {x}")], form("Ada {x}"))
    assert fires(FILLED, RESET, good, good, parameters=WHO) == [1]


@pytest.mark.parametrize(
    ("happened", "shown"),
    [
        ([], "Ada {x}"),  # a script put it there
        ([typed("textbox", "Amount", "Ada {x}", ref=2)], "Ada {x}"),  # the input was elsewhere
        ([typed("textbox", "Name", "Ada {x}")], "Ada"),  # the field shows something else in the end
        ([typed("textbox", "Name", "Adam {x}")], "Adam {x}"),
        ([answered("Ada {x}")], ""),
    ],
)
def test_field_filled_near_misses(happened, shown):
    assert fires(FILLED, RESET, (happened, form(shown)), parameters=WHO) == []


def test_field_filled_ignores_what_was_prefilled_until_it_is_undone_and_redone():
    full = form("Ada {x}")
    retyped = ([typed("textbox", "Name", "Ada {x}")], full)
    assert fires(FILLED, ([went("/new")], full), retyped, parameters=WHO) == []
    emptied = ([typed("textbox", "Name", "")], form())
    assert fires(FILLED, ([went("/new")], full), emptied, retyped, parameters=WHO) == [2]


def test_field_filled_forgets_input_of_an_earlier_document():
    steps = [RESET, ([typed("textbox", "Name", "x")], form("x")), ([went("/new")], form("Ada {x}"))]
    assert fires(FILLED, *steps, parameters=WHO) == []


def test_a_field_that_was_only_hidden_is_not_filled_again():
    typed_in = ([typed("textbox", "Name", "Ada {x}")], form("Ada {x}"))
    steps = [RESET, typed_in, ([], page("/new", el(5, "dialog", "Wait"))), ([], form("Ada {x}"))]
    assert fires(FILLED, *steps, parameters=WHO) == [1]


def test_a_value_that_the_page_completes_a_step_later_counts():
    steps = [RESET, ([typed("textbox", "Name", "Ada")], form("Ada")), ([], form("Ada {x}"))]
    assert fires(FILLED, *steps, parameters=WHO) == [2]


def test_field_filled_takes_values_by_pattern_and_selects_by_their_visible_option():
    spec = {"kind": "field_filled", "name": "Amount", "value_pattern": r"\d+\.\d{2}"}
    assert fires(spec, RESET, ([typed("textbox", "Amount", "12.50", ref=2)], form(amount="12.50"))) == [1]
    assert fires(spec, RESET, ([typed("textbox", "Amount", "12.5", ref=2)], form(amount="12.5"))) == []
    chosen = page("/new", el(3, "combobox", "Country", value="France"))
    spec = {"kind": "field_filled", "role": "combobox", "name": "Country", "value": "France"}
    assert fires(spec, RESET, ([typed("combobox", "Country", "fr", ref=3)], chosen)) == [1]


def test_query_filled_is_for_search_fields():
    spec = {"kind": "query_filled", "value": "red bike"}
    for role, expected in (("searchbox", [1]), ("spinbutton", [])):
        shown = page("/", el(1, role, "Search", value="red bike"))
        assert fires(spec, RESET, ([typed(role, "Search", "red bike")], shown)) == expected
    wrong = page("/", el(1, "searchbox", "Search", value="red"))
    assert fires(spec, RESET, ([typed("searchbox", "Search", "red")], wrong)) == []


def test_fields_filled_needs_every_field_by_input():
    spec = {"kind": "fields_filled", "fields": {"Name": "{who}", "Amount": "7"}}
    first = ([typed("textbox", "Name", "Ada")], form("Ada"))
    second = ([typed("textbox", "Amount", "7", ref=2)], form("Ada", "7"))
    assert fires(spec, RESET, first, second, second, parameters={"who": "Ada"}) == [2]
    assert fires(spec, RESET, first, parameters={"who": "Ada"}) == []
    assert (
        fires(spec, RESET, first, ([], form("Ada", "7")), parameters={"who": "Ada"}) == []
    )  # a script filled the second


def test_clicked_needs_a_trusted_click_on_that_element():
    spec = {"kind": "clicked", "role": "button", "name": "Delete"}
    assert fires(spec, RESET, ([click("button", "Delete")], form())) == [1]
    assert fires(spec, RESET, ([click("link", "Delete")], form())) == []
    assert fires(spec, RESET, ([click("button", "Delete all")], form())) == []
    assert fires(spec, RESET, ([], form())) == []


SUBMIT = {"kind": "submit_dialog", "submit_name": "Submit", "text_contains": "sure"}
DIALOG = page("/new", el(5, "dialog", "Confirm"), el(6, "text", "Are you sure?", depth=1))


def test_submit_dialog_needs_a_submit_and_then_the_dialog():
    assert fires(SUBMIT, RESET, ([click("button", "Submit")], DIALOG), ([], DIALOG)) == [1]
    assert fires(SUBMIT, RESET, ([click("button", "Submit")], form()), ([], DIALOG)) == [2]
    assert fires(SUBMIT, RESET, ([click("button", "Submit"), js_dialog("Are you sure?")], form())) == [1]
    assert fires({"kind": "submit_dialog"}, RESET, ([submit()], DIALOG)) == [1]


@pytest.mark.parametrize(
    ("before", "happened", "after"),
    [
        (form(), [], DIALOG),  # nobody submitted
        (form(), [click("button", "Cancel")], DIALOG),
        (form(), [click("button", "Submit")], form()),  # no dialog
        (DIALOG, [click("button", "Submit")], DIALOG),  # it was there before
        (form(), [click("button", "Submit")], page("/new", el(5, "dialog", "Name is missing"))),
        (form(), [click("button", "Submit")], page("/new", el(5, "heading", "Are you sure?"))),
        (form(), [click("button", "Submit"), js_dialog("Name is missing")], form()),
    ],
)
def test_submit_dialog_near_misses(before, happened, after):
    assert fires(SUBMIT, ([went("/new")], before), (happened, after)) == []


def test_submit_dialog_that_repeats_what_the_agent_wrote_is_none():
    wrote = ([click("button", "Submit"), typed("textbox", "Feedback", "I am sure")], form())
    assert fires(SUBMIT, RESET, wrote, ([], DIALOG)) == []
    assert fires(SUBMIT, RESET, wrote, ([js_dialog("You said: I am sure")], form())) == []
    assert fires(SUBMIT | {"text_contains": "Are you sure?"}, RESET, wrote, ([], DIALOG)) == [2]


def box(on: bool, role="checkbox", name="Dark mode"):
    return page("/settings", el(1, role, name, states=["checked"] if on else []))


def test_toggle_changed_needs_trusted_input_and_a_change():
    spec = {"kind": "toggle_changed", "name": "Dark mode", "checked": True}
    touched = [click("checkbox", "Dark mode")]
    assert fires(spec, ([], box(False)), (touched, box(True)), ([], box(True))) == [1]
    assert fires(spec, ([], box(False)), ([], box(True))) == []  # a script did it
    assert fires(spec, ([], box(True)), (touched, box(False))) == []  # the wrong way
    assert fires(spec, ([], box(True)), (touched, box(True))) == []  # nothing changed
    assert fires(spec, ([], box(False, name="Sound")), ([click("checkbox", "Sound")], box(True, name="Sound"))) == []
    assert fires(spec | {"checked": False}, ([], box(True)), (touched, box(False))) == [1]
