"""The detector of transfers: a value that was read in one place appears in another.

What is verified, and from what:

1. **Read.** The source showed the value to the agent at the end of an earlier step: in an element of the page that it
   saw, or in what `read_file` printed. What is on a page that it never opened was not read.
2. **Carried.** The target did not hold the value a step ago, and holds it now: a field that trusted input reached, a
   file's recorded content, or the server's state.
3. **Not known before.** A value that the agent had typed by the end of the step that first showed it, or that stood in
   the target then or a step earlier, is worth nothing for the rest of the episode: it was guessed, or the source merely
   echoes the agent. Nor does a file count as a source that the agent made itself.

What cannot be verified is whether the agent needed the source: a value that the goal tells can be typed without
looking, if only the source was on the screen once. So choose values that nothing but the source tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import model_validator

from ..sandbox.events import FileContent, FileRead, Input
from ..sandbox.snapshot import Element
from .file_content import recorded, text_of
from .file_detectors import made_by_agent
from .form_detectors import FieldFilled
from .needs import Needs
from .page_view import element_text, path_matches, path_of
from .parts import fail, hint
from .spec import Glob, Pattern, Query, Spec, Templated, Text, ask, before, collapse, text_matches
from .state_detectors import same_value
from .trace import Trace, remembered
from .types import Evidence, Moment

MIN_CHARS = 2
MAX_CHARS = 500
MAX_VALUES = 200
_MAX_TEXT_CHARS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A value that the source showed.

    Attributes:
        step: at the end of which step first.
        where: where, for people.
        known: the agent had it before, so that it is worth nothing.
    """

    step: int
    where: str
    known: bool


class _Selector(Templated):
    """What source and target have in common: an element by role and name."""

    role: Text | None = None
    name: Text | None = None
    name_contains: Text | None = None
    name_pattern: Pattern | None = None

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        for key in given if isinstance(given, Mapping) else ():
            if key not in cls.model_fields:
                fail(f"unknown key {key!r}; {hint(str(key), list(cls.model_fields))}", str(key))
        return given

    def names_element(self) -> bool:
        """Tell whether it says which element."""
        return bool(self.role or self.name or self.name_contains or self.name_pattern)

    def fits(self, element: Element) -> bool:
        """Tell whether an element is one of those."""
        return self.role in (None, element.role) and text_matches(
            element.name, self.name, self.name_contains, self.name_pattern
        )


class TransferSource(_Selector):
    """Where the value is read.

    Attributes:
        page: glob over the path of the page that shows it; any page if absent.
        role: role of the element that shows it (`name`, `name_contains`, `name_pattern`: its accessible name).
        file: glob over the path of the file that it is read from by `read_file`, instead of a page.
        pattern: a regular expression for the value within the text; its first group, if it has one.
        query: JMESPath over the application's state that gives the value (or a list of them): only these count, and
            they must have been shown.
    """

    page: Glob | None = None
    file: Glob | None = None
    pattern: Pattern | None = None
    query: Query | None = None

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not (self.names_element() or self.pattern or self.query):
            raise ValueError("expected a role, a name, pattern or query, got none; say what is read")
        if self.pattern and self.query:
            raise ValueError("expected pattern or query, got both; say what is read")
        if self.file and (self.page or self.names_element()):
            raise ValueError("expected a file or an element of a page, got both; say where it is read")
        return self

    def values(self, moment: Moment) -> Iterator[tuple[str, str]]:
        """Yield the values that the source shows at the end of this step, and where."""
        texts = [(collapse(text)[:_MAX_TEXT_CHARS], where) for text, where in self._texts(moment)]
        if self.query is not None:
            for value in scalars(ask(self.query, moment.snapshot.app_state)):
                yield from ((value, where) for text, where in texts if has(text, value))
        elif self.pattern is not None:
            for text, where in texts:
                for match in re.finditer(self.pattern, text):
                    yield (match[1] if match.re.groups else match[0]) or "", where
        else:
            yield from texts

    def _texts(self, moment: Moment) -> Iterator[tuple[str, str]]:
        if self.file is not None:
            reads = [e for e in moment.events if isinstance(e, FileRead) and path_matches(e.path, self.file)]
            yield from ((e.text, e.path) for e in reads if not made_by_agent(e.path, moment.history))
            return
        page = moment.snapshot
        if self.page is not None and not path_matches(path_of(page.url), self.page):
            return
        for index, element in enumerate(page.elements):
            if self.fits(element):
                where = f"{element.role} on {path_of(page.url)}"
                yield element_text(page, index) if self.names_element() else element.name, where
                if element.value:
                    yield element.value, where


class TransferTarget(_Selector):
    """Where the value must appear.

    Attributes:
        role: role of the field that it is put into (`name`, `name_contains`, `name_pattern`: its accessible name).
        file: glob over the path of the file that must hold it, instead of a field.
        query: JMESPath over the application's state that must give it (or a list with it), instead of a field.
        contains: a field or a state need only hold it among other words.
    """

    file: Glob | None = None
    query: Query | None = None
    contains: bool = False

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if (self.file is not None) + (self.query is not None) + self.names_element() != 1:
            raise ValueError("expected exactly one of a field (role, name), file and query; say where it must appear")
        return self

    def texts(self, moment: Moment) -> list[tuple[str, str]]:
        """Return what the target holds at this moment, and where."""
        if self.query is not None:
            return [(value, "the server's state") for value in scalars(ask(self.query, moment.snapshot.app_state))]
        if self.file is not None:
            files = [file for file in moment.snapshot.files if path_matches(file.path, self.file)]
            return [(collapse(text_of(recorded(file.sha256, moment)) or ""), file.path) for file in files]
        return [
            (collapse(element.value), f'{element.role} "{element.name}"')
            for element in moment.snapshot.elements
            if element.value is not None and self.fits(element)
        ]

    def holds(self, text: str, value: str) -> bool:
        """Tell whether a text of the target is, or has, the value."""
        if self.file is not None or self.contains:
            return has(text, value)
        return same_value(text, value) or (self.query is not None and _same_number(text, value))

    def is_by_input(self, value: str, moment: Moment) -> bool:
        """Tell whether trusted input brought the value into the field in this step; true where there is no field."""
        if not self.names_element():
            return True
        pattern = rf"(?:.*\W)?{re.escape(value)}(?:\W.*)?" if self.contains else None
        field = FieldFilled.model_construct(
            role=self.role,
            name=self.name,
            name_contains=self.name_contains,
            name_pattern=self.name_pattern,
            value=None if self.contains else value,
            value_pattern=pattern,
        )
        return field.detect(moment) is not None


class DataTransferred(Spec):
    """A value that was read in one place appears in another.

    The source has shown it at the end of an earlier step, the target did not hold it a step ago, and what comes into a
    field comes by trusted input. A value that the agent had typed before it was shown, or that stood in the target by
    then, is worth nothing; nor is a file a source that the agent made itself.

    Attributes:
        source: where it is read.
        target: where it must appear, at a later step.
    """

    kind: Literal["data_transferred"] = "data_transferred"
    source: TransferSource
    target: TransferTarget

    def needs(self) -> Needs:
        """Return the files that it looks into."""
        return Needs(files=frozenset() if self.target.file is None else frozenset({self.target.file}))

    def remembers(self) -> bool:
        """Tell True: what was read is looked for later."""
        return True

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if a value that was read before came into the target in this step."""
        return self.trace(moment).now(moment.step)

    def trace(self, moment: Moment) -> Trace:
        """Return its trace at this moment; `memo` holds the values that were shown so far."""
        past = remembered(moment)
        seen: dict[str, Seen] = dict(past.memo or {})
        earlier = before(moment)
        now = self.target.texts(moment)
        was = [] if earlier is None else self.target.texts(earlier)
        fired = self._arrived(seen, now, [text for text, _ in was], moment)
        for value, where in self.source.values(moment):
            if value not in seen and MIN_CHARS <= len(value) <= MAX_CHARS and len(seen) < MAX_VALUES:
                known = self._is_known(value, [text for text, _ in (*now, *was)], moment)
                seen[value] = Seen(step=moment.step, where=where, known=known)
        return past.after(moment.step, fired, stands=fired is not None or past.since is not None, memo=seen)

    def _arrived(
        self, seen: Mapping[str, Seen], now: list[tuple[str, str]], was: list[str], moment: Moment
    ) -> Evidence | None:
        for text, where in now:
            if text in was:
                continue
            for value, source in seen.items():
                if source.known or not self.target.holds(text, value):
                    continue
                if not any(self.target.holds(old, value) for old in was) and self.target.is_by_input(value, moment):
                    return Evidence(
                        summary=f'"{value}", shown by {source.where} at step {source.step}, came into {where}',
                        facts={"value": value, "seen_at_step": source.step, "source": source.where, "target": where},
                    )
        return None

    def _is_known(self, value: str, target: list[str], moment: Moment) -> bool:
        """Tell whether the agent had a value before, or at the step at whose end, the source first showed it."""
        if any(self.target.holds(text, value) for text in target):
            return True
        for event in moment.history:
            if isinstance(event, Input) and has(collapse(event.value), value):
                return True
            if isinstance(event, FileContent) and self.target.file is not None:
                written = path_matches(event.path, self.target.file) and has(collapse(event.data or ""), value)
                if written:
                    return True
        return False


def has(text: str, value: str) -> bool:
    """Tell whether a value stands in a text by itself, not as a part of a longer word or number."""
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        if not (_joins(text[start - 1 : start], value[0]) or _joins(value[-1], text[end : end + 1])):
            return True
        start = text.find(value, start + 1)
    return False


def scalars(found: Any) -> list[str]:
    """Return the texts and numbers that an answer of the application's state is, or has, as texts."""
    if isinstance(found, list | tuple):
        return [text for item in found for text in scalars(item)]
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return []
    return [collapse(str(found))]


def _same_number(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def _joins(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum()


__all__ = ["DataTransferred", "TransferSource", "TransferTarget"]
