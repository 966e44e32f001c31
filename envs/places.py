"""Where a task runs, as its file writes it, and the applications that stand there.

    app: expenses                                # bundled, or registered under this name
    app: ./server.py:app                         # your own: an ASGI application, or module:attribute
    app: {command: [python, server.py], state: /_state}
    site: ./pages                                # a folder of HTML files
    hosts: [https://example.org]                 # a real site; the first host is where the episode starts
    apps: [post, claims]                         # several of the bundled or registered; it starts in the first

Paths are relative to the task's file. With none of them the browser shows an empty page, and the task is about the
workspace's files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    model_validator,
)

from ..rewards.app_detector import shown_origin
from .apps import get_app

if TYPE_CHECKING:
    from ..sandbox.app_server import App

MAX_HOSTS = 16
MAX_APPS = 8

_HOST = re.compile(
    r"(?P<scheme>https?://)?(?P<host>[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:\d{1,5})?)/?"
)


def full_path(written: str, info: ValidationInfo) -> Path:
    """Return a path as a task writes it: relative to its file, or, in Python, to the present folder.

    Args:
        written: the path.
        info: of the validation, whose context may have the `folder`.
    """
    folder = (info.context or {}).get("folder") if isinstance(info.context, dict | None) else None
    return Path(os.path.normpath(Path(folder or Path.cwd(), written)))


def missing(what: str, written: str, path: Path) -> str:
    """Return the sentence about a file or folder that is not where a task says."""
    beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    close = get_close_matches(path.name, beside, n=1)
    cure = f"did you mean {close[0]!r}?" if close else "paths are relative to the task's file"
    return f"expected {what}, got {written!r}, and there is none at {path}; {cure}"


def _server_path(path: str) -> str:
    if not re.fullmatch(r"/[\x21-\x7e]*", path) or path.startswith("//"):
        raise ValueError(f"expected a path on the server, such as /_state, got {path!r}; begin it with one slash")
    return path


ServerPath = Annotated[str, AfterValidator(_server_path)]
Argument = Annotated[str, StringConstraints(min_length=1)]


class OwnApp(BaseModel):
    """An application of the author's own: exactly one of `asgi` and `command`.

    Attributes:
        asgi: `module:attribute` or `./file.py:attribute`: an ASGI application or an App; with `()`, a function that
            makes one for each episode.
        command: a program that serves HTTP on the port that it finds in $PORT, or as `{port}` in its arguments.
        folder: where the command runs; the task file's folder if absent.
        state: path at which it answers with its server-side state as a JSON object; pages cannot reach it.
        reset: path at which a running command begins anew, by POST; without it, it is started for each episode.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    asgi: str | None = None
    command: tuple[Argument, ...] | None = Field(default=None, min_length=1)
    folder: str | None = None
    state: ServerPath | None = None
    reset: ServerPath | None = None

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        if (self.asgi is None) == (self.command is None):
            got = "neither" if self.asgi is None else "both"
            raise ValueError(f"expected either asgi or command, got {got}; name one of them")
        if self.command is None:
            for key in ("folder", "reset"):
                if getattr(self, key) is not None:
                    raise ValueError(f"expected {key} only beside command, got it beside asgi; take it out")
            object.__setattr__(self, "asgi", _full_reference(str(self.asgi), info))
            return self
        folder = full_path(self.folder or ".", info)
        if not folder.is_dir():
            raise ValueError(missing("a folder", self.folder or ".", folder))
        object.__setattr__(self, "folder", str(folder))
        return self


def _full_reference(written: str, info: ValidationInfo) -> str:
    """Return a reference to an ASGI application with the path of its file made full."""
    from .served.asgi_app import REFERENCE

    match = REFERENCE.fullmatch(written)
    if match is None:
        raise ValueError(f"expected module:attribute or ./file.py:attribute, got {written!r}; write the application so")
    if not match["module"].endswith(".py"):
        return written
    path = full_path(match["module"], info)
    if not path.is_file():
        raise ValueError(missing("a Python file", match["module"], path))
    return f"{path}:{match['attribute']}{match['call'] or ''}"


def _named_app(app: Any, info: ValidationInfo) -> Any:
    return _full_reference(app, info) if isinstance(app, str) and ":" in app else app


def _site_folder(written: str, info: ValidationInfo) -> str:
    path = full_path(written, info)
    if not path.is_dir():
        raise ValueError(missing("a folder of HTML files", written, path))
    return str(path)


def _host(written: str) -> str:
    match = _HOST.fullmatch(written)
    if match is None:
        raise ValueError(
            f"expected a host such as https://example.org or http://127.0.0.1:8000, got {written!r}; write it in lower "
            "case, without path or wildcard"
        )
    return f"{match['scheme'] or 'https://'}{match['host']}"


def _kind_of_app(given: Any) -> str | None:
    if isinstance(given, str):
        return "name"
    return "own" if isinstance(given, Mapping | OwnApp) else None


AppName = Annotated[str, StringConstraints(min_length=1), AfterValidator(_named_app)]
AppSpec = Annotated[
    Annotated[AppName, Tag("name")] | Annotated[OwnApp, Tag("own")],
    Discriminator(
        _kind_of_app,
        custom_error_type="task_fit",
        custom_error_message=(
            "app: expected the name of an application, or a mapping with `asgi` or `command`; write `app: expenses`, "
            "`app: ./server.py:app` or `app: {command: [python, server.py]}`"
        ),
    ),
]
PlainName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
"""The name of a bundled or registered application, where no other will do."""
SiteFolder = Annotated[str, StringConstraints(min_length=1), AfterValidator(_site_folder)]
Host = Annotated[str, AfterValidator(_host)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One application of a task.

    Attributes:
        app: what serves it.
        origin: as what its address is shown, the same in every episode, such as "http://expenses.local".
    """

    app: App
    origin: str


def places_of(
    app: str | OwnApp | None, site: str | None, hosts: Sequence[str], apps: Sequence[str] = ()
) -> tuple[Place, ...]:
    """Return the applications of a task, the one where it starts first.

    Args:
        app: as in the task.
        site: as in the task.
        hosts: as in the task.
        apps: as in the task.

    Raises:
        TaskError: there is no such application, or it cannot be imported.
    """
    if apps:
        return tuple(Place(app=get_app(name), origin=shown_origin(name)) for name in apps)
    if isinstance(app, str) and ":" not in app:
        return (Place(app=get_app(app), origin=shown_origin(app)),)
    return _own_places(app, site, tuple(hosts))


@cache  # an application lives as long as the server that hosts it: as long as the process
def _own_places(app: str | OwnApp | None, site: str | None, hosts: tuple[str, ...]) -> tuple[Place, ...]:
    if hosts:
        from .served.real_site import RealSite

        return tuple(Place(app=RealSite(origin), origin=origin) for origin in hosts)
    made = _own_app(app, site)
    return (Place(app=made, origin=f"http://{made.name}.local"),)


def _own_app(app: str | OwnApp | None, site: str | None) -> App:
    if site is not None:
        from .served.static_site import StaticSite

        return StaticSite(Path(site))
    if app is None:
        from .served.no_pages import NoPages

        return NoPages()
    from .served.asgi_app import app_from

    if isinstance(app, str):
        return app_from(app)
    if app.asgi is not None:
        return app_from(app.asgi, app.state)
    from .served.command_app import CommandApp

    assert app.command is not None
    assert app.folder is not None
    return CommandApp(app.command, Path(app.folder), state=app.state, reset=app.reset)


def app_seeds(seed: int, apps: int) -> list[np.random.SeedSequence]:
    """Return what seeds each of an episode's applications: the first of the episode's draws, then from the third on."""
    first, _, *others = np.random.SeedSequence(seed).spawn(apps + 1)
    return [first, *others]


def place_in_words(app: str | OwnApp | None, site: str | None, hosts: Sequence[str], apps: Sequence[str] = ()) -> str:
    """Return in a word or two where a task runs, for lists."""
    if apps:
        return " + ".join(apps)
    if site is not None:
        return f"site {Path(site).name}"
    if hosts:
        return hosts[0].partition("://")[2]
    if app is None:
        return "files"
    if isinstance(app, str):
        return Path(app).name
    return Path(app.asgi).name if app.asgi is not None else str((app.command or ("",))[0])


__all__ = [
    "MAX_APPS",
    "MAX_HOSTS",
    "AppSpec",
    "Host",
    "OwnApp",
    "Place",
    "PlainName",
    "SiteFolder",
    "app_seeds",
    "full_path",
    "missing",
    "place_in_words",
    "places_of",
]
