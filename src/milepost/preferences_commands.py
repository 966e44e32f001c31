"""The `milepost preferences` commands: rankings of recorded episodes, which reward models learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .arguments import registered, split_settings, train_extra
from .console import HELP_OPTIONS, Json, print_json, stderr

preferences_app = typer.Typer(
    help="Make preferences, which reward models learn from.", no_args_is_help=True, context_settings=HELP_OPTIONS
)


@preferences_app.command("from-rules")
def preferences_from_rules(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs with recorded episodes.")],
    *,
    out: Annotated[Path, typer.Option(help="The JSONL file to write.")],
    most: Annotated[int, typer.Option(min=2, help="Most trajectories in one ranking.")] = 16,
    append: Annotated[bool, typer.Option("--append", help="Add to the file instead of replacing it.")] = False,
    as_json: Json = False,
) -> None:
    """Rank recorded episodes of the same task and seed by their rule totals."""
    from .rewards.preferences import write_preferences

    with train_extra():
        from .trainers.preferences_from_rules import rankings_from_rules

    with stderr().status("reading") as status:
        made = rankings_from_rules(
            runs, most_items=most, on_file=lambda path: status.update(f"reading {escape(str(path))}")
        )
    written = write_preferences(out, made.rankings, append=append)
    pairs = sum(len(ranking.pairs) for ranking in made.rankings)
    document = {
        "out": str(out),
        "rankings": written,
        "pairs": pairs,
        "episodes": made.episodes,
        "unscored": made.unscored,
        "repeated": made.repeated,
        "tied_groups": made.tied_groups,
    }
    if as_json:
        print_json(document)
    else:
        print(
            f"{written} rankings with {pairs} ordered pairs of {made.episodes} episodes in {out}; left out: "
            f"{made.repeated} repeated and {made.unscored} unscored episodes, {made.tied_groups} groups of equal totals"
        )
    if not written:
        raise typer.Exit(1)


@preferences_app.command("from-judge")
def preferences_from_judge(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN|KEY=VALUE", help="Folders of runs; settings that replace the file's."),
    ],
    *,
    out: Annotated[Path, typer.Option(help="The JSONL file to write.")],
    config: Annotated[
        Path, typer.Option(metavar="FILE", help="Which judge, what it may spend, and what to believe; a YAML file.")
    ],
    task: Annotated[
        list[str] | None, typer.Option(help="A task file that the runs were made with, for its rubrics; repeatable.")
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to the file instead of replacing it.")] = False,
    as_json: Json = False,
) -> None:
    """Let a judge score recorded episodes of the same task and seed, and rank them by their scores.

    Each episode is judged by itself, so no order of showing can sway the judge. Where it abstains or is not sure, the
    episode is left out. The same command again asks only what the judge has not answered yet.
    """
    import asyncio

    from .preferences_view import judged_document, judged_summary, judged_warning
    from .rewards.preferences import write_preferences

    with train_extra():
        from .trainers.judge_preferences_config import load_judge_preferences
        from .trainers.preferences_from_judge import connect_judge, rankings_from_judge

    folders, settings = split_settings(runs)
    for file in task or ():
        registered(file)
    asked = load_judge_preferences(config, settings)
    judge = connect_judge(asked, out)
    with stderr().status("reading") as status:
        try:
            made = asyncio.run(
                rankings_from_judge(
                    map(Path, folders),
                    asked,
                    judge,
                    on_file=lambda path: status.update(f"reading {escape(str(path))}"),
                    on_judged=lambda done, total, cost: status.update(f"{done}/{total} groups, cost {cost:.6g}"),
                )
            )
        except KeyboardInterrupt:
            stderr().print(
                f"Interrupted; nothing was written. The same command goes on from the answers in {judge.config.cache}."
            )
            raise typer.Exit(130) from None
    if made.rankings:
        write_preferences(out, made.rankings, append=append)
    if as_json:
        print_json(judged_document(made, out))
    else:
        print(judged_summary(made, out))
    if warning := judged_warning(made):
        stderr().print(f"[yellow]{escape(warning)}[/yellow]", highlight=False, soft_wrap=True)
    if not made.rankings:
        raise typer.Exit(1)


__all__ = ["preferences_app"]
