"""The JSON Schema of a task file, for editors: completion, and words about each key while one types.

`python -m milepost.envs.task_schema docs/task.schema.json` writes the published one again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..rewards.detectors import DETECTORS
from .milestone_help import attributes_of, documented
from .milestone_spec import MilestoneSpec
from .parameters import Parameter, Sample
from .places import OwnApp
from .task import NearMiss, Task

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FILE = "task.schema.json"

_DOCUMENTED: tuple[type[BaseModel], ...] = (NearMiss, OwnApp, Parameter, Sample)


def task_schema() -> dict[str, Any]:
    """Return the schema of one document of a task file."""
    schema = Task.model_json_schema(by_alias=True)
    schema["title"] = "milepost task"
    schema["description"] = "What an episode is about, which milestones it pays for, and how to solve it."
    _describe(schema, Task)
    definitions = schema.get("$defs", {})
    for model in _DOCUMENTED:
        if model.__name__ in definitions:
            _describe(definitions[model.__name__], model)
    common = attributes_of(MilestoneSpec)
    for alternative in definitions.get("MilestoneSpec", {}).get("anyOf", ()):
        keys = alternative["properties"]
        words = {**common, **documented(DETECTORS[keys["detector"]["const"]])}
        for name, key in keys.items():
            if name in words and "description" not in key:
                keys[name] = {**key, "description": words[name]}
    return {"$schema": DIALECT, **schema}


def schema_text() -> str:
    """Return the schema as the published file has it."""
    return json.dumps(task_schema(), indent=1, ensure_ascii=False) + "\n"


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Put into a model's schema what its docstring says of its attributes."""
    words = attributes_of(model)
    by_key = {info.alias or name: words.get(name) for name, info in model.model_fields.items()}
    if model is not Task:
        schema.pop("description", None)
    for key, part in schema.get("properties", {}).items():
        if by_key.get(key):
            part["description"] = by_key[key]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")


__all__ = ["SCHEMA_FILE", "schema_text", "task_schema"]
