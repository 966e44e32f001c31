"""Detectors of pages: addresses, elements, banners and titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from ..sandbox.events import Event, Load, Navigation, Request, Submit
from .page_view import element_text, may_say, new_document, path_matches, path_of, query_of, repeats_the_agent, says
from .spec import Glob, Pattern, StateSpec, Text, before, text_matches
from .types import Evidence, Moment


class UrlLoaded(StateSpec):
    """The page at a path is there and its document has loaded, with no error for an answer.

    Attributes:
        path: glob over the URL's decoded path.
        query: query parameters that must be there with these values.
        same_document: a same-document navigation (history.pushState, a fragment) counts as well as a load.
        load_state: how far the document must have come: "load", or already "domcontentloaded", before its pictures
            and frames are there.
    """

    kind: Literal["url_loaded"] = "url_loaded"
    path: Glob
    query: dict[str, str] = Field(default_factory=dict)
    same_document: bool = False
    load_state: Literal["load", "domcontentloaded"] = "load"

    def _here(self, url: str) -> bool:
        given = query_of(url)
        return path_matches(path_of(url), self.path) and all(
            value in given.get(key, ()) for key, value in self.query.items()
        )

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if the page is there and a load event of it was seen."""
        url = moment.snapshot.url
        if not self._here(url):
            return None
        for event in reversed(moment.history):
            if isinstance(event, Load) and event.state in ("load", self.load_state) and self._here(event.url):
                if _answered_by_error(moment.history, event.url):
                    return None
                return Evidence(summary=f"{path_of(url)} loaded", facts={"url": url, "state": event.state})
            if isinstance(event, Navigation):
                if event.same_document and self.same_document and self._here(event.url):
                    return Evidence(summary=f"{path_of(url)} shown", facts={"url": url, "state": "same_document"})
                if not event.same_document:
                    return None
        return None

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether the episode starts there, loaded or not."""
        return self._here(moment.snapshot.url)


class ElementPresent(StateSpec):
    """An element of a role, name or text appears.

    Attributes:
        role: its ARIA role.
        name: its accessible name (`name_contains`, `name_pattern`).
        text: its name together with everything below it (`text_contains`, `text_pattern`).
        states: states that must be on, such as "checked".
    """

    kind: Literal["element_present"] = "element_present"
    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None
    text: Text | None = None
    text_contains: Text | None = None
    text_pattern: Pattern | None = None
    states: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not any(getattr(self, field) for field in type(self).model_fields if field not in ("kind", "states")):
            raise ValueError("expected a role, a name or a text, got none; say which element")
        return self

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if such an element is there."""
        page = moment.snapshot
        if self.role is None and not may_say(page, self.text, self.text_contains):
            return None
        for index, element in enumerate(page.elements):
            if (
                self.role in (None, element.role)
                and set(self.states) <= set(element.states)
                and text_matches(element.name, self.name, self.name_contains, self.name_pattern)
                and says(page, index, self.text, self.text_contains, self.text_pattern)
            ):
                return Evidence(
                    summary=f'{element.role} "{element.name}" is there',
                    facts={"ref": element.ref, "role": element.role, "name": element.name, "url": page.url},
                )
        return None


class Banner(StateSpec):
    """A status or alert element with a text appears: a banner, a toast, a notification.

    One that was there before counts again only when a form was submitted in this step and a new document shows it.
    It is no evidence once the agent has itself written the words by which it is recognised, into a field or an address.
    A log is a region to which lines are added: `roles: [log]` with `text_contains`. What has none of these roles is
    found by `element_present`.

    Attributes:
        text: what it says (`text_contains`, `text_pattern`).
        roles: ARIA roles that it may have.
    """

    kind: Literal["banner"] = "banner"
    text: Text | None = None
    text_contains: Text | None = None
    text_pattern: Pattern | None = None
    roles: tuple[str, ...] = Field(default=("status", "alert"), min_length=1)

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not (self.text or self.text_contains or self.text_pattern):
            raise ValueError("expected one of text, text_contains, text_pattern, got none; say which banner")
        return self

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a banner is there."""
        page = moment.snapshot
        for index, element in enumerate(page.elements):
            if element.role in self.roles and says(page, index, self.text, self.text_contains, self.text_pattern):
                said = element_text(page, index)
                return Evidence(
                    summary=f'{element.role} says "{said}"',
                    facts={"ref": element.ref, "role": element.role, "text": said},
                )
        return None

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the banner appeared in this step."""
        earlier = before(moment)
        if earlier is None or (evidence := self.holds(moment)) is None:
            return None
        if repeats_the_agent(moment.history, self.text, self.text_contains, self.text_pattern):
            return None
        if self.holds(earlier) is None:
            return evidence
        opened = new_document(moment.events)
        again = opened is not None and any(isinstance(event, Submit) for event in moment.events[:opened])
        return evidence if again else None


class TitleMatches(StateSpec):
    """The document's title becomes a given one, and the agent has not itself written it into a field."""

    kind: Literal["title_matches"] = "title_matches"
    title: Text | None = None
    title_contains: Text | None = None
    title_pattern: Pattern | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not (self.title or self.title_contains or self.title_pattern):
            raise ValueError("expected one of title, title_contains, title_pattern, got none; say which title")
        return self

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if the title is the expected one."""
        title = moment.snapshot.title
        if not text_matches(title, self.title, self.title_contains, self.title_pattern):
            return None
        return Evidence(summary=f'the title is "{title}"', facts={"title": title, "url": moment.snapshot.url})

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the title came in this step, and not from the agent."""
        evidence = super().detect(moment)
        words = (self.title, self.title_contains, self.title_pattern)
        return None if evidence is None or repeats_the_agent(moment.history, *words, addresses=False) else evidence


def _answered_by_error(history: Sequence[Event], url: str) -> bool:
    """Tell whether the server's last answer at an address was a status of 400 or more."""
    address = url.partition("#")[0]
    for event in reversed(history):
        if isinstance(event, Request) and event.url == address:
            return event.status is not None and event.status >= 400
    return False
