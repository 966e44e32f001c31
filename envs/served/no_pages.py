"""What the browser shows in a task that has no pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answers import answer_page
from .stateless import StatelessApp

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class NoPages(StatelessApp):
    """One page that says that there are none."""

    name = "workspace"

    def asgi(self) -> ASGIApp:
        """Return what answers every address with that page."""
        return _say_so


async def _say_so(scope: Scope, receive: Receive, send: Send) -> None:
    await answer_page(send, 200, "Workspace", "This task has no pages. Its files are in the workspace.")


__all__ = ["NoPages"]
