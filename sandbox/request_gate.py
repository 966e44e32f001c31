"""What the application server turns away before an application sees it, and what it adds to every answer.

A browser says truthfully where a request comes from: scripts cannot set Sec-Fetch-Site, Origin, Referer or
Service-Worker. So the server can tell an episode's own pages from another episode's, and can refuse what would let a
page do things behind the agent's back. The headers that it adds bind the page inside its own renderer: nothing is sent
to another origin, no device is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

MAX_BODY_BYTES = 80 * 1024 * 1024
"""Holds a whole workspace, as its default quota allows, in one upload."""
MAX_ANSWER_BYTES = 256 * 1024 * 1024

POWERFUL_FEATURES = (
    "accelerometer", "ambient-light-sensor", "attribution-reporting", "bluetooth", "browsing-topics", "camera",
    "clipboard-read", "display-capture", "encrypted-media", "fullscreen", "gamepad", "geolocation",
    "gyroscope", "hid", "identity-credentials-get", "idle-detection", "keyboard-map", "local-fonts", "magnetometer",
    "microphone", "midi", "otp-credentials", "payment", "picture-in-picture", "publickey-credentials-create",
    "publickey-credentials-get", "screen-wake-lock", "serial", "shared-storage", "storage-access", "usb", "web-share",
    "window-management", "xr-spatial-tracking",
)  # fmt: skip
"""Permissions-Policy names of what pages may not use unless their application lists it in `App.features`."""


SANDBOX = (
    "sandbox allow-downloads allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox allow-same-origin "
    "allow-scripts allow-storage-access-by-user-activation allow-top-navigation"
)
"""What it leaves out are pointer lock (which would keep the agent's mouse), orientation lock and other programs."""


class BodyTooLargeError(Exception):
    """A request's body is larger than MAX_BODY_BYTES; the page's doing, so no failure of the application."""


class AnswerTooLargeError(Exception):
    """An application's answer is larger than MAX_ANSWER_BYTES, or endless."""


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Return a request's headers by lower-case name; of a repeated one the last."""
    return dict(scope["headers"])


def refusal(headers: Mapping[bytes, bytes], family: Iterable[str]) -> tuple[int, str] | None:
    """Return why a request is turned away, as (status, reason), or None to let it pass.

    Args:
        headers: the request's headers, names in lower case.
        family: hosts, with ports, whose pages may send this request: the episode's own applications.
    """
    if b"upgrade" in headers:
        return 403, "connections cannot be upgraded: there are no WebSockets here"
    if b"service-worker" in headers:
        return 403, "there are no service workers here"
    if b"sec-purpose" in headers:
        return 503, "nothing is fetched ahead of its use here"
    if headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        sender = headers.get(b"origin", b"null")
        if sender == b"null":
            sender = headers.get(b"referer", b"")
        origin = b"/".join(sender.split(b"/")[:3]).decode("latin-1")
        if origin not in {f"http://{host}" for host in family}:
            return 403, "this address belongs to another episode"
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return 413, f"at most {MAX_BODY_BYTES} bytes can be sent"
    return None


def page_rules(family: Iterable[str], features: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """Return the headers that bind every page of an episode.

    Args:
        family: hosts, with ports, that the episode's pages may load from besides their own.
        features: the POWERFUL_FEATURES that its pages may use.
    """
    own = " ".join(["'self'", *(f"http://{host}" for host in sorted(family))])
    content = (
        f"default-src {own} data: blob: 'unsafe-inline' 'unsafe-eval'; "
        f"form-action {own}; frame-ancestors {own}; {SANDBOX}"
    )
    granted = frozenset(features)
    policy = ", ".join(f"{name}={'(self)' if name in granted else '()'}" for name in POWERFUL_FEATURES)
    return [(b"content-security-policy", content.encode()), (b"permissions-policy", policy.encode())]


def bounded(receive: Receive) -> Receive:
    """Return `receive` that raises BodyTooLargeError once more than MAX_BODY_BYTES have come."""
    came_bytes = 0

    async def receive_within_bounds() -> Message:
        nonlocal came_bytes
        message = await receive()
        came_bytes += len(message.get("body", b""))
        if came_bytes > MAX_BODY_BYTES:
            raise BodyTooLargeError(f"more than {MAX_BODY_BYTES} bytes were sent")
        return message

    return receive_within_bounds


__all__ = [
    "MAX_ANSWER_BYTES",
    "MAX_BODY_BYTES",
    "POWERFUL_FEATURES",
    "AnswerTooLargeError",
    "BodyTooLargeError",
    "bounded",
    "headers_of",
    "page_rules",
    "refusal",
]
