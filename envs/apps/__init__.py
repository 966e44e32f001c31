"""The web applications that tasks run on, by name: the bundled ones, and those that a user registers."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from ...sandbox.errors import TaskError

if TYPE_CHECKING:
    from ...sandbox.app_server import App

_CLASSES = {
    "claims": "ClaimsApp",
    "console": "ConsoleApp",
    "drive": "DriveApp",
    "expenses": "ExpensesApp",
    "insights": "InsightsApp",
    "library": "LibraryApp",
    "mail": "MailApp",
    "post": "PostApp",
    "reports": "ReportsApp",
    "settings": "SettingsApp",
    "shop": "ShopApp",
}

_ELSEWHERE = {"miniwob": ("..miniwob.app", "MiniwobApp")}
"""Applications that are not here, and need an extra."""

APP_NAMES: tuple[str, ...] = tuple(_CLASSES)
"""Names of the bundled applications."""

_registered: dict[str, App] = {}


def register_app(app: App) -> None:
    """Let tasks run on an application of your own, under its name; one registered earlier is replaced.

    Raises:
        TaskError: a bundled application has this name.
    """
    if app.name in _CLASSES or app.name in _ELSEWHERE:
        raise TaskError(f"{app.name!r} is the name of a bundled application; give yours another")
    _registered[app.name] = app


def get_app(name: str) -> App:
    """Return the application of this name; the same object each time, bundled ones imported on first use.

    Raises:
        TaskError: no application has this name, or what it is made of is not installed.
    """
    if name in _registered:
        return _registered[name]
    if name not in _CLASSES and name not in _ELSEWHERE:
        raise TaskError(
            f"unknown application {name!r}; known are {', '.join((*APP_NAMES, *_ELSEWHERE, *sorted(_registered)))}. "
            "Register your own with milepost.envs.apps.register_app"
        )
    return _bundled(name)


@cache
def _bundled(name: str) -> App:
    home, class_name = _ELSEWHERE.get(name) or (f".{name}.app", _CLASSES[name])
    app_class = getattr(import_module(home, __name__), class_name)
    return cast("App", app_class())


__all__ = ["APP_NAMES", "get_app", "register_app"]
