"""What commands make of their arguments, and what they say where an extra is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .sandbox.errors import EngineError

if TYPE_CHECKING:
    from .envs.task import Task

SuiteName = Annotated[
    str | None,
    typer.Option(
        metavar="SUITE",
        help="Only those of a suite: its name, NAME:train, NAME:held_out, NAME:FAMILY, or a suite file.",
    ),
]
"""The option that takes a suite."""

_TRAIN_MODULES = {"accelerate", "gguf", "matplotlib", "peft", "safetensors", "tensorboard", "torch", "transformers"}
_SETTING = re.compile(r"[a-z_]+(\.[^.=]+)*=")


@contextmanager
def train_extra() -> Iterator[None]:
    """Tell how to get the [train] extra where a module of it is missing.

    Raises:
        EngineError: one is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TRAIN_MODULES:
            raise
        raise EngineError(
            f"This needs the [train] extra, and {error.name!r} is not installed. Run `pip install 'milepost[train]'`, "
            "or `make setup` in a checkout; `milepost doctor` shows what is missing."
        ) from error


def tasks_named(name_or_file: str) -> list[Task]:
    """Return the tasks of a file, which stay unregistered, or the registered one of that name.

    Raises:
        TaskError: there is none, or the file is wrong.
    """
    from .envs.registration import TASK_FILES, task_for, tasks_in

    return tasks_in(name_or_file) if name_or_file.endswith(TASK_FILES) else [task_for(name_or_file)]


def registered(name_or_file: str) -> list[str]:
    """Return the ids of a registered task, of a suite's tasks, or of those of a task or suite file, now registered.

    Raises:
        TaskError: there is none, or the file is wrong.
    """
    from .envs.suites import expand

    return list(expand([name_or_file]))


def split_settings(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell names and paths from settings: a setting is words joined by dots before its first `=`."""
    settings = [argument for argument in arguments if _SETTING.match(argument)]
    return [argument for argument in arguments if argument not in settings], settings


__all__ = ["SuiteName", "registered", "split_settings", "tasks_named", "train_extra"]
