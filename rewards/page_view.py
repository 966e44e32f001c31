"""What detectors ask of a snapshot and of the events: texts, paths, the current document, and the agent's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, unquote, urldefrag, urlsplit

from ..sandbox.events import Click, Event, Input, Navigation, Submit
from ..sandbox.snapshot import Element, Snapshot
from .spec import collapse, text_matches
from .templates import glob_regex
from .types import Moment

DIALOG_ROLES = frozenset({"dialog", "alertdialog"})


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


def says(page: Snapshot, index: int, exact: str | None, contains: str | None, pattern: str | None) -> bool:
    """Tell whether an element's name, or all that it says, meets the conditions."""
    if exact is None and contains is None and pattern is None:
        return True
    return text_matches(page.elements[index].name, exact, contains, pattern) or text_matches(
        element_text(page, index), exact, contains, pattern
    )


def covering(page: Snapshot) -> Element | None:
    """Return the modal dialog that covers the page, or None: of such a page only what is in the dialog is reported."""
    if not page.elements:
        return None
    first, *rest = page.elements
    is_all = first.role in DIALOG_ROLES and all(element.depth > first.depth for element in rest)
    return first if is_all else None


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


def same_document(moment: Moment) -> bool:
    """Tell whether the document shown is still the one that was shown a step ago, so that references mean the same."""
    earlier = moment.previous
    return earlier is not None and _tab(earlier) == _tab(moment.snapshot) and new_document(moment.events) is None


def same_address(moment: Moment) -> bool:
    """Tell whether the tab and the address shown are those of a step ago; fragments do not matter."""
    earlier, now = moment.previous, moment.snapshot
    return earlier is not None and _tab(earlier) == _tab(now) and urldefrag(earlier.url).url == urldefrag(now.url).url


def acted(events: Sequence[Event]) -> bool:
    """Tell whether a trusted click, input or submission is among the events."""
    return any(isinstance(event, Click | Input | Submit) and event.origin == "input" for event in events)


def _tab(page: Snapshot) -> tuple[int, int | None]:
    """Return what tells tabs apart: how many there are, and which is seen. A closed one shifts those after it."""
    return len(page.tabs), next((tab.index for tab in page.tabs if tab.active), None)


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
