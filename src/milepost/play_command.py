"""The `milepost play` command: be the agent oneself, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from .arguments import registered
from .console import stdout
from .sandbox.errors import TaskError

if TYPE_CHECKING:
    from .envs.env import MilepostEnv

QUIT = frozenset({"quit", "exit", "q"})


def play(
    task: Annotated[str, typer.Argument(help="A task's id or name, or a task file.")],
    *,
    seed: Annotated[int, typer.Option(min=0, help="Which instance to play.")] = 0,
    oracle: Annotated[bool, typer.Option("--oracle", help="Watch the task's own solution instead.")] = False,
) -> None:
    """Play a task by hand: see what an agent sees, type its actions, watch what is paid.

    Actions are read from standard input, one a line; `quit`, or the end of the input, ends it.
    """
    from .envs.env import MilepostEnv
    from .envs.registration import task_for

    ids = registered(task)
    if len(ids) != 1:
        raise TaskError(f"expected one task, got {len(ids)} ({', '.join(ids)}); name one of them")
    env, console = MilepostEnv(task_for(ids[0])), stdout()
    try:
        _play(env, console, seed=seed, oracle=oracle)
    finally:
        env.close()


def _play(env: MilepostEnv, console: Console, *, seed: int, oracle: bool) -> None:
    observation, info = env.reset(seed=seed)
    console.print(
        f"[bold]{env.task_id}[/], seed {seed}\n[bold]goal[/]  {escape(observation['goal'])}\n", highlight=False
    )
    _show(observation, console)
    total = 0.0
    for action in env.instance.oracle if oracle else _typed(console):
        console.print(f"\n[bold]> {escape(action)}[/]" if oracle or not sys.stdin.isatty() else "", highlight=False)
        observation, reward, terminated, truncated, info = env.step(action)
        total += reward
        _show(observation, console)
        for reached in info["reward"].milestones:
            console.print(
                f"[green]{escape(reached.id)} {reached.reward:+.2f}[/]  {escape(reached.evidence.summary)}",
                highlight=False,
            )
        if terminated or truncated:
            said = f"over: {info['stop_reason']}"
            if info["failure"] is not None:
                said += f" ({info['failure_message']})"
            console.print(
                f"\n[bold]{escape(said)}, earned {total:.2f} of {env.instance.max_reward:.2f}[/]", highlight=False
            )
            return
    console.print(f"\n[bold]earned {total:.2f} of {env.instance.max_reward:.2f}[/]", highlight=False)


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
