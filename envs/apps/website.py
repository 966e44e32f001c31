"""What the bundled applications have in common: one look, escaped templates, friendly error pages, safe headers."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from ...sandbox.app_server import App
from ...sandbox.errors import TaskError

_HERE = Path(__file__).parent
# Pages carry their own style and their few lines of script, and may load nothing else from anywhere.
_CONTENT_RULES = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Website(App):
    """An application whose pages are Jinja templates lying beside its module.

    Subclasses set `name`, `brand` and `folder` and give `routes()`. Templates are autoescaped, and an undefined
    variable is an error. Every page inlines the shared stylesheet: each episode has an origin of its own, so no cache
    could serve it.

    Attributes:
        brand: what stands at the top of every page.
        folder: where its templates lie.
        fetches: whether its pages' scripts may send requests to their own origin.
    """

    brand: ClassVar[str]
    folder: ClassVar[Path]
    fetches: ClassVar[bool] = False

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader([self.folder, _HERE]),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(app_name=self.name, brand=self.brand)
        self._asgi = Starlette(routes=self.routes(), exception_handlers={HTTPException: self._error_page})

    @abstractmethod
    def routes(self) -> Sequence[BaseRoute]:
        """Return the application's routes."""

    def asgi(self) -> Starlette:
        """Return the ASGI application; its handlers read the episode's database from `request.state.db`."""
        return self._asgi

    def page(self, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
        """Render a template of this application as an HTML page."""
        html = self._templates.get_template(template).render(values)
        rules = f"{_CONTENT_RULES}; connect-src 'self'" if self.fetches else _CONTENT_RULES
        return HTMLResponse(html, status_code=status_code, headers={**_HEADERS, "Content-Security-Policy": rules})

    async def _error_page(self, request: Request, error: Exception) -> Response:
        status_code = error.status_code if isinstance(error, HTTPException) else 500
        found, allowed = status_code != 404, status_code != 403
        return self.page("error.html", status_code=status_code, found=found, allowed=allowed)


def database(request: Request) -> sqlite3.Connection:
    """Return the database of the episode that this request belongs to."""
    return cast(sqlite3.Connection, request.state.db)


def neighbours(request: Request, app: App) -> list[tuple[str, str]]:
    """Return the brands and addresses of the applications that an episode has beside this one."""
    hosts: Mapping[str, App] = getattr(request.state, "hosts", {})
    return [
        (getattr(other, "brand", other.name), f"http://{host}/") for host, other in hosts.items() if other is not app
    ]


def text_parameter(app_name: str, parameters: Mapping[str, Any], name: str) -> str:
    """Return one of the texts that an application needs to build an episode.

    Raises:
        TaskError: it is missing, not a text, or blank.
    """
    value = parameters.get(name)
    if not isinstance(value, str) or not value.strip():
        raise TaskError(
            f"the application {app_name!r} expects a text for the task parameter {name!r}; it got {value!r}: "
            f"add {name!r} to the task's parameters"
        )
    return value


def slug(text: str) -> str:
    """Return the text as it stands in an address, e.g. "North Budget" as "North-Budget"."""
    return "-".join("".join(c if c.isalnum() else " " for c in text).split())


__all__ = ["Website", "database", "neighbours", "slug", "text_parameter"]
