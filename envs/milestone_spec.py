"""A milestone as a task file writes it: common keys, and the detector's own beside them.

Either `catalogue: NAME` (which brings a default reward) or `detector: KIND` (then `reward` is required); the rest of
the keys are the detector's. In the model the detector's part is one field, `spec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, NoReturn, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from ..rewards.catalogue import CATALOGUE
from ..rewards.detectors import DETECTORS, DetectorSpec
from ..rewards.templates import fill
from ..rewards.types import Milestone

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]

_COMMON = ("id", "description", "catalogue", "reward", "after", "forbidden", "ends_episode", "expires_after")


class MilestoneSpec(BaseModel):
    """One milestone of a task.

    Attributes:
        id: unique in the task, lower_case_with_underscores.
        description: one line for people, a template; the catalogue's if absent.
        catalogue: name of a ready-made milestone, see `rewards/catalogue.py`.
        reward: what it pays; zero or less if forbidden.
        after: ids that must have been reached before it, or are at the same step.
        forbidden: reaching it is a fault.
        ends_episode: reaching it terminates the episode.
        expires_after: it can be reached for so many steps: from the start, or from the step at which the last of
            `after` was reached; by default as long as the episode lasts.
        spec: the detector. In task files its fields stand beside the other keys.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Identifier
    description: str = ""
    catalogue: str | None = None
    reward: float = Field(allow_inf_nan=False)
    after: tuple[Identifier, ...] = ()
    forbidden: bool = False
    ends_episode: bool = False
    expires_after: int | None = Field(default=None, ge=1, le=500)
    spec: SerializeAsAny[DetectorSpec]

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        """Move the detector's keys into `spec`, filling in what the catalogue says."""
        if not isinstance(given, Mapping):
            return given
        keys = dict(given)
        kind = keys.pop("detector", None)
        entry = None
        if (name := keys.get("catalogue")) is not None:
            entry = CATALOGUE.get(name) if isinstance(name, str) else None
            if entry is None:
                _fail(f"{name!r} is not in the catalogue; {_hint(str(name), list(CATALOGUE))}", "catalogue")
            keys.setdefault("reward", entry.reward)
            keys.setdefault("description", entry.description)
            if kind is not None and kind not in entry.kinds:
                _fail(
                    f"expected {name!r} to use one of the detectors {', '.join(entry.kinds)}, got {kind!r}; change it",
                    "detector",
                )
            kind = entry.kinds[0] if kind is None else kind
        if kind is None:
            _fail("expected `catalogue: NAME` or `detector: KIND` in every milestone, got neither; add one", "id")
        if kind not in DETECTORS:
            _fail(f"{kind!r} is no detector; {_hint(str(kind), list(DETECTORS))}", "detector")
        if "reward" not in keys:
            _fail(
                f"expected `reward: NUMBER` beside `detector: {kind}`, got none; add it or use a catalogue milestone",
                "detector",
            )
        fields = [field for field in DETECTORS[kind].model_fields if field != "kind"]
        known = [*_COMMON, "detector", *fields]
        for key in keys:
            if key not in known:
                _fail(f"unknown key {key!r} for {name or kind!r}; {_hint(str(key), known)}", str(key))
        presets = entry.presets if entry is not None and kind == entry.kinds[0] else {}
        spec = {**presets, **{key: keys.pop(key) for key in fields if key in keys}}
        return {**keys, "spec": {"kind": kind, **spec}}

    @model_validator(mode="after")
    def _trap_does_not_pay(self) -> Self:
        if self.forbidden and self.reward > 0:
            raise ValueError(
                f"expected a forbidden milestone to pay zero or less, got reward {self.reward}; make it negative"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data = serialise(self)
        spec = data.pop("spec")
        data["detector"] = spec.pop("kind")
        return {**data, **{key: value for key, value in spec.items() if value is not None}}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe milestones as they are written: one alternative per catalogue name and per detector."""
        own = handler.resolve_ref_schema(handler(core_schema))
        common = {key: value for key, value in own["properties"].items() if key in _COMMON and key != "catalogue"}
        alternatives = [_alternative(common, kind, catalogue=None, title=f"detector: {kind}") for kind in DETECTORS] + [
            _alternative(common, kind, catalogue=name, title=f"catalogue: {name}") | {"description": entry.description}
            for name, entry in CATALOGUE.items()
            for kind in entry.kinds
        ]
        return {"title": "Milestone", "description": own.get("description", ""), "anyOf": alternatives}

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
            expires_after=self.expires_after,
        )


def _alternative(common: Mapping[str, Any], kind: str, *, catalogue: str | None, title: str) -> JsonSchemaValue:
    detector = DETECTORS[kind].model_json_schema()
    fields = {key: value for key, value in detector["properties"].items() if key != "kind"}
    required = ["id", *(name for name in detector.get("required", ()) if name != "kind")]
    if catalogue is None:
        chooser: dict[str, Any] = {"detector": {"const": kind}}
        required += ["detector", "reward"]
    else:
        chooser = {"catalogue": {"const": catalogue}, "detector": {"const": kind}}
        required += ["catalogue"] if kind == CATALOGUE[catalogue].kinds[0] else ["catalogue", "detector"]
    return {
        "title": title,
        "type": "object",
        "properties": {**common, **chooser, **fields},
        "required": required,
        "additionalProperties": False,
    } | ({"$defs": detector["$defs"]} if "$defs" in detector else {})


def _hint(given: str, known: list[str]) -> str:
    close = get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"expected one of: {', '.join(known)}"


def _fail(message: str, *where: str) -> NoReturn:
    raise PydanticCustomError("milestone_key", "{message}", {"message": message, "where": where})


__all__ = ["Identifier", "MilestoneSpec"]
