"""What one look at the computer returns: the page's accessible elements, and the workspace's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

VIEWPORT = (1280, 720)
"""Width and height of every page, in CSS pixels."""
BLANK_URL = "about:blank"
"""Address of a tab that shows no page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One node of the page's accessible tree, in document order.

    Attributes:
        ref: stable reference of the DOM node for as long as it lives within the document (never written to the DOM).
        role: ARIA role, e.g. "button", "textbox", "heading", "row"; "text" for plain text worth reading.
        name: accessible name, whitespace collapsed.
        value: current value of a field, or the chosen option of a select; None where the role has none.
        states: sorted states that are on, e.g. ("checked", "disabled", "expanded", "selected").
        options: names of a select's options, else ().
        depth: nesting among reported elements, 0 at the top.
        box: (x, y, width, height) in CSS pixels of the viewport; None when not rendered.
        in_viewport: whether any part of the box lies in the viewport.
        interactive: whether an agent can act on it.
        frame: 0 for the main frame, else the index of its frame.
    """

    ref: int
    role: str
    name: str
    value: str | None = None
    states: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    depth: int = 0
    box: tuple[float, float, float, float] | None = None
    in_viewport: bool = True
    interactive: bool = False
    frame: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """One file of the workspace; `path` is relative to its root, POSIX style."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TabInfo:
    """One tab of the browser.

    Attributes:
        index: its place, from 1; what `switch_tab` and `close_tab` take.
        url: its address.
        title: its document's title when it was last looked at.
        active: whether it is the one that is seen and acted on.
    """

    index: int
    url: str
    title: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogInfo:
    """A JavaScript dialog that waits for an answer; the page stands still behind it.

    Attributes:
        dialog_type: "alert", "confirm", "prompt" or "beforeunload".
        message: what it says.
        default_value: what a prompt is filled with.
    """

    dialog_type: str
    message: str
    default_value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at the whole computer at the end of a step.

    Attributes:
        url: address of the active page.
        title: its document title.
        focused: ref of the focused element, or None.
        elements: accessible elements in document order.
        elements_omitted: how many elements a cap left out; 0 if none.
        files: the workspace's files, sorted by path.
        tabs: the browser's tabs, in order.
        dialog: the dialog that waits for an answer, if the task holds dialogs and one is open.
        app_state: the application's server-side state (JSON-ready), read on a channel that the browser cannot reach.
        regions: how the parts of the viewport look that detectors ask about, by "left,top,width,height": the mean
            colours of 16 x 16 cells, rows from the top, as RGB bytes in base64.
    """

    url: str
    title: str
    focused: int | None = None
    elements: tuple[Element, ...] = ()
    elements_omitted: int = 0
    files: tuple[FileInfo, ...] = ()
    tabs: tuple[TabInfo, ...] = ()
    dialog: DialogInfo | None = None
    app_state: Mapping[str, Any] = field(default_factory=dict)
    regions: Mapping[str, str] = field(default_factory=dict)

    def by_ref(self, ref: int) -> Element | None:
        """Return the element with this reference, or None."""
        return next((e for e in self.elements if e.ref == ref), None)


def snapshot_to_json(snapshot: Snapshot) -> dict[str, Any]:
    """Return the snapshot as JSON-ready plain data."""
    data = {f.name: getattr(snapshot, f.name) for f in fields(snapshot)}
    for key in ("elements", "files", "tabs"):
        data[key] = [{f.name: getattr(x, f.name) for f in fields(x)} for x in data[key]]
    data["dialog"] = None if snapshot.dialog is None else asdict(snapshot.dialog)
    data["app_state"], data["regions"] = dict(snapshot.app_state), dict(snapshot.regions)
    return data


def snapshot_from_json(data: Mapping[str, Any]) -> Snapshot:
    """Rebuild a snapshot from `snapshot_to_json`."""

    def element(e: Mapping[str, Any]) -> Element:
        box = e["box"]
        return Element(**{
            **e,
            "states": tuple(e["states"]),
            "options": tuple(e["options"]),
            "box": None if box is None else (box[0], box[1], box[2], box[3]),
        })  # fmt: skip

    return Snapshot(**{
        **data,
        "elements": tuple(element(e) for e in data["elements"]),
        "files": tuple(FileInfo(**f) for f in data["files"]),
        "tabs": tuple(TabInfo(**t) for t in data.get("tabs", ())),
        "dialog": None if data.get("dialog") is None else DialogInfo(**data["dialog"]),
    })  # fmt: skip
