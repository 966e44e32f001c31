"""The component form of a reward: r = w_nav r_nav + w_ui r_ui + w_form r_form + w_file r_file + w_goal r_goal.

Every component pays for *new* progress, so that what is done again earns nothing, and every one is bounded over an
episode. With P pages, C clicks and F files declared:

| component | 1 at a step at whose end or in which | at most |
|---|---|---|
| nav | the page is at an address never visited before in the episode that fits a page not yet paid for | P |
| ui | a trusted click landed on an expected element not clicked before | C |
| form | (N_filled - best N_filled so far) / N_expected, where positive | 1 |
| file | a file is there whose path and content are both new, and that fits a file not yet paid for | F |
| goal | the goal is verified, for the first time | 1 |

Deviations from the plain formula (spec 2.3), all of them so that nothing can be farmed:

1. `nav` compares with every address of the episode, not only the last one, and drops fragments.
2. `form` counts a field only if trusted input brought its value about, and one that already held its value at the reset
   not at all.
3. `file` asks for a path and a content that were never there at the end of a step.

Everything is a pure function of a moment and of an explicit `ComponentState`, so a ledger replays it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import fsum, isclose
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self
from urllib.parse import urldefrag

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from ..sandbox.errors import WeightOrderWarning
from ..sandbox.events import Download, FileChange, Navigation
from .file_detectors import FileCreated
from .form_detectors import Clicked, FieldFilled
from .page_view import path_matches, path_of
from .spec import Glob, Spec
from .templates import Style, fill
from .types import Component, ComponentScore, Evidence, Moment

PRESETS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {"reference": MappingProxyType({"nav": 0.1, "ui": 0.2, "form": 0.2, "file": 0.3, "goal": 0.2})}
)
"""Named weights. `reference` pays more for a file than for the goal, so it warns; it is as valid as any other."""

RECORDED: Mapping[str, bool] = MappingProxyType({"recorded": True})
"""Validation context for weights that are read back from a ledger: whoever wrote them was warned already."""


class ComponentWeights(BaseModel):
    """The weights of the components; they sum to 1.

    Normally w_goal >= w_file >= w_ui, so that the end is worth more than the means; otherwise a `WeightOrderWarning`
    is given when the weights are made, and never again while episodes run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    nav: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    ui: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    form: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    file: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    goal: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _whole_and_in_order(self, info: ValidationInfo) -> Self:
        given = self.model_dump()
        total = fsum(given.values())
        if not isclose(total, 1.0, rel_tol=0.0, abs_tol=1e-9):
            came = " + ".join(f"{name} {weight:g}" for name, weight in given.items())
            raise ValueError(f"expected weights that sum to 1, got {came} = {total:g}; change them")
        if not self.goal >= self.file >= self.ui and not (info.context or {}).get("recorded"):
            warnings.warn(
                f"weights normally satisfy goal >= file >= ui, so that the end outweighs the means; got goal "
                f"{self.goal:g}, file {self.file:g}, ui {self.ui:g}. They are used as they are; silence "
                "milepost.errors.WeightOrderWarning if that is meant",
                WeightOrderWarning,
                stacklevel=2,
            )
        return self


def _preset(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    if given not in PRESETS:
        raise ValueError(
            f"expected weights or the name of a preset ({', '.join(PRESETS)}), got {given!r}; write "
            "{nav: 0.1, ui: 0.1, form: 0.2, file: 0.2, goal: 0.4}, say"
        )
    return dict(PRESETS[given])


def _without_kind(spec: type[Spec]) -> WithJsonSchema:
    """Describe a detector where its kind is a matter of course and not written."""
    schema = spec.model_json_schema()
    schema["properties"].pop("detector")
    schema["required"].remove("detector")
    return WithJsonSchema(schema)


class Components(BaseModel):
    """What the components of a task look for. Texts may hold `{parameter}`; `filled` fills them for one episode.

    Attributes:
        weights: the weights, or the name of a preset.
        pages: globs over URL paths; each pays once. By default any one new page.
        clicks: what is to be clicked, as the detector `clicked` takes it; each pays once.
        fields: accessible name -> value of every field of the form.
        files: files that are to come about, as the detector `file_created` takes them; each pays once. By default any
            one new file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Annotated[
        ComponentWeights, BeforeValidator(_preset, json_schema_input_type=ComponentWeights | Literal["reference"])
    ]
    pages: tuple[Glob, ...] = ("**",)
    clicks: tuple[Annotated[Clicked, _without_kind(Clicked)], ...] = ()
    fields: dict[str, str] = Field(default_factory=dict)
    files: tuple[Annotated[FileCreated, _without_kind(FileCreated)], ...] = (FileCreated(path="**"),)

    @property
    def max_reward(self) -> float:
        """What an episode can earn at most."""
        w = self.weights
        of_form = w.form if self.fields else 0.0
        counted = [w.nav * len(self.pages), w.ui * len(self.clicks), w.file * len(self.files)]
        return fsum([*counted, of_form, w.goal])

    def templates(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """Return every text that may hold parameters, with where it stands."""
        found: list[tuple[tuple[str | int, ...], str]] = [(("pages", i), page) for i, page in enumerate(self.pages)]
        found += [(("fields", name), value) for name, value in self.fields.items()]
        specs: dict[str, tuple[Spec, ...]] = {"clicks": self.clicks, "files": self.files}
        for key, each in specs.items():
            found += [((key, i, *place), text) for i, spec in enumerate(each) for place, text in spec.templates()]
        return tuple(found)

    def filled(self, parameters: Mapping[str, Any]) -> Components:
        """Return the components of one episode, every text filled.

        Raises:
            TaskError: a template names an unknown parameter.
        """
        return Components.model_construct(
            weights=self.weights,
            pages=tuple(fill(page, parameters, Style.GLOB) for page in self.pages),
            clicks=tuple(click.filled(parameters) for click in self.clicks),
            fields={name: fill(value, parameters) for name, value in self.fields.items()},
            files=tuple(file.filled(parameters) for file in self.files),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentState:
    """What has been paid for, and what was there already: all that the components remember of an episode.

    Attributes:
        visited: addresses, fragments dropped.
        pages: indices of the pages paid for.
        clicks: indices of the clicks paid for.
        held_at_reset: names of fields that held their values before the agent did anything; they never count.
        best_filled: the largest number of fields filled at once.
        paths: paths of every file that was there at the end of a step.
        contents: their SHA-256 digests.
        files: indices of the files paid for.
        goal: whether the goal was paid for.
    """

    visited: frozenset[str] = frozenset()
    pages: frozenset[int] = frozenset()
    clicks: frozenset[int] = frozenset()
    held_at_reset: frozenset[str] = frozenset()
    best_filled: int = 0
    paths: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()
    files: frozenset[int] = frozenset()
    goal: bool = False


def begin(components: Components, moment: Moment) -> ComponentState:
    """Return the state at the reset, which pays for nothing: what is there already is no progress."""
    held = frozenset(name for name, field in _fields(components).items() if field.holds(moment) is not None)
    return _remember(ComponentState(held_at_reset=held), moment)


def advance(
    components: Components, state: ComponentState, moment: Moment, *, goal: bool
) -> tuple[ComponentState, tuple[ComponentScore, ...]]:
    """Take in one step.

    Args:
        components: filled for the episode.
        state: after the step before; `begin`'s after the reset.
        moment: the step.
        goal: whether the goal is verified at its end.

    Returns:
        The state after it, and the components that made new progress.
    """
    weights = components.weights
    scores: list[ComponentScore] = []

    def pay(component: Component, score: float, evidence: Evidence) -> None:
        weight: float = getattr(weights, component.value)
        if weight:
            scores.append(ComponentScore(component=component, score=score, weight=weight, evidence=evidence))

    pages = new_pages(components, state, moment)
    if pages:
        url = moment.snapshot.url
        pay(Component.NAV, 1.0, Evidence(summary=f"first visit of {path_of(url)}", facts={"url": url}))
    clicks = new_clicks(components, state, moment)
    if clicks:
        pay(Component.UI, 1.0, next(iter(clicks.values())))
    filled = filled_fields(components, state, moment)
    if len(filled) > state.best_filled:
        expected = len(components.fields)
        summary = f"{len(filled)} of {expected} fields filled, {state.best_filled} before"
        score = (len(filled) - state.best_filled) / expected
        pay(Component.FORM, score, Evidence(summary=summary, facts={"fields": list(filled)}))
    files = new_files(components, state, moment)
    if files:
        pay(Component.FILE, 1.0, next(iter(files.values())))
    if goal and not state.goal:
        pay(Component.GOAL, 1.0, Evidence(summary="the goal is verified"))
    paid = replace(
        state,
        pages=state.pages | pages,
        clicks=state.clicks | clicks.keys(),
        best_filled=max(state.best_filled, len(filled)),
        files=state.files | files.keys(),
        goal=state.goal or goal,
    )
    return _remember(paid, moment), tuple(scores)


def new_pages(components: Components, state: ComponentState, moment: Moment) -> frozenset[int]:
    """Return the pages, not yet paid for, that an address never visited before fits."""
    url = moment.snapshot.url
    if urldefrag(url).url in state.visited:
        return frozenset()
    path = path_of(url)
    return frozenset(i for i, glob in enumerate(components.pages) if i not in state.pages and path_matches(path, glob))


def new_clicks(components: Components, state: ComponentState, moment: Moment) -> dict[int, Evidence]:
    """Return the expected clicks that landed in this step and were not paid for, with what was seen."""
    found = {i: click.detect(moment) for i, click in enumerate(components.clicks) if i not in state.clicks}
    return {i: evidence for i, evidence in found.items() if evidence is not None}


def filled_fields(components: Components, state: ComponentState, moment: Moment) -> tuple[str, ...]:
    """Return the names of the expected fields that hold their values now, by trusted input."""
    return tuple(
        name
        for name, field in _fields(components).items()
        if name not in state.held_at_reset and field.entered(moment) is not None
    )


def new_files(components: Components, state: ComponentState, moment: Moment) -> dict[int, Evidence]:
    """Return the expected files, not yet paid for, that came about in this step with a new path and a new content."""
    new = {f.path for f in moment.snapshot.files if f.path not in state.paths and f.sha256 not in state.contents}
    if not new:
        return {}
    events = tuple(e for e in moment.events if not isinstance(e, FileChange | Download) or e.path in new)
    seen = replace(moment, events=events)
    found = {i: file.detect(seen) for i, file in enumerate(components.files) if i not in state.files}
    return {i: evidence for i, evidence in found.items() if evidence is not None}


def _fields(components: Components) -> dict[str, FieldFilled]:
    return {name: FieldFilled.model_construct(name=name, value=value) for name, value in components.fields.items()}


def _remember(state: ComponentState, moment: Moment) -> ComponentState:
    page = moment.snapshot
    addresses = [page.url, *(event.url for event in moment.events if isinstance(event, Navigation))]
    return replace(
        state,
        visited=state.visited | {urldefrag(url).url for url in addresses},
        paths=state.paths | {file.path for file in page.files},
        contents=state.contents | {file.sha256 for file in page.files},
    )


__all__ = [
    "PRESETS",
    "RECORDED",
    "ComponentState",
    "ComponentWeights",
    "Components",
    "advance",
    "begin",
    "filled_fields",
    "new_clicks",
    "new_files",
    "new_pages",
]
