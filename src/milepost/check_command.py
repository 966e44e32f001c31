"""`milepost tasks check`: is a task sound, or every task of a suite?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .arguments import SuiteName, registered
from .console import Json, print_json, stderr, stdout
from .sandbox.errors import TaskError

if TYPE_CHECKING:
    from .agents.task_check import TaskCheck
    from .agents.task_check_rows import Row
    from .envs.checks.static import StaticReport


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
    times: Annotated[
        Path | None,
        typer.Option(
            help="Also time the oracles of tasks that pass, one by one, and put the seconds into this table (JSON).",
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
    if times is not None and not static:
        _time_oracles([report for report, check in zip(reports, checks, strict=True) if check.ok], times)
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


def _time_oracles(reports: list[StaticReport], table: Path) -> None:
    from .agents.oracle_time import oracle_seconds
    from .envs.registration import env_id_of
    from .envs.suites.oracle_times import write_times

    with stderr().status("timing the oracles") as status:
        for i, report in enumerate(reports):
            if report.task is None or not (report.task.oracle or _has_page_oracle(report.task.name)):
                continue
            status.update(f"timing the oracles: {i} of {len(reports)}; {escape(report.name)}")
            write_times(table, {env_id_of(report.task.name, report.task.version): oracle_seconds(report.task)})


def _has_page_oracle(name: str) -> bool:
    from .agents.miniwob_oracles import has_oracle

    return has_oracle(name)


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


__all__ = ["tasks_check"]
