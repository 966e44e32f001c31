"""Compares the elements that a look reports with Chromium's own accessibility tree, node by node.

What is compared, exactly. A node of the page counts if our tree reports it (anything but plain text), or if Chromium
exposes it (it is not "ignored", and lies neither in a browser-made nor in a closed shadow root) with

- an interactive role (`INTERACTIVE`), or a place in the tab order;
- a speaking role (`SPEAKING`): images and messages only if they say something;
- a container's role (`CONTAINERS`), if it has a name.

Besides, every piece of text that Chromium exposes (but in a control, whose name is compared)
should stand somewhere in ours.

A counted node agrees in role if both trees have it and its roles are equal by `ROLES`, the table of what is
deliberately called otherwise. It agrees in name if the names are equal with white space collapsed and invisible and
private-use characters (icon fonts) removed. The differences that are meant, and how they are compared instead:

- rows, and messages without an author's name, have none in Chromium: ours must hold what is written beneath (a row that
  holds a table or a form, or much text, has no name: its content is reported);
- a dialog without a name takes its first heading's;
- "clickable", a part of the page that takes clicks and has no role for it, is our own role: its role is not compared,
  its name only if Chromium has one for it;
- a checkbox, radio or file field that is hidden behind its label is reported, as the label works it;
- what lies within a control whose name says it already is not reported, unless it can itself be acted on;
- cells and list items are not reported (rows are), unless they can be acted on;
- names are cut at 300 characters;
- what a canvas holds for browsers that cannot draw is not on the screen, and is not reported.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from milepost.sandbox.channel import Channel
from milepost.sandbox.page_frames import WORLD

INTERACTIVE = frozenset(
    {
        "button",
        "link",
        "textbox",
        "searchbox",
        "spinbutton",
        "slider",
        "checkbox",
        "radio",
        "switch",
        "combobox",
        "listbox",
        "option",
        "menuitem",
        "menuitemcheckbox",
        "menuitemradio",
        "tab",
        "treeitem",
        "scrollbar",
        "ColorWell",
        "Date",
        "DateTime",
        "InputTime",
        "DisclosureTriangle",
    }
)
SPEAKING = frozenset({"dialog", "alertdialog", "progressbar", "meter", "row", "columnheader", "Iframe"})
SPEAKING_IF_NAMED = frozenset({"heading", "image", "tooltip"})
MESSAGES = frozenset({"status", "alert", "log", "note", "timer"})
CONTAINERS = frozenset(
    {
        "group",
        "table",
        "grid",
        "treegrid",
        "list",
        "DescriptionList",
        "tree",
        "menu",
        "menubar",
        "tablist",
        "tabpanel",
        "radiogroup",
        "toolbar",
        "navigation",
        "main",
        "banner",
        "contentinfo",
        "complementary",
        "region",
        "form",
        "search",
        "article",
        "figure",
        "feed",
        "application",
        "document",
        "Canvas",
        "math",
    }
)
CELLS = frozenset({"cell", "gridcell", "columnheader", "rowheader", "LayoutTableCell"})
UNCOUNTED = frozenset({"RootWebArea", "Video", "Audio", "PluginObject", "EmbeddedObject", "separator"})
ROLES: dict[str, frozenset[str]] = {
    "button": frozenset({"button", "DisclosureTriangle"}),
    "textbox": frozenset({"textbox", "generic", "paragraph"}),  # the last two: an editable part of the page
    "file": frozenset({"button"}),
    "color": frozenset({"ColorWell"}),
    "date": frozenset({"Date"}),
    "time": frozenset({"InputTime"}),
    "month": frozenset({"DateTime"}),
    "week": frozenset({"DateTime"}),
    "datetime": frozenset({"DateTime"}),
    "img": frozenset({"image"}),
    "iframe": frozenset({"Iframe", "IframePresentational"}),
    "row": frozenset({"row", "LayoutTableRow"}),
    "list": frozenset({"list", "DescriptionList"}),
    "canvas": frozenset({"Canvas"}),
    "video": frozenset({"Video"}),
    "audio": frozenset({"Audio"}),
    "table": frozenset({"table", "LayoutTable"}),
}
"""Our role -> Chromium's; roles that are not here are called the same."""
SAYING_WHAT_THEY_HOLD = frozenset({"button", "link", "option", "tab", "menuitem", "menuitemcheckbox", "menuitemradio"})
SAYING_WHAT_THEY_HOLD |= {
    "switch",
    "checkbox",
    "radio",
    "tooltip",
    "img",
    "combobox",
    "textbox",
    "progressbar",
    "meter",
}
SAYING_WHAT_THEY_HOLD |= {"clickable", "slider", "spinbutton", "searchbox"}
STATES = ("checked", "disabled", "expanded", "mixed", "pressed", "readonly", "selected")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\ue000-\uf8ff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One node on which the trees differ.

    Attributes:
        kind: "missing" (Chromium exposes it, ours lacks it), "extra" (the reverse), "role", "name", "state", or "text"
            (written on the page, and nowhere in ours).
        ours: what our tree says.
        theirs: what Chromium says.
        node: the node, as it is written.
    """

    kind: str
    ours: str
    theirs: str
    node: str


@dataclass(slots=True)
class Agreement:
    """What a comparison found; adding two adds their counts.

    Attributes:
        nodes: counted nodes.
        texts: pieces of text that Chromium exposes.
        differences: where the trees differ.
    """

    nodes: int = 0
    texts: int = 0
    differences: list[Difference] = field(default_factory=list)

    def __iadd__(self, other: Agreement) -> Agreement:
        self.nodes += other.nodes
        self.texts += other.texts
        self.differences += other.differences
        return self

    def rate(self, *kinds: str) -> float:
        """Return the share of counted nodes, 0 to 1, that differ in none of these ways; 1 if there are none."""
        counts = Counter(difference.kind for difference in self.differences)
        return 1.0 - sum(counts[kind] for kind in kinds) / self.nodes if self.nodes else 1.0

    @property
    def role_rate(self) -> float:
        """Share of counted nodes that both trees have, with the same role."""
        return self.rate("missing", "extra", "role")

    @property
    def name_rate(self) -> float:
        """Share of counted nodes that both trees have, with the same name."""
        return self.rate("missing", "extra", "name")

    @property
    def text_rate(self) -> float:
        """Share of the exposed pieces of text that ours holds somewhere: as text, name, value or option."""
        missing = sum(difference.kind == "text" for difference in self.differences)
        return 1.0 - missing / self.texts if self.texts else 1.0


class _AxTree:
    """Chromium's accessibility tree of one frame, by DOM node."""

    def __init__(self, nodes: Sequence[dict[str, Any]]) -> None:
        self.by_id = {node["nodeId"]: node for node in nodes}
        self.by_node = {node["backendDOMNodeId"]: node for node in nodes if "backendDOMNodeId" in node}

    def below(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what lies beneath, in order."""
        for child_id in node.get("childIds", ()):
            child = self.by_id.get(child_id)
            if child is not None:
                yield child
                yield from self.below(child)

    def above(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what it lies in, from the nearest."""
        while (parent := self.by_id.get(node.get("parentId", ""))) is not None:
            yield parent
            node = parent

    def cells(self, row: dict[str, Any]) -> str:
        """Return the names of a row's cells; what is written in it if it has none."""
        names = [value(n, "name") for n in self.below(row) if not n["ignored"] and value(n, "role") in CELLS]
        return " ".join(names) or self.text(row)

    def text(self, node: dict[str, Any]) -> str:
        """Return what is written beneath."""
        written = [n for n in self.below(node) if not n["ignored"] and value(n, "role") == "StaticText"]
        return " ".join(value(n, "name") for n in written)


def value(node: dict[str, Any], key: str) -> str:
    """Return a node's role or name."""
    return str(node.get(key, {}).get("value", ""))


def states(node: dict[str, Any]) -> set[str]:
    """Return the states that are on, by our names for them."""
    given = {p["name"]: p["value"].get("value") for p in node.get("properties", ())}
    found = {name for name in ("disabled", "expanded", "readonly", "selected") if given.get(name) is True}
    for name, state in (("checked", "checked"), ("pressed", "pressed")):
        if given.get(name) in ("true", True):
            found.add(state)
        elif given.get(name) == "mixed":
            found.add("mixed")
    return found


async def compare(channel: Channel) -> Agreement:
    """Compare every frame of a page, each by itself.

    Args:
        channel: a session with the page, which has looked at it before.
    """
    await channel.send("Accessibility.enable")
    document = (await channel.send("DOM.getDocument", depth=-1, pierce=True))["root"]
    main = (await channel.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]
    written, own, frame_ids = _index(document)
    total = Agreement()
    for frame_id in (main, *frame_ids):
        total += await _compare_frame(channel, frame_id, written, own)
    await channel.send("Accessibility.disable")
    return total


def _index(document: dict[str, Any]) -> tuple[dict[int, str], set[int], list[str]]:
    """Return each element as it is written, the elements that the page itself made, and the frames within."""
    written: dict[int, str] = {}
    own: set[int] = set()
    frame_ids: list[str] = []

    def walk(node: dict[str, Any], closed: bool, unseen: bool) -> None:
        given = node.get("attributes", [])
        pairs = dict(zip(given[::2], given[1::2], strict=True))
        short = " ".join(f"{key}={text[:30]}" for key, text in list(pairs.items())[:5])
        if node["nodeType"] == 1:
            written[node["backendNodeId"]] = f"<{node['localName']}{' ' + short if short else ''}>"
            if not closed and not unseen:
                own.add(node["backendNodeId"])
        for root in node.get("shadowRoots", ()):
            walk(root, closed or root.get("shadowRootType") != "open", unseen)
        for child in node.get("children", ()):
            walk(child, closed, unseen or node.get("localName") == "canvas")
        inner = node.get("contentDocument")
        if inner is not None:
            frame_ids.append(node["frameId"])
            walk(inner, closed, unseen)

    walk(document, False, False)
    return written, own, frame_ids


async def _compare_frame(channel: Channel, frame_id: str, written: dict[int, str], own: set[int]) -> Agreement:
    world = await channel.send("Page.createIsolatedWorld", frameId=frame_id, worldName=WORLD)
    context = world["executionContextId"]

    async def evaluate(expression: str, by_value: bool) -> dict[str, Any]:
        answer = await channel.send(
            "Runtime.evaluate", expression=expression, contextId=context, returnByValue=by_value
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return dict(answer["result"])

    answer = await evaluate("JSON.stringify(milepostPage.look(100000))", True)
    every = json.loads(answer["value"])["elements"]
    rows = [row for row in every if row[1] != "text"]
    ours = dict(zip(await _backend_ids(channel, evaluate, [row[0] for row in rows]), rows, strict=True))
    tree = _AxTree((await channel.send("Accessibility.getFullAXTree", frameId=frame_id))["nodes"])
    found = Agreement()
    for node_id, row in ours.items():
        found.nodes += 1
        found.differences += _differences(row, tree, tree.by_node.get(node_id), written.get(node_id, "?"))
    for node_id, node in tree.by_node.items():
        if (
            node_id in own
            and node_id not in ours
            and _counts(tree, node, written[node_id])
            and not _covered(tree, node, ours)
        ):
            found.nodes += 1
            theirs = f"{value(node, 'role')} {value(node, 'name')!r}"
            found.differences.append(Difference(kind="missing", ours="", theirs=theirs, node=written[node_id]))
    said = [_letters(" ".join([row[2], row[3] or "", *row[5]])) for row in every]
    for node in tree.by_node.values():
        text = _letters(value(node, "name"))
        if value(node, "role") == "StaticText" and not node["ignored"] and text and _parent(tree, node, written) in own:
            if any(_role(ours, outer) in SAYING_WHAT_THEY_HOLD for outer in tree.above(node)):
                continue  # its name was compared; an author's label may stand instead of what is written
            found.texts += 1
            if not any(text in one or (one.endswith("…") and one[:-1] in text) for one in said):
                outer = written[_parent(tree, node, written)]
                found.differences.append(Difference(kind="text", ours="", theirs=value(node, "name"), node=outer))
    return found


def _role(ours: dict[int, list[Any]], node: dict[str, Any]) -> str:
    row = ours.get(node.get("backendDOMNodeId", -1))
    return "" if row is None else str(row[1])


def _parent(tree: _AxTree, node: dict[str, Any], written: dict[int, str]) -> int:
    """Return the nearest element that a piece of text lies in, or -1."""
    ids = (outer.get("backendDOMNodeId", -1) for outer in tree.above(node))
    return next((node_id for node_id in ids if node_id in written), -1)


async def _backend_ids(channel: Channel, evaluate: Any, refs: Sequence[int]) -> list[int]:
    listed = await evaluate(f"{json.dumps(list(refs))}.map((ref) => milepostPage.node(ref))", False)
    found = await channel.send("Runtime.getProperties", objectId=listed["objectId"], ownProperties=True)
    objects = {int(p["name"]): p["value"]["objectId"] for p in found["result"] if p["name"].isdigit()}

    async def describe(object_id: str) -> int:
        return int((await channel.send("DOM.describeNode", objectId=object_id))["node"]["backendNodeId"])

    return list(await asyncio.gather(*(describe(objects[i]) for i in range(len(refs)))))


def _counts(tree: _AxTree, node: dict[str, Any], written: str) -> bool:
    if node["ignored"]:
        return False
    role, name = value(node, "role"), tidy(value(node, "name"))
    if role in INTERACTIVE or role in SPEAKING:
        return True
    if role in MESSAGES:
        return bool(name or tidy(tree.text(node)))
    if name and (role in CONTAINERS or role in SPEAKING_IF_NAMED):
        return True
    focusable = any(p["name"] == "focusable" and p["value"].get("value") for p in node.get("properties", ()))
    return focusable and role not in UNCOUNTED and "tabindex=-" not in written


def _covered(tree: _AxTree, node: dict[str, Any], ours: dict[int, list[Any]]) -> bool:
    """Tell whether it lies in something reported whose name says it already (or in a select, as one of its options)."""
    role = value(node, "role")
    for outer in tree.above(node):
        row = ours.get(outer.get("backendDOMNodeId", -1))
        if row is None:
            continue
        if row[5] and role in {"option", "group", "MenuListPopup"}:
            return True
        if row[1] in SAYING_WHAT_THEY_HOLD and role not in INTERACTIVE:
            return True
    return False


def _differences(row: list[Any], tree: _AxTree, node: dict[str, Any] | None, written: str) -> list[Difference]:
    role, name, shown = row[1], row[2], f"{row[1]} {row[2]!r}"
    if node is None or node["ignored"]:
        behind_label = role == "clickable" or (role in {"checkbox", "radio", "file"} and row[7] is not None)
        return [] if behind_label else [Difference(kind="extra", ours=shown, theirs="", node=written)]
    found: list[Difference] = []
    theirs = f"{value(node, 'role')} {value(node, 'name')!r}"
    if role != "clickable" and value(node, "role") not in ROLES.get(role, {role}):
        found.append(Difference(kind="role", ours=shown, theirs=theirs, node=written))
    if not _same_name(role, name, tree, node):
        found.append(Difference(kind="name", ours=shown, theirs=theirs, node=written))
    given = set(row[4]) & set(STATES)
    if role != "clickable" and given != states(node):
        mine, other = sorted(given), sorted(states(node))
        found.append(Difference(kind="state", ours=f"{shown} {mine}", theirs=f"{theirs} {other}", node=written))
    return found


def _same_name(role: str, name: str, tree: _AxTree, node: dict[str, Any]) -> bool:
    theirs = value(node, "name")
    if role in MESSAGES and not theirs.strip():
        return _same(_letters(name), _letters(tree.text(node)))
    if role == "row":
        return not name or _same(_letters(name), _letters(theirs.strip() or tree.cells(node)))
    if role in ("dialog", "alertdialog") and not theirs:
        headings = (n for n in tree.below(node) if not n["ignored"] and value(n, "role") == "heading")
        return _same(tidy(name), tidy(next((value(n, "name") for n in headings), "")))
    if role == "clickable" and not theirs.strip():
        return True
    return role in ("video", "audio") or _same(tidy(name), tidy(theirs)) or (role == "clickable" and not name)


def tidy(name: str) -> str:
    """Return a name with white space collapsed, invisible and private-use characters removed."""
    return " ".join(_UNSEEN.sub("", name).split())


def _letters(name: str) -> str:
    return "".join(_UNSEEN.sub("", name).replace("·", "").split())


def _same(ours: str, theirs: str) -> bool:
    return ours == theirs or (ours.endswith("…") and theirs.startswith(ours[:-1].rstrip()))


__all__ = ["Agreement", "Difference", "compare"]
