"""The `milepost` command. Thin: each command loads what it needs, calls it, and shows what came back.

Everything meant for programs goes to standard output; everything else (progress, errors) to standard error, so that
`--json` gives exactly one JSON document.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from . import __version__
from .console import Json
from .console import print_json as _print_json
from .console import stderr as _stderr
from .console import stdout as _stdout
from .label_commands import label_app
from .sandbox.errors import EngineError, MilepostError, TaskError

if TYPE_CHECKING:
    from .agents.records import Trajectory
    from .agents.task_check import Row, TaskCheck
    from .doctor import Check
    from .envs.checks.static import StaticReport
    from .envs.explain import Explanation
    from .envs.task import Task
    from .sandbox.self_check import SelfCheckReport

_TRAIN_MODULES = {"accelerate", "gguf", "matplotlib", "peft", "safetensors", "tensorboard", "torch", "transformers"}
_SETTING = re.compile(r"[a-z_]+(\.[^.=]+)*=")
_HELP = {"context_settings": {"help_option_names": ["-h", "--help"]}}

app = typer.Typer(
    help="Train computer-use agents on rewards you can audit.",
    epilog="First: milepost doctor. Then: milepost tasks list; milepost eval expense-form --policy oracle.",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    **_HELP,  # type: ignore[arg-type]
)
tasks_app = typer.Typer(help="See and check tasks.", no_args_is_help=True, **_HELP)  # type: ignore[arg-type]
preferences_app = typer.Typer(help="Make preferences, which reward models learn from.", no_args_is_help=True, **_HELP)  # type: ignore[arg-type]
train_app = typer.Typer(help="Train a policy or a reward model.", no_args_is_help=True, **_HELP)  # type: ignore[arg-type]
app.add_typer(tasks_app, name="tasks")
app.add_typer(train_app, name="train")
app.add_typer(preferences_app, name="preferences")
app.add_typer(label_app, name="label")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 something is missing or failed, 2 wrong input or a MilepostError."""
    try:
        app(args=None if argv is None else list(argv), prog_name="milepost")
    except MilepostError as error:
        if os.environ.get("MILEPOST_DEBUG", "") not in {"", "0"}:
            raise
        _stderr().print(f"[red]{escape(' '.join(str(error).split()))}[/red]", highlight=False, soft_wrap=True)
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
        print(context.get_help())


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
    report = None
    if deep and all(check.status == "ok" for check in checks if check.name.startswith("chromium")):
        sandbox, report = _examine_sandbox()
        checks.append(sandbox)
    ready = all(check.status != "missing" for check in checks)
    if as_json:
        document = {"ready": ready, "checks": [asdict(check) for check in checks]}
        _print_json(document if report is None else {**document, "self_check": report.to_json()})
    else:
        console = _stdout()
        if report is not None:
            _show_self_check(report, console)
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

    with _stderr().status("trying the sandbox") as status:
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


@tasks_app.command("list")
def tasks_list(*, as_json: Json = False) -> None:
    """List the registered tasks."""
    from .envs.registration import registered_ids, task_for

    tasks = {task_id: task_for(task_id) for task_id in registered_ids()}
    if as_json:
        _print_json({"tasks": [_task_row(task_id, task) for task_id, task in tasks.items()]})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, justify in (("task", "left"), ("family", "left"), ("app", "left"), ("instances", "right")):
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("milestones", justify="right")
    table.add_column("description")
    for task_id, task in tasks.items():
        row = _task_row(task_id, task)
        table.add_row(
            task_id, row["family"], row["app"], f"{row['instances']:,}", str(row["milestones"]), row["description"]
        )
    _stdout().print(table)


def _task_row(task_id: str, task: Task) -> dict[str, Any]:
    return {
        "id": task_id,
        "family": task.family,
        "app": task.app,
        "description": task.description,
        "instances": task.instance_count,
        "milestones": len(task.milestones),
        "max_steps": task.max_steps,
    }


@tasks_app.command("show")
def tasks_show(
    task: Annotated[str, typer.Argument(help="A task's id or name, or a task file.")],
    *,
    seed: Annotated[int, typer.Option(min=0, help="Which instance to show.")] = 0,
    as_json: Json = False,
) -> None:
    """Show a task: its goal, milestones with rewards, and a solution, for one seed."""
    shown = [_shown(loaded, seed) for loaded in _find(task)]
    if as_json:
        _print_json(shown[0] if len(shown) == 1 else {"tasks": shown})
        return
    console = _stdout()
    for document in shown:
        _show(document, console)


def _find(name_or_file: str) -> list[Task]:
    from .envs.registration import task_for

    if not name_or_file.endswith((".yaml", ".yml")):
        return [task_for(name_or_file)]
    from .envs.task import load_tasks

    return load_tasks(name_or_file)


def _shown(task: Task, seed: int) -> dict[str, Any]:
    from .envs.registration import env_id_of

    instance = task.instantiate(seed)
    milestones = [
        {
            "id": milestone.id,
            "reward": milestone.reward,
            "after": sorted(milestone.after),
            "forbidden": milestone.forbidden,
            "success": milestone.id in instance.success,
        }
        for milestone in instance.milestones
    ]
    return {
        **_task_row(env_id_of(task.name, task.version), task),
        "milestones": milestones,
        "max_reward": instance.max_reward,
        "seed": seed,
        "parameters": dict(instance.parameters),
        "goal": instance.goal,
        "start": instance.start,
        "oracle": list(instance.oracle),
    }


def _show(document: dict[str, Any], console: Console) -> None:
    console.print(f"[bold]{document['id']}[/]  {escape(document['description'])}", highlight=False)
    facts = f"{document['family']}, app {document['app']}, {document['instances']:,} instances, "
    console.print(f"{facts}{document['max_steps']} steps at most, seed {document['seed']}\n", highlight=False)
    console.print(f"[bold]goal[/]  {escape(document['goal'])}\n", highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("milestone", "reward", "after", ""):
        table.add_column(column, justify="right" if column == "reward" else "left")
    for milestone in document["milestones"]:
        role = "forbidden" if milestone["forbidden"] else "success" if milestone["success"] else ""
        table.add_row(milestone["id"], f"{milestone['reward']:+.2f}", ", ".join(milestone["after"]), role)
    console.print(table)
    console.print("\n[bold]solution[/]")
    for action in document["oracle"]:
        console.print(f"  {escape(action)}", highlight=False)


@tasks_app.command("explain")
def tasks_explain(
    task: Annotated[str, typer.Argument(help="A task's id or name, or a task file.")],
    *,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Which instance to explain; without it, all of them at once.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say in words what a task pays for."""
    from .envs.explain import explain

    explained = [explain(loaded, seed) for loaded in _find(task)]
    if as_json:
        documents = [explanation.to_json() for explanation in explained]
        _print_json(documents[0] if len(documents) == 1 else {"tasks": documents})
        return
    console = _stdout()
    for explanation in explained:
        _show_explanation(explanation, console)


def _show_explanation(explanation: Explanation, console: Console) -> None:
    console.print(f"[bold]{explanation.id}[/]  {escape(explanation.description)}", highlight=False)
    console.print(f"[bold]goal[/]  {escape(explanation.goal)}\n", highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("milestone", "reward", "when"):
        table.add_column(column, justify="right" if column == "reward" else "left")
    for row in explanation.milestones:
        when = " ".join((f"{row.when[:1].upper()}{row.when[1:]}.", *row.conditions))
        table.add_row(row.id, f"{row.reward:+.2f}", escape(when))
    console.print(table)
    console.print("\n" + "\n".join(map(escape, explanation.rules)), highlight=False)
    if explanation.drawn:
        console.print("\n[bold]drawn for each episode[/]" if explanation.seed is None else "\n[bold]drawn[/]")
        for name, value in explanation.drawn.items():
            console.print(f"  {name}: {escape(value)}", highlight=False)


@tasks_app.command("check")
def tasks_check(
    file: Annotated[str, typer.Argument(help="A task file, a folder, a pattern in quotes, or a task's name.")],
    *,
    static: Annotated[bool, typer.Option("--static", help="Only read it; needs no browser.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Instances to play.")] = 8,
    null_steps: Annotated[
        int | None,
        typer.Option(min=1, max=500, help="Steps of the agents that act without sense; if left out, 50 at most."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a task: read it, solve it, almost solve it, and let agents at it that understand nothing."""
    from .agents.task_check import TaskCheck, check_task

    reports = _read_for_check(file)
    checks: list[TaskCheck] = []
    if not static and any(report.ok for report in reports):
        from .sandbox.chromium import find_chromium

        find_chromium()  # without one nothing could be played; better said at once
    with _stderr().status("") as status:
        for report in reports:
            if static:
                checks.append(TaskCheck(name=report.name, findings=report.findings, rows=(), seeds=0, seconds=0.0))
                continue

            def on_row(row: Row, name: str = report.name) -> None:
                status.update(f"{escape(name)}: {escape(row.name)} {row.status}")

            status.update(f"{escape(report.name)}: playing")
            checks.append(check_task(report, seeds=seeds, null_steps=null_steps, on_row=on_row))
    ok = all(check.ok for check in checks)
    if as_json:
        _print_json({"ok": ok, "tasks": [check.to_json() for check in checks]})
    else:
        for check in checks:
            _show_task_check(check, _stdout())
    if not ok:
        raise typer.Exit(1)


def _read_for_check(file: str) -> list[StaticReport]:
    from .envs.checks.static import check_file, check_static
    from .envs.registration import resolve_id, task_for

    if file.endswith((".yaml", ".yml")) or Path(file).exists():
        return check_file(file)
    return [check_static(task_for(resolve_id(file)))]


def _show_task_check(check: TaskCheck, console: Console) -> None:
    verdict = "[green]ok[/]" if check.ok else "[red]not ok[/]"
    played = f", {check.seeds} instances in {check.seconds:.1f} s" if check.rows else ""
    console.print(f"[bold]{escape(check.name)}[/]  {verdict}{played}", highlight=False)
    colours = {"error": "red", "warning": "yellow", "advice": "cyan", "ok": "green", "failed": "red"}
    for finding in check.findings:
        found = escape(f"{finding.place}: {finding.message}")
        console.print(
            f"  [{colours[finding.severity]}]{finding.severity:8}[/] {found}",
            highlight=False,
            soft_wrap=True,
        )
    if check.rows:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("played", "", "seen"):
            table.add_column(column)
        for row in check.rows:
            seen = escape(row.seen)
            if row.cure:
                seen += f"\n[dim]expected: {escape(row.expected)}; {escape(row.cure)}[/dim]"
            table.add_row(escape(row.name), f"[{colours[row.status]}]{row.status}[/]", seen)
        console.print(table)


@train_app.command("grpo")
def train_grpo(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's configuration, a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the file's.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Train by group-relative policy optimisation; the same command again resumes a run that was cut short."""
    from .sandbox.chromium import find_chromium

    find_chromium()  # without one every episode would break down; better said at once
    with _train_extra():
        from .trainers.grpo import main as grpo

    # With --json the script's closing lines, which are for people, join its progress on standard error.
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        try:
            result = grpo([str(config), *(overrides or [])])
        except KeyboardInterrupt:
            _stderr().print("Interrupted. The same command goes on from the last finished iteration.")
            raise typer.Exit(130) from None
    if as_json:
        _print_json(asdict(result))


@train_app.command("rm")
def train_rm(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The training's configuration, a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the file's.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Train a reward model on preferences; the new version goes on from the newest one unless start=fresh.

    Exits with 1 if the new version is refused because it lost held-out accuracy.
    """
    with _train_extra():
        from .trainers.reward_model import main as reward_model

    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        try:
            result = reward_model([str(config), *(overrides or [])])
        except KeyboardInterrupt:
            _stderr().print("Interrupted. No version was written.")
            raise typer.Exit(130) from None
    if as_json:
        document = {**asdict(result), "held_out": result.held_out.model_dump()}
        _print_json({**document, "unseen": None if result.unseen is None else result.unseen.model_dump()})
    if result.refused is not None:
        raise typer.Exit(1)


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

    with _train_extra():
        from .trainers.preferences_from_rules import rankings_from_rules

    with _stderr().status("reading") as status:
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
        _print_json(document)
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

    with _train_extra():
        from .trainers.judge_preferences_config import load_judge_preferences
        from .trainers.preferences_from_judge import connect_judge, rankings_from_judge

    folders, settings = _split_settings(runs)
    for file in task or ():
        _registered(file)
    asked = load_judge_preferences(config, settings)
    judge = connect_judge(asked, out)
    with _stderr().status("reading") as status:
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
            _stderr().print(
                f"Interrupted; nothing was written. The same command goes on from the answers in {judge.config.cache}."
            )
            raise typer.Exit(130) from None
    if made.rankings:
        write_preferences(out, made.rankings, append=append)
    if as_json:
        _print_json(judged_document(made, out))
    else:
        print(judged_summary(made, out))
    if warning := judged_warning(made):
        _stderr().print(f"[yellow]{escape(warning)}[/yellow]", highlight=False, soft_wrap=True)
    if not made.rankings:
        raise typer.Exit(1)


@contextmanager
def _train_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TRAIN_MODULES:
            raise
        raise EngineError(
            f"This needs the [train] extra, and {error.name!r} is not installed. Run `pip install 'milepost[train]'`, "
            "or `make setup` in a checkout; `milepost doctor` shows what is missing."
        ) from error


@app.command("eval")
def evaluate(
    tasks: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK|reward.KEY=VALUE",
            help="Ids or names of registered tasks, or task files; settings such as reward.mode=cascade.",
        ),
    ],
    *,
    policy: Annotated[
        str, typer.Option(help="oracle, noop, random, submit-only, click-everything, or a run's folder.")
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Held-out episodes per task.")] = 64,
    reward: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Settle rewards by the layers of this file's `reward:` section; a training's configuration will do.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Play held-out episodes and report success, reward and milestone rates.

    Milestones of meaning are judged if --reward or reward.KEY=VALUE names a layer for them; else they are left open,
    and what depends on them is reported as unknown.
    """
    from .agents.evaluate import evaluate as run
    from .evaluation_view import doubts, show_scores
    from .sandbox.chromium import find_chromium

    names, settings = _split_settings(tasks)
    ids = list(dict.fromkeys(task_id for name in names for task_id in _registered(name)))
    if not ids:
        raise TaskError("expected a task to evaluate, got settings only; name one, such as expense-form.")
    settler = None
    if reward is not None or settings:
        with _train_extra():
            from .trainers.config import load_reward
            from .trainers.reward_layers import build_settler

            settler = build_settler(load_reward(reward, settings))
    find_chromium()  # without one every episode would break down; better said at once
    total = seeds * len(ids)
    with _stderr().status(f"0/{total} episodes") as status:

        def on_episode(finished: int, trajectory: Trajectory) -> None:
            last = "all played, settling" if finished == total and settler is not None else "last"
            status.update(f"{finished}/{total} episodes, {last}: {trajectory.task} seed {trajectory.seed}")

        with _train_extra():
            result = run(ids, policy, seeds=seeds, settler=settler, on_episode=on_episode)
    if as_json:
        _print_json(result.to_json())
    else:
        show_scores(result, _stdout())
    for doubt in doubts(result, settler):
        _stderr().print(f"[yellow]{escape(doubt)}[/yellow]", highlight=False, soft_wrap=True)
    if failures := sum(score.failures for score in result.tasks.values()):
        _stderr().print(f"[yellow]{failures} of {total} episodes broke down and were not scored.[/yellow]")
        if failures == total:
            raise typer.Exit(1)


def _registered(name_or_file: str) -> list[str]:
    """The ids of a registered task, or of the tasks of a file, which is registered."""
    from .envs.registration import register_tasks, resolve_id

    return register_tasks(name_or_file) if name_or_file.endswith((".yaml", ".yml")) else [resolve_id(name_or_file)]


def _split_settings(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell names and paths from settings: a setting is words joined by dots before its first `=`."""
    settings = [argument for argument in arguments if _SETTING.match(argument)]
    return [argument for argument in arguments if argument not in settings], settings


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

    tasks = None if task is None else _find(task)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=_stderr(), transient=True) as progress:
        bar = progress.add_task("scoring again", total=None)
        report = rescore_run(
            run, tasks=tasks, on_episode=lambda done, total, _: progress.update(bar, completed=done, total=total)
        )
    if as_json:
        _print_json(report.to_json())
    else:
        show_rescored(report, _stdout())
    if not report.passed:
        raise typer.Exit(1)


__all__ = ["app", "main"]
