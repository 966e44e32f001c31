"""The ledger: one JSON Lines file per episode, from which its rewards can be computed again.

    {"prev": ..., "record": "header", "format": 2, "task": "expense-form", "version": 0, "seed": 7, ..., "hash": ...}
    {"prev": ..., "record": "step", "step": 0, "action": "", "error": "", "events": [...], "snapshot": {...}, ...}
    {"prev": ..., "record": "step", "step": 1, ...}
    {"prev": ..., "record": "footer", "stop_reason": "success", "total": 1.5, "success": true, "failure": null, ...}

The milestones lie in the header with their detectors' texts filled in, so that a ledger needs nothing else to be
re-scored. Every line is sealed (`ledger_chain`), and a snapshot is written as what differs from the one before
(`ledger_snapshots`). Each line is flushed when written; a process that dies leaves at worst half a line, which
`read_ledger` passes over.

Usage:

    ledger = LedgerWriter(path, task="expense-form", version=0, seed=7, parameters={}, milestones=tracker.milestones)
    ledger.write_step(moment, tracker.update(moment), action='fill("Name", "Ada")')
    ledger.finish(stop_reason="success", success=True)
    rewards = rescore(path)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import FileIO
from math import fsum
from pathlib import Path
from typing import Any

import orjson

from ..sandbox.errors import RewardError, RunError
from ..sandbox.events import Event
from .ledger_chain import START, seal
from .ledger_reading import read_ledger
from .ledger_records import FORMAT, Ledger, LedgerFooter, LedgerHeader, LedgerStep
from .ledger_snapshots import COLUMNS, SnapshotEncoder
from .records_json import milestone_to_json, scheme_to_json
from .rescoring import rescore
from .scorer import RewardScheme
from .types import Milestone, Moment, StepReward


class LedgerWriter:
    """Writes one episode's ledger. The header is written at once.

    Args:
        path: the file; its folder is made, an existing file is replaced.
        task: the task's name.
        version: its version.
        seed: the episode's seed.
        parameters: the drawn parameters.
        milestones: the instance's milestones.
        scheme: how they pay; by default each its own reward.

    Raises:
        RunError: the file cannot be written.
        RewardError: something is not JSON-ready.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        task: str,
        version: int,
        seed: int,
        parameters: Mapping[str, Any],
        milestones: Sequence[Milestone],
        scheme: RewardScheme | None = None,
    ) -> None:
        self.path = Path(path)
        self._rewards: list[float] = []
        self._snapshots = SnapshotEncoder()
        self._last_hash = START
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: FileIO = self.path.open("wb", buffering=0)  # unbuffered: closing has nothing left to fail with
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._write(
                {
                    "record": "header",
                    "format": FORMAT,
                    "task": task,
                    "version": version,
                    "seed": seed,
                    "parameters": dict(parameters),
                    "milestones": [milestone_to_json(milestone) for milestone in milestones],
                    "scheme": scheme_to_json(RewardScheme() if scheme is None else scheme),
                    "columns": COLUMNS,
                }
            )
        except BaseException:
            self._file.close()
            raise

    @property
    def last_hash(self) -> str:
        """The hash of the last line written; once the ledger is finished, it stands for the whole episode."""
        return self._last_hash

    def write_step(self, moment: Moment, reward: StepReward, *, action: str = "", error: str = "") -> None:
        """Write one step and flush it; step 0 is the reset.

        Args:
            moment: what the tracker was given.
            reward: what it answered.
            action: the agent's action as text.
            error: `last_action_error`, "" if none.

        Raises:
            RunError: the file cannot be written.
            RewardError: something is not JSON-ready.
        """
        if reward.total is not None:
            self._rewards.append(reward.total)
        try:
            events = [_event_json(event) for event in moment.events]
            snapshot = self._snapshots.encode(moment.snapshot)
        except TypeError as problem:
            raise self._not_json("step", problem) from problem
        self._write(
            {
                "record": "step",
                "step": moment.step,
                "action": action,
                "error": error,
                "events": events,
                "snapshot": snapshot,
                "reward": reward,
            }
        )

    def finish(self, *, stop_reason: str | None, success: bool, failure: str | None = None) -> None:
        """Write how the episode ended, and close the file. Does nothing if it is closed already."""
        if self._file.closed:
            return
        footer = {"stop_reason": stop_reason, "total": fsum(self._rewards), "success": success, "failure": failure}
        try:
            self._write({"record": "footer", **footer})
        finally:
            self._file.close()

    def close(self) -> None:
        """Close the file without a footer, as for an episode that was broken off."""
        self._file.close()

    def _write(self, record: Mapping[str, Any]) -> None:
        try:
            written = orjson.dumps(record)
        except TypeError as error:
            raise self._not_json(record["record"], error) from error
        line, self._last_hash = seal(written, self._last_hash)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._unwritable(error) from error

    def _not_json(self, what: str, error: TypeError) -> RewardError:
        return RewardError(
            f"the ledger takes JSON-ready data, but a {what} of {self.path.name} has none: {error}; let the "
            "application's state and the parameters hold only texts, numbers, booleans, lists and mappings"
        )

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"cannot write the ledger {self.path}: {error.strerror or error}; free some disk space, make the folder "
            "writable, or choose another one"
        )


def _event_json(event: Event) -> orjson.Fragment:
    """Return what `event_to_json` says, written without making a dictionary first."""
    return orjson.Fragment(b'{"kind":"' + event.kind.encode() + b'",' + orjson.dumps(event)[1:])


__all__ = ["Ledger", "LedgerFooter", "LedgerHeader", "LedgerStep", "LedgerWriter", "read_ledger", "rescore"]
