"""The `milepost tasks` commands that write something: a new task, the schema for editors, the record of versions."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from .console import Json, print_json, stderr, stdout

if TYPE_CHECKING:
    from .envs.scaffold import Kind


def tasks_new(
    name: Annotated[str | None, typer.Argument(help="Lower-case words joined by hyphens: claim-lunch.")] = None,
    *,
    kind: Annotated[
        str | None, typer.Option(help="site (HTML files), app (a server in Python) or files (no pages).")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where to write it; the present folder if left out.")] = None,
    description: Annotated[str | None, typer.Option(help="One line for people.")] = None,
    family: Annotated[str | None, typer.Option(help="What kind of task it is, for reports.")] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the task file in $VISUAL or $EDITOR.")] = False,
    as_json: Json = False,
) -> None:
    """Write a new task, sound and small, with pages or server or files, an oracle, near misses and a test.

    On a terminal it asks for what was not given.
    """
    from .envs.scaffold import IN_WORDS, KINDS, write_task
    from .sandbox.errors import TaskError

    asks = sys.stdin.isatty() and sys.stderr.isatty() and not as_json
    if name is None:
        if not asks:
            raise TaskError("expected a name, got none; write milepost tasks new claim-lunch --kind site")
        name = str(typer.prompt("Name, such as claim-lunch", err=True))
    if kind is None and asks:
        for number, each in enumerate(KINDS, start=1):
            stderr().print(f"  {number}  {each:6} {IN_WORDS[each]}", highlight=False)
        answer = str(typer.prompt("What does it run on?", default="1", err=True))
        kind = KINDS[int(answer) - 1] if answer.isdigit() and 0 < int(answer) <= len(KINDS) else answer
    if description is None and asks:
        description = str(
            typer.prompt("Description, one line (empty: the example's own)", default="", show_default=False, err=True)
        )
    made = write_task(name, _kind(kind), folder or Path(), description=description or "", family=family or "")
    if as_json:
        print_json({"task": str(made.task), "files": [str(path) for path in (made.task, *made.others)]})
    else:
        console = stdout()
        for path in (made.task, *made.others):
            console.print(f"wrote [bold]{escape(str(path))}[/]", highlight=False, soft_wrap=True)
        console.print(f"Next: milepost tasks check {escape(str(made.task))}", highlight=False, soft_wrap=True)
    if open_it or (asks and _editor() and typer.confirm(f"Open {made.task} in {_editor()}?", default=True, err=True)):
        _open(made.task)


def tasks_schema(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; standard output if left out.")] = None,
) -> None:
    """Print the JSON Schema of a task file, which gives editors completion."""
    from .envs.task_schema import schema_text

    if file is None:
        sys.stdout.write(schema_text())
    else:
        file.write_text(schema_text(), encoding="utf-8")
        stderr().print(f"wrote {escape(str(file))}", highlight=False, soft_wrap=True)


def tasks_lock(
    file: Annotated[str, typer.Argument(help="A task file, a folder, or a pattern in quotes.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Also what has changed without a new version.")] = False,
    as_json: Json = False,
) -> None:
    """Record what each version of a task contains, so that a change without a new version number is found."""
    from .envs.task import load_tasks
    from .envs.task_file import matching_files
    from .envs.task_versions import LOCK_FILE, record

    recorded: dict[str, str] = {}
    for path in matching_files(file):
        recorded.update(record(load_tasks(path), path.parent, force=force))
    if as_json:
        print_json({"recorded": recorded})
        return
    for env_id, digest in recorded.items():
        stdout().print(f"recorded {env_id} {digest}", highlight=False)
    if not recorded:
        stdout().print(f"nothing new: {LOCK_FILE} has them all")


def _kind(given: str | None) -> Kind:
    from .envs.scaffold import IN_WORDS, KINDS
    from .sandbox.errors import TaskError

    for each in KINDS:
        if given == each:
            return each
    kinds = "; ".join(f"{each}: {words}" for each, words in IN_WORDS.items())
    raise TaskError(f"expected --kind {', '.join(KINDS)}, got {given or 'none'}; choose one ({kinds})")


def _editor() -> str:
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""


def _open(path: Path) -> None:
    import click

    if not _editor():
        stderr().print("[yellow]No editor is named in $VISUAL or $EDITOR.[/yellow]")
        return
    click.edit(filename=str(path), editor=_editor())


__all__ = ["tasks_lock", "tasks_new", "tasks_schema"]
