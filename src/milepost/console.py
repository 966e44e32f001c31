"""How commands speak: what is meant for programs goes to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from .sandbox.errors import PluginWarning

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
"""What every group of commands is made with."""


def stdout() -> Console:
    """Return where results go."""
    return Console()


def stderr() -> Console:
    """Return where progress and errors go."""
    return Console(stderr=True)


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


@contextmanager
def plugin_warnings() -> Iterator[None]:
    """Tell people, one line each, what is wrong with installed packages' tasks."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PluginWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, PluginWarning):
            stderr().print(f"[yellow]{escape(str(warning.message))}[/yellow]", highlight=False, soft_wrap=True)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


__all__ = ["HELP_OPTIONS", "Json", "plugin_warnings", "print_json", "stderr", "stdout"]
