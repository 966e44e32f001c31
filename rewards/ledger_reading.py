"""Reading a ledger: its chain is verified first, then its records are rebuilt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from ..sandbox.errors import LedgerTamperedError, RewardError
from ..sandbox.events import Event, event_from_json
from ..sandbox.snapshot import Snapshot, snapshot_from_json
from .ledger_chain import hash_of, is_sealed, verify
from .ledger_records import FORMAT, Ledger, LedgerFooter, LedgerHeader, LedgerStep
from .ledger_snapshots import SnapshotDecoder
from .records_json import milestone_from_json, reward_from_json, scheme_from_json
from .types import Moment


def read_ledger(path: Path | str) -> Ledger:
    """Read a ledger. A last line that was cut short is passed over and shows as `torn`.

    Raises:
        LedgerTamperedError: the hash chain is broken; the message names the lines that were edited, taken out, put in
            or moved.
        RewardError: the file is missing or not a ledger, or a line of an unsealed one is broken.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RewardError(f"cannot read the ledger {path}: {error.strerror}; check the path") from error
    torn = lines.pop() != b""
    sealed = bool(lines) and is_sealed(lines[0])
    if sealed and (breaches := verify(lines)):
        what = "; ".join(breach.message for breach in breaches)
        raise LedgerTamperedError(f"{path}: {what}. Do not use it, or restore the file")
    records = _records(path, lines)
    kinds = [record.get("record") for record in records]
    version = records[0].get("format") if kinds and kinds[0] == "header" else None
    if version not in (1, FORMAT) or sealed != (version == FORMAT):
        got = "nothing" if not kinds else f"{kinds[0]!r} of format {version!r}, {'' if sealed else 'not '}sealed"
        raise RewardError(f"{path}:1: expected a ledger's header of format {FORMAT}, sealed, or of format 1; got {got}")
    has_footer = kinds[-1] == "footer"
    body = records[1 : len(records) - has_footer]
    for number, record in enumerate(body, start=2):
        if record.get("record") != "step" or record.get("step") != number - 2:
            got = f"{record.get('record')} {record.get('step', '')}".strip()
            raise RewardError(
                f"{path}:{number}: expected step {number - 2}, got {got}; lines are missing or out of order"
            )
    try:
        decoder = SnapshotDecoder(records[0]["columns"]) if sealed else None
        return Ledger(
            header=_header_from_json(records[0]),
            steps=tuple(_step_from_json(record, decoder) for record in body),
            footer=_footer_from_json(records[-1]) if has_footer else None,
            torn=torn,
            format=version,
            head=hash_of(lines[-1]) if sealed else None,
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise RewardError(
            f"{path}: a record does not fit the ledger's format: {type(error).__name__} {error}"
        ) from error


def read_header(path: Path | str) -> LedgerHeader:
    """Read what a ledger's episode was about from its first line alone; its chain is not verified.

    Raises:
        RewardError: the file is missing, or does not begin with a ledger's header.
    """
    try:
        with Path(path).open("rb") as file:
            told = orjson.loads(file.readline())
        return _header_from_json(told)
    except OSError as error:
        raise RewardError(f"cannot read the ledger {path}: {error.strerror}; check the path") from error
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise RewardError(f"{path}:1: expected a ledger's header, got {type(error).__name__} {error}") from error


def moments_of(ledger: Ledger) -> Iterator[Moment]:
    """Yield what the tracker was given in each step, the reset first."""
    history: list[Event] = []
    previous: Snapshot | None = None
    for step in ledger.steps:
        history += step.events
        yield Moment(
            step=step.step,
            events=step.events,
            history=tuple(history),
            snapshot=step.snapshot,
            previous=previous,
            parameters=ledger.header.parameters,
        )
        previous = step.snapshot


def _records(path: Path, lines: Sequence[bytes]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RewardError(f"{path}:{number}: expected a line of JSON, got {line[:60]!r} ({error})") from error
        if not isinstance(record, dict):
            raise RewardError(f"{path}:{number}: expected a record, got {line[:60]!r}")
        records.append(record)
    return records


def _header_from_json(data: Mapping[str, Any]) -> LedgerHeader:
    written = [milestone_from_json(milestone) for milestone in data["milestones"]]
    return LedgerHeader(
        task=data["task"],
        version=data["version"],
        seed=data["seed"],
        parameters=data["parameters"],
        milestones=None if None in written else tuple(m for m in written if m is not None),
        scheme=scheme_from_json(data.get("scheme")),
    )


def _step_from_json(data: Mapping[str, Any], decoder: SnapshotDecoder | None) -> LedgerStep:
    snapshot = data["snapshot"]
    return LedgerStep(
        step=data["step"],
        action=data["action"],
        error=data["error"],
        events=tuple(event_from_json(event) for event in data["events"]),
        snapshot=snapshot_from_json(snapshot) if decoder is None else decoder.decode(snapshot),
        reward=reward_from_json(data["reward"]),
    )


def _footer_from_json(data: Mapping[str, Any]) -> LedgerFooter:
    return LedgerFooter(
        stop_reason=data["stop_reason"], total=data["total"], success=data["success"], failure=data["failure"]
    )


__all__ = ["moments_of", "read_header", "read_ledger"]
