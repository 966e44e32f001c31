"""What the online trainers' scripts share: a configuration, overrides, and two closing lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from rich.console import Console

from ..sandbox.errors import MilepostError
from .metrics import Stage, task_label
from .online_config import OnlineConfig
from .online_run import TrainingResult
from .progress import TrainingProgress
from .ranks import Ranks

C = TypeVar("C", bound=OnlineConfig)
C_contra = TypeVar("C_contra", bound=OnlineConfig, contravariant=True)


class _Train(Protocol[C_contra]):
    def __call__(self, config: C_contra, *, progress: TrainingProgress) -> TrainingResult: ...


def run_script(
    argv: Sequence[str] | None,
    *,
    name: str,
    usage: str | None,
    load: Callable[[Path, Sequence[str]], C],
    train: _Train[C],
) -> TrainingResult:
    """Run a trainer's script: a configuration file, then `key=value` overrides.

    Args:
        argv: the arguments; None: the process's.
        name: of the trainer, as people call it.
        usage: what `--help` prints.
        load: reads the configuration.
        train: trains by it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(usage)
        raise SystemExit(0 if arguments else 2)
    config = load(Path(arguments[0]), arguments[1:])
    labels = ", ".join(task_label(t) for t in config.tasks)
    called = name if config.preset is None else f"{name} ({config.preset})"
    speaks = Ranks.of_environment().main
    quiet = None if speaks else Console(stderr=True, quiet=True, force_terminal=False)
    with TrainingProgress(f"{called} on {labels}", console=quiet) as progress:
        result = train(config, progress=progress)
    if not speaks:
        return result
    names: dict[Stage, str] = {"untrained": "untrained", "warm_start": "after warm start", "trained": f"after {name}"}
    shown = "  ".join(f"{names[stage]} {rate:.1%}" for stage, rate in result.success.items())
    print(f"held-out success: {shown or 'not evaluated'}   {result.iterations} iterations in {result.elapsed_s:.0f} s")
    print(f"report: {result.report}")
    return result


def exit_with(main: Callable[[], object]) -> None:
    """Run a script's main function as a process does: problems and interruptions end it with a message."""
    try:
        main()
    except MilepostError as problem:
        raise SystemExit(f"error: {problem}") from None
    except KeyboardInterrupt:
        raise SystemExit("interrupted: the same command resumes after the last finished iteration") from None


__all__ = ["exit_with", "run_script"]
