"""docs/milestones.md is what the classes and the task files say."""

import subprocess
import sys
from pathlib import Path

from milepost.envs.milestone_help import SHOWN_TASKS, milestones_markdown
from milepost.envs.milestone_spec import MilestoneSpec
from milepost.envs.registration import BUNDLED_TASKS
from milepost.rewards.catalogue import CATALOGUE
from milepost.rewards.detectors import DETECTORS

PAGE = Path(__file__).parents[2] / "docs" / "milestones.md"
HOW = "write the page again: python -m milepost.envs.milestone_help docs/milestones.md"


def test_the_documentation_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == milestones_markdown(), HOW


def test_the_command_that_the_documentation_names_writes_it(tmp_path: Path):
    page = tmp_path / "milestones.md"
    subprocess.run([sys.executable, "-m", "milepost.envs.milestone_help", str(page)], check=True, timeout=60)
    assert page.read_text(encoding="utf-8") == milestones_markdown()


def test_three_task_files_are_shown_unedited():
    page = PAGE.read_text(encoding="utf-8")
    assert len(SHOWN_TASKS) >= 3
    for name in SHOWN_TASKS:
        assert f"```yaml\n{(BUNDLED_TASKS / f'{name}.yaml').read_text(encoding='utf-8')}```\n" in page, HOW


def test_the_catalogue_is_whole():
    page = PAGE.read_text(encoding="utf-8")
    for name, entry in CATALOGUE.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert f"| {entry.reward:.2f} |" in row
        assert all(f"`{kind}`" in row for kind in entry.kinds)
        assert all(f"`{key}: " in row for key in entry.presets)


def test_every_detector_is_there_with_every_field():
    page = PAGE.read_text(encoding="utf-8")
    for kind, cls in DETECTORS.items():
        section = page.split(f"### `{kind}`\n", 1)[1].split("\n### ", 1)[0]
        for name, info in cls.model_fields.items():
            if name != "kind":
                (line,) = [line for line in section.splitlines() if line.startswith(f"- `{name}` (")]
                assert (", required)" in line) is info.is_required()


def test_keys_of_every_milestone_are_explained():
    section = PAGE.read_text(encoding="utf-8").split("## Keys of every milestone\n", 1)[1].split("\n## ", 1)[0]
    for name in {*MilestoneSpec.model_fields, "detector"} - {"spec"}:
        assert f"\n- `{name}` (" in section
    assert ")\n" not in section, "a key without a word on what it means; document it in MilestoneSpec's docstring"
