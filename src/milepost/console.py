"""How commands speak: what is meant for programs goes to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

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


__all__ = ["HELP_OPTIONS", "Json", "print_json", "stderr", "stdout"]
