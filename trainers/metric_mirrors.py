"""Where a run's metrics are shown besides its own log: TensorBoard, and Weights & Biases if a project is named.

A mirror is fed from metrics.jsonl and never read. What it cannot take back (a resumed run repeats iterations that a
kill made unfinished) it shows once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from ..sandbox.errors import RunError
from .run_folder import RunFolder, writing

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    from .metrics import MetricsRecord

_ID = "wandb.json"


class Mirror(Protocol):
    """Shows records elsewhere."""

    def begin(self, records: Sequence[MetricsRecord]) -> None:
        """Show these records and no others: a run begins, goes on, or forgets some."""

    def add(self, record: MetricsRecord) -> None:
        """Show one more."""

    def close(self) -> None:
        """Write out what is held back."""


class TensorBoardMirror:
    """Event files in the run's tensorboard/ folder, by TensorBoard's own writer.

    Args:
        folder: the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._dir = folder.tensorboard_dir
        self._events: EventFileWriter | None = None

    def begin(self, records: Sequence[MetricsRecord]) -> None:
        """Write the event file anew."""
        self.close()
        with writing(self._dir):
            for old in self._dir.glob("events.out.tfevents.*"):
                old.unlink()
        for record in records:
            self.add(record)

    def add(self, record: MetricsRecord) -> None:
        """Append a record's values."""
        # torch.utils.tensorboard would do the same through torch.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        with writing(self._dir):
            if self._events is None:
                self._events = EventFileWriter(os.fspath(self._dir))
            values = [Summary.Value(tag=name, simple_value=value) for name, value in record.values.items()]
            self._events.add_event(Event(wall_time=record.time, step=record.iteration, summary=Summary(value=values)))
            self._events.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._events is not None:
            self._events.close()
            self._events = None


class WandbMirror:
    """A run on Weights & Biases, or offline in the run's folder with WANDB_MODE=offline.

    The run's id is kept in wandb.json, so that a resumed run goes on in the same place.

    Args:
        folder: the run.
        project: the project's name.

    Raises:
        RunError: the `wandb` package is missing, or refuses to begin a run (no key, no network).
    """

    def __init__(self, folder: RunFolder, project: str) -> None:
        try:
            wandb = import_module("wandb")
        except ImportError:
            raise RunError(
                f"wandb={project} asks for Weights & Biases, whose package is not installed. Install it "
                "(`pip install wandb`), or leave the setting out: TensorBoard and metrics.jsonl hold the same numbers."
            ) from None
        known = folder.read_json(_ID) or {}
        try:
            self._run: Any = wandb.init(
                project=project,
                id=known.get("id"),
                name=folder.path.name,
                dir=os.fspath(folder.path),
                config=dict(folder.config),
                resume="allow",
            )
        except Exception as error:  # wandb raises a dozen kinds
            raise RunError(
                f"Weights & Biases did not begin a run in project {project!r}: {error}. Log in with `wandb login`, set "
                "WANDB_MODE=offline, or leave the setting `wandb` out."
            ) from error
        folder.write_json(_ID, {"id": self._run.id, "project": project})
        self._last = int(getattr(self._run, "step", 0) or 0) - 1

    def begin(self, records: Sequence[MetricsRecord]) -> None:
        """Show those records that are not shown yet."""
        for record in records:
            self.add(record)

    def add(self, record: MetricsRecord) -> None:
        """Log a record at its iteration; one that is shown already stays as it is."""
        if record.iteration > self._last:
            self._run.log(dict(record.values), step=record.iteration)
            self._last = record.iteration

    def close(self) -> None:
        """Finish the upload."""
        self._run.finish()


__all__ = ["Mirror", "TensorBoardMirror", "WandbMirror"]
