"""What detectors ask of a snapshot and of the events: texts, paths, and what belongs to the current document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from ..sandbox.events import Event, Navigation
from ..sandbox.snapshot import Element, Snapshot
from .spec import collapse
from .templates import glob_regex


def subtree(snapshot: Snapshot, index: int) -> Iterator[Element]:
    """Yield the elements below the one at `index`: those that follow it and lie deeper, in the same frame."""
    top = snapshot.elements[index]
    elements = snapshot.elements
    for i in range(index + 1, len(elements)):  # no slice: asked for every element, the copies would add up
        element = elements[i]
        if element.depth <= top.depth or element.frame != top.frame:
            return
        yield element


def element_text(snapshot: Snapshot, index: int) -> str:
    """Return what an element says: its name, then the names and values below it that the name does not already hold."""
    said = collapse(snapshot.elements[index].name)
    for element in subtree(snapshot, index):
        for piece in (element.name, element.value):
            if piece and (more := collapse(piece)) and more not in said:
                said = f"{said} {more}" if said else more
    return said


def may_say(snapshot: Snapshot, *texts: str | None) -> bool:
    """Tell False where no element can say all of these texts, because a word of them is nowhere on the page.

    Much quicker than asking every element what it says; True decides nothing.
    """
    words = {word for text in texts if text is not None for word in text.split()}
    if not words:
        return True
    pieces = [piece for element in snapshot.elements for piece in (element.name, element.value) if piece]
    page = "\n".join(pieces)
    return all(word in page for word in words)


def path_of(url: str) -> str:
    """Return a URL's path, percent-decoded, "/" if empty."""
    return unquote(urlsplit(url).path) or "/"


def query_of(url: str) -> dict[str, list[str]]:
    """Return a URL's query parameters, decoded; a parameter may occur more than once."""
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def path_matches(path: str, glob: str) -> bool:
    """Tell whether a path matches a glob; see `glob_regex`."""
    return glob_regex(glob).fullmatch(path) is not None


def new_document(events: Sequence[Event]) -> int | None:
    """Return the index of the last event that brought a new document, or None."""
    return next(
        (i for i in range(len(events) - 1, -1, -1) if isinstance(e := events[i], Navigation) and not e.same_document),
        None,
    )


def on_this_document(history: Sequence[Event]) -> Sequence[Event]:
    """Return the events since the current document was opened."""
    start = new_document(history)
    return history if start is None else history[start + 1 :]
