"""Detectors in words: the clause that completes "it pays when ...".

Detectors made of others have their wordings here, all others in `leaf_wording`, each beside the fields that it speaks
of. What a wording does not speak of is added in brackets, and a kind without one is told by the first sentence of its
docstring and all its fields; so nothing that a task asks for is left unsaid, also of kinds and fields that are newer
than the wordings. Detectors inside a detector are worded the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .combinators import Not
from .leaf_wording import LEAVES, Words
from .phrases import listed, plain_value
from .spec import Spec


def describe(spec: Spec) -> str:
    """Return what must happen for a detector to fire, as a clause without a full stop.

    Args:
        spec: a detector's description, as written or filled; templates are shown as they are.
    """
    kind = getattr(spec, "kind", "")
    fields, words = _WORDINGS.get(kind, ((), _summary))
    rest = [
        f"{name.replace('_', ' ')}: {_value(getattr(spec, name))}"
        for name, info in type(spec).model_fields.items()
        if name not in ("kind", *fields) and getattr(spec, name) != info.get_default(call_default_factory=True)
    ]
    return words(spec) + (f" ({'; '.join(rest)})" if rest else "")


def every_spec(spec: Spec) -> tuple[Spec, ...]:
    """Return a detector and all those inside it, outermost first."""
    inside = [inner for name in type(spec).model_fields for inner in _specs_in(getattr(spec, name))]
    return spec, *(found for inner in inside for found in every_spec(inner))


def _specs_in(value: Any) -> list[Spec]:
    if isinstance(value, Spec):
        return [value]
    if isinstance(value, Mapping):
        return [spec for item in value.values() for spec in _specs_in(item)]
    if isinstance(value, list | tuple):
        return [spec for item in value for spec in _specs_in(item)]
    return []


def _summary(spec: Spec) -> str:
    """Return the first sentence of the detector's docstring."""
    sentence = " ".join((type(spec).__doc__ or type(spec).__name__).split("\n\n")[0].split()).partition(". ")[0]
    return sentence[:1].lower() + sentence[1:].rstrip(".:")


def _value(value: Any) -> str:
    if isinstance(value, Spec):
        return describe(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_value(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        worded = [_value(item) for item in value]
        if any(isinstance(item, Spec) for item in value):
            return ", ".join(f"({i}) {words}" for i, words in enumerate(worded, 1))
        return ", ".join(worded)
    return plain_value(value)


def _all(spec: Any) -> str:
    return f"all of this is so: {'; '.join(map(describe, spec.of))}"


def _any(spec: Any) -> str:
    return ", or ".join(map(describe, spec.of))


def _not(spec: Any) -> str:
    return f"it {'is not, or no longer, so' if spec.now else 'has not happened'} that {describe(spec.of)}"


def _then(spec: Any) -> str:
    """Tell the parts in order, each with what must not have happened before it."""
    told: list[str] = []
    guards: list[str] = []
    for part in spec.steps:
        if isinstance(part, Not) and part is not spec.steps[-1]:
            guards.append(describe(part.of))
            continue
        since = "in between" if told else "beforehand"
        guard = f" (unless {since} {', or '.join(guards)})" if guards else ""
        told.append(describe(part) + guard)
        guards = []
    later = ", each at a later step than the one before" if spec.strict else ""
    return "first " + ", then ".join(told) + later


def _count(spec: Any) -> str:
    if spec.distinct is not None:
        return f"{describe(spec.of)}, with {spec.times} different values of {spec.distinct} at least"
    return f"{describe(spec.of)}, at {spec.times} different steps at least"


def _within(spec: Any) -> str:
    start = "the start"
    if spec.since is not None:
        start = describe(spec.since)
    elif spec.since_milestone is not None:
        start = f"{spec.since_milestone} is reached"
    return f"{describe(spec.of)}, at most {spec.steps} step{'s' * (spec.steps != 1)} after {start}"


def _at_end(spec: Any) -> str:
    held = describe(spec.of)
    return f"the agent says that it is done while {held if spec.of.kind == 'all' else f'this is so: {held}'}"


def _in_app(spec: Any) -> str:
    return f"{describe(spec.of)}, in the application {spec.app}"


def _rubric(spec: Any) -> str:
    known = "" if spec.truth is None else f" (known to be right: {spec.truth})"
    return f'this is judged to be so when the episode is over: "{spec.rubric.rstrip(".")}"{known}'


_WORDINGS: dict[str, tuple[tuple[str, ...], Words]] = {
    **LEAVES,
    "all": (("of",), _all),
    "any": (("of",), _any),
    "not": (("of", "now"), _not),
    "then": (("steps", "strict"), _then),
    "count": (("of", "times", "distinct"), _count),
    "within": (("of", "steps", "since", "since_milestone"), _within),
    "at_end": (("of",), _at_end),
    "in_app": (("app", "of"), _in_app),
    "rubric": (("rubric", "truth"), _rubric),
}
"""Per kind: the fields that its wording speaks of, and the wording."""

__all__ = ["describe", "every_spec", "listed"]
