"""Why a judge says nothing: every failure becomes one of these, never a score."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .untrusted import one_line

_DETAIL_CHARS = 300


class AbstentionKind(StrEnum):
    """What kept a judge from a verdict."""

    BUDGET = "budget"
    """The budget has no room for another call."""
    RATE = "rate"
    """The rate limit, the server's or our own, left no time before the deadline."""
    LATE = "late"
    """No answer within the time allowed."""
    UNREACHABLE = "unreachable"
    """The server could not be reached, or the connection broke."""
    SERVER = "server"
    """The server failed (5xx) each time."""
    REFUSED = "refused"
    """The server or the model refused the request."""
    TOO_LARGE = "too_large"
    """The answer is longer than is read, or the question longer than the model takes."""
    TRUNCATED = "truncated"
    """The answer was cut at the token limit."""
    MALFORMED = "malformed"
    """The answer is not one JSON object, or not a chat completion at all."""
    SCHEMA = "schema"
    """The answer is JSON of another form than a verdict."""
    CONTRADICTION = "contradiction"
    """The verdict contradicts itself: it passed with a score below one half, or the other way round."""
    QUOTES = "quotes"
    """A quote occurs nowhere in what the judge was shown, or a pass is claimed without any."""
    DISAGREEMENT = "disagreement"
    """As many samples said yes as said no."""
    UNRELIABLE = "unreliable"
    """Calibration found verdicts like this one no better than chance, or has seen none like it."""
    STORAGE = "storage"
    """The exchange could not be logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    """One failure to judge.

    Attributes:
        kind: what kept the judge from a verdict.
        detail: one line for people; never holds a key.
    """

    kind: AbstentionKind
    detail: str


def abstain(kind: AbstentionKind, detail: str) -> Abstention:
    """Return an abstention whose detail is one bounded, printable line, whatever a server put into it."""
    return Abstention(kind=kind, detail=one_line(detail, _DETAIL_CHARS))


__all__ = ["Abstention", "AbstentionKind", "abstain"]
