import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    code: int
    out: str
    err: str

    def document(self) -> Any:
        """Standard output as one JSON document, with nothing before or after it."""
        return json.loads(self.out)

    def one_paragraph(self, *, after_progress: bool = False) -> str:
        """The error, asserted to be what a person should see of it: one paragraph, on standard error, no traceback."""
        assert self.code == 2, self
        assert self.out == ""
        assert "Traceback" not in self.err
        lines = self.err.strip().splitlines()
        assert len(lines) == 1 or after_progress, self.err
        return lines[-1]


Run = Callable[..., Answer]


@pytest.fixture
def milepost(tmp_path: Path) -> Run:
    """Runs the command line in a process of its own, in a folder of its own; keywords set variables, None unsets."""

    def run(*arguments: str | Path, **variables: str | None) -> Answer:
        environ = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "MILEPOST_DEBUG"}}
        for name, value in variables.items():
            environ.pop(name, None)
            if value is not None:
                environ[name] = value
        command = [sys.executable, "-m", "milepost", *(str(a) for a in arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=280)
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr)

    return run
