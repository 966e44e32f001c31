"""What `milepost` alone says: where one stands, and the next things to type."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from .sandbox.errors import BrowserNotFoundError

_FIRST = (
    ("milepost doctor", "what this machine has and lacks"),
    ("milepost tasks list", "the tasks that come along"),
    ("milepost play expense-form", "be the agent yourself"),
    ("milepost eval expense-form --policy oracle --seeds 4", "see a task solved, and measured"),
    ("milepost train grpo CONFIG.yaml", "train a policy; the README has a configuration to copy"),
    ("milepost tasks new my-task --kind site", "write a task of your own"),
)


def show_the_way(console: Console) -> None:
    """Print what to type first, and what lies in this folder to go on with."""
    from .sandbox.chromium import find_chromium

    console.print("[bold]milepost[/bold]: train computer-use agents on rewards you can audit.\n", highlight=False)
    try:
        find_chromium()
    except BrowserNotFoundError as error:
        console.print(f"[yellow]First:[/yellow] {escape(str(error))}\n", highlight=False, soft_wrap=True)
    console.print("Where to begin:", highlight=False)
    _show(_FIRST, console)
    found = _here(Path())
    if found:
        console.print("\nIn this folder:", highlight=False)
        _show(found, console)
    console.print(
        "\nEvery command: milepost --help. Tab completes after: milepost --install-completion", highlight=False
    )


def _here(folder: Path) -> list[tuple[str, str]]:
    """Return what to type about the newest run and the evaluations that lie here."""
    runs = sorted(folder.glob("runs/*/config.yaml"), key=lambda path: path.stat().st_mtime)
    evaluations = sorted(folder.glob("evals/*/config.json"), key=lambda path: path.stat().st_mtime)
    found = []
    if runs:
        found.append((f"milepost eval core --policy {runs[-1].parent}", "measure the newest run"))
        found.append((f"milepost rescore {runs[-1].parent}", "compute its rewards again"))
    if evaluations:
        names = " ".join(str(path.parent) for path in evaluations[-3:])
        found.append((f"milepost report {names}", "the newest evaluations side by side"))
    return found


def _show(rows: tuple[tuple[str, str], ...] | list[tuple[str, str]], console: Console) -> None:
    for command, what in rows:
        console.print(f"  [bold]{escape(command)}[/bold]\n      {escape(what)}", highlight=False, soft_wrap=True)


__all__ = ["show_the_way"]
