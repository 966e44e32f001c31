"""The `milepost` command. Thin: each command loads what it needs, calls it, and shows what came back.

Everything meant for programs goes to standard output; everything else (progress, errors) to standard error, so that
`--json` gives exactly one JSON document.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from . import __version__
from .arguments import tasks_named, train_extra
from .console import HELP_OPTIONS, Json, print_json, stderr, stdout
from .eval_command import evaluate
from .label_commands import label_app
from .offline_commands import record, run_offline
from .play_command import play
from .preferences_commands import preferences_app
from .report_command import report
from .sandbox.errors import MilepostError
from .serve_commands import serve
from .tasks_commands import tasks_app
from .view_command import view

if TYPE_CHECKING:
    from .doctor import Check
    from .sandbox.self_check import SelfCheckReport

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's configuration, a YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the file's.")
]

app = typer.Typer(
    help="Train computer-use agents on rewards you can audit.",
    epilog="First: milepost doctor. Then: milepost tasks list; milepost eval expense-form --policy oracle.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=HELP_OPTIONS,
)
train_app = typer.Typer(help="Train a policy or a reward model.", no_args_is_help=True, context_settings=HELP_OPTIONS)
app.add_typer(tasks_app, name="tasks")
app.add_typer(train_app, name="train")
app.add_typer(preferences_app, name="preferences")
app.add_typer(label_app, name="label")
app.command("play")(play)
app.command("eval")(evaluate)
app.command("report")(report)
app.command()(serve)
app.command()(record)
app.command()(view)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 something is missing or failed, 2 wrong input or a MilepostError."""
    try:
        app(args=None if argv is None else list(argv), prog_name="milepost")
    except MilepostError as error:
        if os.environ.get("MILEPOST_DEBUG", "") not in {"", "0"}:
            raise
        stderr().print(f"[red]{escape(' '.join(str(error).split()))}[/red]", highlight=False, soft_wrap=True)
        raise SystemExit(2) from None


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        from .welcome import show_the_way

        show_the_way(stdout())


@app.command()
def doctor(
    *,
    deep: Annotated[bool, typer.Option(help="Also launch the browser and try the sandbox's behaviours in it.")] = False,
    runs: Annotated[Path, typer.Option(help="Folder that runs will be written to.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """Say what this machine has and lacks, and how to get what it lacks."""
    from .doctor import examine

    checks = examine(deep=deep, runs=runs)
    self_check = None
    if deep and all(check.status == "ok" for check in checks if check.name.startswith("chromium")):
        sandbox, self_check = _examine_sandbox()
        checks.append(sandbox)
    ready = all(check.status != "missing" for check in checks)
    if as_json:
        document = {"ready": ready, "checks": [asdict(check) for check in checks]}
        print_json(document if self_check is None else {**document, "self_check": self_check.to_json()})
    else:
        console = stdout()
        if self_check is not None:
            _show_self_check(self_check, console)
        colours = {"ok": "green", "warning": "yellow", "missing": "red"}
        for check in checks:
            console.print(
                f"[{colours[check.status]}]{check.status:8}[/] [bold]{check.name}[/]: {escape(check.found)}",
                highlight=False,
                soft_wrap=True,
            )
            if check.cure:
                console.print(f"{'':9}{escape(check.cure)}", highlight=False, soft_wrap=True)
        console.print("Ready: milepost train grpo CONFIG.yaml" if ready else "Mend what is missing, then try again.")
    if not ready:
        raise typer.Exit(1)


def _examine_sandbox() -> tuple[Check, SelfCheckReport]:
    from .doctor import examine_sandbox

    with stderr().status("trying the sandbox") as status:
        return examine_sandbox(
            lambda result, done, total: status.update(f"trying the sandbox: {done}/{total}, {escape(result.name)}")
        )


def _show_self_check(report: SelfCheckReport, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("sandbox check")
    table.add_column("", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    colours = {"passed": "green", "skipped": "yellow", "failed": "red"}
    for result in report.results:
        name = escape(result.name)
        if result.status == "failed":  # why it matters is worth its line where it does not hold
            name += f"\n[dim]{escape(result.reason)}[/dim]"
        if result.detail:
            name += f"\n[dim]{escape(result.detail)}[/dim]"
        table.add_row(name, f"[{colours[result.status]}]{result.status}[/]", f"{result.seconds:.1f}")
    console.print(table)


@train_app.command("grpo")
def train_grpo(
    config: ConfigFile,
    overrides: Overrides = None,
    *,
    as_json: Json = False,
) -> None:
    """Train by group-relative policy optimisation; the same command again resumes a run that was cut short.

    preset=NAME makes it rloo, dapo, dr-grpo, gspo, cispo, reinforce, trpo or another; docs/training.md lists them.
    """
    _train_online("grpo", config, overrides, as_json=as_json)


@train_app.command("ppo")
def train_ppo(
    config: ConfigFile,
    overrides: Overrides = None,
    *,
    as_json: Json = False,
) -> None:
    """Train by proximal policy optimisation with a critic; the same command again resumes a run that was cut short.

    preset=NAME makes it ppo-penalty or ppo-ptx; docs/training.md lists the settings.
    """
    _train_online("ppo", config, overrides, as_json=as_json)


def _train_online(trainer: Literal["grpo", "ppo"], config: Path, overrides: list[str] | None, *, as_json: bool) -> None:
    from .sandbox.chromium import find_chromium

    find_chromium()  # without one every episode would break down; better said at once
    with train_extra():
        if trainer == "grpo":
            from .trainers.grpo import main as script
        else:
            from .trainers.ppo import main as script

    # With --json the script's closing lines, which are for people, join its progress on standard error.
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        try:
            result = script([str(config), *(overrides or [])])
        except KeyboardInterrupt:
            stderr().print("Interrupted. The same command goes on from the last finished iteration.")
            raise typer.Exit(130) from None
    if as_json:
        print_json(asdict(result))


@train_app.command("rm")
def train_rm(
    config: ConfigFile,
    overrides: Overrides = None,
    *,
    as_json: Json = False,
) -> None:
    """Train a reward model on preferences; the new version goes on from the newest one unless start=fresh.

    Exits with 1 if the new version is refused because it lost held-out accuracy.
    """
    with train_extra():
        from .trainers.reward_model import main as reward_model

    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        try:
            result = reward_model([str(config), *(overrides or [])])
        except KeyboardInterrupt:
            stderr().print("Interrupted. No version was written.")
            raise typer.Exit(130) from None
    if as_json:
        document = {**asdict(result), "held_out": result.held_out.model_dump()}
        print_json({**document, "unseen": None if result.unseen is None else result.unseen.model_dump()})
    if result.refused is not None:
        raise typer.Exit(1)


@train_app.command("dpo")
def train_dpo(
    config: ConfigFile,
    overrides: Overrides = None,
    *,
    as_json: Json = False,
) -> None:
    """Train on preferences between recorded episodes or their steps, without new ones; the same command resumes.

    loss.objective chooses among dpo, ipo, kto, apo-zero, apo-zero-unpaired, apo-down, simpo, orpo, slic and discopop.
    """
    with train_extra():
        from .trainers.dpo import main as script

    run_offline(script, config, overrides, as_json=as_json)


@train_app.command("sft")
def train_sft(
    config: ConfigFile,
    overrides: Overrides = None,
    *,
    as_json: Json = False,
) -> None:
    """Train on demonstrations: the tasks' oracles, or recorded runs' successes; the same command resumes."""
    with train_extra():
        from .trainers.sft import main as script

    run_offline(script, config, overrides, as_json=as_json)


@train_app.command("rest")
def train_rest(
    config: ConfigFile,
    overrides: Overrides = None,
    *,
    as_json: Json = False,
) -> None:
    """Train by expert iteration (ReST): play, learn from what earned enough, ask for more; the same command resumes."""
    with train_extra():
        from .trainers.rest import main as script

    run_offline(script, config, overrides, as_json=as_json)


@app.command()
def rescore(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, a folder of ledgers, or a ledger.")],
    *,
    task: Annotated[
        str | None, typer.Option(help="Score by this definition instead: a task file, or a registered task's id.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score recorded episodes again, offline, and report every difference.

    Exits with 0 if every ledger's hash chain is whole and every reward is as recorded (one that a killed process left
    unfinished may be among them), with 1 otherwise. With --task, differences are what was asked for, and do not count.
    """
    from rich.progress import MofNCompleteColumn, Progress

    from .agents.rescore_run import rescore_run
    from .rescore_view import show_rescored

    tasks = None if task is None else tasks_named(task)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=stderr(), transient=True) as progress:
        bar = progress.add_task("scoring again", total=None)
        rescored = rescore_run(
            run, tasks=tasks, on_episode=lambda done, total, _: progress.update(bar, completed=done, total=total)
        )
    if as_json:
        print_json(rescored.to_json())
    else:
        show_rescored(rescored, stdout())
    if not rescored.passed:
        raise typer.Exit(1)


__all__ = ["app", "main"]
