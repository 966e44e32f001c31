"""The index of the episodes of a run or an evaluation: one short row each, and where its line lies.

    index = RunIndex.open(Path("runs/first"))
    row = index.rows[417]
    trajectory = index.trajectory(417)      # one line is read, not the file

Rows are kept in `view/index.json` of the run's folder with the size and the time of each file they were read from. What
has not changed since is not read again; a file that only grew is read from where it ended; any other is read anew.
Where the folder cannot be written, the index is built each time.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from math import fsum
from pathlib import Path
from typing import Any, Self

import orjson

from ...agents.evaluation.outcome import EpisodeResult, result_of
from ...agents.records import Trajectory
from ...sandbox.errors import RunError, TaskError
from ..recorded import trajectory_files, trajectory_from_line
from ..run_folder import write_atomically, writing
from .evaluations import EPISODES, is_evaluation, milestone_order, trajectory_of

_FORMAT = 2
_MAX_NAME_BYTES = 255
_PLACE = Path("view") / "index.json"


class Outcome(StrEnum):
    """What became of an episode; only the first two count towards a success rate."""

    SUCCESS = "success"
    FAILED = "failed"
    UNDECIDED = "undecided"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """What the list shows of an episode, and where it is.

    Attributes:
        file: the trajectories' file, relative to the run's folder.
        line: its line there, from 0.
        offset, size: the line's place, in bytes.
        iteration: the file's number; None if it has none.
        sample: which sample of its task and seed it is, in an evaluation; None in a run.
        task: the environment's id.
        seed: the episode's seed.
        outcome: what became of it.
        stop_reason: why it ended.
        failure: what the machine did wrong; "" if nothing.
        total: its reward: the sum of its scored steps.
        unscored: how many steps nobody scored.
        steps: how many actions.
        bits: the milestones it reached; bit i is the i-th of its task.
        errors: how many actions were impossible.
        policy_version: number of optimiser updates behind the policy.
        ledger: name of its ledger; "" if there is none.
    """

    file: str
    line: int
    offset: int
    size: int
    iteration: int | None
    sample: int | None
    task: str
    seed: int
    outcome: Outcome
    stop_reason: str
    failure: str
    total: float
    unscored: int
    steps: int
    bits: int
    errors: int
    policy_version: int
    ledger: str


@dataclass(slots=True, kw_only=True)
class _File:
    """What was read of a file: its state then, the hash of the last line, and the rows."""

    size: int
    mtime_ns: int
    last: str
    rows: list[EpisodeRow]


class RunIndex:
    """A run's episodes in the order of their files and lines; an episode's number is its place in `rows`."""

    def __init__(self, run: Path, rows: list[EpisodeRow], *, is_evaluation: bool = False) -> None:
        self.run = run
        self.rows = rows
        self.is_evaluation = is_evaluation

    @classmethod
    def open(cls, run: Path) -> Self:
        """Read what changed since the last time.

        Raises:
            RunError: there are no episodes, or a line is none; the message names it.
        """
        run = run.resolve()
        evaluated = is_evaluation(run)
        if evaluated:
            paths = [run / EPISODES]
        else:
            paths = sorted(trajectory_files(run), key=lambda path: (_iteration(path) or 0, path.name))
        known = _kept(run / _PLACE)
        files: dict[str, _File] = {}
        for path in paths:
            name = path.relative_to(run).as_posix()
            files[name] = _updated(path, name, known.get(name))
        if files != known:
            _keep(run / _PLACE, files)
        rows = [row for file in files.values() for row in file.rows]
        if evaluated:  # of an episode that was played again the newest counts
            rows = list({(row.task, row.seed, row.sample): row for row in rows}.values())
        return cls(run, rows, is_evaluation=evaluated)

    def trajectory(self, number: int) -> Trajectory:
        """Read one episode.

        Raises:
            RunError: its line is no longer where it was.
        """
        row = self.rows[number]
        path = self.run / row.file
        try:
            with path.open("rb") as file:
                file.seek(row.offset)
                line = orjson.loads(file.read(row.size))
            found = trajectory_of(line, self.ledger(number)) if self.is_evaluation else trajectory_from_line(line)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} was written anew since it was opened ({error}). Open the run again.") from error
        if (found.task, found.seed) != (row.task, row.seed):
            raise RunError(f"{path} was written anew since it was opened. Open the run again.")
        return found

    def ledger(self, number: int) -> Path | None:
        """Return an episode's ledger, which lies beside its file whatever path was recorded; None if there is none."""
        row = self.rows[number]
        path = (self.run / row.file).with_suffix("") / row.ledger
        return path if row.ledger and path.is_file() else None


def _updated(path: Path, name: str, known: _File | None) -> _File:
    try:
        stat = path.stat()
        if known is not None and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return known
        rows = known.rows if known is not None and _only_grew(path, known, stat.st_size) else []
        last = known.last if known is not None and rows else ""
        start = rows[-1].offset + rows[-1].size if rows else 0
        added = list(rows)
        for line, offset, raw in _lines(path, start, len(rows)):
            added.append(_row(raw, path, name, line, offset))
            last = _hash(raw)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}. Check its permissions.") from error
    return _File(size=stat.st_size, mtime_ns=stat.st_mtime_ns, last=last, rows=added)


def _only_grew(path: Path, known: _File, size: int) -> bool:
    """Tell whether the last line that was read is still in its place."""
    if not known.rows or size < known.size:
        return False
    with path.open("rb") as file:
        file.seek(known.rows[-1].offset)
        return _hash(file.read(known.rows[-1].size)) == known.last


def _lines(path: Path, start: int, number: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield (number, offset, line) of the whole lines from an offset on; a torn last one is left for the next time."""
    with path.open("rb") as file:
        file.seek(start)
        offset = start
        for raw in file:
            if raw.endswith(b"\n") and raw.strip():
                yield number, offset, raw
                number += 1
            offset += len(raw)


def _row(raw: bytes, path: Path, name: str, line: int, offset: int) -> EpisodeRow:
    try:
        told = orjson.loads(raw)
        if name == EPISODES:
            return _evaluated(told, len(raw), path, line, offset)
        steps = told["steps"]
        rewards = [step["reward"] for step in steps]
        failure = told["failure"] or ""
        return EpisodeRow(
            file=name,
            line=line,
            offset=offset,
            size=len(raw),
            iteration=_iteration(path),
            sample=None,
            task=str(told["task"]),
            seed=int(told["seed"]),
            outcome=_outcome(told),
            stop_reason=str(told["stop_reason"]),
            failure=str(failure),
            total=fsum(reward for reward in rewards if reward is not None),
            unscored=sum(reward is None for reward in rewards),
            steps=len(steps),
            bits=int(steps[-1]["milestones_after"]) if steps else 0,
            errors=sum(bool(step.get("error")) for step in steps),
            policy_version=int(told["policy_version"]),
            ledger=_ledger_name(told.get("ledger_path") or ""),
        )
    except RunError as error:
        raise RunError(f"{path}:{line + 1}: {error}. Remove that line.") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{path}:{line + 1}: expected a recorded episode, got a line with {type(error).__name__}: {error}. "
            "Remove that line, or record the run anew."
        ) from error


def _evaluated(told: Mapping[str, Any], size: int, path: Path, line: int, offset: int) -> EpisodeRow:
    """Return the row of an evaluation's episode (see `agents.evaluation.outcome.EpisodeResult`)."""
    result = EpisodeResult.from_json(told)
    outcomes = {True: Outcome.SUCCESS, False: Outcome.FAILED, None: Outcome.UNDECIDED}
    order = milestone_order(path.parent).get(result.task, result.milestones)
    return EpisodeRow(
        file=EPISODES,
        line=line,
        offset=offset,
        size=size,
        iteration=None,
        sample=result.sample,
        task=result.task,
        seed=result.seed,
        outcome=Outcome.BROKEN if result.failure else outcomes[result.success],
        stop_reason=result.stop_reason,
        failure=result.failure or "",
        total=0.0 if result.reward is None else result.reward,
        unscored=int(result.reward is None),
        steps=result.steps,
        bits=sum(1 << order.index(name) for name in result.milestones if name in order),
        errors=0,
        policy_version=0,
        ledger=_ledger_name(result.ledger_path or ""),
    )


def _outcome(told: Mapping[str, Any]) -> Outcome:
    """Say what became of an episode; one with open milestones of meaning is judged as in evaluations."""
    if told["failure"]:
        return Outcome.BROKEN
    if told["success"]:
        return Outcome.SUCCESS
    if told.get("unjudged") and told["steps"]:
        with contextlib.suppress(TaskError):
            return Outcome.UNDECIDED if result_of(trajectory_from_line(told)).success is None else Outcome.FAILED
        return Outcome.UNDECIDED  # of a task that is not known here, nobody can tell
    return Outcome.FAILED


def _ledger_name(recorded: str) -> str:
    """Return the name of a recorded path, "" where no file can have it."""
    name = Path(recorded).name
    return "" if "\0" in name or len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES else name


def _iteration(path: Path) -> int | None:
    number = path.stem.rpartition("_")[2]
    return int(number) if number.isdecimal() else None


def _hash(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def _kept(path: Path) -> dict[str, _File]:
    try:
        told = orjson.loads(path.read_bytes())
        if told["format"] != _FORMAT or told["columns"] != _COLUMNS:
            return {}
        return {name: _file_from_json(name, file) for name, file in told["files"].items()}
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return {}  # the index is only a copy: whatever is wrong with it, it is made again


def _file_from_json(name: str, told: Mapping[str, Any]) -> _File:
    outcomes = {str(outcome): outcome for outcome in Outcome}
    at = _COLUMNS.index("outcome")
    for row in told["rows"]:
        row[at] = outcomes[row[at]]
    rows = [EpisodeRow(*row) for row in told["rows"]]
    if any(row.file != name for row in rows):
        raise ValueError("rows of another file")
    return _File(size=told["size"], mtime_ns=told["mtime_ns"], last=told["last"], rows=rows)


def _keep(path: Path, files: Mapping[str, _File]) -> None:
    told = {
        name: {"size": f.size, "mtime_ns": f.mtime_ns, "last": f.last, "rows": [astuple(row) for row in f.rows]}
        for name, f in files.items()
    }
    with contextlib.suppress(RunError, TypeError), writing(path):  # a bitmask beyond 64 bits is not for orjson
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, orjson.dumps({"format": _FORMAT, "columns": _COLUMNS, "files": told}))


_COLUMNS = [field.name for field in fields(EpisodeRow)]

__all__ = ["EpisodeRow", "Outcome", "RunIndex"]
