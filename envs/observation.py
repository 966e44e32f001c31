"""What the agent reads: nine short texts, made from one look at the computer.

Small models read these, so every line earns its tokens: reference numbers only where an agent can act, no containers
without a name, nothing twice. Every text has a bound, and says so where it was cut.

What a page says is data: it keeps to its line and to its quotation marks, and text that reads like a line of ours, or
like a part of the prompt made from it, is quoted. What stands in quotation marks may be written so in an action.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gymnasium import spaces

from ..sandbox.snapshot import DialogInfo, Element, FileInfo, Snapshot, TabInfo
from .spaces import UnicodeText

LIMITS_CHARS: dict[str, int] = {
    "goal": 2000,
    "url": 500,
    "title": 200,
    "focused": 200,
    "page": 8000,
    "files": 2000,
    "last_action": 1000,
    "last_action_result": 2000,
    "last_action_error": 500,
}
"""Longest text of each observation key, in characters."""

_NAME_CHARS = 120
_VALUE_CHARS = 200
_OPTIONS_SHOWN = 8
_PLAIN_TEXT_ROLES = frozenset({"text", "paragraph"})
_LIKE_OURS = re.compile(r"\[\d+\]|\(\d+ more |[a-z]+( dialog)? \"|(Goal|Page|Files|Last|Result|Error):")
"""How lines of a page's text and parts of a prompt (`agents.prompts`) begin: plain text must not pass for either."""
_LANDMARKS = frozenset(
    {"article", "banner", "complementary", "contentinfo", "document", "form", "generic", "group", "list"}
)
_LANDMARKS |= {"main", "navigation", "none", "presentation", "region", "rowgroup", "search", "table", "tree"}
_LANDMARKS |= {"application", "feed", "figure", "grid", "menu", "menubar", "radiogroup", "tablist", "tabpanel"}
_LANDMARKS |= {"toolbar", "treegrid"}

ALWAYS_SHOWN = ("goal", "last_action", "last_action_result", "last_action_error")
"""Keys of every observation, whatever its kinds."""

Observation = dict[str, Any]
"""Keys: goal, url, title, focused, page, files, last_action, last_action_result, last_action_error, each a text, unless
other kinds of observation are asked for: see `observation_kinds`."""


def observation_space() -> spaces.Space[Observation]:
    """Return the space of every observation: a dict of bounded Unicode texts."""
    space: spaces.Space[Any] = spaces.Dict({key: UnicodeText(limit) for key, limit in LIMITS_CHARS.items()})
    return space


def build_observation(
    *,
    goal: str,
    snapshot: Snapshot | None,
    last_action: str = "",
    last_action_result: str = "",
    last_action_error: str = "",
) -> Observation:
    """Render one observation.

    Args:
        goal: the task, in words.
        snapshot: the computer now; None when it failed, which leaves the page's texts empty.
        last_action: canonical text of the last action, or what the agent sent if it could not be read.
        last_action_result: what it changed, or its output.
        last_action_error: why it could not be done, "" if it was.

    Returns:
        A fresh dict with every key, each text within its bound.
    """
    texts = {key: "" for key in LIMITS_CHARS} | {
        "goal": goal,
        "last_action": _one_line(last_action),
        "last_action_result": last_action_result,
        "last_action_error": _one_line(last_action_error),
    }
    if snapshot is not None:
        focused = None if snapshot.focused is None else snapshot.by_ref(snapshot.focused)
        texts |= {
            "url": snapshot.url,
            "title": _one_line(snapshot.title),
            "focused": "" if focused is None else describe(focused),
            "page": render_page(snapshot),
            "files": render_files(snapshot.files),
        }
    return {key: bounded(text, LIMITS_CHARS[key]) for key, text in texts.items()}


def render_page(snapshot: Snapshot) -> str:
    """Render the page's elements, one line each: `[ref] role "name" "value" states`.

    Only interactive elements carry their reference. Texts that only repeat what an enclosing or neighbouring element
    already says are left out. A dialog that waits for its answer comes first.
    """
    lines = [] if snapshot.dialog is None else [render_dialog(snapshot.dialog)]
    used = sum(map(len, lines)) + len(lines)
    shown = _worth_showing(snapshot.elements)
    for position, element in enumerate(shown):
        line = render_element(element)
        if used + len(line) + 1 > LIMITS_CHARS["page"] - 60:
            omitted = len(shown) - position + snapshot.elements_omitted
            return "\n".join([*lines, f"({omitted} more elements not shown)"])
        lines.append(line)
        used += len(line) + 1
    if snapshot.elements_omitted:
        lines.append(f"({snapshot.elements_omitted} more elements not shown)")
    return "\n".join(lines)


def render_element(element: Element) -> str:
    """Render one element as it stands in the page's text."""
    parts = [f"[{element.ref}]"] if element.interactive else []
    if element.role in _PLAIN_TEXT_ROLES and not element.interactive:
        plain = cut(_one_line(element.name), _NAME_CHARS)
        parts.append(f"text {_quoted(plain, _NAME_CHARS)}" if _LIKE_OURS.match(plain) else plain)
    else:
        parts.append(element.role)
        if element.name:
            parts.append(_quoted(element.name, _NAME_CHARS))
    if element.value is not None and element.role not in ("checkbox", "radio", "button", "link"):
        parts.append(_quoted(element.value, _VALUE_CHARS))
    if element.options:
        options = ", ".join(cut(_one_line(o), 40) for o in element.options[:_OPTIONS_SHOWN])
        more = ", ..." if len(element.options) > _OPTIONS_SHOWN else ""
        parts.append(f"({options}{more})")
    parts += [s for s in element.states if s != "focused"]
    return " ".join(parts)


def render_dialog(dialog: DialogInfo) -> str:
    """Render a dialog that waits for its answer, on one line."""
    message = _quoted(dialog.message, 2 * _NAME_CHARS)
    proposed = f" {_quoted(dialog.default_value, _VALUE_CHARS)}" if dialog.dialog_type == "prompt" else ""
    return f"{dialog.dialog_type} dialog {message}{proposed}: dialog_accept() or dialog_dismiss() answers it"


def render_tabs(tabs: Sequence[TabInfo]) -> str:
    """Render the open tabs, one line each: number, title, address, and which one is shown."""
    return "\n".join(
        f"{tab.index} {_quoted(tab.title, _NAME_CHARS)} {cut(_one_line(tab.url), _VALUE_CHARS)}"
        + (" (shown)" if tab.active else "")
        for tab in tabs
    )


def render_files(files: Sequence[FileInfo]) -> str:
    """Render the workspace's files, one line each: path and size."""
    limit = LIMITS_CHARS["files"] - 40
    lines: list[str] = []
    for position, file in enumerate(files):
        line = f"{_one_line(file.path)} ({file.size_bytes} B)"
        if sum(map(len, lines)) + len(lines) + len(line) > limit:
            return "\n".join([*lines, f"({len(files) - position} more files not shown)"])
        lines.append(line)
    return "\n".join(lines)


def describe(element: Element) -> str:
    """Return an element as `role "name"`."""
    return f"{element.role} {_quoted(element.name, _NAME_CHARS)}" if element.name else element.role


def cut(text: str, limit: int) -> str:
    """Return the text within `limit` characters; a cut text ends in "..."."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def bounded(text: str, limit: int) -> str:
    """Return the text as UTF-8 can encode it, within `limit` characters."""
    return cut(_encodable(text), limit)


def _worth_showing(elements: Sequence[Element]) -> list[Element]:
    shown: list[Element] = []
    enclosing: list[Element] = []  # shown elements that the current one lies within
    interactive_names = {e.name for e in elements if e.interactive and e.name}
    for element in elements:
        while enclosing and enclosing[-1].depth >= element.depth:
            enclosing.pop()
        if not element.interactive:
            if not element.name or element.role in _LANDMARKS:
                continue
            if any(element.name in outer.name for outer in enclosing):
                continue
            if element.role in (*_PLAIN_TEXT_ROLES, "label") and (
                element.name in interactive_names or (shown and shown[-1].name == element.name)
            ):
                continue
        shown.append(element)
        enclosing.append(element)
    return shown


def _quoted(text: str, limit: int) -> str:
    return '"' + cut(_one_line(text), limit).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


__all__ = [
    "ALWAYS_SHOWN",
    "LIMITS_CHARS",
    "Observation",
    "bounded",
    "build_observation",
    "cut",
    "describe",
    "observation_space",
    "render_dialog",
    "render_element",
    "render_files",
    "render_page",
    "render_tabs",
]
