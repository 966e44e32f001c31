"""The `milepost tasks` commands: see and check tasks. Those that write something are in authoring_commands.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .arguments import SuiteName, registered, tasks_named
from .authoring_commands import tasks_lock, tasks_new, tasks_schema
from .check_command import tasks_check
from .console import HELP_OPTIONS, Json, plugin_warnings, print_json, stdout

if TYPE_CHECKING:
    from .envs.explain import Explanation
    from .envs.task import Task

tasks_app = typer.Typer(help="See, write and check tasks.", no_args_is_help=True, context_settings=HELP_OPTIONS)
tasks_app.command("new")(tasks_new)
tasks_app.command("schema")(tasks_schema)
tasks_app.command("lock")(tasks_lock)
tasks_app.command("check")(tasks_check)


ROOMY_COLUMNS = 96  # room for whole ids and applications
DESCRIBED_COLUMNS = 110  # of a terminal: on a narrower one descriptions would be a word wide


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
    columns = [column for column in _LISTED if stdout().width >= column.from_width]
    rows = [_task_row(task_id, task) for task_id, task in tasks.items()]
    for column in columns:
        texts = [column.text(row) for row in rows]
        widest = None if column.gives_way else max(map(len, [column.name, *texts]))
        table.add_column(column.name, justify="right" if column.number else "left", no_wrap=True, min_width=widest)
    for row in rows:
        table.add_row(*(escape(column.text(row)) for column in columns))
    stdout().print(table)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of `milepost tasks list`.

    Attributes:
        name: its heading.
        text: what it says of a row.
        number: whether that is a number.
        from_width: how wide the terminal must be for it to be there.
        gives_way: whether it is cut where there is no room.
    """

    name: str
    text: Callable[[dict[str, Any]], str]
    number: bool = False
    from_width: int = 0
    gives_way: bool = False


def _name(row: dict[str, Any]) -> str:
    """Return an id as `gymnasium.make` takes it; on a narrow terminal as every command does, without its namespace."""
    name = str(row["id"])
    return name if stdout().width >= ROOMY_COLUMNS else name.removeprefix("milepost/")


def _length(row: dict[str, Any]) -> str:
    return f"{row['oracle_actions']} {row['level']}" if row["level"] else "?"


def _seconds(row: dict[str, Any]) -> str:
    return "?" if row["oracle_seconds"] is None else f"{row['oracle_seconds']:.1f} s"


_LISTED = (
    _Column("task", _name),
    _Column("family", lambda row: str(row["family"])),
    _Column("app", lambda row: str(row["app"]), from_width=ROOMY_COLUMNS),
    _Column("instances", lambda row: _rough(row["instances"]), number=True),
    _Column("milestones", lambda row: str(row["milestones"]), number=True),
    _Column("length", _length, number=True),
    _Column("oracle", _seconds, number=True),
    _Column("description", lambda row: str(row["description"]), from_width=DESCRIBED_COLUMNS, gives_way=True),
)


def _rough(count: int) -> str:
    """Return a number of instances as people compare them: exact up to 9,999."""
    if count >= 10**9:
        return "> 1 bn"
    if count >= 999_500:
        return f"{count / 10**6:.0f} M"
    return f"{count / 1000:.0f} k" if count >= 10**4 else f"{count:,}"


def _task_row(task_id: str, task: Task) -> dict[str, Any]:
    from .envs.level import level_of
    from .envs.suites.oracle_times import bundled_times

    return {
        "id": task_id,
        "family": task.family,
        "app": task.place,
        "description": task.description,
        "instances": task.instance_count,
        "milestones": len(task.milestones),
        "oracle_actions": len(task.oracle),
        "level": level_of(len(task.oracle)),
        "oracle_seconds": bundled_times().get(task_id),
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


__all__ = ["tasks_app"]
