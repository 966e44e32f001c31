"""The `milepost tasks` commands: see and check tasks. Those that write something are in authoring_commands.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .arguments import registered, tasks_named
from .authoring_commands import tasks_lock, tasks_new, tasks_schema
from .console import HELP_OPTIONS, Json, plugin_warnings, print_json, stderr, stdout
from .sandbox.errors import TaskError

if TYPE_CHECKING:
    from .agents.task_check import TaskCheck
    from .agents.task_check_rows import Row
    from .envs.checks.static import StaticReport
    from .envs.explain import Explanation
    from .envs.task import Task

tasks_app = typer.Typer(help="See, write and check tasks.", no_args_is_help=True, context_settings=HELP_OPTIONS)
tasks_app.command("new")(tasks_new)
tasks_app.command("schema")(tasks_schema)
tasks_app.command("lock")(tasks_lock)


EASY_ACTIONS, MEDIUM_ACTIONS = 3, 7
DESCRIBED_COLUMNS = 110  # of a terminal: on a narrower one descriptions would be a word wide

SuiteName = Annotated[
    str | None,
    typer.Option(metavar="SUITE", help="Only those of a suite: its name, NAME:train, NAME:held_out, or a suite file."),
]


@tasks_app.command("list")
def tasks_list(*, suite: SuiteName = None, as_json: Json = False) -> None:
    """List the registered tasks, or those of a suite."""
    from .envs.registration import registered_tasks, task_for

    with plugin_warnings():
        tasks = registered_tasks() if suite is None else {task_id: task_for(task_id) for task_id in registered(suite)}
    if as_json:
        print_json({"tasks": [_task_row(task_id, task) for task_id, task in tasks.items()]})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, justify in (("task", "left"), ("family", "left"), ("app", "left"), ("instances", "right")):
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("milestones", justify="right")
    table.add_column("length", justify="right")
    wide = stdout().width >= DESCRIBED_COLUMNS
    if wide:
        table.add_column("description")
    for task_id, task in tasks.items():
        row = _task_row(task_id, task)
        length = f"{row['oracle_actions']} {row['level']}" if row["level"] else "?"
        numbers = (f"{row['instances']:,}", str(row["milestones"]), length)
        table.add_row(task_id, row["family"], row["app"], *numbers, *([row["description"]] if wide else []))
    stdout().print(table)


def _task_row(task_id: str, task: Task) -> dict[str, Any]:
    return {
        "id": task_id,
        "family": task.family,
        "app": task.place,
        "description": task.description,
        "instances": task.instance_count,
        "milestones": len(task.milestones),
        "oracle_actions": len(task.oracle),
        "level": _level(len(task.oracle)),
        "max_steps": task.max_steps,
    }


def _level(actions: int) -> str | None:
    """Return how hard a task is, by the actions of its oracle; None if it has none, as the MiniWoB++ pages."""
    if not actions:
        return None
    return "easy" if actions <= EASY_ACTIONS else "medium" if actions <= MEDIUM_ACTIONS else "hard"


@tasks_app.command("show")
def tasks_show(
    task: Annotated[str, typer.Argument(help="A task's id or name, or a task file.")],
    *,
    seed: Annotated[int, typer.Option(min=0, help="Which instance to show.")] = 0,
    as_json: Json = False,
) -> None:
    """Show a task: its goal, milestones with rewards, and a solution, for one seed."""
    shown = [_shown(loaded, seed) for loaded in tasks_named(task)]
    if as_json:
        print_json(shown[0] if len(shown) == 1 else {"tasks": shown})
        return
    console = stdout()
    for document in shown:
        _show(document, console)


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

    explained = [explain(loaded, seed) for loaded in tasks_named(task)]
    if as_json:
        documents = [explanation.to_json() for explanation in explained]
        print_json(documents[0] if len(documents) == 1 else {"tasks": documents})
        return
    console = stdout()
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
    file: Annotated[
        str | None,
        typer.Argument(
            help="A task file (YAML or Python), a folder, a pattern in quotes, or a task's name.", show_default=False
        ),
    ] = None,
    *,
    suite: SuiteName = None,
    static: Annotated[bool, typer.Option("--static", help="Only read it; needs no browser.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Instances to play; if left out, 8, or 5 in a quick check.")
    ] = None,
    null_steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=500,
            help="Steps of the agents that act without sense; if left out, 50 at most, or 10 in a quick check.",
        ),
    ] = None,
    quick: Annotated[
        bool | None,
        typer.Option(
            "--quick/--thorough",
            help="How much is played: a suite is checked quickly and everything else thoroughly, unless told.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a task: read it, solve it, almost solve it, and let agents at it that understand nothing."""
    from .agents.task_check import check_tasks, static_check
    from .agents.task_check_plan import quick_plan, thorough_plan

    if file is not None and suite is None:
        reports = _read_for_check(file)
    elif suite is not None and file is None:
        reports = [report for task_id in registered(suite) for report in _read_for_check(task_id)]
    else:
        raise TaskError("expected a task file or name, or --suite NAME, got both or neither; see `milepost tasks list`")
    checks: list[TaskCheck] = []
    if static:
        checks = [static_check(report) for report in reports]
    else:
        if any(report.ok for report in reports):
            from .sandbox.chromium import find_chromium

            find_chromium()  # without one nothing could be played; better said at once
        is_quick = suite is not None if quick is None else quick
        plan = quick_plan if is_quick else thorough_plan
        with stderr().status("playing") as status:

            def on_row(name: str, row: Row) -> None:
                status.update(
                    f"{len(checks)} of {len(reports)} checked; {escape(name)}: {escape(row.name)} {row.status}"
                )

            for check in check_tasks(reports, plan, seeds=seeds, null_steps=null_steps, on_row=on_row):
                checks.append(check)
                if not as_json:
                    _show_task_check(check, stdout(), brief=suite is not None)
    ok = all(check.ok for check in checks)
    if as_json:
        print_json({"ok": ok, "tasks": [check.to_json() for check in checks]})
    elif static:
        for check in checks:
            _show_task_check(check, stdout())
    elif suite is not None:
        bad = [check.name for check in checks if not check.ok]
        stdout().print(f"{len(checks) - len(bad)} of {len(checks)} tasks pass", highlight=False)
    if not ok:
        raise typer.Exit(1)


def _read_for_check(file: str) -> list[StaticReport]:
    from .envs.checks.static import check_file, check_static
    from .envs.registration import resolve_id, task_for, tasks_in

    if file.endswith(".py"):
        return [check_static(task) for task in tasks_in(file)]
    if file.endswith((".yaml", ".yml")) or Path(file).exists():
        return check_file(file)
    return [check_static(task_for(resolve_id(file)))]


def _show_task_check(check: TaskCheck, console: Console, *, brief: bool = False) -> None:
    """Show a check; `brief` leaves out the rows of a task that passes without a remark."""
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
    quiet = brief and check.ok and all(row.status == "ok" for row in check.rows)
    if check.rows and not quiet:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("played", "", "seen"):
            table.add_column(column)
        for row in check.rows:
            seen = escape(row.seen)
            if row.cure:
                seen += f"\n[dim]expected: {escape(row.expected)}; {escape(row.cure)}[/dim]"
            table.add_row(escape(row.name), f"[{colours[row.status]}]{row.status}[/]", seen)
        console.print(table)


__all__ = ["tasks_app"]
