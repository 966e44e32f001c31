"""The description of the addresses, as OpenAPI has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROTOCOL_VERSION = "1.0.0"
_JSON = "application/json"


def openapi(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document.

    Args:
        name: the environment's.
        schema: what `/schema` answers.
    """
    observation, state = {"type": "object"}, schema["state"]
    reset = _object(seed="integer", episode_id="string", task="string", split="string", index="integer")
    step = {
        "type": "object",
        "required": ["action"],
        "properties": {"action": schema["action"], "timeout_s": {"type": "number"}, "episode_id": {"type": "string"}},
    }
    result = {
        "type": "object",
        "required": ["observation", "reward", "done"],
        "properties": {
            "observation": observation,
            "reward": {"type": ["number", "null"]},
            "done": {"type": "boolean"},
            "metadata": {"type": "object"},
        },
    }
    split, item = _object(split="string"), _object(split="string", index="integer")
    paths = {
        "/reset": _post("Begin an episode", reset, result),
        "/step": _post("Do one action", step, result),
        "/state": _get("Where an episode is", state),
        "/schema": _get("Schemas of actions, observations and states", {"type": "object"}),
        "/metadata": _get("What is served", {"type": "object"}),
        "/health": _get("Whether the server is up", _object(status="string")),
        "/mcp": _post("The actions as tools (JSON-RPC)", {"type": "object"}, {"type": "object"}),
        "/list_environments": _get("The environment's name", {"type": "array", "items": {"type": "string"}}),
        f"/{name}/splits": _get("The splits", {"type": "array", "items": _object(name="string", type="string")}),
        f"/{name}/tasks": _post("A split's items", split, {"type": "object"}),
        f"/{name}/num_tasks": _post("How many there are", split, _object(num_tasks="integer")),
        f"/{name}/task": _post("One item", item, {"type": "object"}),
        f"/{name}/task_range": _post(
            "Some items", _object(split="string", start="integer", stop="integer"), {"type": "object"}
        ),
    }
    info = {"title": f"{name}: an OpenEnv environment of milepost", "version": PROTOCOL_VERSION}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def _object(**types: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in types.items()}}


def _get(summary: str, answer: Any) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": _answers(answer)}}


def _post(summary: str, body: Any, answer: Any) -> dict[str, Any]:
    return {
        "post": {
            "summary": summary,
            "requestBody": {"content": {_JSON: {"schema": body}}},
            "responses": _answers(answer),
        }
    }


def _answers(schema: Any) -> dict[str, Any]:
    return {"200": {"description": "Done", "content": {_JSON: {"schema": schema}}}}


__all__ = ["PROTOCOL_VERSION", "openapi"]
