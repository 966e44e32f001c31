"""Preferences over recorded episodes: one JSON line for each ranking of two or more trajectories of one task and seed.

    {"task": "milepost/expense-form-v0", "seed": 3, "source": "rules", "annotator": "rule totals",
     "reason": "totals 1.9, 0.6, 0.6", "time": "2026-01-31T12:00:00Z", "margin": null,
     "items": [{"rank": 0, "run": "runs/levels", "file": "trajectories/iteration_000.jsonl", "index": 4,
                "ledger_hash": "9f..."}, ...]}

A pair is a ranking of two. Rank 0 is the best; equal ranks are a tie, which says nothing about those two: they are
compared with the others, never with each other. At least two ranks must differ, for otherwise nothing is preferred.
`run` is a run's folder, relative to the folder of the preferences' file unless it is absolute.

    rankings = read_preferences(Path("preferences.jsonl"))
    write_preferences(Path("more.jsonl"), rankings)

A person's choice in the labelling page has a `label` besides (see `labels`), and may then be a tie. `read_preferences`
returns what can be learned from; `label_files` reads and writes all that was chosen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..sandbox.errors import RewardError
from .labels import Label, LabelRecord, to_learn_from


class PreferenceSource(StrEnum):
    """Who preferred."""

    RULES = "rules"
    JUDGE = "judge"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryRef:
    """Where a trajectory lies.

    Attributes:
        run: the run's folder.
        file: the trajectories' file, relative to the run's folder, with forward slashes.
        index: its line in that file, from 0.
        ledger_hash: hash of its ledger's last line, which tells that it is still the one that was ranked; None where
            no ledger was written.
    """

    run: Path
    file: str
    index: int
    ledger_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedTrajectory:
    """A trajectory and its place in a ranking; 0 is the best, equal ranks are a tie."""

    trajectory: TrajectoryRef
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One preference over two or more trajectories of one task and seed.

    Attributes:
        task: the environment's id.
        seed: the episodes' seed.
        items: the trajectories with their ranks.
        source: who preferred.
        annotator: which person, judge or rule it was.
        reason: why, in words; "" if nothing was said.
        time: when, with its time zone.
        margin: by how much a better one should outscore a worse one, in the model's units (log-odds); None: none.
        label: how a person's choice between two came about; None for all other rankings.
    """

    task: str
    seed: int
    items: tuple[RankedTrajectory, ...]
    source: PreferenceSource
    annotator: str
    reason: str
    time: datetime
    margin: float | None = None
    label: Label | None = None

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The ordered pairs as (better, worse) indices into `items`; tied ones are left out."""
        return ordered_pairs([item.rank for item in self.items])


def ordered_pairs(ranks: Sequence[int]) -> list[tuple[int, int]]:
    """Return (better, worse) index pairs of a list of ranks, lower being better; ties are left out."""
    return [
        (i, j) if ranks[i] < ranks[j] else (j, i) for i, j in combinations(range(len(ranks)), 2) if ranks[i] != ranks[j]
    ]


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(ge=0)
    run: str = Field(min_length=1)
    file: str = Field(min_length=1)
    index: int = Field(ge=0)
    ledger_hash: str | None = None

    @field_validator("file")
    @classmethod
    def _inside(cls, file: str) -> str:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("expected a path inside the run's folder, without ..")
        return file


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = Field(min_length=1)
    seed: int = Field(ge=0)
    items: Annotated[tuple[_Item, ...], Field(min_length=2)]
    source: PreferenceSource
    annotator: str = Field(min_length=1)
    reason: str = ""
    time: AwareDatetime
    margin: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    label: LabelRecord | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        ranks = tuple(item.rank for item in self.items)
        if self.label is not None:
            if len(ranks) != 2 or ranks != self.label.ranks():
                raise ValueError(
                    f"the label's choice {self.label.choice.value!r} with item {self.label.left} on the left means "
                    f"ranks {list(self.label.ranks())} of two items; came {list(ranks)}"
                )
        elif len(set(ranks)) < 2:
            raise ValueError("all ranks are equal, so nothing is preferred; leave the line out")
        places = [(item.run, item.file, item.index) for item in self.items]
        if len(set(places)) < len(places):
            raise ValueError("a trajectory is ranked twice; give each one a single rank")
        return self

    def to_ranking(self, folder: Path) -> Ranking:
        return Ranking(
            task=self.task,
            seed=self.seed,
            items=tuple(
                RankedTrajectory(
                    rank=item.rank,
                    trajectory=TrajectoryRef(
                        run=(folder / item.run).resolve(),
                        file=item.file,
                        index=item.index,
                        ledger_hash=item.ledger_hash,
                    ),
                )
                for item in self.items
            ),
            source=self.source,
            annotator=self.annotator,
            reason=self.reason,
            time=self.time,
            margin=self.margin,
            label=None if self.label is None else self.label.to_label(),
        )


def read_preferences(path: Path) -> list[Ranking]:
    """Read the preferences in a file that can be learned from; blank lines are skipped.

    Of labelled lines these are the choices that stand and prefer one episode of a new pair (see `labels`).

    Raises:
        RewardError: the file cannot be read, or a line is no preference; names the line, what is wrong, and the cure.
    """
    return to_learn_from(read_all(path))


def read_all(path: Path, *, torn: bool = False) -> list[Ranking]:
    """Read every line of a file of preferences, ties and what was taken back among them; raises the same.

    Args:
        path: the file.
        torn: leave out a last line that is no whole JSON, as a crash in the middle of writing leaves it.
    """
    try:
        lines = path.read_bytes().decode("utf-8", "replace" if torn else "strict").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RewardError(
            f"cannot read the preferences {path}: {getattr(error, 'strerror', None) or error}. Give a JSONL file, such "
            "as `milepost preferences from-rules RUN --out FILE` or `milepost label RUN` writes."
        ) from error
    if torn and not is_whole(lines[-1]):
        lines.pop()
    folder = path.resolve().parent
    return [_read_line(path, n, line).to_ranking(folder) for n, line in enumerate(lines, start=1) if line.strip()]


def is_whole(line: str) -> bool:
    """Whether a line is blank or JSON, so that it was not cut short."""
    try:
        return not line.strip() or json.loads(line) is not None
    except ValueError:
        return False


def _read_line(path: Path, number: int, line: str) -> _Record:
    try:
        return _Record.model_validate_json(line)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'line'}: {e['msg']}" for e in error.errors())
        raise RewardError(
            f"{path}:{number}: not a preference: {problems}. Expected one JSON object with {', '.join(_FIELDS)}; mend "
            "or remove that line."
        ) from error


_FIELDS = tuple(_Record.model_fields)


def write_preferences(path: Path, rankings: Iterable[Ranking], *, append: bool = False) -> int:
    """Write preferences, one JSON line each, runs relative to the file's folder where they lie beneath its parent.

    Args:
        path: the file; its folder is made.
        rankings: what to write.
        append: add to what is there instead of replacing it.

    Returns:
        How many were written.

    Raises:
        RewardError: a ranking is not valid, or the file cannot be written.
    """
    folder = path.resolve().parent
    lines = [preference_line(ranking, folder) for ranking in rankings]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError as error:
        raise RewardError(
            f"cannot write the preferences {path}: {error.strerror}. Choose a file in a writable folder."
        ) from error
    return len(lines)


def preference_line(ranking: Ranking, folder: Path) -> str:
    """Return a ranking as it stands in a file of that folder, newline included.

    Raises:
        RewardError: the ranking is not valid.
    """
    try:
        record = _Record(
            task=ranking.task,
            seed=ranking.seed,
            items=tuple(
                _Item(
                    rank=item.rank,
                    run=_relative(item.trajectory.run, folder),
                    file=item.trajectory.file,
                    index=item.trajectory.index,
                    ledger_hash=item.trajectory.ledger_hash,
                )
                for item in ranking.items
            ),
            source=ranking.source,
            annotator=ranking.annotator,
            reason=ranking.reason,
            time=ranking.time,
            margin=ranking.margin,
            label=None if ranking.label is None else LabelRecord.of(ranking.label),
        )
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'ranking'}: {e['msg']}" for e in error.errors())
        raise RewardError(f"the ranking of {ranking.task} seed {ranking.seed} is not valid: {problems}.") from error
    without = {"label"} if record.label is None else set()
    return json.dumps(record.model_dump(mode="json", exclude=without), ensure_ascii=False) + "\n"


def _relative(run: Path, folder: Path) -> str:
    """The run's path from the file's folder when it lies beside or beneath it, so that both can be moved together."""
    run = run.resolve()
    for base, prefix in ((folder, ""), (folder.parent, "../")):
        if run.is_relative_to(base) and base != Path(base.anchor):
            return prefix + run.relative_to(base).as_posix()
    return str(run)


__all__ = [
    "PreferenceSource",
    "RankedTrajectory",
    "Ranking",
    "TrajectoryRef",
    "is_whole",
    "ordered_pairs",
    "preference_line",
    "read_all",
    "read_preferences",
    "write_preferences",
]
