"""The bundled web applications that the bundled tasks run on, by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from ...sandbox.errors import TaskError

if TYPE_CHECKING:
    from ...sandbox.app_server import App

_CLASSES = {"expenses": "ExpensesApp", "library": "LibraryApp", "reports": "ReportsApp"}

APP_NAMES: tuple[str, ...] = tuple(_CLASSES)


@cache
def get_app(name: str) -> App:
    """Return the bundled application of this name; the same object each time, imported on first use.

    Raises:
        TaskError: no bundled application has this name.
    """
    if name not in _CLASSES:
        raise TaskError(f"unknown application {name!r}; the bundled ones are {', '.join(APP_NAMES)}")
    app_class = getattr(import_module(f".{name}.app", __name__), _CLASSES[name])
    return cast("App", app_class())


__all__ = ["APP_NAMES", "get_app"]
