"""A milestone as a task file writes it: common keys, and the detector's own beside them.

Either `catalogue: NAME` (which brings a default reward) or `detector: KIND` (then `reward` is required); the rest of
the keys are the detector's. In the model the detector's part is one field, `spec`. In Python the detector may be given
whole, or be any function of a moment:

    MilestoneSpec.of("opened", detectors.url_loaded(path="/reports/{report}"), reward=0.25)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ..rewards.app_detector import InApp
from ..rewards.catalogue import CATALOGUE
from ..rewards.combinators import refuse_alone
from ..rewards.detectors import DETECTORS, DetectorSpec
from ..rewards.parts import detector_keys, fail, hint, spec_of
from ..rewards.sequences import Within
from ..rewards.spec import Spec
from ..rewards.templates import fill
from ..rewards.types import Detector, Milestone, Source

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]

_COMMON = ("id", "description", "source", "catalogue", "reward", "after", "forbidden", "ends_episode", "expires_after")


def _given(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, Spec) else validate(value)


class MilestoneSpec(BaseModel):
    """One milestone of a task.

    Attributes:
        id: unique in the task, lower_case_with_underscores.
        description: one line for people, a template; the catalogue's if absent.
        source: who answers for it: `rule`, a detector; `judge` or `model`, when the episode is over. Those two have a
            `rubric` in a detector's place.
        catalogue: name of a ready-made milestone, see `rewards/catalogue.py`.
        reward: what it pays; zero or less if forbidden.
        after: ids that must have been reached before it, or are at the same step.
        forbidden: reaching it is a fault.
        ends_episode: reaching it terminates the episode.
        expires_after: it can be reached for so many steps: from the start, or from the step at which the last of
            `after` was reached; by default as long as the episode lasts.
        app: the one application that its detector looks at, in a task with `apps`; see the detector `in_app`.
        spec: the detector. In task files its fields stand beside the other keys.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Identifier
    description: str = ""
    source: Source = Source.RULE
    catalogue: str | None = None
    reward: float = Field(allow_inf_nan=False)
    after: tuple[Identifier, ...] = ()
    forbidden: bool = False
    ends_episode: bool = False
    expires_after: int | None = Field(default=None, ge=1, le=500)
    spec: Annotated[DetectorSpec, WrapValidator(_given)]

    @classmethod
    def of(
        cls,
        id: str,
        detector: Detector,
        reward: float,
        *,
        description: str = "",
        after: Sequence[str] = (),
        forbidden: bool = False,
        ends_episode: bool = False,
    ) -> Self:
        """Return a milestone written in Python.

        Args:
            id: unique in the task.
            detector: one of `milepost.rewards.detectors`, whose texts may hold parameters, or any function of a moment.
            reward: what it pays.
            description: one line for people, a template.
            after: ids that must have been reached before it.
            forbidden: reaching it is a fault.
            ends_episode: reaching it terminates the episode.

        Raises:
            ValidationError: a value is out of range, or the detector would pay for doing nothing.
        """
        return cls.model_validate(
            {
                "id": id,
                "detector": detector,
                "reward": reward,
                "description": description,
                "after": tuple(after),
                "forbidden": forbidden,
                "ends_episode": ends_episode,
            }
        )

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        """Move the detector's keys into `spec`, filling in what the catalogue says."""
        if not isinstance(given, Mapping):
            return given
        keys = dict(given)
        kind = keys.pop("detector", None)
        judged = "rubric" in keys or keys.get("source") in ("judge", "model")
        if kind is None and judged and "catalogue" not in keys:
            kind = "rubric"
        entry = None
        if (name := keys.get("catalogue")) is not None:
            entry = CATALOGUE.get(name) if isinstance(name, str) else None
            if entry is None:
                fail(f"{name!r} is not in the catalogue; {hint(str(name), list(CATALOGUE))}", "catalogue")
            keys.setdefault("reward", entry.reward)
            keys.setdefault("description", entry.description)
            if kind is not None and kind not in entry.kinds:
                fail(
                    f"expected {name!r} to use one of the detectors {', '.join(entry.kinds)}, got {kind!r}; change it",
                    "detector",
                )
            kind = entry.kinds[0] if kind is None else kind
        if kind is None:
            fail("expected `catalogue: NAME` or `detector: KIND` in every milestone, got neither; add one", "id")
        given_whole = callable(kind)
        if "reward" not in keys and (given_whole or kind in DETECTORS):
            shown = "a detector" if given_whole else f"`detector: {kind}`"
            fail(f"expected `reward: NUMBER` beside {shown}, got none; add it or use a catalogue milestone", "detector")
        if given_whole:
            return {**keys, "spec": spec_of(kind)}
        app = None if kind == "in_app" else keys.pop("app", None)
        common = {key: keys.pop(key) for key in _COMMON if key in keys and not _is_the_detectors(key, keys[key])}
        presets = entry.presets if entry is not None and kind == entry.kinds[0] else {}
        fields = detector_keys(kind, keys, common=(*_COMMON, "app"), called=name or "")
        if app is None:
            return {**common, "spec": {"kind": kind, **presets, **fields}}
        return {**common, "spec": {"kind": "in_app", "app": app, "of": {"kind": kind, **presets, **fields}}}

    @field_validator("spec")
    @classmethod
    def _is_an_achievement(cls, spec: Spec) -> Spec:
        refuse_alone(spec)
        return spec

    @model_validator(mode="after")
    def _trap_does_not_pay(self) -> Self:
        if self.forbidden and self.reward > 0:
            raise ValueError(
                f"expected a forbidden milestone to pay zero or less, got reward {self.reward}; make it negative"
            )
        return self

    @model_validator(mode="after")
    def _is_settled_by_its_source(self) -> Self:
        judged = self.spec.kind == "rubric"
        if judged != (self.source is not Source.RULE):
            raise ValueError(
                "expected `source: judge` or `source: model` beside a `rubric`, and beside nothing else, got source "
                f"{self.source} with {self.spec.kind}; a detector is a rule's"
            )
        if judged and (self.ends_episode or self.forbidden or self.expires_after is not None):
            raise ValueError(
                "a rubric is judged when the episode is over, so it can neither end it nor expire, and cannot be "
                "forbidden; take `ends_episode`, `expires_after` and `forbidden` out"
            )
        return self

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        common = {name: value for name in _COMMON if (value := getattr(self, name)) not in (None, Source.RULE)}
        return {**common, **self.spec.as_written()}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe milestones as they are written: one alternative per catalogue name and per detector."""
        own = handler.resolve_ref_schema(handler(core_schema))
        common = {key: value for key, value in own["properties"].items() if key in _COMMON and key != "catalogue"}
        common["app"] = {"type": "string", "title": "App"}  # read as the detector `in_app` around another
        written = [handler.resolve_ref_schema(choice) for choice in own["properties"]["spec"]["oneOf"]]
        by_kind = {schema["properties"]["detector"]["const"]: schema for schema in written}
        alternatives = [
            _alternative(common, by_kind[kind], catalogue=None, title=f"detector: {kind}") for kind in DETECTORS
        ] + [
            _alternative(common, by_kind[kind], catalogue=name, title=f"catalogue: {name}")
            | {"description": entry.description}
            for name, entry in CATALOGUE.items()
            for kind in entry.kinds
        ]
        return {"title": "Milestone", "description": own.get("description", ""), "anyOf": alternatives}

    def apps(self) -> frozenset[str]:
        """Return the applications that the detector, or a part of it, is confined to."""
        return frozenset(_apps(self.spec))

    def counted_from(self) -> tuple[str, ...]:
        """Return the ids of the milestones that the detector, or a part of it, counts steps from."""
        return tuple(_counted_from(self.spec))

    def build(self, parameters: Mapping[str, Any]) -> Milestone:
        """Return the milestone for one episode's parameters."""
        return Milestone(
            id=self.id,
            description=fill(self.description, parameters),
            detector=self.spec.build(parameters),
            reward=self.reward,
            after=self.after,
            forbidden=self.forbidden,
            ends_episode=self.ends_episode,
            source=self.source,
            expires_after=self.expires_after,
        )


def _is_the_detectors(key: str, value: Any) -> bool:
    """Tell whether a common key is a detector's own here: `data_transferred` has a `source` too, a mapping."""
    return key == "source" and not isinstance(value, str)


def _counted_from(spec: Spec) -> Iterator[str]:
    if isinstance(spec, Within) and spec.since_milestone is not None:
        yield spec.since_milestone
    for part in spec.parts():
        yield from _counted_from(part)


def _apps(spec: Spec) -> Iterator[str]:
    if isinstance(spec, InApp):
        yield spec.app
    for part in spec.parts():
        yield from _apps(part)


def _alternative(
    common: Mapping[str, Any], detector: JsonSchemaValue, *, catalogue: str | None, title: str
) -> JsonSchemaValue:
    fields = dict(detector["properties"])
    kind = fields["detector"]["const"]
    required = ["id", *(name for name in detector["required"] if name != "detector")]
    if catalogue is None:
        required += ["detector", "reward"]
    else:
        fields = {"catalogue": {"const": catalogue}, **fields}
        required += ["catalogue"] if kind == CATALOGUE[catalogue].kinds[0] else ["catalogue", "detector"]
    return {
        "title": title,
        "type": "object",
        "properties": {**common, **fields},
        "required": required,
        "additionalProperties": False,
    }


__all__ = ["Identifier", "MilestoneSpec"]
