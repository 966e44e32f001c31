"""Play every MiniWoB++ oracle over held-out seeds and write the table of docs/miniwob.md.

    python scripts/miniwob_oracles.py                                # all pages; half an hour on two busy cores
    python scripts/miniwob_oracles.py login-user click-tab           # some; the others' rows stay as they are
    python scripts/miniwob_oracles.py --seeds 5 login-user           # fewer seeds than the table's: printed only

Episodes run side by side in one process; a page is loaded for its first episode and begun anew for the others.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from milepost.agents.miniwob_oracles import MiniwobOracle, has_oracle
from milepost.agents.records import Trajectory
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.envs.miniwob.pages import PREFIX, Page, miniwob_pages
from milepost.envs.miniwob.scores import COMPATIBLE
from milepost.envs.registration import env_id_of, task_for

DOC = Path(__file__).parent.parent / "docs" / "miniwob.md"
BEGIN, END = "<!-- the table begins -->", "<!-- the table ends -->"
FIRST_SEED = 1_000_000
SEEDS = 20
BAR = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of a page's episodes; rates are shares of them."""

    page: Page
    strict: float
    compatible: float
    steps: float


def play(names: Sequence[str], seeds: int, concurrency: int) -> list[Row]:
    """Play the oracles of these pages and return a row for each."""
    rows = []
    with EnvPool(observations=MiniwobOracle.observations) as pool:
        for start in range(0, len(names), concurrency):
            chunk = names[start : start + concurrency]
            ids = {env_id_of(PREFIX + name, 0): name for name in chunk}
            specs = [EpisodeSpec(task=task, seed=FIRST_SEED + k) for k in range(seeds) for task in ids]
            played = run_episodes(specs, MiniwobOracle(), pool=pool, concurrency=len(ids))
            for task, name in ids.items():
                rows.append(_row(miniwob_pages()[name], [t for t in played if t.task == task]))
                print(_text(rows[-1]), flush=True)
            pool.close()
    return rows


def _row(page: Page, played: Sequence[Trajectory]) -> Row:
    position = [m.id for m in task_for(PREFIX + page.name).milestones].index(COMPATIBLE)
    compatible = [bool(t.steps[-1].milestones_after >> position & 1) for t in played]
    return Row(
        page=page,
        strict=statistics.mean(t.success for t in played),
        compatible=statistics.mean(compatible),
        steps=statistics.mean(len(t.steps) for t in played),
    )


def _text(row: Row) -> str:
    return f"{row.page.name:32} strict {row.strict:.2f}  compatible {row.compatible:.2f}  steps {row.steps:.1f}"


def table(rows: Sequence[Row], seeds: int) -> str:
    """Return the table, and what it sums up to, in Markdown."""
    good = sum(row.strict >= BAR for row in rows)
    played = {row.page.name: row for row in rows}
    lines = [
        f"{len(rows)} of {len(miniwob_pages())} pages have an oracle; {good} of these reach a strict rate of {BAR:g} "
        f"or more. {seeds} seeds each, from {FIRST_SEED}; an oracle sees what any agent sees.",
        "",
        "| page | strict | compatible | steps | to know |",
        "|---|---|---|---|---|",
    ]
    for name, page in miniwob_pages().items():
        row = played.get(name)
        numbers = "| |" if row is None else f"{row.strict:.2f} | {row.compatible:.2f} | {row.steps:.1f}"
        lines.append(f"| {name} | {numbers} | {' '.join(filter(None, (page.fault, page.note)))} |")
    return "\n".join(lines)


def main() -> None:
    """Play, print, and write the table if all pages were played."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="all that have an oracle, if none is named")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--concurrency", type=int, default=16)
    given = parser.parse_args()
    names = given.pages or [name for name in miniwob_pages() if has_oracle(name)]
    began = time.perf_counter()
    rows = play(names, given.seeds, given.concurrency)
    good = sum(row.strict >= BAR for row in rows)
    print(f"{good} of {len(rows)} pages at {BAR:g} or more, in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    if given.seeds == SEEDS:
        before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
        old, _, after = rest.partition(END)
        played = {row.page.name for row in rows}
        kept = [row for row in _rows_of(old) if row.page.name not in played] if given.pages else []
        text = table(sorted([*rows, *kept], key=lambda row: row.page.name), SEEDS)
        DOC.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _rows_of(text: str) -> list[Row]:
    """Return the rows of a table as it was written."""
    found = re.findall(r"^\| (\S+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", text, re.MULTILINE)
    return [
        Row(page=miniwob_pages()[name], strict=float(strict), compatible=float(compatible), steps=float(steps))
        for name, strict, compatible, steps in found
    ]


if __name__ == "__main__":
    main()
