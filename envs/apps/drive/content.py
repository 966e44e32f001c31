"""What a drive holds: folders, and files whose names and texts are drawn from the episode's seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from ....sandbox.errors import TaskError
from ..website import text_parameter

ROOT = "My drive"
FOLDERS = ("Board", "Clients", "Design", "Events", "Legal", "Office", "Press", "Travel")
YEARS = ("2023", "2024", "2025")
AREAS = ("north", "south", "east", "west", "central", "city", "coast", "valley", "river", "island", "harbor", "market")
TOPICS = (
    "agenda",
    "budget",
    "contacts",
    "costs",
    "draft",
    "forecast",
    "invoice",
    "minutes",
    "plan",
    "report",
    "survey",
    "timeline",
)
EXTENSIONS = ("csv", "md", "txt")
FILES_OF_FOLDER = 6
FILES_OF_YEAR = 11
ROWS_PER_PAGE = 8
LAST_DAY = date(2025, 6, 30)

_SENTENCES = (
    "Please read this before the next meeting.",
    "The figures are those of the last quarter.",
    "Two points are still open.",
    "Everybody has agreed to this version.",
    "Send changes to the office by Friday.",
    "The first page is a summary.",
    "What was decided is marked with a star.",
    "Costs are given without tax.",
)
_FULL_LINES = 40
"""Lines of the largest file; all others have fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFile:
    """A file to be: `days` ago it was last changed, `lines` long is its text."""

    name: str
    days: int
    lines: int
    figure: int
    sentence: int

    @property
    def text(self) -> str:
        """What it says; no two texts of one drive are the same, for each names its file."""
        title = self.name.rpartition(".")[0].replace("-", " ").capitalize()
        more = [_SENTENCES[(self.sentence + i) % len(_SENTENCES)] for i in range(self.lines)]
        return "\n".join([title, f"Reference: {self.figure}", *more]) + "\n"

    @property
    def modified(self) -> str:
        """The day of its last change, as 2025-06-30."""
        return (LAST_DAY - timedelta(days=self.days)).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a task says of the folder that it is about; `place` None if it says nothing.

    Attributes:
        place: the folder's name.
        first_page: names of files that its first page shows, newest first being the order.
        second_page: names that the second one shows.
        largest: its largest file.
        newest: its newest file.
        binned: a file that was taken from it and lies in the bin.
    """

    place: str | None
    first_page: tuple[str, ...]
    second_page: tuple[str, ...]
    largest: str | None
    newest: str | None
    binned: str | None

    @property
    def names(self) -> frozenset[str]:
        """All files that it names."""
        given = (*self.first_page, *self.second_page, self.largest, self.newest, self.binned)
        return frozenset(name for name in given if name is not None)


def wanted_of(parameters: Mapping[str, Any]) -> Wanted:
    """Read a task's parameters.

    Raises:
        TaskError: `place` is no folder of the drive, or a file is named without it.
    """

    def text(name: str) -> str | None:
        return text_parameter("drive", parameters, name) if name in parameters else None

    place = text("place")
    if place is not None and place not in all_folders():
        raise TaskError(
            f"the application 'drive' has no folder {place!r}; it has {', '.join(FOLDERS)}, and each of these with a "
            f"year behind it, such as {FOLDERS[0]} {YEARS[0]}"
        )
    late = str(parameters.get("on_page", "1")) == "2"
    files = tuple(name for key in ("file", "second_file", "third_file", "decoy_file") if (name := text(key)))
    wanted = Wanted(
        place=place,
        first_page=files[1:] if late else files,
        second_page=files[:1] if late else (),
        largest=text("largest_file"),
        newest=text("newest_file"),
        binned=text("binned_file"),
    )
    if wanted.names and place is None:
        raise TaskError("the application 'drive' expects the parameter 'place', a folder, beside the files; add it")
    return wanted


def all_folders() -> tuple[str, ...]:
    """Return the names of all folders below the root; a folder's years come after it."""
    return tuple(name for folder in FOLDERS for name in (folder, *(f"{folder} {year}" for year in YEARS)))


def file_names() -> tuple[str, ...]:
    """Return every name that a drawn file can have."""
    return tuple(f"{area}-{topic}.{extension}" for area in AREAS for topic in TOPICS for extension in EXTENSIONS)


def draw_files(rng: np.random.Generator, wanted: Wanted) -> dict[str, list[DrawnFile]]:
    """Return the files of every folder; no name occurs twice in the drive.

    Raises:
        TaskError: a folder is to hold more files than it does.
    """
    free = [name for name in file_names() if name not in wanted.names]
    names = [free[i] for i in rng.permutation(len(free)).tolist()]
    drawn: dict[str, list[DrawnFile]] = {}
    for folder in all_folders():
        count = FILES_OF_FOLDER if folder in FOLDERS else FILES_OF_YEAR
        own = [names.pop() for _ in range(count)]
        if folder == wanted.place:
            own = _placed(rng, own, wanted)
        days = sorted(rng.choice(500, size=count, replace=False).tolist())
        lines = rng.integers(3, _FULL_LINES, size=count).tolist()
        figures = rng.integers(1000, 10000, size=count).tolist()
        drawn[folder] = [
            DrawnFile(
                name=name,
                days=days[i],
                lines=_FULL_LINES + 2 if folder == wanted.place and name == wanted.largest else lines[i],
                figure=figures[i],
                sentence=figures[i] % len(_SENTENCES),
            )
            for i, name in enumerate(own)
        ]
    return drawn


def _placed(rng: np.random.Generator, own: Sequence[str], wanted: Wanted) -> list[str]:
    """Return a folder's names, newest first, with those that the task wants where it wants them."""
    names = list(own)
    early = rng.permutation(range(1, min(ROWS_PER_PAGE, len(names)))).tolist()
    late = rng.permutation(range(ROWS_PER_PAGE, len(names))).tolist()
    try:
        for name in wanted.first_page:
            names[early.pop()] = name
        for name in wanted.second_page:
            names[late.pop()] = name
        if wanted.largest is not None:
            names[early.pop()] = wanted.largest
    except IndexError as error:
        raise TaskError(
            f"the folder {wanted.place!r} holds {len(names)} files, {ROWS_PER_PAGE} a page; name fewer, or another one"
        ) from error
    if wanted.newest is not None:
        names[0] = wanted.newest
    return names


__all__ = [
    "AREAS",
    "EXTENSIONS",
    "FILES_OF_FOLDER",
    "FILES_OF_YEAR",
    "FOLDERS",
    "LAST_DAY",
    "ROOT",
    "ROWS_PER_PAGE",
    "TOPICS",
    "YEARS",
    "DrawnFile",
    "Wanted",
    "all_folders",
    "draw_files",
    "file_names",
    "wanted_of",
]
