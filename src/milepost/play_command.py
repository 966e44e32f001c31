"""The `milepost play` command: be the agent oneself, on a terminal or in a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from .arguments import registered
from .console import stderr, stdout
from .sandbox.errors import TaskError

if TYPE_CHECKING:
    from .agents.hand_play import HandPlay
    from .trainers.demonstrations import Demonstrations

QUIT = frozenset({"quit", "exit", "q"})


def play(
    task: Annotated[str, typer.Argument(help="A task's id or name, or a task file.")],
    *,
    seed: Annotated[int, typer.Option(min=0, help="Which instance to play.")] = 0,
    oracle: Annotated[bool, typer.Option("--oracle", help="Watch the task's own solution instead.")] = False,
    page: Annotated[
        bool,
        typer.Option("--page", help="Play in your browser: act on a picture of the page, see milestones light up."),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Add episodes that were played to their end to this run, for `train sft`."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of --page on 127.0.0.1; 0 takes a free one.")] = 0,
) -> None:
    """Play a task by hand: see what an agent sees, type its actions, watch what is paid.

    Actions are read from standard input, one a line; `quit`, or the end of the input, ends it. With --page they are
    taken from a page in your browser; Ctrl-C ends that.
    """
    ids = registered(task)
    if len(ids) != 1:
        raise TaskError(f"expected one task, got {len(ids)} ({', '.join(ids)}); name one of them")
    if page and oracle:
        raise TaskError("expected either --page or --oracle, got both; leave one of them out")
    if record is None:
        _begin(ids[0], seed, None, oracle=oracle, page=page, port=port)
        return
    from .trainers.demonstrations import Demonstrations

    with Demonstrations.open(record) as demonstrations:
        _begin(ids[0], seed, demonstrations, oracle=oracle, page=page, port=port)
        stderr().print(
            f"{len(demonstrations)} episodes in {record}. To learn from those that succeeded: milepost train sft "
            f"CONFIG.yaml 'episodes=[{record}]'",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _begin(task: str, seed: int, demonstrations: Demonstrations | None, *, oracle: bool, page: bool, port: int) -> None:
    from .agents.hand_play import HandPlay

    if page:
        from .trainers.playing.server import serve_play

        serve_play(task, seed, demonstrations, port=port, console=stderr())
        return
    console = stdout()
    folder = None if demonstrations is None else demonstrations.ledger_dir()
    with HandPlay.begin(task, seed=seed, ledger_dir=folder) as hand:
        _play(hand, hand.oracle if oracle else _typed(console), console, echo=oracle or not sys.stdin.isatty())
        if demonstrations is not None and not (hand.over and demonstrations.keep(hand.trajectory())):
            reason = "the machine broke it" if hand.over else "it was not played to its end"
            stderr().print(f"This episode was not recorded: {reason}.", style="yellow", highlight=False)


def _play(hand: HandPlay, actions: Iterable[str], console: Console, *, echo: bool) -> None:
    console.print(
        f"[bold]{hand.task_id}[/], seed {hand.seed}\n[bold]goal[/]  {escape(hand.observation['goal'])}\n",
        highlight=False,
    )
    _show(hand.observation, console)
    for action in actions:
        console.print(f"\n[bold]> {escape(action)}[/]" if echo else "", highlight=False)
        paid = hand.act(action)
        _show(hand.observation, console)
        for reached in paid:
            console.print(
                f"[green]{escape(reached.id)} {reached.reward:+.2f}[/]  {escape(reached.evidence.summary)}",
                highlight=False,
            )
        if hand.over:
            break
    said = ""
    if hand.over:
        said = f"over: {hand.info['stop_reason']}"
        if hand.info["failure"] is not None:
            said += f" ({hand.info['failure_message']})"
        said += ", "
    console.print(f"\n[bold]{escape(said)}earned {hand.earned:.2f} of {hand.max_reward:.2f}[/]", highlight=False)


def _typed(console: Console) -> Iterator[str]:
    """Yield the actions that are typed until somebody has enough."""
    prompts = sys.stdin.isatty()
    while True:
        if prompts:
            console.print("[bold]> [/]", end="")
        line = sys.stdin.readline()
        if not line or line.strip() in QUIT:
            return
        if line.strip():
            yield line.strip()


def _show(observation: Mapping[str, Any], console: Console) -> None:
    for key in ("url", "page", "files"):
        if text := observation.get(key):
            console.print(
                f"[dim]{key}[/]  {escape(text)}" if "\n" not in text else escape(text), highlight=False, soft_wrap=True
            )
    if error := observation["last_action_error"]:
        console.print(f"[red]{escape(error)}[/]", highlight=False, soft_wrap=True)
    elif result := observation["last_action_result"]:
        console.print(f"[cyan]{escape(result)}[/]", highlight=False, soft_wrap=True)


__all__ = ["play"]
