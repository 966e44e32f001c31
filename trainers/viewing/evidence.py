"""What an episode's ledger says, for people: milestones, who paid what for which evidence, and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from ...rewards.ledger_reading import read_ledger
from ...rewards.ledger_records import Ledger, LedgerStep
from ...rewards.rescoring import examine
from ...rewards.scorer import most_reward
from ...rewards.types import Milestone, TierScore
from ...sandbox.errors import LedgerTamperedError, RewardError
from ...sandbox.events import Event
from ..local_page.text import harmless

_MAX_EVENTS = 60
_MAX_EVENT_CHARS = 300
_MAX_FACTS_CHARS = 1_500
_LEFT_OUT = frozenset({"step", "t", "origin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRead:
    """A ledger, or why there is none.

    Attributes:
        ledger: what it holds; None where it cannot be read or believed.
        state: "whole", "torn", "none", "tampered" or "unreadable".
        note: why, in a sentence; "" if there is nothing to say.
    """

    ledger: Ledger | None
    state: str
    note: str = ""


def read(path: Path | None, head: str | None) -> LedgerRead:
    """Read an episode's ledger; a bad one is a finding, not an error.

    Args:
        path: the ledger; None if there is none.
        head: the hash of its last line, as the run recorded it; None if it did not.
    """
    if path is None:
        return LedgerRead(ledger=None, state="none", note="This episode has no ledger: its evidence was not recorded.")
    try:
        ledger = read_ledger(path)
    except LedgerTamperedError as error:
        return LedgerRead(ledger=None, state="tampered", note=harmless(str(error), 1_000))
    except RewardError as error:
        return LedgerRead(ledger=None, state="unreadable", note=harmless(str(error), 1_000))
    if head is not None and head != ledger.head:
        note = "Its last line is not the one that the run recorded: it was made anew, or lines were cut off."
        return LedgerRead(ledger=None, state="tampered", note=note)
    if ledger.torn or ledger.footer is None:
        return LedgerRead(ledger=ledger, state="torn", note="It was broken off: the process ended before the episode.")
    return LedgerRead(ledger=ledger, state="whole")


def rescored(path: Path | None, head: str | None) -> dict[str, Any]:
    """Score the ledger again, as `milepost rescore` does; returns its `verdict`, `note` and `total`."""
    if path is None:
        return {"verdict": "missing", "note": "This episode has no ledger.", "total": None}
    report = examine(path, head=head)
    return {"verdict": str(report.verdict), "note": harmless(report.note, 1_000), "total": report.new_total}


def most(ledger: Ledger) -> float | None:
    """Return what a perfect episode earns; None where the ledger does not tell."""
    if ledger.header.milestones is None:
        return None
    return most_reward(ledger.header.milestones, ledger.header.scheme.components)


def milestone_shown(milestone: Milestone, *, success: bool) -> dict[str, Any]:
    """Return a milestone as the page gets it."""
    return {
        "id": harmless(milestone.id, 200),
        "description": harmless(milestone.description, 500),
        "reward": milestone.reward,
        "after": [harmless(name, 200) for name in milestone.after],
        "forbidden": milestone.forbidden,
        "source": str(milestone.source),
        "success": success,
    }


def reached_at(step: LedgerStep) -> list[dict[str, Any]]:
    """Return what was paid at a step, and for what: milestones, and components of the reward."""
    found = [
        {
            "id": harmless(result.id, 200),
            "reward": result.reward,
            "summary": harmless(result.evidence.summary, 1_000),
            "facts": _json(result.evidence.facts),
            "where": _json(result.evidence.where),
        }
        for result in step.reward.milestones
    ]
    found += [
        {
            "id": str(part.component),
            "reward": part.score * part.weight,
            "summary": harmless(part.evidence.summary, 1_000),
            "facts": _json(part.evidence.facts),
            "where": _json(part.evidence.where),
        }
        for part in step.reward.components
    ]
    return found


def events_of(step: LedgerStep) -> dict[str, Any]:
    """Return what happened in a step: `listed` as [kind, text], and how many more there were, `cut`."""
    return {
        "listed": [[event.kind, _event(event)] for event in step.events[:_MAX_EVENTS]],
        "cut": max(0, len(step.events) - _MAX_EVENTS),
    }


def tier_shown(said: TierScore) -> dict[str, Any]:
    """Return what a layer said."""
    return {
        "tier": str(said.tier),
        "raw": said.raw,
        "confidence": said.confidence,
        "latency_ms": said.latency_ms,
        "cost": said.cost,
    }


def _event(event: Event) -> str:
    told = {f.name: getattr(event, f.name) for f in fields(event) if f.name not in _LEFT_OUT}
    parts = [f"{name} {_plain(value)}" for name, value in told.items() if value not in (None, "", False)]
    return harmless(", ".join(parts), _MAX_EVENT_CHARS)


def _plain(value: Any) -> str:
    return value[:_MAX_EVENT_CHARS] if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _json(told: Mapping[str, Any]) -> str:
    return harmless(orjson.dumps(dict(told), default=str).decode(), _MAX_FACTS_CHARS) if told else ""


__all__ = ["LedgerRead", "events_of", "milestone_shown", "most", "reached_at", "read", "rescored", "tier_shown"]
