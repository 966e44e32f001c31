"""What every detector has in common: filled templates, text matching, and what "caused in this episode" means.

A detector is written as a pydantic model (`Spec`) whose texts may hold `{parameter}`; `build` fills them for one
episode and returns a pure function of a `Moment`. Two families:

* **Event** detectors fire on events of the step (a click, a download, an answer).
* **State** detectors (`StateSpec`) fire when their condition holds now and did not hold at the end of the step before.
  Nothing that is merely still true is paid for, and step 0 (the reset) pays nothing. `held_at_reset` tells the tracker
  that a condition was there before the agent did anything.

Detectors made of others (`parts`), and others that look at more than two steps, keep a `Trace`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Self, get_args

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BaseModel, ConfigDict, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ..sandbox.errors import RewardError
from .needs import Needs
from .templates import Style, fill, fill_value, jmespath_literal, placeholders
from .trace import Trace, remembered
from .types import Evidence, Moment

_SENTINEL = "\x00placeholder\x00"
_MAX_MATCHED_CHARS = 10_000


def _check_regex(pattern: str) -> str:
    try:
        re.compile(fill(pattern, dict.fromkeys(placeholders(pattern), "x"), Style.REGEX))
    except re.error as error:
        raise ValueError(
            f"expected a regular expression, got {pattern!r} ({error}); close what is open, and put a backslash before "
            "a sign that means itself"
        ) from error
    return pattern


def _first_line(error: JMESPathError) -> str:
    return str(error).partition("\n")[0].rstrip(" :")


def _literals(node: Mapping[str, Any]) -> list[Any]:
    here = [node["value"]] if node.get("type") == "literal" else []
    return here + [value for child in node.get("children", ()) if isinstance(child, dict) for value in _literals(child)]


def _check_jmespath(expression: str) -> str:
    names = placeholders(expression)
    try:
        parsed = jmespath.compile(fill(expression, dict.fromkeys(names, _SENTINEL), Style.JMESPATH)).parsed
    except JMESPathError as error:
        raise ValueError(
            f"expected a JMESPath expression, got {expression!r} ({_first_line(error)}); write it like expenses[?name "
            "== {person}]"
        ) from error
    uses = fill(expression, dict.fromkeys(names, _SENTINEL), Style.JMESPATH).count(jmespath_literal(_SENTINEL))
    if _literals(parsed).count(_SENTINEL) != uses:
        raise ValueError(
            f"{expression!r} puts a {{parameter}} inside quotes; values bring their own quotes there, so write "
            "[?name == {name}]"
        )
    return expression


Text = Annotated[str, StringConstraints(min_length=1), Style.PLAIN]
Pattern = Annotated[str, StringConstraints(min_length=1), AfterValidator(_check_regex), Style.REGEX]
Glob = Annotated[str, StringConstraints(min_length=1), Style.GLOB]
Query = Annotated[str, StringConstraints(min_length=1), AfterValidator(_check_jmespath), Style.JMESPATH]


def collapse(text: str) -> str:
    """Return the text with runs of white space as single spaces, trimmed."""
    return " ".join(text.split())


def text_matches(text: str | None, exact: str | None, contains: str | None = None, pattern: str | None = None) -> bool:
    """Tell whether a text meets every given condition (white space collapsed, case kept); true if none is given.

    Args:
        text: what is there; None meets nothing but the absence of conditions.
        exact: the whole text.
        contains: a part of it.
        pattern: a regular expression for the whole text; only the first 10 000 characters are looked at.
    """
    if exact is None and contains is None and pattern is None:
        return True
    if text is None:
        return False
    seen = collapse(text)[:_MAX_MATCHED_CHARS]
    if exact is not None and seen != collapse(exact):
        return False
    if contains is not None and collapse(contains) not in seen:
        return False
    return pattern is None or re.fullmatch(pattern, seen) is not None


def ask(expression: str, state: Mapping[str, Any]) -> Any:
    """Evaluate a filled JMESPath expression over the application's state.

    Raises:
        RewardError: the expression does not fit the state (for instance `length` of something absent).
    """
    try:
        return jmespath.search(expression, state)
    except JMESPathError as error:
        raise RewardError(
            f"the query {expression!r} cannot be evaluated: {_first_line(error)}. The application's state has the keys "
            f"{', '.join(sorted(state)) or '(none)'}; mend the query, or let the application always "
            "report what it asks for"
        ) from error


def before(moment: Moment) -> Moment | None:
    """Return the moment at the end of the step before, without its own events; None if there was none."""
    if moment.previous is None:
        return None
    history = moment.history[: bisect_left(moment.history, moment.step, key=lambda event: event.step)]
    return replace(moment, step=moment.step - 1, events=(), history=history, snapshot=moment.previous, previous=None)


class Templated(BaseModel):
    """Base of what is described by fields whose texts may hold parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def filled(self, parameters: Mapping[str, Any]) -> Self:
        """Return a copy with every template filled, each in the style of its field.

        Raises:
            TaskError: a template names an unknown parameter.
        """
        values: dict[str, Any] = {}
        for name, style in _styles(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, str) and style is not Style.PLAIN:
                values[name] = fill(value, parameters, style)
            elif name == "equals":
                values[name] = fill_value(value, parameters)
            else:
                values[name] = _fill_plain(value, parameters)
        return type(self).model_construct(**values)

    def templates(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """Return every text that may hold parameters, with the field that it is in; for parts, the way to it."""
        return tuple(
            (place, text)
            for name in type(self).model_fields
            if name != "kind"
            for place, text in _texts(getattr(self, name), (name,))
        )

    def as_written(self) -> dict[str, Any]:
        """Return it as a task file writes it: each field that is not None."""
        names = type(self).model_fields
        made = {name: _as_written(value) for name in names if _is_made_of(value := getattr(self, name))}
        fields = self.model_dump(mode="json", exclude=set(made)) | made
        return {name: fields[name] for name in names if fields[name] is not None}

    @classmethod
    def style_of(cls, field: str) -> Style:
        """Return how parameters are written into the texts of a field, which also says what the texts are."""
        info = cls.model_fields[field]
        return _style((*info.metadata, info.annotation))


class Spec(Templated):
    """Base of every detector's description; see the module."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe it as task files write it: the kind stands under `detector`."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        if "properties" in schema:
            kind = {"const": cls.model_fields["kind"].default}
            fields = {name: value for name, value in schema["properties"].items() if name != "kind"}
            schema["properties"] = {"detector": kind, **fields}
            schema["required"] = ["detector", *schema.get("required", ())]
        return schema

    @abstractmethod
    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the event is there at this moment; called on filled specs only."""

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether the condition is there before the agent has done anything; event detectors say no."""
        return False

    def needs(self) -> Needs:
        """Return what must be recorded for it beyond events and the usual snapshot; called on filled specs."""
        return Needs()

    def parts(self) -> tuple[Spec, ...]:
        """Return the detectors that it is made of; none for most."""
        return ()

    def lasts(self) -> bool:
        """Tell whether it is about what is so now, rather than about what has happened."""
        return False

    def is_data(self) -> bool:
        """Tell whether it can be written down; a function of Python cannot."""
        return all(part.is_data() for part in self.parts())

    def remembers(self) -> bool:
        """Tell whether it must see every step of an episode."""
        return False

    def trace(self, moment: Moment) -> Trace:
        """Return its trace at this moment: called on filled specs, at every step, as a part of another detector.

        An event holds once it has happened. A state holds if its detector fired, or the reset had it, and it was so at
        the end of every step since then.
        """
        past = remembered(moment)
        if moment.step == 0:
            return past.after(0, None, stands=self.held_at_reset(moment))
        fired = self.detect(moment)
        return past.after(moment.step, fired, stands=fired is not None or (past.since is not None and self._on(moment)))

    def _on(self, moment: Moment) -> bool:
        """Tell whether what held a step ago holds now."""
        return True

    def as_written(self) -> dict[str, Any]:
        """Return it as a task file writes it: `detector`, and each field that is not None."""
        fields = super().as_written()
        return {"detector": fields.pop("kind"), **fields}

    def __call__(self, moment: Moment) -> Evidence | None:
        """Return evidence if the moment shows the event, its templates filled with the moment's parameters."""
        return self.build(moment.parameters)(moment)

    def build(self, parameters: Mapping[str, Any]) -> BoundDetector:
        """Return the detector for one episode's parameters.

        Raises:
            TaskError: a template names an unknown parameter.
        """
        return BoundDetector(spec=self.filled(parameters))


class StateSpec(Spec):
    """A detector that fires when a condition becomes true."""

    @abstractmethod
    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if the condition holds at this moment, judged by its snapshot and history."""

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if the condition holds now and did not at the end of the step before."""
        if moment.previous is None or (evidence := self.holds(moment)) is None:
            return None  # most steps end here, before the moment before is even made
        earlier = before(moment)
        return evidence if earlier is not None and self.holds(earlier) is None else None

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether the condition holds at the reset."""
        return self.holds(moment) is not None

    def lasts(self) -> bool:
        """Tell True: it is about what is so now."""
        return True

    def _on(self, moment: Moment) -> bool:
        return self.holds(moment) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundDetector:
    """A detector of one episode: a `Spec` whose templates are filled."""

    spec: Spec

    def __call__(self, moment: Moment) -> Evidence | None:
        """Return evidence if the milestone's event is there, else None. Pure."""
        return self.spec.detect(moment)

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether the condition was there before the agent did anything."""
        return self.spec.held_at_reset(moment)

    def needs(self) -> Needs:
        """Return what must be recorded for it."""
        return self.spec.needs()

    def remembers(self) -> bool:
        """Tell whether it must see every step of an episode."""
        return self.spec.remembers()

    def trace(self, moment: Moment) -> Trace:
        """Return what it remembers after this moment."""
        return self.spec.trace(moment)


@cache
def _styles(spec: type[Templated]) -> dict[str, Style]:
    return {name: _style((*info.metadata, info.annotation)) for name, info in spec.model_fields.items()}


def _style(annotations: Sequence[Any]) -> Style:
    """Return the style that a field's annotations name, also inside `X | None`; plain if none does."""
    found = list(annotations)
    while found:
        annotation = found.pop()
        if isinstance(annotation, Style):
            return annotation
        if not isinstance(annotation, str):
            found += [*get_args(annotation), *getattr(annotation, "__metadata__", ())]
    return Style.PLAIN


def _fill_plain(value: Any, parameters: Mapping[str, Any]) -> Any:
    if isinstance(value, Templated):
        return value.filled(parameters)
    if isinstance(value, str):
        return fill(value, parameters)
    if isinstance(value, Mapping):
        return {key: _fill_plain(item, parameters) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_fill_plain(item, parameters) for item in value)
    return value


def _is_made_of(value: Any) -> bool:
    return isinstance(value, Templated) or (isinstance(value, tuple) and any(map(_is_made_of, value)))


def _as_written(value: Any) -> Any:
    return value.as_written() if isinstance(value, Templated) else [_as_written(item) for item in value]


def _texts(value: Any, place: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        return [(place, value)]
    if isinstance(value, Templated):
        return [((*place, *inner), text) for inner, text in value.templates()]
    if isinstance(value, Mapping):
        return [found for key, item in value.items() for found in _texts(item, (*place, key))]
    if isinstance(value, Sequence):
        return [found for i, item in enumerate(value) for found in _texts(item, (*place, i))]
    return []
