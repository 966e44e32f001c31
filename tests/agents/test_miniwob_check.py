"""The check of MiniWoB++ pages: what counts as sound, what as known, and when more episodes are played."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest

from milepost.agents.miniwob_check import SEEDS_IN_DOUBT, miniwob_rows
from milepost.agents.records import StepRecord, Trajectory
from milepost.agents.task_check import check_task
from milepost.agents.task_check_plan import quick_plan
from milepost.agents.task_check_rows import RowStatus
from milepost.envs.checks.static import check_static
from milepost.envs.registration import task_for
from milepost.sandbox.errors import FailureKind

SOUND, FAULTY, WITHOUT = "miniwob-click-test", "miniwob-click-pie", "miniwob-circle-center"


def episode(seed: int, *, success: bool, failure: FailureKind | None = None) -> Trajectory:
    step = StepRecord(
        prompt_ids=(), response_ids=(), behaviour_logprobs=(), action="click(1)", observation=f"problem {seed}",
        reward=float(success), milestones_before=0, milestones_after=int(success),
    )  # fmt: skip
    return Trajectory(
        task="x", seed=seed, steps=(step,), success=success, terminated=True, truncated=False, stop_reason="success",
        failure=failure, policy_version=0,
    )  # fmt: skip


def playing(lost: Collection[int], asked: list[tuple[int, int]]) -> Callable[[int, int], list[Trajectory]]:
    """Return what plays episodes of which these seeds are lost, and notes what it was asked for."""

    def play(first: int, count: int) -> list[Trajectory]:
        asked.append((first, count))
        return [episode(seed, success=seed not in lost) for seed in range(first, first + count)]

    return play


@pytest.mark.parametrize(
    ("task", "lost", "status", "said", "asked"),
    [
        (SOUND, (), RowStatus.OK, "5 of 5", [(0, 5), (0, 1)]),
        (SOUND, (3,), RowStatus.OK, "19 of 20", [(0, 5), (5, 15), (0, 1)]),
        (SOUND, (3, 11), RowStatus.FAILED, "18 of 20 earn the page's full reward; not seeds 3, 11", [(0, 5), (5, 15)]),
        (FAULTY, (0, 1, 2), RowStatus.ADVICE, "17 of 20 earn the page's full reward; known: ",
         [(0, 5), (5, 15), (0, 1)]),
    ],
)  # fmt: skip
def test_a_page_is_judged_by_its_oracle(task, lost, status, said, asked):
    seen: list[tuple[int, int]] = []
    first, *rest = miniwob_rows(task_for(task), playing(lost, seen), seeds=5, again=1)
    assert first.status is status
    assert first.seen.startswith(said)
    assert seen == asked
    assert [row.status for row in rest] == [RowStatus.OK] * (status is not RowStatus.FAILED)
    assert sum(count for _, count in asked if count > 1) in (5, SEEDS_IN_DOUBT)


def test_a_page_without_an_oracle_is_listed_and_not_played():
    asked: list[tuple[int, int]] = []
    (row,) = miniwob_rows(task_for(WITHOUT), playing((), asked), seeds=5, again=1)
    assert row.status is RowStatus.ADVICE
    assert row.seen.startswith("no oracle; Full reward only for the exact point")
    assert asked == []


def test_reading_says_nothing_of_other_people_s_pages():
    for name in ("miniwob-login-user", "miniwob-click-test"):  # one tells names that milestones ask for
        report = check_static(task_for(name))
        assert report.ok
        assert report.findings == ()


def test_what_the_machine_broke_says_nothing_of_the_page():
    def play(first: int, count: int) -> list[Trajectory]:
        return [episode(seed, success=False, failure=FailureKind.PAGE_HUNG) for seed in range(first, first + count)]

    (row,) = miniwob_rows(task_for(SOUND), play, seeds=20, again=1)
    assert row.status is RowStatus.FAILED
    assert "the machine failed 20 times" in row.seen


@pytest.mark.browser
def test_a_page_is_really_played():
    check = check_task(check_static(task_for(SOUND)), quick_plan, seeds=3)
    assert [(row.name, row.status) for row in check.rows] == [("oracle", "ok"), ("oracle again", "ok")], check
    assert check.ok
