"""A whole run as the page gets it: its episodes as columns, its tasks, its success and its curves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from ...agents.evaluation.outcome import success_rate
from ...agents.evaluation.statistics import mean_of
from ...agents.task_scores import wilson_interval
from ...envs.registration import task_for
from ...rewards.ledger_reading import read_header
from ...rewards.ledger_records import LedgerHeader
from ...rewards.scorer import most_reward
from ...sandbox.errors import MilepostError, RewardError, TaskError
from ..local_page.text import harmless
from ..metrics import read_evaluations, read_metrics
from ..run_folder import RunFolder
from .evidence import milestone_shown
from .index import EpisodeRow, Outcome, RunIndex

OUTCOMES = tuple(Outcome)
_SUCCESS = {Outcome.SUCCESS: True, Outcome.FAILED: False, Outcome.UNDECIDED: None}
_CURVES = ("train/", "milestone/", "router/", "time/")


def run_document(index: RunIndex, numbers: Sequence[int] | None = None) -> dict[str, Any]:
    """Return a run, JSON-ready.

    Args:
        index: the run's index.
        numbers: the episodes to list; all if None. What is said of the run as a whole is of all of them in any case.
    """
    rows = index.rows
    listed = range(len(rows)) if numbers is None else numbers
    names = list(dict.fromkeys(row.task for row in rows))
    tasks = {name: place for place, name in enumerate(names)}
    stops, failures = _Table(), _Table()
    columns = [
        [
            number,
            row.sample if index.is_evaluation else row.iteration,
            tasks[row.task],
            row.seed,
            OUTCOMES.index(row.outcome),
            stops.place(row.stop_reason),
            failures.place(row.failure),
            row.total,
            row.steps,
            row.bits & (2**53 - 1),  # as far as the page's numbers are exact
            row.errors,
            row.unscored,
        ]
        for number, row in ((n, rows[n]) for n in listed)
    ]
    return {
        "name": harmless(index.run.name, 200),
        "status": _status(index.run),
        "batch": "sample" if index.is_evaluation else "iteration",
        "fields": [
            "number", "iteration", "task", "seed", "outcome", "stop", "failure", "total", "steps", "bits", "errors",
            "unscored",
        ],
        "episodes": columns,
        "outcomes": list(OUTCOMES),
        "tasks": [_task(index, name) for name in names],
        "stops": stops.shown(),
        "failures": failures.shown(),
        "summary": {
            "all": success_of(rows),
            "tasks": [success_of(row for row in rows if row.task == name) for name in names],
        },
        **_curves(index.run),
    }  # fmt: skip


def success_of(rows: Iterable[EpisodeRow]) -> dict[str, Any]:
    """Return how many of the episodes succeeded, by the rule that evaluations use.

    Returns:
        episodes, successes, undecided and broken as counts; success_rate: successes over the episodes of which it is
        known, None if there are none; low, high: 95 % Wilson interval, which undecided episodes widen both ways;
        mean_total: mean reward of the episodes whose every step is scored, None if there are none.
    """
    listed = list(rows)
    count = {outcome: sum(row.outcome is outcome for row in listed) for outcome in OUTCOMES}
    played = len(listed) - count[Outcome.BROKEN]
    successes, undecided = count[Outcome.SUCCESS], count[Outcome.UNDECIDED]
    known = [row.total for row in listed if row.outcome is not Outcome.BROKEN and not row.unscored]
    return {
        "episodes": played,
        "successes": successes,
        "undecided": undecided,
        "broken": count[Outcome.BROKEN],
        "success_rate": success_rate(_SUCCESS[row.outcome] for row in listed if row.outcome is not Outcome.BROKEN),
        "low": wilson_interval(successes, played)[0],
        "high": wilson_interval(successes + undecided, played)[1],
        "mean_total": mean_of(known),
    }


class _Table:
    """Words that many rows share, each sent once."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, word: str) -> int:
        return self._places.setdefault(word, len(self._places))

    def shown(self) -> list[str]:
        return [harmless(word, 200) for word in self._places]


def _task(index: RunIndex, name: str) -> dict[str, Any]:
    header = _header(index, name)
    milestones, success, most = None, frozenset[str](), None
    if header is not None and header.milestones is not None:
        milestones, success = header.milestones, header.scheme.success
        most = most_reward(milestones, header.scheme.components)
    else:
        with contextlib.suppress(TaskError):
            instance = task_for(name).instantiate(0)
            milestones, success, most = instance.milestones, instance.success, instance.max_reward
    return {
        "name": harmless(name.removeprefix("milepost/"), 200),
        "milestones": [milestone_shown(m, success=m.id in success) for m in milestones or ()],
        "most": most,
    }


def _header(index: RunIndex, name: str) -> LedgerHeader | None:
    """Return the header of the first of the task's ledgers, which says what its milestones were."""
    number = next((n for n, row in enumerate(index.rows) if row.task == name and index.ledger(n) is not None), None)
    path = None if number is None else index.ledger(number)
    if path is None:
        return None
    with contextlib.suppress(RewardError):
        return read_header(path)
    return None


def _status(run: Path) -> dict[str, Any]:
    try:
        told = orjson.loads((run / "status.json").read_bytes())
        return {"state": harmless(str(told["state"]), 40), "wall_s": float(told["wall_s"])}
    except (OSError, KeyError, TypeError, ValueError):
        return {"state": "", "wall_s": None}


def _curves(run: Path) -> dict[str, Any]:
    """Return what the run measured, by name, and its held-out evaluations; a run without any is no error."""
    with contextlib.suppress(MilepostError):
        folder = RunFolder.open(run)
        records = read_metrics(folder.metrics_path)
        names = dict.fromkeys(name for record in records for name in record.values if name.startswith(_CURVES))
        evaluations: Mapping[Any, Any] = read_evaluations(folder)
        return {
            "iterations": [record.iteration for record in records],
            "curves": {harmless(name, 200): [record.values.get(name) for record in records] for name in names},
            "evaluations": {
                stage: {harmless(task, 200): _evaluated(asdict(result)) for task, result in tasks.items()}
                for stage, tasks in evaluations.items()
            },
        }
    return {"iterations": [], "curves": {}, "evaluations": {}}


def _evaluated(result: dict[str, Any]) -> dict[str, Any]:
    low, high = wilson_interval(result["successes"], result["episodes"])
    rate = result["successes"] / result["episodes"] if result["episodes"] else None
    milestones = {harmless(name, 200): share for name, share in result["milestones"].items()}
    return {**result, "milestones": milestones, "success_rate": rate, "low": low, "high": high}


__all__ = ["OUTCOMES", "run_document", "success_of"]
