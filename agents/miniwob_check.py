"""The check of MiniWoB++ pages: whether their oracles solve them, and whether an episode can be played again.

These tasks have no script of their own; what solves a page is read off it (`miniwob_oracles`). A page without such an
oracle, and one that is known to be faulty, are remarked upon and no failure. No near misses are played, and no agents
without sense: the pages are other people's, and many can be solved by a lucky click.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..envs.miniwob.pages import miniwob_page
from ..envs.task import Task
from .miniwob_oracles import has_oracle
from .records import Trajectory
from .task_check_rows import ORACLE, Row, RowStatus, again_row, broken_row

LEAST_STRICT = 0.95
"""Share of episodes in which an oracle must earn the page's full reward."""
SEEDS_IN_DOUBT = 20
"""Episodes that are played of a page whose first ones did not all succeed."""

Play = Callable[[int, int], list[Trajectory]]
"""Plays the oracle: the first seed, and how many."""


def miniwob_rows(task: Task, play: Play, *, seeds: int, again: int) -> Iterator[Row]:
    """Yield the rows of one page's check.

    Args:
        task: of the page.
        play: plays its oracle.
        seeds: episodes, 1 or more; up to `SEEDS_IN_DOUBT` where one of them fails.
        again: how many of them are played a second time.
    """
    expected = f"the page's full reward in at least {LEAST_STRICT:.0%}"
    if not has_oracle(task.name):
        seen = f"no oracle; {_known(task)}" if _known(task) else "no oracle"
        yield Row(name=ORACLE, expected=expected, status=RowStatus.ADVICE, seen=seen, cure="see docs/miniwob.md")
        return
    played = play(0, seeds)
    if not all(t.success for t in played) and seeds < SEEDS_IN_DOUBT:
        played += play(seeds, SEEDS_IN_DOUBT - seeds)
    row = broken_row(ORACLE, expected, played) or strict_row(task, played)
    yield row
    if row.status is not RowStatus.FAILED:
        yield again_row(played, play(0, again))


def strict_row(task: Task, played: Sequence[Trajectory]) -> Row:
    """Judge how often the oracle earned the page's full reward."""
    expected = f"the page's full reward in at least {LEAST_STRICT:.0%}"
    solved = sum(t.success for t in played)
    seen = f"{solved} of {len(played)} earn the page's full reward"
    if solved >= LEAST_STRICT * len(played):
        return Row(name=ORACLE, expected=expected, status=RowStatus.OK, seen=seen)
    if known := miniwob_page(task.name).fault:
        return Row(name=ORACLE, expected=expected, status=RowStatus.ADVICE, seen=f"{seen}; known: {known}")
    failed = ", ".join(str(t.seed) for t in played if not t.success)
    cure = f"play it by hand: milepost play {task.name} --seed {failed.partition(',')[0]}"
    return Row(name=ORACLE, expected=expected, status=RowStatus.FAILED, seen=f"{seen}; not seeds {failed}", cure=cure)


def _known(task: Task) -> str:
    page = miniwob_page(task.name)
    return " ".join(filter(None, (page.fault, page.note)))


__all__ = ["LEAST_STRICT", "SEEDS_IN_DOUBT", "miniwob_rows", "strict_row"]
