"""Snapshots in a ledger: each is written as what differs from the one before, and rebuilt equal to what was seen.

A part of the snapshot (a field of `Snapshot`) that is the same is left out. Of the rest:

* the rows of `elements` and `files` are lists of values in the order of `COLUMNS`, which the header repeats; between
  them, `{"same": [start, end]}` stands for the rows `start` to `end - 1` of the step before;
* mappings, `app_state` above all, are `{"set": {...}, "drop": [...]}` against the step before, key by key;
* everything else is written whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any

import orjson

from ..sandbox.snapshot import Element, FileInfo, Snapshot, snapshot_from_json, snapshot_to_json

COLUMNS = {
    "elements": tuple(field.name for field in fields(Element)),
    "files": tuple(field.name for field in fields(FileInfo)),
}
"""The parts that are written row by row, and the fields of a row."""

_VALUES_OF = {part: attrgetter(*columns) for part, columns in COLUMNS.items()}
_NOTHING = Snapshot(url="", title="")
_NOTHING_JSON = snapshot_to_json(_NOTHING)
_MAPPINGS = frozenset(field.name for field in fields(Snapshot) if isinstance(getattr(_NOTHING, field.name), Mapping))

Row = tuple[Any, ...]


class SnapshotEncoder:
    """Encodes one episode's snapshots, in order."""

    def __init__(self) -> None:
        self._last = {part: value for part, value in _NOTHING_JSON.items() if part not in _MAPPINGS}
        self._rows: dict[str, list[Row]] = {part: [] for part in COLUMNS}
        self._mappings: dict[str, dict[str, bytes]] = {part: {} for part in _MAPPINGS}

    def encode(self, snapshot: Snapshot) -> dict[str, Any]:
        """Return the parts that differ from the snapshot before, ready for JSON.

        Raises:
            TypeError: a mapping holds something that is not JSON-ready.
        """
        changed: dict[str, Any] = {}
        for part, values_of in _VALUES_OF.items():
            rows = list(map(values_of, getattr(snapshot, part)))
            if rows != self._rows[part]:
                changed[part] = _row_delta(rows, self._rows[part])
                self._rows[part] = rows
        rest = snapshot_to_json(replace(snapshot, elements=(), files=()))
        for part, value in rest.items():
            if part in _MAPPINGS:
                delta = self._mapping_delta(part, value)
                if delta is not None:
                    changed[part] = delta
            elif part not in COLUMNS and value != self._last[part]:
                changed[part] = self._last[part] = value
        return changed

    def _mapping_delta(self, part: str, value: Mapping[str, Any]) -> dict[str, Any] | None:
        """Compare by what is written, as an application may hand out the same mapping again and again, altered."""
        before = self._mappings[part]
        now = {key: orjson.dumps(item) for key, item in value.items()}
        kept = [key for key in before if key in now]
        dropped = [key for key in before if key not in now]
        changed = [key for key, written in now.items() if before.get(key) != written]
        if list(now) != [*kept, *(key for key in now if key not in before)]:
            dropped, changed = list(before), list(now)  # the order of keys counts: JMESPath's `keys(@)` shows it
        self._mappings[part] = now
        if not (dropped or changed):
            return None
        delta: dict[str, Any] = {"set": {key: orjson.Fragment(now[key]) for key in changed}}
        return delta | {"drop": dropped} if dropped else delta


def _row_delta(rows: list[Row], before: list[Row]) -> list[Any]:
    """Return new rows, and runs of those before: first what the two begin and end with, then what is found between."""
    most = min(len(rows), len(before))
    start = next((i for i in range(most) if rows[i] != before[i]), most)
    end = next((i for i in range(most - start) if rows[-1 - i] != before[-1 - i]), most - start)
    places = {row: i for i, row in enumerate(before[start : len(before) - end], start)}
    delta: list[Any] = [{"same": [0, start]}] if start else []
    for row in rows[start : len(rows) - end]:
        at = places.get(row)
        if at is None:
            delta.append(row)
        elif delta and isinstance(delta[-1], dict) and delta[-1]["same"][1] == at:
            delta[-1]["same"][1] += 1
        else:
            delta.append({"same": [at, at + 1]})
    return [*delta, {"same": [len(before) - end, len(before)]}] if end else delta


class SnapshotDecoder:
    """Rebuilds one episode's snapshots, in order. What did not change is shared between them.

    Args:
        columns: the fields of the rows, as the header has them.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self._columns = columns
        self._last = _NOTHING
        self._mappings: dict[str, dict[str, Any]] = {part: {} for part in _MAPPINGS}

    def decode(self, parts: Mapping[str, Any]) -> Snapshot:
        """Return the snapshot.

        Args:
            parts: what `SnapshotEncoder.encode` gave, read from JSON.

        Raises:
            KeyError, TypeError, ValueError: the parts do not fit.
        """
        if not parts:
            return self._last
        new: dict[str, Any] = dict(parts)
        for part in COLUMNS.keys() & new.keys():
            columns = self._columns[part]
            new[part] = [dict(zip(columns, row, strict=True)) for row in new[part] if isinstance(row, list)]
        for part in _MAPPINGS & new.keys():
            dropped = frozenset(new[part].get("drop", ()))
            kept = {key: item for key, item in self._mappings[part].items() if key not in dropped}
            self._mappings[part] = new[part] = {**kept, **new[part]["set"]}
        read = snapshot_from_json({**_NOTHING_JSON, **new})
        values = {part: getattr(read, part) for part in parts}
        for part in COLUMNS.keys() & parts.keys():
            values[part] = _spliced(part, parts[part], getattr(self._last, part), values[part])
        self._last = replace(self._last, **values)
        return self._last


def _spliced(part: str, delta: Sequence[Any], before: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    rows: list[Any] = []
    fresh = iter(new)
    for item in delta:
        if isinstance(item, list):
            rows.append(next(fresh))
            continue
        start, end = item["same"]
        if not 0 <= start < end <= len(before):
            raise ValueError(f"expected rows of the {len(before)} {part} before, got {start} to {end}")
        rows += before[start:end]
    return tuple(rows)


__all__ = ["COLUMNS", "SnapshotDecoder", "SnapshotEncoder"]
