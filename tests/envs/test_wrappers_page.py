"""The page about wrappers shows what works, each in three lines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "wrappers.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_wrapper_is_shown_in_three_lines():
    from milepost.envs import wrappers

    shown = [block for block in BLOCKS if block.startswith("env = ")]
    assert sorted(name for block in shown for name in re.findall(r"^env = (\w+)", block)) == sorted(wrappers.__all__)
    assert {len(block.splitlines()) for block in shown} == {3}


@pytest.mark.browser
def test_the_page_runs(tmp_path: Path):
    environ = {**os.environ, "PYTHONWARNINGS": "error"}
    script = "".join(BLOCKS)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "(180, 320, 3)" in done.stdout
    assert "noop() -> nothing changed" in done.stdout
    assert {path.name for path in (tmp_path / "episodes").iterdir()} == {
        "expense-form-v0-seed1-0.json",
        "expense-form-v0-seed1-0.gif",
    }
