from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.envs.action_tools import MAX_ARGUMENTS_CHARS, parse_tool_call, tool_schemas
from milepost.envs.actions import (
    ACTION_TYPES,
    DEFAULT_VERBS,
    GROUPS,
    Action,
    Click,
    MouseClick,
    Scroll,
    TabNew,
    WriteFile,
    format_action,
    parse_action,
)
from milepost.errors import ActionError

from .action_strategies import actions

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


def test_there_is_one_tool_per_allowed_action():
    assert [tool["function"]["name"] for tool in tool_schemas()] == list(ACTION_TYPES)
    assert [tool["function"]["name"] for tool in tool_schemas(DEFAULT_VERBS)] == list(GROUPS["basic"])


def test_a_tool_reads_as_servers_expect_it():
    (tool,) = tool_schemas(["goto"])
    assert tool == {
        "type": "function",
        "function": {
            "name": "goto",
            "description": "Open a path of the task's site, or a whole http(s) address on one of the task's hosts.",
            "parameters": {
                "type": "object",
                "properties": {
                    "url": {"type": "string", "minLength": 1, "maxLength": 500, "description": "the path or address"}
                },
                "required": ["url"],
                "additionalProperties": False,
            },
        },
    }


def test_schemas_stand_alone_and_are_fresh():
    text = json.dumps(tool_schemas())
    assert "$ref" not in text
    assert '"null"' not in text
    tool_schemas()[0]["function"]["parameters"]["properties"].clear()
    assert tool_schemas()[0]["function"]["parameters"]["properties"]


@settings(deadline=None)
@given(actions)
def test_what_an_action_says_fits_its_schema_and_comes_back(action: Action):
    arguments = action.model_dump(exclude={"kind"}, exclude_unset=True)
    assert parse_tool_call(action.kind, arguments) == action
    assert parse_tool_call(action.kind, json.dumps(arguments)) == action
    jsonschema = pytest.importorskip("jsonschema")
    (tool,) = tool_schemas([action.kind])
    jsonschema.Draft202012Validator(tool["function"]["parameters"]).validate(arguments)


@pytest.mark.parametrize("verb", ACTION_TYPES)
def test_schemas_are_valid_and_refuse_what_the_action_refuses(verb: str):
    jsonschema = pytest.importorskip("jsonschema")
    (tool,) = tool_schemas([verb])
    schema = tool["function"]["parameters"]
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    wrong: list[dict[str, Any]] = [{"color": "red"}, {name: [] for name in ACTION_TYPES[verb].positional} or {"a": 1}]
    for arguments in wrong:
        assert not validator.is_valid(arguments)
        with pytest.raises(ActionError):
            parse_tool_call(verb, arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("click", {"target": 12}, Click(target=12)),
        ("click", '{"target": "Save", "nth": null}', Click(target="Save")),
        ("scroll", "", Scroll()),
        ("scroll", {}, Scroll()),
        ("tab_new", {"url": None}, TabNew()),
        ("mouse_click", {"x": 12, "y": 3.5}, MouseClick(x=12, y=3.5)),
    ],
)
def test_reads_what_servers_send(name: str, arguments: Any, expected: Action):
    assert parse_tool_call(name, arguments) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("press_button", {}, "unknown action"),
        ("hover", {"target": "x"}, "not among this task's actions"),
        ("click", {}, "target: field required"),
        ("click", {"target": True}, "target"),
        ("click", {"target": 1.0}, "target"),
        ("click", {"target": -1}, "greater than or equal to 0"),
        ("click", {"target": "a", "kind": "fill"}, "kind is not an argument"),
        ("click", {"target": "a", "color": "red"}, "color: extra inputs"),
        ("click", {"target": "a", "a\nb" * 50: 1}, "extra inputs"),
        ("click", "{", "not JSON"),
        ("click", "[" * 5000, "not JSON"),
        ("click", "[1]", "came a list"),
        ("click", "null", "came a NoneType"),
        ("click", " " * (MAX_ARGUMENTS_CHARS + 1), "at most"),
        ("press", {"keys": "\ud800"}, "keys"),
        ("write_file", {"path": "a", "text": "\x00" * 4000}, "do it in several"),
    ],
)
def test_says_what_is_wrong_in_one_line(name: str, arguments: Any, reason: str):
    with pytest.raises(ActionError, match=reason) as caught:
        parse_tool_call(name, arguments, allowed=DEFAULT_VERBS)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("x", [math.nan, math.inf, -1.0, True, "3"])
def test_what_is_no_coordinate_is_refused(x: Any):
    with pytest.raises(ActionError, match="x: input should be"):
        parse_tool_call("mouse_click", {"x": x, "y": 0})


@settings(deadline=None)
@given(
    st.one_of(st.sampled_from(sorted(ACTION_TYPES)), st.text(max_size=20)),
    st.dictionaries(st.text(max_size=8), json_values),
)
def test_any_call_gives_an_action_or_a_one_line_error(name: str, arguments: dict[str, Any]):
    for given_arguments in (arguments, json.dumps(arguments)):
        try:
            outcome = format_action(parse_tool_call(name, given_arguments))
            assert format_action(parse_action(outcome)) == outcome
        except ActionError as error:
            outcome = str(error)
        assert len(outcome.splitlines()) == 1


def test_a_call_is_short_enough_for_a_step():
    action = parse_tool_call("write_file", {"path": "a", "text": "x" * 4000})
    assert isinstance(action, WriteFile)
    assert parse_action(format_action(action)) == action
