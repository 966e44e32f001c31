from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from milepost.envs.action_help import action_help, actions_markdown, signature
from milepost.envs.actions import ACTION_TYPES, GROUPS

PAGE = Path(__file__).parents[2] / "docs" / "actions.md"


def test_the_documentation_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == actions_markdown(), (
        "an action class changed; write the page again: python -m milepost.envs.action_help docs/actions.md"
    )


def test_the_command_that_the_documentation_names_writes_it(tmp_path: Path):
    page = tmp_path / "actions.md"
    subprocess.run([sys.executable, "-m", "milepost.envs.action_help", str(page)], check=True, timeout=60)
    assert page.read_text(encoding="utf-8") == actions_markdown()


def test_the_documentation_has_every_action_argument_and_example():
    text = actions_markdown()
    for verb, cls in ACTION_TYPES.items():
        section = text.split(f"### `{verb}(", 1)[1].split("\n### ", 1)[0]
        assert all(f"- `{name}`: " in section for name in cls.model_fields if name != "kind")
        assert all(example in section for example in cls.examples)
    assert all(f"## `{group}`: " in text for group in GROUPS)


def test_help_is_one_line_per_allowed_action():
    lines = action_help(["hover", "mouse"]).splitlines()
    assert [line.partition("(")[0] for line in lines] == [
        "done",
        "noop",
        "hover",
        "mouse_click",
        "mouse_move",
        "mouse_drag",
    ]
    assert lines[1] == "noop(): Do nothing for a step. Example: noop()"
    assert action_help(["hover"], examples=False).splitlines()[1] == "noop(): Do nothing for a step."
    assert len(action_help(GROUPS).splitlines()) == len(ACTION_TYPES)
    with pytest.raises(ValueError, match="got 'mice'"):
        action_help(["mice"])


def test_a_signature_says_what_is_text_what_is_number_and_what_may_be_left_out():
    assert signature("mouse_click") == 'mouse_click(x, y, [button="..."], [count=...])'
    assert signature("fill") == 'fill("target", "text", [role="..."], [nth=...])'
    assert signature("tab_new") == 'tab_new(["url"])'
