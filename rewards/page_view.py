"""What detectors ask of a snapshot and of the events: texts, paths, the current document, and the agent's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from ..sandbox.events import Event, Input, Navigation
from ..sandbox.snapshot import Element, Snapshot
from .spec import collapse
from .templates import glob_regex


def subtree(snapshot: Snapshot, index: int) -> Iterator[Element]:
    """Yield the elements below the one at `index`: those that follow it and lie deeper, in the same frame."""
    top = snapshot.elements[index]
    for element in snapshot.elements[index + 1 :]:
        if element.depth <= top.depth or element.frame != top.frame:
            return
        yield element


def element_text(snapshot: Snapshot, index: int) -> str:
    """Return what an element says: its name, then the names and values below it that the name does not already hold."""
    parts = [snapshot.elements[index].name]
    for element in subtree(snapshot, index):
        for piece in (element.name, element.value or ""):
            if piece and collapse(piece) not in collapse(" ".join(parts)):
                parts.append(piece)
    return collapse(" ".join(parts))


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


def asked_for(events: Sequence[Event]) -> bool:
    """Tell whether the agent went to an address by itself (goto, back, a new tab) rather than by what it clicked."""
    return any(isinstance(event, Navigation) and event.asked for event in events)


def repeats_the_agent(
    history: Sequence[Event], exact: str | None, contains: str | None, pattern: str | None, *, addresses: bool = True
) -> bool:
    """Tell whether the agent itself wrote the words by which a message is recognised, so that it may only repeat them.

    Args:
        history: the episode's events.
        exact: the words, as `text_matches` takes them; so are `contains` and `pattern`.
        contains: as there.
        pattern: as there.
        addresses: whether the query and the fragment of addresses that it asked for are its words too.
    """
    wanted = [collapse(text) for text in (exact, contains) if text is not None]
    return any(
        any(text in words for text in wanted) or (pattern is not None and re.search(pattern, words) is not None)
        for words in _words(history, addresses=addresses)
    )


def _words(history: Sequence[Event], *, addresses: bool) -> set[str]:
    words: set[str] = set()
    for event in history:
        if isinstance(event, Input):
            words.add(collapse(event.value))
        elif addresses and isinstance(event, Navigation) and event.asked:
            words.update(collapse(value) for values in query_of(event.url).values() for value in values)
            words.add(collapse(unquote(urlsplit(event.url).fragment)))
    return words - {""}
