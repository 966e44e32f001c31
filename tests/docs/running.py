"""Runs the commands of a page in a folder of their own, in this process, and keeps what they print."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from milepost.cli import app
from milepost.sandbox.errors import MilepostError

from .pages import ROOT, Block, Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command said, standard error included, and how it ended."""

    code: int
    out: str


def workplace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a folder from which the checkout's examples are seen as from its root."""
    folder.mkdir(exist_ok=True)
    for name in ("examples", "bench"):
        (folder / name).symlink_to(ROOT / name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "250")  # nothing of a table is folded


def run(command: Command, *more: str, typed: str = "quit\n") -> Ran:
    """Run one command: ours as the command line does it; mkdir and cd as a shell does.

    Args:
        command: the command.
        more: arguments that make it smaller.
        typed: what its standard input holds.
    """
    name, *arguments = without_redirection(command.words)
    match name:
        case "mkdir":
            Path(arguments[-1]).mkdir()
        case "cd":
            os.chdir(arguments[0])
        case "milepost":
            return _ours([*arguments, *more], typed)
        case _:
            raise AssertionError(f"{command.page}:{command.line}: nothing here knows how to run {name}")
    return Ran(code=0, out="")


def without_redirection(words: Sequence[str]) -> list[str]:
    """Return a command's words up to where its output goes elsewhere."""
    return list(words[: words.index(">")] if ">" in words else words)


def run_python(block: Block) -> Ran:
    """Run a block of Python as a script would be."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block.text, f"{block.page}:{block.line}", "exec"), {"__name__": "__main__"})
    return Ran(code=0, out=out.getvalue())


def _ours(arguments: list[str], typed: str) -> Ran:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = CliRunner().invoke(app, arguments, input=typed, env={"COLUMNS": "250"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        if isinstance(done.exception, MilepostError):
            return Ran(code=2, out=f"{done.output}\n{done.exception}")
        raise done.exception
    return Ran(code=done.exit_code, out=done.output)


def write_file(block: Block) -> None:
    """Write a block that is a file."""
    path = Path(block.title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def missing_from(shown: str, out: str) -> list[str]:
    """Return the lines of what a page shows that do not stand, in that order, in what came out.

    A line `...` stands for any lines, and `...` within a line for anything. Spaces count as one.
    """
    lines = [" ".join(line.split()) for line in out.splitlines()]
    at, missing = 0, []
    for line in (" ".join(each.split()) for each in shown.splitlines()):
        if line in ("", "..."):
            continue
        wanted = re.compile(".*".join(map(re.escape, line.split("..."))))
        found = next((i for i in range(at, len(lines)) if wanted.fullmatch(lines[i])), None)
        if found is None:
            missing.append(line)
        else:
            at = found + 1
    return missing


def follow(blocks: Sequence[Block], smaller: dict[str, tuple[str, ...]]) -> Iterator[tuple[Block, Ran]]:
    """Do what a page says, block by block; yield what each block of commands or Python came to.

    Args:
        blocks: of one page, in order.
        smaller: by the beginning of a command: arguments that make it smaller.
    """
    from .pages import SHELL, commands_of

    for block in blocks:
        if block.title:
            write_file(block)
        elif block.language in SHELL:
            said = []
            for command in commands_of(block):
                more = next((more for start, more in smaller.items() if command.text.startswith(start)), ())
                ran = run(command, *more)
                assert ran.code == 0, f"{command.page}:{command.line}: {command.text}\n{ran.out}"
                said.append(ran.out)
            yield block, Ran(code=0, out="\n".join(said))
        elif block.language == "python":
            yield block, run_python(block)
