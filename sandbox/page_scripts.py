"""The script of the isolated world, put together from its parts.

It runs in every document before any script of the page. The page's own world sees neither it, nor its globals, nor the
binding that it reports to, and it writes nothing to the DOM (page_pickers.js names its one exception). What the host
may call, on `milepostPage`:

    look(cap)            the accessible elements, as one JSON-ready object (see below)
    html(limit)          the document's pruned HTML, at most `limit` characters
    selection()          the selected text
    checked(ref)         whether a checkbox, radio, switch or toggle button is on; None if it is none
    node(ref), ref(node)  the node itself, for commands that take an object of the page, and back
    aim(ref, want)       scroll to an element, check that it can take the action, and say where to point
    grip(ref)            focus a field and select its content
    choose(ref, option)  set a select's option; put(ref, text) set a field that no keyboard text can fill
    scroll(direction, ref)  scroll the part around an element, or under the middle of the viewport
    frameBox(ref), covered(ref, x, y)  where a frame's content begins, and whether something lies over it at a point
    copy(text)           put text onto the browser's clipboard; whether that was possible
    arm()                open the window in which trusted input is the agent's own
    disarm()             close it, and say whether the mouse has been pressed since it was last closed
    renumber()           forget all references: the next ones count from 1 again
    later(ms)            after that much virtual time: does the page wait for animation frames?

`look` answers `{url, title, focused, elements, omitted, frames, now}`. A row of `elements` is
`[ref, role, name, value, states, options, depth, box, in_viewport, interactive, frame]`. Every frame reports its own
document only: boxes are relative to its own viewport, `frame` is 0, and `frames` lists its frame elements as
`[ref, x, y, visible]`: where the content of each begins. References are unique within a frame; `tab.py` puts the frames
together.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

PARTS = (
    "page_nodes.js",
    "page_sheets.js",
    "page_roles.js",
    "page_names.js",
    "page_states.js",
    "page_events.js",
    "page_pickers.js",
    "page_look.js",
    "page_html.js",
    "page_acting.js",
    "page_settling.js",
    "page_interface.js",
)
"""One function's body in pieces; later parts use what earlier ones define."""


@cache
def isolated_world_script() -> str:
    """Return the script that every document's isolated world starts with; it defines `milepostPage`."""
    folder = resources.files(__package__)
    body = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in PARTS)
    return f'"use strict";\nconst milepostPage = (() => {{\n{body}}})();\n'


__all__ = ["isolated_world_script"]
