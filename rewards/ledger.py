"""The ledger: one JSON Lines file per episode, from which its rewards can be computed again.

    {"record": "header", "format": 1, "task": "expense-form", "version": 0, "seed": 7, "parameters": {}, ...}
    {"record": "step", "step": 0, "action": "", "error": "", "events": [...], "snapshot": {...}, "reward": {...}}
    {"record": "step", "step": 1, ...}
    {"record": "footer", "stop_reason": "success", "total": 1.5, "success": true, "failure": null}

The milestones lie in the header with their detectors' texts filled in, so that a ledger needs nothing else to be
re-scored. Each line is flushed when written; a process that dies leaves at worst half a line, which
`read_ledger` passes over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from math import fsum
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from ..sandbox.errors import RewardError, RunError
from ..sandbox.events import Event, event_from_json, event_to_json
from ..sandbox.snapshot import Snapshot, snapshot_from_json, snapshot_to_json
from .records_json import milestone_from_json, milestone_to_json, reward_from_json, scheme_from_json, scheme_to_json
from .scorer import RewardScheme, Scorer
from .types import Milestone, Moment, StepReward

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHeader:
    """What an episode was about and how it paid; `milestones` is None where a detector was not written as data."""

    task: str
    version: int
    seed: int
    parameters: Mapping[str, Any]
    milestones: tuple[Milestone, ...] | None
    scheme: RewardScheme


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStep:
    """One recorded step: the action, what happened, the computer at its end, and what was paid."""

    step: int
    action: str
    error: str
    events: tuple[Event, ...]
    snapshot: Snapshot
    reward: StepReward


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFooter:
    """How the episode ended; `total` is the sum of its scored steps."""

    stop_reason: str | None
    total: float
    success: bool
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A whole ledger; `footer` is None and `torn` may be true where the process died."""

    header: LedgerHeader
    steps: tuple[LedgerStep, ...]
    footer: LedgerFooter | None
    torn: bool


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
                }
            )
        except BaseException:
            self._file.close()
            raise

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
        self._write(
            {
                "record": "step",
                "step": moment.step,
                "action": action,
                "error": error,
                "events": [event_to_json(event) for event in moment.events],
                "snapshot": snapshot_to_json(moment.snapshot),
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
            line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError as error:
            raise RewardError(
                f"the ledger takes JSON-ready data, but a {record['record']} of {self.path.name} has none: {error}; "
                "let the application's state and the parameters hold only texts, numbers, booleans, lists and mappings"
            ) from error
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"cannot write the ledger {self.path}: {error.strerror or error}; free some disk space, make the folder "
            "writable, or choose another one"
        )


def read_ledger(path: Path | str) -> Ledger:
    """Read a ledger. A last line that was cut short is passed over and shows as `torn`.

    Raises:
        RewardError: the file is missing or not a ledger, or a line before the last is broken.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RewardError(f"cannot read the ledger {path}: {error.strerror}; check the path") from error
    torn = lines.pop() != b""
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RewardError(f"{path}:{number}: expected a line of JSON, got {line[:60]!r} ({error})") from error
        if not isinstance(record, dict):
            raise RewardError(f"{path}:{number}: expected a record, got {line[:60]!r}")
        records.append(record)
    kinds = [record.get("record") for record in records]
    if not kinds or kinds[0] != "header" or records[0].get("format") != FORMAT:
        raise RewardError(
            f"{path}:1: expected a ledger's header of format {FORMAT}, got {kinds[0] if kinds else 'nothing'!r}"
        )
    has_footer = kinds[-1] == "footer"
    body = records[1 : len(records) - has_footer]
    for number, record in enumerate(body, start=2):
        if record.get("record") != "step" or record.get("step") != number - 2:
            got = f"{record.get('record')} {record.get('step', '')}".strip()
            raise RewardError(
                f"{path}:{number}: expected step {number - 2}, got {got}; lines are missing or out of order"
            )
    try:
        header = records[0]
        milestones = header["milestones"]
        written = [milestone_from_json(m) for m in milestones]
        return Ledger(
            header=LedgerHeader(
                task=header["task"],
                version=header["version"],
                seed=header["seed"],
                parameters=header["parameters"],
                milestones=None if None in written else tuple(m for m in written if m is not None),
                scheme=scheme_from_json(header.get("scheme")),
            ),
            steps=tuple(_step_from_json(record) for record in body),
            footer=_footer_from_json(records[-1]) if has_footer else None,
            torn=torn,
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise RewardError(
            f"{path}: a record does not fit the ledger's format: {type(error).__name__} {error}"
        ) from error


def rescore(
    path: Path | str, milestones: Sequence[Milestone] | None = None, scheme: RewardScheme | None = None
) -> list[StepReward]:
    """Compute every step's reward again from what was recorded, and hold it against what was paid.

    Args:
        path: the ledger.
        milestones: what to score with; those of the ledger's header if None.
        scheme: how they pay; the header's if None.

    Returns:
        The rewards, one per recorded step, the reset first.

    Raises:
        RewardError: the ledger is broken, or a reward, a milestone or its evidence differs from the record.
    """
    ledger = read_ledger(path)
    chosen = ledger.header.milestones if milestones is None else tuple(milestones)
    if chosen is None:
        raise RewardError(
            f"{path} has a milestone whose detector is code, not data; give rescore the task's milestones"
        )
    scorer = Scorer(chosen, ledger.header.scheme if scheme is None else scheme)
    rewards: list[StepReward] = []
    history: list[Event] = []
    previous: Snapshot | None = None
    for step in ledger.steps:
        history += step.events
        moment = Moment(
            step=step.step,
            events=step.events,
            history=tuple(history),
            snapshot=step.snapshot,
            previous=previous,
            parameters=ledger.header.parameters,
        )
        reward = scorer.update(moment, step.reward.ending)
        _compare(path, step, reward)
        rewards.append(reward)
        previous = step.snapshot
    total = fsum(reward.total for reward in rewards if reward.total is not None)
    if ledger.footer is not None and ledger.footer.total != total:
        raise RewardError(f"{path}: the footer says a total of {ledger.footer.total}, the steps re-score to {total}")
    return rewards


def _compare(path: Path | str, step: LedgerStep, again: StepReward) -> None:
    paid = step.reward
    if paid.total != again.total:
        raise RewardError(
            f"{path}, step {step.step}: recorded reward {paid.total}, re-scored {again.total} "
            f"(recorded milestones {_ids(paid)}, re-scored {_ids(again)})"
        )
    if _ids(paid) != _ids(again):
        raise RewardError(f"{path}, step {step.step}: recorded milestones {_ids(paid)}, re-scored {_ids(again)}")
    if orjson.dumps(paid.milestones, option=orjson.OPT_SORT_KEYS) != orjson.dumps(
        again.milestones, option=orjson.OPT_SORT_KEYS
    ):
        raise RewardError(
            f"{path}, step {step.step}: the evidence recorded for {_ids(paid)} differs from what re-scoring sees "
            f"(reward {paid.total} both times)"
        )
    if _parts(paid) != _parts(again):
        raise RewardError(
            f"{path}, step {step.step}: the reward {paid.total} is recorded as made of other components, shaping or "
            f"ending than re-scoring finds: {_parts(paid).decode()}, re-scored {_parts(again).decode()}"
        )


def _parts(reward: StepReward) -> bytes:
    parts = {"components": reward.components, "goal": reward.goal, "shaping": reward.shaping, "ending": reward.ending}
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


def _ids(reward: StepReward) -> str:
    return ", ".join(result.id for result in reward.milestones) or "none"


def _step_from_json(data: Mapping[str, Any]) -> LedgerStep:
    return LedgerStep(
        step=data["step"],
        action=data["action"],
        error=data["error"],
        events=tuple(event_from_json(event) for event in data["events"]),
        snapshot=snapshot_from_json(data["snapshot"]),
        reward=reward_from_json(data["reward"]),
    )


def _footer_from_json(data: Mapping[str, Any]) -> LedgerFooter:
    return LedgerFooter(
        stop_reason=data["stop_reason"], total=data["total"], success=data["success"], failure=data["failure"]
    )


__all__ = ["Ledger", "LedgerFooter", "LedgerHeader", "LedgerStep", "LedgerWriter", "read_ledger", "rescore"]
