"""Which tasks a server offers, and the splits that its task API lists.

    train       tasks to train on, seeds from 0
    test        the same tasks, seeds that training never draws
    held_out    tasks that training never sees, where a suite has any; the same seeds as `test`

A split's items are numbered: item i is task i modulo the number of tasks, with the split's (i divided by that)th seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ...sandbox.errors import TaskError
from ..registration import register_tasks, resolve_id, task_for
from ..suites import Split, Suite, expand, is_suite_file, load_suite, suite_names

TYPES = {"train": "train", "test": "test", "held_out": "test"}
"""The protocol's type of each split."""
MAX_LISTED = 1000
"""Most items in one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What is served.

    Attributes:
        name: the environment's name in addresses.
        description: one line for people.
        splits: ids of the tasks of each split; "train" is always there.
        first_seeds: of each split, its first seed.
        seeds: how many seeds of each task a split counts, at least 1.
    """

    name: str
    description: str
    splits: Mapping[str, tuple[str, ...]]
    first_seeds: Mapping[str, int]
    seeds: int

    @classmethod
    def of(cls, name_or_file: str, *, held_out_seed: int, seeds: int = MAX_LISTED) -> Self:
        """Return the catalogue of a task, a suite (or a part: "core:train"), a task file or a suite file.

        Args:
            name_or_file: what to serve; the tasks of a file are registered.
            held_out_seed: the first seed that training never draws.
            seeds: how many seeds of each task a split counts.

        Raises:
            TaskError: there is none, or the file is wrong.
        """
        suite: Suite | None = None
        if name_or_file.endswith((".yaml", ".yml")):
            if is_suite_file(name_or_file):
                suite = load_suite(name_or_file)
            else:
                name, ids = Path(name_or_file).stem, tuple(register_tasks(name_or_file))
        elif name_or_file in suite_names():
            suite = load_suite(name_or_file)
        else:
            name, ids = name_or_file, expand([name_or_file])
        if suite is not None:
            name, ids = suite.name, suite.ids(Split.TRAIN)
        description = suite.description if suite is not None else ""
        if len(ids) == 1:
            task = task_for(ids[0])
            name, description = task.name, description or task.description
        splits = {"train": ids, "test": ids}
        if suite is not None and suite.held_out:
            splits["held_out"] = suite.ids(Split.HELD_OUT)
        first = dict.fromkeys(splits, held_out_seed) | {"train": 0}
        return cls(
            name=name.replace(":", "-").replace("/", "-"),
            description=description or f"{len(ids)} tasks of milepost",
            splits=splits,
            first_seeds=first,
            seeds=min(seeds, held_out_seed),
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all tasks, those of "train" first."""
        return tuple(dict.fromkeys(task_id for ids in self.splits.values() for task_id in ids))

    def resolve(self, name_or_id: str) -> str:
        """Return the id of a served task.

        Raises:
            TaskError: it is not served.
        """
        task_id = resolve_id(name_or_id)
        if task_id not in self.ids:
            raise TaskError(f"{task_id} is not served here; served are {', '.join(self.ids[:20])}")
        return task_id

    def count(self, split: str) -> int:
        """Return the number of a split's items; raises like `item`."""
        return len(self._ids(split)) * self.seeds

    def item(self, split: str, index: int) -> dict[str, Any]:
        """Return one item: its id, place, task, seed and goal.

        Raises:
            TaskError: there is no such split.
            IndexError: there is no such item.
        """
        if not 0 <= index < self.count(split):
            raise IndexError(f"the split {split!r} has items 0 to {self.count(split) - 1}; asked for {index}")
        ids = self._ids(split)
        task_id, seed = ids[index % len(ids)], self.first_seeds[split] + index // len(ids)
        goal = task_for(task_id).instantiate(seed).goal
        return {"id": f"{task_id}:{seed}", "split": split, "index": index, "task": task_id, "seed": seed, "goal": goal}

    def items(self, split: str, start: int | None = None, stop: int | None = None) -> list[dict[str, Any]]:
        """Return the items of a range as Python slices count, at most MAX_LISTED; raises like `item`."""
        chosen = range(self.count(split))[start:stop][:MAX_LISTED]
        return [self.item(split, index) for index in chosen]

    def _ids(self, split: str) -> tuple[str, ...]:
        if split not in self.splits:
            raise TaskError(f"there is no split {split!r}; there are {', '.join(self.splits)}")
        return self.splits[split]


__all__ = ["MAX_LISTED", "TYPES", "Catalogue"]
