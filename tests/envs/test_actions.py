from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from milepost.envs.actions import (
    ACTION_TYPES,
    MAX_ACTION_CHARS,
    Action,
    Back,
    Click,
    Done,
    Fill,
    Goto,
    ListFiles,
    Noop,
    Press,
    ReadFile,
    Scroll,
    Select,
    WriteFile,
    format_action,
    parse_action,
)
from milepost.errors import ActionError

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
targets = st.one_of(st.integers(0, 10**6), texts)
roles = st.one_of(st.none(), st.sampled_from(["button", "link"]))
nths = st.one_of(st.none(), st.integers(1, 9))
actions = st.one_of(
    st.builds(Click, target=targets, role=roles, nth=nths),
    st.builds(Fill, target=targets, text=st.one_of(st.just(""), texts), role=roles, nth=nths),
    st.builds(Select, target=targets, option=texts, role=roles, nth=nths),
    st.builds(Press, keys=texts),
    st.builds(Goto, url=texts),
    st.just(Back()),
    st.builds(Scroll, direction=st.sampled_from(["up", "down"])),
    st.just(ListFiles()),
    st.builds(ReadFile, path=texts),
    st.builds(WriteFile, path=texts, text=texts),
    st.builds(Done, text=st.one_of(st.just(""), texts)),
    st.just(Noop()),
)


@given(actions)
def test_formatted_actions_parse_back_to_themselves(action: Action):
    text = format_action(action)
    assert "\n" not in text
    assert parse_action(text) == action


@given(actions)
def test_actions_survive_json(action: Action):
    adapter = TypeAdapter(Action)
    assert adapter.validate_json(adapter.dump_json(action)) == action


@given(st.text(max_size=300))
def test_any_text_gives_an_action_or_a_one_line_error(text: str):
    try:
        outcome = format_action(parse_action(text))
        assert format_action(parse_action(outcome)) == outcome
    except ActionError as error:
        outcome = str(error)
    assert "\n" not in outcome
    assert len(outcome) < 400 + 2 * len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('click("Export CSV")', Click(target="Export CSV")),
        ("click(12)", Click(target=12)),
        ('click("Open", role="link", nth=2)', Click(target="Open", role="link", nth=2)),
        ('  fill( "Name" ,  "Ada" )  \n', Fill(target="Name", text="Ada")),
        ("fill('Name', 'Ada')", Fill(target="Name", text="Ada")),
        ("fill('Name', \"O'Neil\")", Fill(target="Name", text="O'Neil")),
        ('fill("Name", "Ada").', Fill(target="Name", text="Ada")),
        ('`click("Save")`', Click(target="Save")),
        ('```\nclick("Save")\n```', Click(target="Save")),
        ('```python\nclick("Save")\n```', Click(target="Save")),
        ('click("Save")\nclick("Cancel")', Click(target="Save")),
        ('\n\nclick("Save")', Click(target="Save")),
        ('fill("Note", "a\\nb \\"c\\" \\u00e9 \\d")', Fill(target="Note", text='a\nb "c" é \\d')),
        ('select("Country", "France")', Select(target="Country", option="France")),
        ('press("Enter")', Press(keys="Enter")),
        ('goto("/reports")', Goto(url="/reports")),
        ("back()", Back()),
        ("scroll()", Scroll(direction="down")),
        ('scroll("up")', Scroll(direction="up")),
        ("list_files()", ListFiles()),
        ('read_file("a.csv")', ReadFile(path="a.csv")),
        ('write_file("a.txt", "")', WriteFile(path="a.txt", text="")),
        ("done()", Done()),
        ('done("42")', Done(text="42")),
        ("noop()", Noop()),
    ],
)
def test_reads_what_agents_write(text: str, expected: Action):
    assert parse_action(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   \n ", "empty"),
        ("I will click Save", "is not an action"),
        ('press_button("Save")', "unknown action"),
        ('CLICK("Save")', "unknown action"),
        ('click("Save"', "closing parenthesis"),
        ('click("Save)', "not closed"),
        ("click(Save)", "quoted text or a number"),
        ('click("Save") now', "unexpected"),
        ('click("Save"); click("Cancel")', "unexpected"),
        ('click("Save", "Cancel")', "too many"),
        ('click("a" "b")', "comma"),
        ("click()", "target"),
        ("click(1.5)", "quoted text or a number"),
        ("click(-1)", "quoted text or a number"),
        ("click(True)", "quoted text or a number"),
        ("click(12345678901234567890)", "quoted text or a number"),
        ('click("Save", nth="2")', "nth"),
        ('click("Save", nth=0)', "nth"),
        ('click("Save", color="red")', "color"),
        ('click("Save", kind="fill")', "twice or is not an argument"),
        ('click(target="a", target="b")', "twice"),
        ('click("")', "target"),
        ('fill("Name")', "text"),
        ('scroll("left")', "direction"),
        ('fill("Name", "\\ud800")', "text"),
        ("__import__('os').system('true')", "unknown action"),
        ("click(__import__('os'))", "quoted text or a number"),
        ("click(f'{1}')", "quoted text or a number"),
        ("(lambda: 1)()", "is not an action"),
        ("click(" * 600, "quoted text or a number"),
        ("(" * 4000, "is not an action"),
    ],
)
def test_refuses_what_is_wrong_or_ambiguous(text: str, reason: str):
    with pytest.raises(ActionError, match=reason) as caught:
        parse_action(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_an_error_shows_the_grammar():
    with pytest.raises(ActionError, match=r'fill\("Name", "Ada"\)'):
        parse_action("what now?")
    with pytest.raises(ActionError, match=r'expected fill\("target", "text"\)'):
        parse_action('fill("Name")')


def test_a_megabyte_is_refused_unread():
    with pytest.raises(ActionError, match=f"at most {MAX_ACTION_CHARS}"):
        parse_action('click("' + "x" * 2**20 + '")')


def test_the_longest_text_is_read_in_linear_time():
    body = "\\" * (MAX_ACTION_CHARS - len('done("")') - 1)
    assert parse_action(f'done("{body} ")').kind == "done"


def test_the_verbs_are_the_contract():
    verbs = ["click", "fill", "select", "press", "goto", "back", "scroll", "list_files", "read_file", "write_file"]
    assert list(ACTION_TYPES) == [*verbs, "done", "noop"]
    assert json.loads(TypeAdapter(Action).dump_json(Click(target="a")))["kind"] == "click"
