"""What the commands for training on recorded episodes do, and the one that records them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from .arguments import registered, train_extra
from .console import Json, print_json, stderr

if TYPE_CHECKING:
    from .trainers.offline_run import OfflineResult


def run_offline(
    script: Callable[[Sequence[str]], OfflineResult], config: Path, overrides: Sequence[str] | None, *, as_json: bool
) -> None:
    """Run one of the offline training scripts and show what came of it."""
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        try:
            result = script([str(config), *(overrides or [])])
        except KeyboardInterrupt:
            stderr().print("Interrupted. The same command goes on from the last checkpoint.")
            raise typer.Exit(130) from None
    if as_json:
        print_json(asdict(result))


def record(
    tasks: Annotated[list[str], typer.Argument(metavar="TASK...", help="Tasks, suites, or task files.")],
    *,
    policy: Annotated[str, typer.Option(help="The folder of a training run, or a scripted policy such as oracle.")],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    groups: Annotated[int, typer.Option(min=1, help="Instances (task and seed) to play, the tasks taking turns.")] = 32,
    group_size: Annotated[int, typer.Option(min=1, help="Episodes of each instance.")] = 8,
    temperature: Annotated[float, typer.Option(min=0.0, help="Sampling temperature of a trained policy.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seeds the draws of instances and of actions.")] = 0,
    held_out: Annotated[int, typer.Option(min=0, help="Evaluation seeds per task whose instances are left out.")] = 64,
    as_json: Json = False,
) -> None:
    """Play episodes of training instances and record them with their tokens, for `milepost train dpo`, `sft`, `rm`."""
    from .sandbox.chromium import find_chromium

    find_chromium()
    ids = list(dict.fromkeys(task_id for name in tasks for task_id in registered(name)))
    with train_extra():
        from .trainers.record import record_episodes
    with stderr().status("playing") as status:
        made = record_episodes(
            ids,
            policy,
            out=out,
            groups=groups,
            group_size=group_size,
            temperature=temperature,
            seed=seed,
            held_out_seeds=held_out,
            on_episode=lambda done, total: status.update(f"{done}/{total} episodes"),
        )
    if as_json:
        print_json({**asdict(made), "out": str(out)})
    else:
        rates = ", ".join(f"{escape(task)} {share:.0%}" for task, share in made.success.items())
        print(f"{made.episodes} episodes in {out}, {made.broken} of them broken; success: {rates}")


__all__ = ["record", "run_offline"]
