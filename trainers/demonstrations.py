"""A run folder that grows by the episodes that people play: demonstrations for `milepost train sft`.

with Demonstrations.open(Path("runs/by_hand")) as demonstrations:
    with HandPlay.begin("expense-form", ledger_dir=demonstrations.ledger_dir()) as play:
        ...
        demonstrations.keep(play.trajectory())
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from ..agents.records import Trajectory
from .run_folder import RunFolder

_SETTINGS = {"policy": "person"}


class Demonstrations:
    """A run folder to which whole episodes are added, one file each; what was not kept leaves nothing behind.

    Args:
        folder: the run's folder, open for writing.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._number = self._next()

    @classmethod
    def open(cls, run: Path) -> Self:
        """Begin such a folder, or go on with one.

        Raises:
            RunError: the folder holds another kind of run, is in use, or cannot be written.
        """
        return cls(RunFolder.create(run, _SETTINGS, seed=0))

    def ledger_dir(self) -> Path:
        """Return where the next episode's ledger goes; what an episode that was not kept left there is dropped."""
        self._drop()
        return self._folder.ledger_dir(self._number)

    def __len__(self) -> int:
        """How many episodes it holds."""
        return len(self._files())

    def keep(self, trajectory: Trajectory) -> bool:
        """Add an episode; one that the machine broke is left out, and False returned."""
        if trajectory.failure is not None:
            return False
        self._folder.write_trajectories(self._number, [trajectory])
        self._number = self._next()
        return True

    def close(self) -> None:
        """Drop what was begun and not kept, and let others write."""
        self._drop()
        self._folder.mark("finished", wall_s=self._folder.wall_s)
        self._folder.close()

    def _drop(self) -> None:
        shutil.rmtree(self._folder.path / "trajectories" / f"iteration_{self._number:03d}", ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted((self._folder.path / "trajectories").glob("iteration_*.jsonl"))

    def _next(self) -> int:
        files = self._files()
        return 0 if not files else 1 + max(int(file.stem.rpartition("_")[2]) for file in files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["Demonstrations"]
