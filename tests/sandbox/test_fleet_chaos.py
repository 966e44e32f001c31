"""A short run of bench/chaos.py: browsers killed and pages looping while episodes run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BENCH = Path(__file__).parents[2] / "bench" / "chaos.py"


def test_episodes_end_as_they_should_while_browsers_are_killed_and_pages_loop(tmp_path):
    report = tmp_path / "chaos.json"
    command = [sys.executable, str(BENCH), "--episodes=40", "--contexts=4", "--browsers=2", "--json", str(report)]
    done = subprocess.run(
        [*command, "--kill-every=4", "--loop-every=20"], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    summary = json.loads(report.read_text())
    assert summary["kills"] >= 1
    assert summary["completed"] >= 1
    assert summary["completed"] + summary["looped"] + sum(summary["failures"].values()) == 40
