"""Detectors inside detectors: how a nested one is written, `detector: KIND` with the kind's fields beside it.

In Python a part may also be any function of a moment. It works like an event: it fires when it returns evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from pydantic import GetJsonSchemaHandler, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from .spec import BoundDetector, Spec
from .types import Detector, Evidence, Moment


class Function(Spec):
    """A detector that is a function of Python; not for task files.

    Attributes:
        call: a pure function of a moment; returns evidence at the steps at which its event is there.
    """

    kind: Literal["function"] = "function"
    call: Callable[[Moment], Evidence | None]

    def detect(self, moment: Moment) -> Evidence | None:
        """Return what the function returns."""
        return self.call(moment)

    def held_at_reset(self, moment: Moment) -> bool:
        """Return what the function says of it, if it does."""
        asked = getattr(self.call, "held_at_reset", None)
        return bool(asked(moment)) if asked is not None else False

    def is_data(self) -> bool:
        """Tell False."""
        return False


def detector_keys(
    kind: Any, keys: Mapping[Any, Any], *, common: Sequence[str] = (), called: str = ""
) -> dict[str, Any]:
    """Return the fields of a detector among the keys beside it.

    Args:
        kind: the detector's kind.
        keys: the keys as written, `detector` taken out.
        common: further keys that may stand there.
        called: what messages call it; the kind if empty.

    Raises:
        PydanticCustomError: there is no such kind, or a key is unknown.
    """
    from .detectors import DETECTORS  # which is made of the modules that need this one

    if kind not in DETECTORS:
        fail(f"{kind!r} is no detector; {hint(str(kind), list(DETECTORS))}", "detector")
    fields = [field for field in DETECTORS[kind].model_fields if field != "kind"]
    known = [*common, "detector", *fields]
    for key in keys:
        if key not in known:
            fail(f"unknown key {key!r} for {called or kind!r}; {hint(str(key), known)}", str(key))
    return {key: keys[key] for key in fields if key in keys}


def hint(given: str, known: Sequence[str]) -> str:
    """Return the name that was probably meant, or all of them."""
    close = get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"expected one of: {', '.join(known)}"


def fail(message: str, *where: str | int) -> NoReturn:
    """Refuse what is written, naming the place beneath the value that is looked at."""
    raise PydanticCustomError("milestone_key", "{message}", {"message": message, "where": where})


def spec_of(detector: Detector) -> Spec:
    """Return a detector's description; that of a function is the function."""
    if isinstance(detector, Spec):
        return detector
    return detector.spec if isinstance(detector, BoundDetector) else Function(call=detector)


def _part(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(value, Mapping):
        keys = dict(value)
        kind = keys.pop("detector", None) or keys.pop("kind", None)  # `kind` is how a ledger has it
        if kind is None:
            fail("expected `detector: KIND` in every part, got none; add it")
        if kind == "rubric":
            fail("a rubric is judged when the episode is over, so it is no part of a detector; make it a milestone")
        return validate({"kind": kind, **detector_keys(kind, keys)})
    return spec_of(value) if callable(value) else validate(value)


class _AsWritten:
    """Describes a part to editors: the union of all detectors, told apart by `detector`."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        schema.pop("discriminator", None)
        return schema


if TYPE_CHECKING:
    from .detectors import DetectorSpec

    Part = Spec
else:
    Part = Annotated["DetectorSpec", WrapValidator(_part), _AsWritten()]
"""The type of a field that holds a detector. `DetectorSpec` is given to the models once it is known (`detectors`)."""

__all__ = ["Function", "Part", "detector_keys", "fail", "hint", "spec_of"]
