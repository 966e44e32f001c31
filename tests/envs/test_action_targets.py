from __future__ import annotations

from contextlib import suppress

import pytest

from milepost.envs.action_targets import resolve_target
from milepost.envs.actions import DEFAULT_VERBS, GROUPS, parse_action, verbs_of
from milepost.errors import ActionError
from milepost.sandbox.snapshot import Element


def page(*described: tuple[str, str]) -> list[Element]:
    interactive = {
        "button",
        "link",
        "textbox",
        "searchbox",
        "combobox",
        "checkbox",
        "radio",
        "switch",
        "file",
        "slider",
    }
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


CONTROLS = page(
    ("checkbox", "Agree"),
    ("radio", "By post"),
    ("switch", "Dark mode"),
    ("file", "Attachment"),
    ("slider", "Volume"),
    ("heading", "Settings"),
    ("text", "Drop here"),
    ("link", "Help"),
)
EVERYTHING = verbs_of(GROUPS)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"target": "Sav it"}, 'no element named "Sav it"; did you mean "Save"?'),
        ({"target": "Nmae", "verb": "fill"}, 'no text field named "Nmae"; did you mean "Name"?'),
        ({"target": "zzz"}, 'no element named "zzz"; on this page: "Name", "Name of manager", "Country" and 3 more'),
        ({"target": "zzz", "verb": "select"}, 'no list of options named "zzz"; on this page: "Country"'),
        ({"target": "Save", "role": "link"}, 'no element named "Save" with role link; on this page: "Open"'),
        ({"target": "12"}, 'no element named "12"; on this page: "Name", "Name of manager", "Country" and 3 more'),
        ({"target": "7"}, 'no element named "7"; for the element [7] write 7 without quotes'),
        ({"target": "[7]"}, 'no element named "[7]"; for the element [7] write 7 without quotes'),
        ({"target": " "}, 'no element named ""; on this page: "Name", "Name of manager", "Country" and 3 more'),
        ({"target": 99}, "no element [99] on this page; use a number or a name shown in it"),
        ({"target": "Open", "nth": 4}, 'nth=4, but only 3 on this page fit "Open"'),
        (
            {"target": "Save", "verb": "fill"},
            'fill needs a text field, but "Save" is a button; use click("Save")',
        ),
        ({"target": 6, "verb": "fill"}, "fill needs a text field, but [6] is a button; use click(6)"),
        (
            {"target": "Name", "verb": "select"},  # the field of that name, not the heading
            'select needs a list of options, but "Name" is a textbox; use fill("Name", ...)',
        ),
        ({"target": 1, "verb": "fill"}, "fill needs a text field, but [1] is a heading"),
    ],
)
def test_says_why_nothing_fits_and_what_would(kwargs, message):
    with pytest.raises(ActionError) as caught:
        resolve_target(kwargs.pop("target"), FORM, **kwargs)
    assert str(caught.value) == message
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("verb", "target", "allowed", "needed", "found"),
    [
        ("fill", "Agree", EVERYTHING, "a text field", 'a checkbox; use check("Agree")'),
        ("fill", "Agree", DEFAULT_VERBS, "a text field", 'a checkbox; use click("Agree")'),
        ("fill", 4, EVERYTHING, "a text field", "a file; use upload(4, ...)"),
        ("select", "Volume", DEFAULT_VERBS, "a list of options", 'a slider; use fill("Volume", ...)'),
        ("check", "Help", EVERYTHING, "a checkbox", 'a link; use click("Help")'),
        ("check", "Help", {"check"}, "a checkbox", 'a link; on this page: "Agree", "By post", "Dark mode"'),
        ("uncheck", "By post", EVERYTHING, "a checkbox", "a radio; choose another of its group"),
        ("upload", "Agree", EVERYTHING, "a file field", 'a checkbox; use check("Agree")'),
        ("upload", "Settings", EVERYTHING, "a file field", 'a heading; on this page: "Attachment"'),
    ],
)
def test_the_wrong_kind_of_element_is_answered_with_the_action_that_takes_it(verb, target, allowed, needed, found):
    with pytest.raises(ActionError) as caught:
        resolve_target(target, CONTROLS, verb=verb, allowed=allowed)
    shown = f"[{target}]" if isinstance(target, int) else f'"{target}"'
    assert str(caught.value) == f"{verb} needs {needed}, but {shown} is {found}"


@pytest.mark.parametrize(
    ("verb", "target", "message"),
    [
        ("upload", "Atachment", 'no file field named "Atachment"; did you mean "Attachment"?'),
        ("check", "agre to it", 'no checkbox named "agre to it"; did you mean "Agree"?'),
        ("hover", "Hepl", 'no element named "Hepl"; did you mean "Help"?'),
        ("drag", "Hepl", 'no element named "Hepl"; did you mean "Help"?'),
    ],
)
def test_a_misspelt_name_is_answered_with_the_close_one(verb, target, message):
    with pytest.raises(ActionError) as caught:
        resolve_target(target, CONTROLS, verb=verb)
    assert str(caught.value) == message


def test_what_an_error_proposes_can_be_read_and_works():
    for verb in ("fill", "select", "check", "uncheck", "upload"):
        for element in CONTROLS:
            with suppress(ActionError):
                resolve_target(element.ref, CONTROLS, verb=verb, allowed=EVERYTHING)
                continue
            with pytest.raises(ActionError) as caught:
                resolve_target(element.name, CONTROLS, verb=verb, allowed=EVERYTHING)
            _, _, proposed = str(caught.value).partition("; use ")
            if proposed:
                action = parse_action(proposed.replace("...", '"x"'))
                assert resolve_target(element.name, CONTROLS, verb=action.kind, allowed=EVERYTHING) is element


@pytest.mark.parametrize(
    ("verb", "target", "ref"),
    [
        ("check", "Agree", 1),
        ("check", "By post", 2),
        ("uncheck", "dark", 3),
        ("upload", "Attachment", 4),
        ("fill", "Volume", 5),
        ("hover", "Settings", 6),
        ("drag", "Help", 8),
        ("scroll", "Drop here", 7),
        ("double_click", 7, 7),
    ],
)
def test_every_verb_finds_what_it_takes(verb, target, ref):
    assert resolve_target(target, CONTROLS, verb=verb).ref == ref


def test_ambiguity_is_told_in_calls_of_the_verb_and_argument():
    def said(**kwargs):
        with pytest.raises(ActionError) as caught:
            resolve_target("Open", FORM, role="link", **kwargs)
        return str(caught.value).partition("; use ")[2].partition("), ")[0] + ")"

    assert said(verb="hover") == 'hover("Open", role="link", nth=1)'
    assert said(verb="drag") == 'drag("Open", ..., role="link", nth=1)'
    assert said(verb="drag", argument="onto") == 'drag(..., "Open", onto_role="link", onto_nth=1)'
    assert said(verb="scroll") == 'scroll(..., target="Open", role="link", nth=1)'


def test_names_are_shown_on_one_line_and_cut():
    with pytest.raises(ActionError) as caught:
        resolve_target("\u2028a\x00\n" + "b" * 299, FORM)
    assert str(caught.value).startswith('no element named "a? ' + "b" * 54 + '..."')
    assert len(str(caught.value).splitlines()) == 1


def test_an_empty_page_offers_nothing():
    with pytest.raises(ActionError, match="nothing on this page takes click"):
        resolve_target("Save", [])
