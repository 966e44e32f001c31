"""The schema that editors complete task files by."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from milepost.envs.registration import BUNDLED_TASKS
from milepost.envs.task_schema import schema_text, task_schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = task_schema()
EDITOR = jsonschema.Draft202012Validator(SCHEMA)
BROKEN = {p.stem: p for p in (Path(__file__).parent / "broken").glob("*.yaml")}


def test_the_published_schema_is_current():
    """If it is not: `python -m milepost.envs.task_schema docs/task.schema.json` writes it again."""
    assert (ROOT / "docs" / "task.schema.json").read_text(encoding="utf-8") == schema_text()


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted(BUNDLED_TASKS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_bundled_tasks_fit_it(path):
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        EDITOR.validate(document)


@pytest.mark.parametrize(
    "place",
    [
        "expenses",
        "./server.py:app",
        {"asgi": "server:make()", "state": "/_state"},
        {"command": ["python", "server.py", "{port}"], "reset": "/_reset", "folder": "server"},
    ],
)
def test_every_kind_of_place_fits_it(place):
    task = yaml.safe_load((BUNDLED_TASKS / "expense-form.yaml").read_text(encoding="utf-8"))
    EDITOR.validate(task | {"app": place})
    del task["app"]
    more = {"site": "./pages", "workspace": "a.zip"}
    EDITOR.validate(task | more)
    EDITOR.validate(task | {"hosts": ["https://example.org"]})


@pytest.mark.parametrize(
    "name",
    [
        "misspelt-key",
        "missing-key",
        "word-for-number",
        "number-out-of-range",
        "bad-name",
        "unknown-catalogue",
        "unknown-detector",
        "unknown-field",
        "number-for-text",
        "text-for-list",
        "list-for-mapping",
        "misspelt-key-of-a-server",
        "function-in-a-file",
    ],
)
def test_an_editor_marks_what_is_wrong(name):
    with pytest.raises(jsonschema.ValidationError):
        EDITOR.validate(yaml.safe_load(BROKEN[name].read_text()))


def test_every_key_is_described():
    silent = [key for key, part in SCHEMA["properties"].items() if "description" not in part]
    assert silent == []
    assert "setup" not in SCHEMA["properties"]
    milestone = json.dumps(SCHEMA["$defs"]["MilestoneSpec"])
    assert "unique in the task" in milestone
