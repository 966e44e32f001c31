"""The first minutes: the bare command, completion, and output that is not for a terminal."""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

from .conftest import Run

COLOUR = "\x1b["


def test_the_bare_command_shows_the_way(milepost: Run, tmp_path: Path):
    answer = milepost()
    assert answer.code == 0, answer.err
    for command in ("milepost doctor", "milepost tasks list", "milepost eval expense-form --policy oracle"):
        assert command in answer.out
    assert "In this folder" not in answer.out
    assert COLOUR not in answer.out
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "config.yaml").write_text("seed: 1\n")
    assert "milepost eval core --policy runs/mine" in milepost().out


def test_without_a_browser_it_says_so_first(milepost: Run, tmp_path: Path):
    answer = milepost(MILEPOST_CHROMIUM=str(tmp_path / "absent"), PATH="")
    assert answer.code == 0
    assert "MILEPOST_CHROMIUM" in answer.out


def completed(milepost: Run, words: str) -> list[str]:
    answer = milepost(_MILEPOST_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    return answer.out.split()


def test_the_shell_completes_commands_tasks_and_policies(milepost: Run):
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # a test's parent process is no shell
    assert "_MILEPOST_COMPLETE=complete_bash" in milepost("--show-completion", "bash", **told).out
    assert "eval" in completed(milepost, "milepost ev")
    assert "core" in completed(milepost, "milepost eval cor")
    assert completed(milepost, "milepost eval core --policy ora") == ["oracle"]


def on_a_terminal(*arguments: str, **variables: str) -> str:
    """What a command writes to a terminal of 100 columns."""
    here, there = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "CI"}}
    environ |= {"TERM": "xterm-256color", "COLUMNS": "100", **variables}
    process = subprocess.Popen([sys.executable, "-m", "milepost", *arguments], stdout=there, stderr=there, env=environ)
    os.close(there)
    written = b""
    while select.select([here], [], [], 120)[0]:
        try:
            part = os.read(here, 65536)
        except OSError:  # Linux says so when the last writer has gone
            break
        if not part:
            break
        written += part
    process.wait(timeout=60)
    os.close(here)
    return written.decode()


def test_colours_are_for_terminals_that_want_them():
    coloured, plain = on_a_terminal("doctor"), on_a_terminal("doctor", NO_COLOR="1")
    assert "\x1b[32m" in coloured
    assert not [code for code in ("\x1b[31m", "\x1b[32m", "\x1b[33m") if code in plain]
