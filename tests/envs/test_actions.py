from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from milepost.envs.actions import (
    ACTION_TYPES,
    ALWAYS_ALLOWED,
    DEFAULT_VERBS,
    GRAMMAR,
    GROUPS,
    MAX_ACTION_CHARS,
    Action,
    Back,
    Check,
    Click,
    ClipboardCopy,
    CopyFile,
    DialogAccept,
    Done,
    Drag,
    Fill,
    FindFiles,
    Goto,
    ListFiles,
    MouseClick,
    MouseDrag,
    Noop,
    Press,
    ReadFile,
    Run,
    Scroll,
    Select,
    TabClose,
    TabNew,
    TabSwitch,
    Type,
    Upload,
    Wait,
    WriteFile,
    format_action,
    grammar,
    parse_action,
    usage,
    verbs_of,
)
from milepost.errors import ActionError

from .action_strategies import actions


@settings(deadline=None)
@given(actions)
def test_formatted_actions_parse_back_to_themselves(action: Action):
    text = format_action(action)
    assert "\n" not in text
    assert parse_action(text) == action


@settings(deadline=None)
@given(actions)
def test_actions_survive_json(action: Action):
    adapter = TypeAdapter(Action)
    assert adapter.validate_json(adapter.dump_json(action)) == action


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_an_action_or_a_one_line_error(text: str):
    try:
        outcome = format_action(parse_action(text))
        assert format_action(parse_action(outcome)) == outcome
    except ActionError as error:
        outcome = str(error)
    assert "\n" not in outcome
    assert len(outcome) < 600 + 2 * len(text)


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
        ('scroll("right", target="Timetable", nth=2)', Scroll(direction="right", target="Timetable", nth=2)),
        ('drag("Card", 7, onto_role="list")', Drag(target="Card", onto=7, onto_role="list")),
        ('type("hello")', Type(text="hello")),
        ('check("I agree")', Check(target="I agree")),
        ('upload("Attachment", "a.csv")', Upload(target="Attachment", path="a.csv")),
        ("tab_new()", TabNew()),
        ('tab_new("/b")', TabNew(url="/b")),
        ("tab_switch(2)", TabSwitch(tab=2)),
        ("tab_close(tab=2)", TabClose(tab=2)),
        ('dialog_accept("Ada")', DialogAccept(text="Ada")),
        ("clipboard_copy()", ClipboardCopy()),
        ("mouse_click(640, 360.25)", MouseClick(x=640, y=360.25)),
        ('mouse_click(0, 719, count=2, button="right")', MouseClick(x=0, y=719, button="right", count=2)),
        ("mouse_drag(1, 2, 3.5, to_y=4)", MouseDrag(x=1, y=2, to_x=3.5, to_y=4)),
        ("wait(500)", Wait(ms=500)),
        ('copy_file("a", to="b")', CopyFile(path="a", to="b")),
        ('find_files("*.csv")', FindFiles(pattern="*.csv")),
        ('run("python3 chart.py")', Run(command="python3 chart.py")),
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
        ("click(1.5)", "target: input should be a valid integer"),
        ("click(1.2.3)", "quoted text or a number"),
        ("click(-1)", "numbers are zero or more"),
        ("mouse_click(-3, 4)", "numbers are zero or more"),
        ("mouse_click(3, - 4.5)", "numbers are zero or more"),
        ("mouse_click(1280, 4)", "x: input should be less than 1280"),
        ("mouse_click(3, 720.5)", "y: input should be less than 720"),
        ('mouse_click("3", 4)', "x: input should be a valid number"),
        ("mouse_click(1e3, 4)", "quoted text or a number"),
        ("mouse_click(3)", "y: field required"),
        ("mouse_click(3, 4, count=9)", "count"),
        ("tab_switch(0)", "tab"),
        ("tab_switch(1.0)", "tab"),
        ("wait(0)", "ms"),
        ("wait(60001)", "ms"),
        ('type("")', "text"),
        (f'click("{"x" * 301}")', "at most 300 characters"),
        ("click(True)", "quoted text or a number"),
        ("click(12345678901234567890)", "quoted text or a number"),
        ('click("Save", nth="2")', "nth"),
        ('click("Save", nth=0)', "nth"),
        ('click("Save", color="red")', "color"),
        ('click("Save", kind="fill")', "twice or is not an argument"),
        ('click(target="a", target="b")', "twice"),
        ('click("")', "target"),
        ('fill("Name")', "text"),
        ('scroll("sideways")', "direction"),
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
    assert len(str(caught.value)) < 600


def test_errors_fit_the_observation_where_the_default_actions_are_allowed():
    for text in ("what now?", "nothing(1)", 'hover("x")', ""):
        with pytest.raises(ActionError) as caught:
            parse_action(text, allowed=DEFAULT_VERBS)
        assert str(caught.value).endswith(GRAMMAR)
        assert len(str(caught.value)) < 250


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


def test_the_default_verbs_and_their_grammar_are_what_policies_were_trained_on():
    verbs = ["click", "fill", "select", "press", "goto", "back", "scroll", "list_files", "read_file", "write_file"]
    assert list(GROUPS["basic"]) == [*verbs, "done", "noop"]
    assert set(GROUPS["basic"]) == DEFAULT_VERBS
    assert GRAMMAR == (
        'verb("target", ...): click fill select press goto back scroll list_files read_file write_file done noop, '
        'for example fill("Name", "Ada")'
    )
    assert [usage(verb) for verb in GROUPS["basic"]] == [
        'click("target")', 'fill("target", "text")', 'select("target", "option")', 'press("keys")', 'goto("url")',
        "back()", 'scroll("direction")', "list_files()", 'read_file("path")', 'write_file("path", "text")',
        'done("text")', "noop()",
    ]  # fmt: skip
    assert json.loads(TypeAdapter(Action).dump_json(Click(target="a")))["kind"] == "click"


def test_numbers_are_shown_without_quotes():
    assert usage("mouse_click") == "mouse_click(x, y)"
    assert usage("tab_close") == "tab_close(tab)"


def test_every_verb_has_a_group_a_description_and_examples_of_its_own():
    for verb, cls in ACTION_TYPES.items():
        assert verb in GROUPS[cls.group]
        assert cls.__doc__
        assert cls.__doc__.endswith(".")
        assert set(cls.positional) <= set(cls.model_fields)
        assert all(field.description for name, field in cls.model_fields.items() if name != "kind")
        for text in cls.examples:
            assert parse_action(text).kind == verb
            assert parse_action(format_action(parse_action(text))) == parse_action(text)
    assert sum(map(len, GROUPS.values())) == len(ACTION_TYPES)


def test_groups_and_single_verbs_make_what_a_task_allows():
    assert verbs_of([]) == set(ALWAYS_ALLOWED)
    assert verbs_of(["basic"]) == DEFAULT_VERBS
    assert verbs_of(["tabs", "hover"]) == {"tab_new", "tab_switch", "tab_close", "hover", "done", "noop"}
    assert verbs_of(GROUPS) == set(ACTION_TYPES)
    with pytest.raises(ValueError, match=r"expected groups of actions \(basic, .*got 'tab'"):
        verbs_of(["tab"])


@pytest.mark.parametrize("text", ['hover("Menu")', 'run("ls")', "hover()", 'hover("'])
def test_a_verb_that_the_task_does_not_allow_is_refused_with_those_it_does(text: str):
    with pytest.raises(ActionError, match="is not among this task's actions") as caught:
        parse_action(text, allowed=DEFAULT_VERBS)
    assert str(caught.value).endswith(GRAMMAR)


def test_an_allowed_verb_is_read_and_the_grammar_follows_what_is_allowed():
    allowed = verbs_of(["tabs"])
    assert parse_action("tab_switch(2)", allowed=allowed) == TabSwitch(tab=2)
    assert grammar(allowed) == ('verb("target", ...): done noop tab_new tab_switch tab_close, for example done("42")')


@settings(deadline=None)
@given(actions, st.sampled_from(sorted(GROUPS)))
def test_what_is_allowed_decides_and_nothing_else(action: Action, group: str):
    allowed = verbs_of([group])
    if action.kind in allowed:
        assert parse_action(format_action(action), allowed=allowed) == action
    else:
        with pytest.raises(ActionError, match="not among"):
            parse_action(format_action(action), allowed=allowed)


@settings(deadline=None)
@given(st.floats(0, 1280, exclude_max=True), st.floats(0, 720, exclude_max=True))
@example(1279.999, 0.004)
@example(1e-7, 719.996)
def test_coordinates_are_kept_to_a_hundredth(x: float, y: float):
    action = MouseClick(x=x, y=y)
    assert abs(action.x - x) < 0.0101
    assert parse_action(format_action(action)) == action
