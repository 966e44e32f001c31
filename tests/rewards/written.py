"""A small episode with hostile texts in it, its ledger, and ways of tampering with one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.ledger import LedgerWriter
from milepost.rewards.ledger_chain import START, seal
from milepost.rewards.tracker import Tracker
from milepost.rewards.types import Milestone, Moment
from milepost.sandbox.snapshot import snapshot_to_json

from .scenes import answered, click, downloaded, el, file, loaded, moments, page, typed, went

WHO = "O'Neill {x} `\\"
PARAMETERS = {"who": WHO, "total": "12.50", "tags": ("a", "b")}
SPECS = [
    {"kind": "field_filled", "name": "Name", "value": "{who}"},
    {"kind": "server_state", "query": "expenses[?name == {who}] | [0].amount", "equals": "{total}"},
    {"kind": "url_loaded", "path": "/done/*", "query": {"t": "{total}"}},
    {"kind": "file_matches", "path": "*.csv", "sha256_from": "hashes[{who}] || hashes.all"},
    {"kind": "element_present", "name_pattern": "Hello {who}", "states": ["checked"]},
    {"kind": "answer", "number": "{total}"},
]


def milestones() -> list[Milestone]:
    return [
        Milestone(
            id=f"m{i}",
            description="",
            detector=DETECTOR_ADAPTER.validate_python(spec).build(PARAMETERS),
            reward=0.1 * (i + 1),
            after=("m0",) if i else (),
        )
        for i, spec in enumerate(SPECS)
        if "hashes[" not in str(spec)
    ]


def episode():
    empty: dict[str, Any] = {"expenses": []}
    full = {"expenses": [{"name": WHO, "amount": 12.5}]}
    return moments(
        ([went("/"), loaded("/")], page("/", el(1, "textbox", "Name", value=""), state=empty)),
        ([typed("textbox", "Name", WHO)], page("/", el(1, "textbox", "Name", value=WHO), state=empty)),
        (
            [click("button", "Go"), went("/done/1?t=12.50"), loaded("/done/1?t=12.50"), downloaded("a.csv")],
            page(
                "/done/1?t=12.50",
                el(2, "checkbox", f"Hello {WHO}", states=["checked"]),
                files=[file("a.csv")],
                state=full,
            ),
        ),
        ([answered("12.5")], page("/done/1", state=full)),
        parameters=PARAMETERS,
    )


def write(path, *, footer: bool = True) -> list[float]:
    tracker = Tracker(milestones())
    ledger = LedgerWriter(
        path, task="expense-form", version=0, seed=7, parameters=PARAMETERS, milestones=tracker.milestones
    )
    totals = []
    for moment in episode():
        reward = tracker.update(moment)
        assert reward.total is not None
        totals.append(reward.total)
        ledger.write_step(moment, reward, action=f"step {moment.step}")
    if footer:
        ledger.finish(stop_reason="done", success=True)
    ledger.close()
    return totals


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def edit(path: Path, line: int, change: Callable[[dict[str, Any]], None]) -> None:
    """Change one line's record (from 0) and leave its seal as it was."""
    lines = lines_of(path)
    record = orjson.loads(lines[line])
    change(record)
    lines[line] = orjson.dumps(record) + b"\n"
    path.write_bytes(b"".join(lines))


def unsealed(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in ("prev", "hash")}


def remake(path: Path) -> None:
    """Seal every line anew, as one who can write the file can."""
    previous, lines = START, []
    for line in lines_of(path):
        sealed, previous = seal(orjson.dumps(unsealed(orjson.loads(line))), previous)
        lines.append(sealed)
    path.write_bytes(b"".join(lines))


def as_format_1(path: Path, moments_written: list[Moment]) -> None:
    """Rewrite a ledger as format 1 wrote it: no seals, snapshots whole, evidence that does not say where."""
    records = [unsealed(orjson.loads(line)) for line in lines_of(path)]
    records[0]["format"] = 1
    del records[0]["columns"]
    for record in records:
        if record["record"] == "step":
            record["snapshot"] = snapshot_to_json(moments_written[record["step"]].snapshot)
            for result in record["reward"]["milestones"]:
                del result["evidence"]["where"]
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
