"""Scoring a whole run again, offline: does every ledger still say what was paid, and what would a changed task pay?

    result = rescore_run("runs/first")
    print(result.counts, result.passed)
    result = rescore_run("runs/first", tasks=load_tasks("expense-form.yaml"))
    for row in result.milestones():
        print(row.milestone, row.gained, row.lost)

A run keeps, beside each iteration's ledgers, its trajectories with the hash of each ledger's last line. Where that file
is there, a ledger that was made anew, cut or taken away is found too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import fsum
from pathlib import Path
from typing import Any

import orjson

from ..envs.task import Task
from ..rewards.ledger_records import LedgerHeader
from ..rewards.rescoring import PASSED, EpisodeReport, Reached, Rules, Verdict, examine
from ..sandbox.errors import RunError, TaskError
from .evaluation.outcome import success_rate

_ITERATION = re.compile(r"(iteration_\d+|episodes)\.jsonl")  # a run's trajectories, an evaluation's episodes
_OTHER_FILES = frozenset({"metrics.jsonl"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneRow:
    """What became of one milestone over all episodes of a task.

    Attributes:
        task: the task's name.
        milestone: its id.
        old_count, new_count: episodes that reached it, as recorded and scored again.
        gained: episodes that reach it only now.
        lost: episodes that reached it only before.
        earlier, later: episodes that reach it at an earlier or a later step than recorded.
        old_paid, new_paid: what it paid in all episodes together.
    """

    task: str
    milestone: str
    old_count: int
    new_count: int
    gained: int
    lost: int
    earlier: int
    later: int
    old_paid: float
    new_paid: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What became of every episode.

    Attributes:
        path: the run's folder, a folder of ledgers, or a ledger.
        changed: whether episodes were scored by another definition of their task.
        episodes: a report each, in the order of their paths.
        other_tasks: episodes of tasks that no other definition was given for; they were left out.
    """

    path: Path
    changed: bool
    episodes: tuple[EpisodeReport, ...]
    other_tasks: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Episodes by verdict, those that occur."""
        found = Counter(report.verdict for report in self.episodes)
        return {verdict.value: found[verdict] for verdict in Verdict if found[verdict]}

    @property
    def passed(self) -> bool:
        """Whether every episode could be scored again and, by the recorded rules, gave what was recorded."""
        return all(report.verdict in PASSED for report in self.episodes)

    @property
    def unsealed(self) -> int:
        """Episodes whose ledger could be read but has no hash chain: format 1."""
        return sum(report.task is not None and not report.sealed for report in self.episodes)

    @property
    def scored(self) -> tuple[EpisodeReport, ...]:
        """Episodes that were scored again."""
        return tuple(report for report in self.episodes if report.new_total is not None)

    @property
    def old_total(self) -> float:
        """Recorded reward of the episodes that were scored again."""
        return fsum(report.old_total or 0.0 for report in self.scored)

    @property
    def new_total(self) -> float:
        """Their reward, scored again."""
        return fsum(report.new_total or 0.0 for report in self.scored)

    @property
    def old_successes(self) -> int:
        """How many of them succeeded, as recorded."""
        return sum(report.old_success is True for report in self.scored)

    @property
    def new_successes(self) -> int:
        """How many succeed by the other definitions."""
        return sum(report.new_success is True for report in self.scored)

    @property
    def success_rate(self) -> float | None:
        """Recorded successes over the episodes that were scored again and of which it is known."""
        return success_rate(report.old_success for report in self.scored)

    @property
    def findings(self) -> tuple[EpisodeReport, ...]:
        """Episodes that there is something to say of."""
        return tuple(report for report in self.episodes if report.verdict is not Verdict.OK or report.moved)

    def milestones(self) -> list[MilestoneRow]:
        """Return what became of each milestone, task by task, in the order in which they were first seen."""
        pairs: dict[tuple[str, str], list[tuple[Reached | None, Reached | None]]] = {}
        for report in self.scored:
            for name in dict.fromkeys([*report.old_reached, *report.new_reached]):
                pair = (report.old_reached.get(name), report.new_reached.get(name))
                pairs.setdefault((report.task or "", name), []).append(pair)
        return [_row(task, name, reached) for (task, name), reached in pairs.items()]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready data; episodes that are as recorded are only counted."""
        document: dict[str, Any] = {
            "path": str(self.path),
            "passed": self.passed,
            "episodes": len(self.episodes),
            "verdicts": self.counts,
            "unsealed": self.unsealed,
            "old_total": self.old_total,
            "new_total": self.new_total,
            "success_rate": self.success_rate,
        }
        if self.changed:
            document |= {
                "other_tasks": self.other_tasks,
                "old_successes": self.old_successes,
                "new_successes": self.new_successes,
                "milestones": [orjson.loads(orjson.dumps(row)) for row in self.milestones()],
            }
        return document | {"findings": [self._episode_json(report) for report in self.findings]}

    def _episode_json(self, report: EpisodeReport) -> dict[str, Any]:
        data: dict[str, Any] = {
            "ledger": str(report.path),
            "verdict": report.verdict.value,
            "note": report.note,
            "task": report.task,
            "seed": report.seed,
            "old_total": report.old_total,
            "new_total": report.new_total,
        }
        if self.changed:
            data |= {"old_success": report.old_success, "new_success": report.new_success}
        data["differences"] = [orjson.loads(orjson.dumps(difference)) for difference in report.differences]
        data["moved"] = [
            {
                "milestone": name,
                "old": _plain(report.old_reached.get(name)),
                "new": _plain(report.new_reached.get(name)),
            }
            for name in report.moved
        ]
        return data


def find_ledgers(path: Path | str) -> list[Path]:
    """Return the ledgers of a run's folder or of any folder below, sorted by path; a file is taken for a ledger.

    Raises:
        RunError: there are none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    found = sorted(
        file
        for file in _top(path).rglob("*.jsonl")
        if not _ITERATION.fullmatch(file.name) and file.name not in _OTHER_FILES
    )
    if not found:
        raise RunError(
            f"expected a run's folder, a folder of ledgers (*.jsonl) or a ledger, found no ledger at {path}; runs keep "
            "theirs in trajectories/iteration_NNN/, evaluations in episodes/, environments in the folder that "
            "ledger_dir named"
        )
    return found


def rescore_run(
    path: Path | str,
    *,
    tasks: Sequence[Task] | None = None,
    on_episode: Callable[[int, int, EpisodeReport], None] | None = None,
) -> RunReport:
    """Score every episode again from its ledger.

    Args:
        path: a run's folder, any folder with ledgers in it, or a ledger.
        tasks: other definitions of tasks to score by, found by name; None scores by what each ledger recorded.
        on_episode: called with the number done, the number of all, and the report, after each.

    Raises:
        RunError: there are no ledgers, or none of these tasks.
    """
    ledgers = find_ledgers(path)
    by_name = None if tasks is None else {task.name: task for task in tasks}
    heads: dict[Path, dict[str, str | None]] = {}
    reports: list[EpisodeReport] = []
    left_out = 0
    for done, ledger in enumerate(ledgers, start=1):
        folder = ledger.resolve().parent
        if folder not in heads:
            heads[folder] = _recorded_heads(folder)
        rules = None if by_name is None else partial(_rules, by_name)
        report = examine(ledger, rules=rules, head=heads[folder].get(ledger.name))
        if by_name is not None and report.task is not None and report.task not in by_name:
            left_out += 1
        else:
            reports.append(report)
        if on_episode is not None:
            on_episode(done, len(ledgers), report)
    if not Path(path).is_file():
        reports += _missing(Path(path).resolve(), [ledger.resolve() for ledger in ledgers])
    if by_name is not None and left_out and not any(report.task is not None for report in reports):
        raise RunError(f"expected episodes of {', '.join(by_name)} in {path}, found {left_out} of other tasks only")
    reports.sort(key=lambda report: report.path)
    return RunReport(path=Path(path), changed=tasks is not None, episodes=tuple(reports), other_tasks=left_out)


def _rules(by_name: dict[str, Task], header: LedgerHeader) -> Rules:
    """Return a task's rules for the parameters that an episode was played with."""
    task = by_name.get(header.task)
    if task is None:
        raise TaskError(f"no other definition of {header.task!r} was given")
    try:
        milestones = tuple(milestone.build(header.parameters) for milestone in task.milestones)
        scheme = task.reward.build(header.parameters, task.success_ids)
    except TaskError as error:
        raise TaskError(f"the changed task asks for what this episode did not draw: {error}") from error
    return Rules(milestones=milestones, scheme=scheme)


def _recorded_heads(folder: Path) -> dict[str, str | None]:
    """Return the ledgers that an iteration's trajectories name, each with its last line's hash, None if not recorded.

    Episodes that the machine broke are left out: nobody waited for the last lines of their ledgers.
    """
    try:
        lines = (folder.parent / f"{folder.name}.jsonl").read_bytes().splitlines()
    except OSError:
        return {}
    heads: dict[str, str | None] = {}
    for line in lines:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # a run that was killed may leave half a line
        if isinstance(record, dict) and record.get("ledger_path") and record.get("failure") is None:
            heads[Path(record["ledger_path"]).name] = record.get("ledger_hash")
    return heads


def _missing(path: Path, ledgers: Sequence[Path]) -> Iterator[EpisodeReport]:
    """Yield the ledgers that the run's trajectories name and that are not there."""
    there = set(ledgers)
    records = [path.parent / f"{path.name}.jsonl", *_top(path).glob("*.jsonl")]
    for folder in sorted(record.with_suffix("") for record in records if _ITERATION.fullmatch(record.name)):
        for name in _recorded_heads(folder):
            if folder / name not in there:
                note = f"{folder.name}.jsonl names this ledger, and it is not there"
                yield EpisodeReport(path=folder / name, verdict=Verdict.MISSING, note=note)


def _top(path: Path) -> Path:
    return path / "trajectories" if (path / "trajectories").is_dir() else path


def _row(task: str, milestone: str, reached: Sequence[tuple[Reached | None, Reached | None]]) -> MilestoneRow:
    both = [(old, new) for old, new in reached if old is not None and new is not None]
    return MilestoneRow(
        task=task,
        milestone=milestone,
        old_count=sum(old is not None for old, _ in reached),
        new_count=sum(new is not None for _, new in reached),
        gained=sum(old is None for old, _ in reached),
        lost=sum(new is None for _, new in reached),
        earlier=sum(new.step < old.step for old, new in both),
        later=sum(new.step > old.step for old, new in both),
        old_paid=fsum(old.reward for old, _ in reached if old is not None),
        new_paid=fsum(new.reward for _, new in reached if new is not None),
    )


def _plain(reached: Reached | None) -> dict[str, Any] | None:
    return None if reached is None else {"step": reached.step, "reward": reached.reward}


__all__ = ["MilestoneRow", "RunReport", "find_ledgers", "rescore_run"]
