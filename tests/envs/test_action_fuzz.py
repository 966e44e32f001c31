from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "bench" / "fuzz_actions.py"


def test_generated_actions_never_crash_the_parser():
    """A shorter run than the script's own, whose default is 100 000."""
    command = [sys.executable, str(SCRIPT), "--count", "10000", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert " 0 failures" in done.stdout
    assert int(done.stdout.split(" texts, ")[1].split(" ")[0]) > 1000, "few texts were actions: the generator is off"
