"""What the last action changed, in one short line.

Greedy decoding repeats an action for as long as it reads the same prompt; it stops when the prompt says what the
action did.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from ..sandbox.events import Dialog, Download, Event
from ..sandbox.snapshot import Element, Snapshot
from .observation import cut, describe

_ANNOUNCING_ROLES = ("alertdialog", "dialog", "alert", "status")
_MOST = 3
NOTHING = "nothing changed"


def describe_changes(previous: Snapshot | None, now: Snapshot, events: Sequence[Event] = ()) -> str:
    """Say in one line what differs between two looks.

    Args:
        previous: the look before the action; None at the reset, which has changed nothing.
        now: the look after it.
        events: the step's events, of which answered dialogs and downloads are told.

    Returns:
        At most three changes joined by "; ", the weightiest first, or "nothing changed"; "" at the reset.
    """
    if previous is None:
        return ""
    found = _dialogs(previous, now, events) + _tabs(previous, now)
    found += [f"downloaded {e.path}" for e in events if isinstance(e, Download)]
    if previous.url != now.url:
        parts = urlsplit(now.url)
        shown = parts.path + (f"?{parts.query}" if parts.query else "") or "/"
        found.append(f"now at {cut(shown, 80)}")
    found += _announced(previous, now)
    if previous.url == now.url:
        found += _fields(previous, now)
    told = {e.path for e in events if isinstance(e, Download)}
    before = {f.path: f.sha256 for f in previous.files}
    found += [f"file {f.path} written" for f in now.files if before.get(f.path) != f.sha256 and f.path not in told]
    found += [f"file {path} gone" for path in before if path not in {f.path for f in now.files}]
    if not found:
        found = _quiet(previous, now)
    return "; ".join(found[:_MOST]) if found else NOTHING


def _dialogs(previous: Snapshot, now: Snapshot, events: Sequence[Event]) -> list[str]:
    lines = []
    for event in events:
        if isinstance(event, Dialog):
            if previous.dialog is not None and event.message == previous.dialog.message:
                lines.append(f"dialog {'accepted' if event.accepted else 'dismissed'}")
            else:
                lines.append(f'dialog said "{cut(" ".join(event.message.split()), 80)}"')
    if now.dialog is not None and now.dialog != previous.dialog:
        lines.append(f'dialog asks "{cut(" ".join(now.dialog.message.split()), 80)}"')
    return lines


def _tabs(previous: Snapshot, now: Snapshot) -> list[str]:
    more = max(len(now.tabs), 1) - max(len(previous.tabs), 1)
    lines = []
    if more:
        lines.append(f"{abs(more)} tab{'s' if abs(more) > 1 else ''} {'opened' if more > 0 else 'closed'}")
    shown = next((tab for tab in now.tabs if tab.active), None)
    if shown is not None and shown.index != next((tab.index for tab in previous.tabs if tab.active), 1):
        lines.append(f"now in tab {shown.index}")
    return lines


def _announced(previous: Snapshot, now: Snapshot) -> list[str]:
    before = {(e.role, e.name) for e in previous.elements}
    fresh = [e for e in now.elements if e.role in _ANNOUNCING_ROLES and e.name and (e.role, e.name) not in before]
    return [f'{e.role} "{cut(e.name, 80)}" appeared' for e in fresh]


def _fields(previous: Snapshot, now: Snapshot) -> list[str]:
    before = {e.ref: e for e in previous.elements}
    lines: list[str] = []
    for element in now.elements:
        old = before.get(element.ref)
        if old is None or not element.interactive:
            continue
        if old.value != element.value:
            lines.append(f'{_called(element)} is now "{cut(element.value or "", 60)}"')
        elif set(old.states) - {"focused"} != set(element.states) - {"focused"}:
            states = " ".join(s for s in element.states if s != "focused")
            lines.append(f"{_called(element)} is now {states or 'plain'}")
    return lines


def _quiet(previous: Snapshot, now: Snapshot) -> list[str]:
    if [(e.role, e.name) for e in previous.elements] != [(e.role, e.name) for e in now.elements]:
        return ["the page changed"]
    if previous.focused != now.focused and now.focused is not None:
        focused = now.by_ref(now.focused)
        return [] if focused is None else [f"focus on {describe(focused)}"]
    return []


def _called(element: Element) -> str:
    return f'"{cut(element.name, 60)}"' if element.name else f"{element.role} [{element.ref}]"


__all__ = ["NOTHING", "describe_changes"]
