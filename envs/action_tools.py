"""Actions as tool calls: JSON Schemas in the form that OpenAI-compatible servers take, and the way back.

tools = tool_schemas(task.verbs)
...                                             # the model answers with a tool call
action = parse_tool_call(call.name, call.arguments, allowed=task.verbs)
env.step(format_action(action))
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import orjson

from ..sandbox.errors import ActionError
from .action_base import MAX_ACTION_CHARS
from .actions import ACTION_TYPES, Action, build_action, check_allowed, format_action, usage

MAX_ARGUMENTS_CHARS = 8 * MAX_ACTION_CHARS
"""Longest JSON text of a call's arguments that is looked at."""


def tool_schemas(allowed: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Return one tool per action: `{"type": "function", "function": {"name", "description", "parameters"}}`.

    Args:
        allowed: the verbs to offer; None: every verb.

    Returns:
        Fresh JSON-ready dicts, in the order of the registry. `parameters` is a JSON Schema object without references.
    """
    return [deepcopy(_tool(verb)) for verb in ACTION_TYPES if allowed is None or verb in allowed]


def parse_tool_call(name: str, arguments: Mapping[str, Any] | str, *, allowed: Collection[str] | None = None) -> Action:
    """Read one action from a tool call.

    Args:
        name: the tool's name: the verb.
        arguments: the arguments by name, or their JSON text, as servers send it; "" means none. An argument that is
            null counts as left out.
        allowed: the verbs that the task allows; None: every verb.

    Returns:
        The typed action; its text is short enough for `step`.

    Raises:
        ActionError: one line that says what is wrong.
    """
    check_allowed(name, allowed)
    values = _decoded(name, arguments) if isinstance(arguments, str) else arguments
    if "kind" in values:
        raise ActionError(f"{name}: kind is not an argument; expected {usage(name)}")
    action = build_action(name, {key: value for key, value in values.items() if value is not None})
    if len(format_action(action)) > MAX_ACTION_CHARS:
        raise ActionError(f"{name}: the call is longer than {MAX_ACTION_CHARS} characters; do it in several")
    return action


@cache
def _tool(verb: str) -> dict[str, Any]:
    cls = ACTION_TYPES[verb]
    schema = cls.model_json_schema()
    properties = {name: _bare(part) for name, part in schema["properties"].items() if name != "kind"}
    required = [name for name, field in cls.model_fields.items() if field.is_required()]
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    description = " ".join((cls.__doc__ or "").split())
    return {"type": "function", "function": {"name": verb, "description": description, "parameters": parameters}}


def _bare(part: dict[str, Any]) -> dict[str, Any]:
    """Return an argument's schema without pydantic's titles, and without the null that only means "left out"."""
    bare = {key: value for key, value in part.items() if key != "title" and not (key == "default" and value is None)}
    kinds = [kind for kind in bare.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) == 1:
        bare = {key: value for key, value in bare.items() if key != "anyOf"} | kinds[0]
    elif kinds:
        bare["anyOf"] = kinds
    return bare


def _decoded(name: str, arguments: str) -> dict[str, Any]:
    if len(arguments) > MAX_ARGUMENTS_CHARS:
        raise ActionError(
            f"{name}: the arguments have {len(arguments)} characters; at most {MAX_ARGUMENTS_CHARS} are read"
        )
    try:
        values = orjson.loads(arguments.strip() or "{}")
    except orjson.JSONDecodeError as error:
        raise ActionError(f"{name}: the arguments are not JSON ({error}); expected an object such as {{}}") from error
    if not isinstance(values, dict):
        raise ActionError(f"{name}: the arguments are a JSON object such as {{}}, came a {type(values).__name__}")
    return values


__all__ = ["MAX_ARGUMENTS_CHARS", "parse_tool_call", "tool_schemas"]
