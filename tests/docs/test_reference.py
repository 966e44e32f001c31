"""The pages of the reference that are made from the code say what the code says, and name what there is."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from milepost.cli import app
from milepost.command_help import commands, commands_markdown
from milepost.envs.task import Task
from milepost.envs.task_help import task_file_markdown

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
MADE = {"commands.md": ("milepost.command_help", commands_markdown),
        "task_file.md": ("milepost.envs.task_help", task_file_markdown)}  # fmt: skip


@pytest.mark.parametrize("page", MADE)
def test_the_page_is_up_to_date(page: str, tmp_path: Path):
    module, text = MADE[page]
    assert (REFERENCE / page).read_text(encoding="utf-8") == text(), f"python -m {module} docs/reference/{page}"
    written = tmp_path / page
    subprocess.run([sys.executable, "-m", module, str(written)], check=True, timeout=60)
    assert written.read_text(encoding="utf-8") == text()


def test_every_command_and_option_of_the_help_is_there():
    """The page is made from typer's declarations; the help is what people see."""
    from typer.testing import CliRunner

    page = commands_markdown()
    for words, _ in commands(app):
        section = page.split(f"## `milepost {' '.join(words)}`\n", 1)[1].split("\n## ", 1)[0]
        shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
        assert shown.exit_code == 0
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown.output.split("Options", 1)[-1])) - {"--help"}
        declared = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", section))
        assert options <= declared, (words, options - declared)


def test_every_key_of_a_task_file_is_explained():
    section = task_file_markdown().split("## A task\n", 1)[1].split("\n## ", 1)[0]
    for name, info in Task.model_fields.items():
        if not info.exclude:
            assert re.search(rf"^- `{name}` \([^)]+\): \S", section, re.MULTILINE), name


def test_what_the_reference_takes_from_docstrings_is_there_and_documented():
    named = [name for page in REFERENCE.glob("*.md") for name in re.findall(r"^::: (\S+)", page.read_text(), re.M)]
    assert len(named) > 100
    for name in named:
        module, _, attribute = name.rpartition(".")
        thing = getattr(import_module(module), attribute)
        if callable(thing):
            assert (thing.__doc__ or "").strip(), f"{name} has no docstring"
