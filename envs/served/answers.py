"""Plain answers to a request, for what is served without a web framework."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Send

Header = tuple[bytes, bytes]


async def answer(send: Send, status: int, body: bytes, headers: Iterable[Header], *, head_only: bool = False) -> None:
    """Send a whole answer; its length is added to the headers."""
    sized = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": sized})
    await send({"type": "http.response.body", "body": b"" if head_only else body})


async def answer_page(send: Send, status: int, title: str, text: str, *, head_only: bool = False) -> None:
    """Send a small HTML page."""
    body = f"<!doctype html><title>{escape(title)}</title><h1>{escape(title)}</h1><p>{escape(text)}</p>".encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
    await answer(send, status, body, headers, head_only=head_only)


__all__ = ["Header", "answer", "answer_page"]
