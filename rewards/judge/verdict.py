"""The verdict a judge must give, its JSON Schema, and the strict reading of an answer.

An answer is one JSON object, or one in a single code block: text around it, keys given twice, keys unknown, numbers out
of range and NaN make it no verdict. Nothing is repaired: what is not a verdict is an abstention.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .abstention import Abstention, AbstentionKind, abstain

PASSING_SCORE = 0.5
"""A verdict has passed exactly if its score is at least this."""

_BLOCK = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n```\Z", re.DOTALL | re.IGNORECASE)
_SCHEMA_KEYS = ("type", "properties", "required", "additionalProperties", "items", "description")


class Verdict(BaseModel):
    """What one sample of a judge says. The reasons come first, so that the model writes them before it decides."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    reasons: Annotated[str, StringConstraints(max_length=4000)] = Field(description="Why, in a few sentences.")
    quotes: Annotated[list[Annotated[str, StringConstraints(max_length=1000)]], Field(max_length=16)] = Field(
        description="The evidence, copied character for character from the recorded data."
    )
    score: float = Field(ge=0, le=1, allow_inf_nan=False, description="How far the rubric is met, from 0 to 1.")
    passed: bool = Field(description="Whether the rubric is met: true exactly if the score is at least 0.5.")


def _portable(schema: Any) -> Any:
    """Keep what every server's constrained decoding takes; ranges and lengths are checked here in any case."""
    if not isinstance(schema, dict):
        return schema
    kept = {key: schema[key] for key in _SCHEMA_KEYS if key in schema}
    if "properties" in kept:
        kept["properties"] = {name: _portable(part) for name, part in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _portable(kept["items"])
    return kept


VERDICT_SCHEMA: dict[str, Any] = _portable(Verdict.model_json_schema()) | {"additionalProperties": False}
"""The verdict's JSON Schema, as sent for constrained decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A run of text that a judge was shown.

    Attributes:
        where: what it is, e.g. "page after step 2".
        text: the text as shown, cleaned and cut.
    """

    where: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Evidence that was found in what the judge was shown, and where it stands first."""

    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencedVerdict:
    """A verdict all of whose quotes occur in what was shown."""

    verdict: Verdict
    quotes: tuple[Quote, ...]


def parse_verdict(answer: str) -> Verdict | Abstention:
    """Read an answer strictly.

    Args:
        answer: the model's whole answer.

    Returns:
        The verdict; an abstention if the answer is anything but one verdict that agrees with itself.
    """
    text = answer.strip()
    if block := _BLOCK.match(text):
        text = block[1]
    try:
        parsed = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return abstain(AbstentionKind.MALFORMED, f"expected one JSON object and nothing else: {error}; got {answer!r}")
    try:
        verdict = Verdict.model_validate(parsed)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors()[:4])
        return abstain(AbstentionKind.SCHEMA, f"expected a verdict: {wrong}")
    if verdict.passed != (verdict.score >= PASSING_SCORE):
        return abstain(
            AbstentionKind.CONTRADICTION,
            f"passed is {str(verdict.passed).lower()} with a score of {verdict.score}; expected true exactly from "
            f"{PASSING_SCORE} on",
        )
    return verdict


def check_quotes(verdict: Verdict, shown: Sequence[Shown]) -> EvidencedVerdict | Abstention:
    """Find each quote in what the judge was shown; a verdict with an invented one is void.

    White space may differ. A pass needs at least one quote; that something is missing cannot be quoted.
    """
    if verdict.passed and not verdict.quotes:
        return abstain(AbstentionKind.QUOTES, "a pass without evidence: expected at least one quote")
    texts = [(part.where, _spaced(part.text)) for part in shown]
    found = []
    for quote in verdict.quotes:
        wanted = _spaced(quote)
        if sum(map(str.isalnum, wanted)) < 2:
            return abstain(AbstentionKind.QUOTES, f"{quote!r} proves nothing: expected two letters or digits at least")
        where = next((place for place, text in texts if wanted in text), None)
        if where is None:
            return abstain(AbstentionKind.QUOTES, f"{quote!r} occurs nowhere in what was shown: the verdict is void")
        found.append(Quote(text=quote, where=where))
    return EvidencedVerdict(verdict=verdict, quotes=tuple(found))


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("a key is given twice")
    return read


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


__all__ = [
    "PASSING_SCORE",
    "VERDICT_SCHEMA",
    "EvidencedVerdict",
    "Quote",
    "Shown",
    "Verdict",
    "check_quotes",
    "parse_verdict",
]
