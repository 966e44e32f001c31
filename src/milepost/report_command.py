"""`milepost report`: several evaluations side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .completion import complete_evaluation
from .console import Json, print_json, stderr, stdout
from .eval_command import evaluation_path


def report(
    evaluations: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="Folders that `milepost eval` wrote, or their names in evals/.",
            autocompletion=complete_evaluation,
        ),
    ],
    *,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with plots; one file, nothing is loaded.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as CSV.")] = None,
    as_json: Json = False,
) -> None:
    """Show evaluations side by side, the best first, each compared with the best episode by episode."""
    from .agents.evaluation.folder import EvaluationFolder
    from .agents.evaluation.play import summary_of
    from .agents.evaluation.report import leaderboard, leaderboard_table, report_page, row_of
    from .agents.evaluation.summary import as_csv
    from .agents.record_files import write_atomically
    from .evaluation_view import show_leaderboard

    folders = {folder.path: folder for folder in map(EvaluationFolder.open, map(evaluation_path, evaluations))}
    board = leaderboard([row_of(folder, summary_of(folder)) for folder in folders.values()])
    if html is not None:
        write_atomically(html, report_page(board).encode())
    if csv is not None:
        write_atomically(csv, as_csv(*leaderboard_table(board)).encode())
    if as_json:
        print_json({"evaluations": [row.to_json() for row in board]})
    else:
        show_leaderboard(board, stdout())
    if len(board) > 1 and any(row.common < row.summary.all.episodes for row in board):
        stderr().print(
            "[yellow]These evaluations are not of the same episodes (tasks, seeds, samples): compare the columns "
            f"'common', on the {board[0].common} episodes that all of them have.[/yellow]",
            highlight=False,
            soft_wrap=True,
        )
    for path in (html, csv):
        if path is not None:
            stderr().print(f"[dim]wrote {escape(str(path))}[/dim]", highlight=False, soft_wrap=True)


__all__ = ["report"]
