"""Detectors of search and retrieval: results rendered, entries opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from ..sandbox.events import Click, Event, Input, Navigation, Submit
from ..sandbox.snapshot import Element, Snapshot
from .page_view import asked_for, path_matches, path_of, query_of, subtree
from .spec import Glob, Pattern, Spec, StateSpec, Text, before, collapse, text_matches
from .types import Evidence, Moment

_CONTAINERS = frozenset({"list", "table", "grid", "listbox", "feed", "treegrid", "heading", "region"})
_ITEMS = frozenset({"listitem", "row", "option", "article", "link"})
_FIELDS = frozenset({"searchbox", "textbox", "combobox"})


class ResultsRendered(StateSpec):
    """A search was carried out by trusted input and its results are there.

    Results that were on the page already count when the search was submitted in this very step; those that come later
    than the search count when they appear.

    Attributes:
        query: the text that must have been searched: it stands in a search field, or in the URL's query.
        role: role of the list, table or heading; any of these if absent.
        name: its accessible name (`name_contains`, `name_pattern`).
        min_items: how many results there must at least be: below the list or table, or after the heading.
        item_role: what counts as a result; list items, rows, options, articles and links if absent.
        submit_name: name of the button or link that searches, where it is not a form.
    """

    kind: Literal["results_rendered"] = "results_rendered"
    query: Text | None = None
    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None
    min_items: int = Field(default=1, ge=0)
    item_role: Text | None = None
    submit_name: Text | None = None

    def _is_search(self, event: Event) -> bool:
        return isinstance(event, Submit) or (
            isinstance(event, Click) and text_matches(event.name, self.submit_name or "Search")
        )

    def _searched_before(self, moment: Moment) -> bool:
        """Tell whether an earlier step held a search, and no step after it a new document."""
        opened_in: int | None = None
        for event in reversed(moment.history):
            if event.step == moment.step:
                continue
            if opened_in not in (None, event.step):
                return False
            if self._is_search(event):
                return True
            if isinstance(event, Navigation) and (event.asked or not event.same_document):
                opened_in = event.step
        return False

    def _right_query(self, moment: Moment) -> bool:
        if self.query is None:
            return True
        wanted = collapse(self.query)
        pages = [moment.snapshot] + ([moment.previous] if moment.previous is not None else [])
        typed = {
            collapse(e.value) for page in pages for e in page.elements if e.role in _FIELDS and e.value is not None
        }
        typed |= {collapse(e.value) for e in moment.events if isinstance(e, Input)}
        in_url = {collapse(value) for values in query_of(moment.snapshot.url).values() for value in values}
        return wanted in in_url or (not in_url and wanted in typed)

    def _items(self, page: Snapshot, index: int) -> int:
        container = page.elements[index]
        below: Iterator[Element] = (
            iter(page.elements[index + 1 :]) if container.role == "heading" else subtree(page, index)
        )
        roles = _ITEMS if self.item_role is None else {self.item_role}
        counts: dict[str, int] = {}
        inside = list(below)
        for position, element in enumerate(inside):
            header_row = (
                element.role == "row" and position + 1 < len(inside) and inside[position + 1].role == "columnheader"
            )
            if element.role in roles and not header_row:
                counts[element.role] = counts.get(element.role, 0) + 1
        return max(counts.values(), default=0)

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if results of the right query are on the page, and the agent has touched it."""
        if not any(isinstance(event, Submit | Click | Input) for event in moment.history) or not self._right_query(
            moment
        ):
            return None
        page = moment.snapshot
        for index, element in enumerate(page.elements):
            fits = element.role in _CONTAINERS if self.role is None else element.role == self.role
            if fits and text_matches(element.name, self.name, self.name_contains, self.name_pattern):
                items = self._items(page, index)
                if items >= self.min_items:
                    facts = {
                        "ref": element.ref,
                        "role": element.role,
                        "name": element.name,
                        "items": items,
                        "url": page.url,
                    }
                    return Evidence(summary=f'{element.role} "{element.name}" shows {items} results', facts=facts)
        return None

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if a search of this step rendered results, or those of an earlier one appeared."""
        if moment.previous is None:
            return None
        if any(map(self._is_search, moment.events)):
            return self.holds(moment)
        if asked_for(moment.events):  # it opened the results by their address
            return None
        return super().detect(moment) if self._searched_before(moment) else None

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell False: before the agent has acted nothing was searched."""
        return False


class EntryOpened(Spec):
    """A trusted click on an entry, in this step or the one before, led to its page.

    Attributes:
        role: role of what was clicked; any if absent.
        name: its accessible name (`name_contains`, `name_pattern`).
        path: glob over the path of the page that must be there now.
        heading: name of a heading that must be there now (`heading_pattern`).
    """

    kind: Literal["entry_opened"] = "entry_opened"
    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None
    path: Glob | None = None
    heading: Text | None = None
    heading_pattern: Pattern | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not (self.name or self.name_contains or self.name_pattern):
            raise ValueError("expected name, name_contains or name_pattern, got none; say which entry is clicked")
        if not (self.path or self.heading or self.heading_pattern):
            raise ValueError("expected path, heading or heading_pattern, got none; say which page the entry opens")
        return self

    def _there(self, moment: Moment) -> bool:
        page = moment.snapshot
        if self.path is not None and not path_matches(path_of(page.url), self.path):
            return False
        if self.heading is None and self.heading_pattern is None:
            return True
        return any(
            e.role == "heading" and text_matches(e.name, self.heading, None, self.heading_pattern)
            for e in page.elements
        )

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the page is there now, was not before, and the entry was clicked."""
        earlier = before(moment)
        if earlier is None or not self._there(moment) or self._there(earlier):
            return None
        for event in reversed(moment.history):
            if event.step < moment.step - 1 or asked_for([event]):  # since then it went by an address of its own
                return None
            if (
                isinstance(event, Click)
                and self.role in (None, event.role)
                and text_matches(event.name, self.name, self.name_contains, self.name_pattern)
            ):
                return Evidence(
                    summary=f'{event.role} "{event.name}" opened {path_of(moment.snapshot.url)}',
                    facts={"role": event.role, "name": event.name, "url": moment.snapshot.url},
                )
        return None

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether the episode starts on the target page."""
        return self._there(moment)
