"""Plays a task in the ways that its author should have tried: the oracle, near misses, agents that know nothing.

    for report in check_file("my_tasks/claim-lunch.yaml"):   # envs/checks/static.py: what needs no browser
        check = check_task(report)

The oracle comes first; if it does not earn everything, the rest is left out, since it would say little. How much is
played is a plan's matter (task_check_plan.py), what it means that of task_check_rows.py.

Nearly all the time goes into the browser, step by step. `check_tasks` plays several tasks side by side, on the pages of
one browser, so that it need never wait for one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

from ..envs.checks.findings import Finding, Severity
from ..envs.checks.static import StaticReport
from ..envs.env import MilepostEnv
from ..envs.observation_kinds import DEFAULT_KINDS
from ..envs.task import Task, TaskInstance
from ..sandbox.errors import RewardError, TaskError
from . import task_check_rows as rows
from .null_policies import ClickEverythingPolicy, RestThenSubmitPolicy, ending_at_faults, for_null_agents
from .policies import OraclePolicy, Policy, RandomPolicy, ScriptPolicy
from .records import Trajectory
from .rollout import EnvPool, EpisodeSpec, RolloutEnv, run_episodes
from .task_check_plan import CheckPlan, thorough_plan
from .task_check_rows import ORACLE, Row, RowStatus

TASKS_AT_ONCE = 4
"""Tasks that are played side by side: one waits for its slowest page while the others' go on."""
EPISODES_AT_ONCE = 4
"""Episodes of one task that are played side by side, where several tasks are."""


class PlanFor(Protocol):
    """Says how much of a task is played; `thorough_plan` and `quick_plan` do."""

    def __call__(self, task: Task, /, *, seeds: int | None, null_steps: int | None) -> CheckPlan:
        """Return the plan for a task; None leaves a number to it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCheck:
    """All that was found out about a task.

    Attributes:
        name: the task's.
        findings: what needs no playing, the worst first.
        rows: what playing showed; empty where it was not played.
        seeds: how many instances were played.
        seconds: wall time of playing.
    """

    name: str
    findings: tuple[Finding, ...]
    rows: tuple[Row, ...]
    seeds: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is no error and no row failed; warnings and advice are the author's to weigh."""
        return all(f.severity is not Severity.ERROR for f in self.findings) and all(
            row.status is not RowStatus.FAILED for row in self.rows
        )

    def to_json(self) -> dict[str, Any]:
        """Return the check as JSON-ready plain data."""
        return {"ok": self.ok, **asdict(self)}


def static_check(report: StaticReport) -> TaskCheck:
    """Return what needs no playing as a check."""
    return TaskCheck(name=report.name, findings=report.findings, rows=(), seeds=0, seconds=0.0)


def check_task(
    report: StaticReport,
    plan_for: PlanFor = thorough_plan,
    *,
    seeds: int | None = None,
    null_steps: int | None = None,
    on_row: Callable[[Row], None] | None = None,
    episodes_at_once: int | None = None,
) -> TaskCheck:
    """Play a task whose static check found no error; one that has errors is returned as it is.

    Args:
        report: of the static check.
        plan_for: says how much is played.
        seeds: instances to play, seeds 0 onwards, 1 or more; None: the plan's own number.
        null_steps: actions that clicking about and acting at random get, whatever the task's limit; None: likewise.
        on_row: called with each row as it comes.
        episodes_at_once: most episodes side by side; None: as many as the processors can draw.

    Raises:
        SandboxError: there is no browser.
    """
    began = time.perf_counter()
    found: list[Row] = []
    played = 0
    if report.task is not None and report.ok:
        plan = plan_for(report.task, seeds=seeds, null_steps=null_steps)
        played = plan.seeds
        # Pages beyond what the processors can draw at once cost a start each and save nothing.
        at_once = episodes_at_once or max(2, 2 * (os.cpu_count() or 1))
        for row in _rows(_Stage(task=report.task, at_once=at_once), plan):
            found.append(row)
            if on_row is not None:
                on_row(row)
    solved = any(row.name == ORACLE and row.status is RowStatus.OK for row in found)
    # What comes after the end of an episode may happen in its last step; that the oracle earned it shows that it does.
    findings = tuple(f for f in report.findings if not (solved and f.rule == "after-end"))
    return TaskCheck(
        name=report.name, findings=findings, rows=tuple(found), seeds=played, seconds=time.perf_counter() - began
    )


def check_tasks(
    reports: Sequence[StaticReport],
    plan_for: PlanFor = thorough_plan,
    *,
    seeds: int | None = None,
    null_steps: int | None = None,
    on_row: Callable[[str, Row], None] | None = None,
) -> Iterator[TaskCheck]:
    """Play many tasks, some of them side by side, and yield their checks in order, each as soon as it is there.

    Args:
        reports: of their static checks.
        plan_for: says how much of each is played.
        seeds: as for `check_task`.
        null_steps: likewise.
        on_row: called with a task's name and each of its rows as it comes, from any thread.

    Raises:
        SandboxError: there is no browser.
    """
    at_once = EPISODES_AT_ONCE if len(reports) > 1 else None

    def checked(report: StaticReport) -> TaskCheck:
        tell = None if on_row is None else lambda row: on_row(report.name, row)
        return check_task(report, plan_for, seeds=seeds, null_steps=null_steps, on_row=tell, episodes_at_once=at_once)

    threads = ThreadPoolExecutor(max_workers=TASKS_AT_ONCE, thread_name_prefix="milepost-check")
    try:
        yield from threads.map(checked, reports)
    finally:
        threads.shutdown(cancel_futures=True)


class _Pool(EnvPool):
    """A pool of one variant of a task, that notes, as an episode ends, which milestones held at its start.

    Attributes:
        held: those, by seed.
    """

    def __init__(self, task: Task, observations: Sequence[str] = DEFAULT_KINDS) -> None:
        super().__init__(makers={task.name: lambda: MilepostEnv(task, observations=observations)})
        self.held: dict[int, frozenset[str]] = {}

    def give(self, task: str, env: RolloutEnv) -> None:
        """Note it, and keep the environment for the next episode."""
        assert isinstance(env, MilepostEnv), "it plays tasks only"
        self.held[env.instance.seed] = env.barred
        super().give(task, env)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """A task, and how many of its episodes may be played side by side."""

    task: Task
    at_once: int

    def play(
        self, policy: Policy, seeds: int, *, first: int = 0, task: Task | None = None, pool: _Pool | None = None
    ) -> list[Trajectory]:
        """Play so many seeds from the first on; `task` is a variant of the task, in its place."""
        with pool or _Pool(task or self.task) as envs:
            specs = [EpisodeSpec(task=self.task.name, seed=seed) for seed in range(first, first + seeds)]
            return run_episodes(specs, policy, pool=envs, concurrency=self.at_once)


def _rows(stage: _Stage, plan: CheckPlan) -> Iterator[Row]:
    try:
        if stage.task.oracle:
            yield from _played(stage, plan)
        else:
            yield from _miniwob(stage, plan)
    except (RewardError, TaskError) as error:
        expected = "every detector can be asked at every step"
        yield Row(name="episodes", expected=expected, status=RowStatus.FAILED, seen=str(error), cure="mend that first")


def _miniwob(stage: _Stage, plan: CheckPlan) -> Iterator[Row]:
    """Play a task whose oracle reads the page, in environments that are kept: such a page begins anew as it stands."""
    from .miniwob_check import miniwob_rows

    with _Pool(stage.task, OraclePolicy.observations) as pool:

        def play(first: int, count: int) -> list[Trajectory]:
            specs = [EpisodeSpec(task=stage.task.name, seed=first + k) for k in range(count)]
            return run_episodes(specs, OraclePolicy(), pool=pool, concurrency=stage.at_once)

        yield from miniwob_rows(stage.task, play, seeds=plan.seeds, again=plan.again)


def _played(stage: _Stage, plan: CheckPlan) -> Iterator[Row]:
    task = stage.task
    pool = _Pool(task)
    first = stage.play(OraclePolicy(), plan.seeds, pool=pool)
    yield rows.start_row(first, pool.held)
    row = rows.oracle_row(task, first)
    yield row
    if row.status is RowStatus.FAILED:
        return
    yield rows.again_row(first, stage.play(OraclePolicy(), plan.again))
    for index, near_miss in enumerate(task.near_miss):
        # One idle step more than it has, so that what comes late is seen.
        longer = for_null_agents(task, len(near_miss.actions) + 1)
        policy, count = ScriptPolicy(partial(_nearly, index)), plan.near_miss_seeds
        first_seed = index % (plan.seeds - count + 1)  # where not all are played, not the same one each time
        yield rows.near_miss_row(task, index, stage.play(policy, count, first=first_seed, task=longer))
    resting = for_null_agents(task, plan.rest_steps + plan.press_steps)
    idle = stage.play(RestThenSubmitPolicy(plan.rest_steps), plan.idle_seeds, task=resting)
    yield rows.idle_row(task, "no-op", idle, plan.rest_steps)
    yield rows.idle_row(task, "submit only", idle)
    touring = ending_at_faults(for_null_agents(task, plan.click_steps))
    clicked = stage.play(ClickEverythingPolicy(), plan.click_seeds, task=touring)
    yield rows.busy_row(task, "click everything once", clicked)
    blind = ending_at_faults(for_null_agents(task, plan.random_steps))
    guessed = stage.play(RandomPolicy(), plan.random_seeds, task=blind)
    yield rows.busy_row(task, f"random, {plan.random_steps} steps", guessed)


def _nearly(index: int, instance: TaskInstance) -> Sequence[str]:
    return instance.near_misses[index].actions


__all__ = ["TASKS_AT_ONCE", "PlanFor", "TaskCheck", "check_task", "check_tasks", "static_check"]
