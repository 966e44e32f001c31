"""Plays a task in the ways that its author should have tried: the oracle, near misses, agents that know nothing.

    for report in check_file("my_tasks/claim-lunch.yaml"):   # envs/checks/static.py: what needs no browser
        check = check_task(report)

The oracle comes first; if it does not earn everything, the rest is left out, since it would say little.

Nearly all the time goes into the browser, step by step. So what differs from seed to seed is played with every seed
(oracle, near misses, chance), and what hardly does with a few: whether an episode can be played again, and whether
waiting, pressing the first button and clicking everything are paid.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isclose
from typing import Any

from ..envs.checks.findings import Finding, Severity
from ..envs.checks.static import StaticReport
from ..envs.env import MilepostEnv
from ..envs.registration import isolated_registry, register_task
from ..envs.task import Task, TaskInstance
from ..rewards.types import Source
from ..sandbox.errors import RewardError, TaskError
from .null_policies import ClickEverythingPolicy, SubmitOnlyPolicy, for_null_agents
from .policies import NoopPolicy, OraclePolicy, Policy, RandomPolicy, ScriptPolicy
from .records import Trajectory
from .rollout import EnvPool, EpisodeSpec, RolloutEnv, run_episodes

QUICK_NULL_STEPS = 50
"""Steps of the agents that act without sense, unless told otherwise: enough to find most leaks while one waits. The
suite gives them `NULL_STEPS`, and more episodes."""
RANDOM_LENGTHS = 4
"""Steps of acting at random, as a multiple of the task's own, unless told otherwise; at most `QUICK_NULL_STEPS`."""
FEW_SEEDS = 3
"""Instances for the ways of playing that depend on what a seed draws hardly or not at all."""
MOST_NULL_SUCCESS = 0.01
"""Share of episodes in which a null agent may succeed."""
MOST_NULL_REWARD = 0.5
"""Share of the reward that clicking about may earn before it is remarked upon."""


class RowStatus(StrEnum):
    """How one way of playing the task came out."""

    OK = "ok"
    ADVICE = "advice"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way of playing the task.

    Attributes:
        name: what played, or what was looked at.
        expected: what a sound task shows.
        status: whether it did.
        seen: what came.
        cure: what to do about it; "" if nothing.
    """

    name: str
    expected: str
    status: RowStatus
    seen: str
    cure: str = ""


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


def check_task(
    report: StaticReport,
    *,
    seeds: int = 8,
    null_steps: int | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> TaskCheck:
    """Play a task whose static check found no error; one that has errors is returned as it is.

    Args:
        report: of the static check.
        seeds: instances to play, seeds 0 onwards; 1 or more.
        null_steps: actions that clicking about and acting at random get, whatever the task's own limit; None:
            `QUICK_NULL_STEPS`, and for acting at random no more than `RANDOM_LENGTHS` times the task's limit.
        on_row: called with each row as it comes.

    Raises:
        SandboxError: there is no browser.
    """
    began = time.perf_counter()
    rows: list[Row] = []
    if report.task is not None and report.ok:
        with isolated_registry():
            for row in _rows(_Stage(task=report.task, seeds=range(seeds)), null_steps):
                rows.append(row)
                if on_row is not None:
                    on_row(row)
    solved = any(row.name == ORACLE and row.status is RowStatus.OK for row in rows)
    # What comes after the end of an episode may happen in its last step; that the oracle earned it shows that it does.
    findings = tuple(f for f in report.findings if not (solved and f.rule == "after-end"))
    return TaskCheck(
        name=report.name, findings=findings, rows=tuple(rows), seeds=seeds, seconds=time.perf_counter() - began
    )


ORACLE = "oracle"


class _Pool(EnvPool):
    """A pool that notes, as an episode ends, which milestones held at its start.

    Attributes:
        held: those, by seed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, frozenset[str]] = {}

    def give(self, task: str, env: RolloutEnv) -> None:
        """Note it, and keep the environment for the next episode."""
        assert isinstance(env, MilepostEnv), "it plays tasks only"
        self.held[env.instance.seed] = env.barred
        super().give(task, env)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """A task and the seeds that it is played with."""

    task: Task
    seeds: Sequence[int]

    def play(
        self, policy: Policy, task: Task | None = None, *, seeds: int | None = None, pool: EnvPool | None = None
    ) -> list[Trajectory]:
        """Play the first so many seeds (all of them, if None); `task` is a variant of the task, in its place."""
        env_id = register_task(self.task if task is None else task)
        specs = [EpisodeSpec(task=env_id, seed=seed) for seed in self.seeds[:seeds]]
        # Pages beyond what the processors can draw at once cost a start each and save nothing.
        at_once = max(2, 2 * (os.cpu_count() or 1))
        with EnvPool() if pool is None else pool as envs:  # a pool of its own: variants share the id
            return run_episodes(specs, policy, pool=envs, concurrency=at_once)

    def instance(self, trajectory: Trajectory) -> TaskInstance:
        return self.task.instantiate(trajectory.seed)

    def reached(self, trajectory: Trajectory) -> frozenset[str]:
        bits = trajectory.steps[-1].milestones_after if trajectory.steps else 0
        return frozenset(m.id for i, m in enumerate(self.task.milestones) if bits >> i & 1)


def _rows(stage: _Stage, null_steps: int | None) -> Iterator[Row]:
    try:
        yield from _played(stage, null_steps)
    except (RewardError, TaskError) as error:
        expected = "every detector can be asked at every step"
        yield Row(name="episodes", expected=expected, status=RowStatus.FAILED, seen=str(error), cure="mend that first")


def _played(stage: _Stage, null_steps: int | None) -> Iterator[Row]:
    pool = _Pool()
    first = stage.play(OraclePolicy(), pool=pool)
    yield _start(first, pool.held)
    row = _oracle(stage, first)
    yield row
    if row.status is RowStatus.FAILED:
        return
    yield _same_again(first, stage.play(OraclePolicy(), seeds=FEW_SEEDS))
    for i in range(len(stage.task.near_miss)):
        yield _near_miss(stage, i)
    short = for_null_agents(stage.task, stage.task.max_steps)
    yield _idle(stage, "no-op", stage.play(NoopPolicy(), short, seeds=FEW_SEEDS))
    yield _idle(stage, "submit only", stage.play(SubmitOnlyPolicy(), short, seeds=FEW_SEEDS))
    long = for_null_agents(stage.task, null_steps or QUICK_NULL_STEPS)
    yield _busy(stage, "click everything once", stage.play(ClickEverythingPolicy(), long, seeds=FEW_SEEDS))
    steps = null_steps or min(RANDOM_LENGTHS * stage.task.max_steps, QUICK_NULL_STEPS)
    yield _busy(stage, f"random, {steps} steps", stage.play(RandomPolicy(), for_null_agents(stage.task, steps)))


def _start(trajectories: Sequence[Trajectory], held_at_start: Mapping[int, frozenset[str]]) -> Row:
    """Say which milestones held before anything was done, in any of the episodes."""
    name, expected = "start", "nothing is reached yet"
    if broken := _broken(trajectories):
        return _machine_failed(name, expected, broken)
    held = Counter(milestone for ids in held_at_start.values() for milestone in sorted(ids))
    starts = len(held_at_start)
    if not held:
        return Row(name=name, expected=expected, status=RowStatus.OK, seen=f"{starts} starts, nothing holds")
    seen = ", ".join(f"{milestone} holds at {n} of {starts} starts" for milestone, n in held.items())
    cure = "where it holds it can pay nothing; ask for what only the agent's work brings about"
    return Row(name=name, expected=expected, status=RowStatus.FAILED, seen=seen, cure=cure)


def _oracle(stage: _Stage, trajectories: Sequence[Trajectory]) -> Row:
    expected = "every milestone that is not forbidden, success, no action refused"
    if broken := _broken(trajectories):
        return _machine_failed(ORACLE, expected, broken)
    wanted = {m.id for m in stage.task.milestones if not m.forbidden and m.source is Source.RULE}
    for trajectory in trajectories:
        problem = _what_went_wrong(stage, trajectory, wanted)
        if problem:
            earned = sum(_earned_all(stage, t) for t in trajectories)
            return Row(
                name=ORACLE,
                expected=expected,
                status=RowStatus.FAILED,
                seen=f"{earned} of {len(trajectories)} earn everything; seed {trajectory.seed}: {problem}",
                cure=f"play it by hand: milepost tasks show {stage.task.name} --seed {trajectory.seed}",
            )
    rewards = {f"{stage.instance(t).rule_reward:.2f}" for t in trajectories}
    steps = sorted({len(t.steps) for t in trajectories})
    seen = f"{len(trajectories)} of {len(trajectories)} earn everything, {' or '.join(sorted(rewards))}, in "
    return Row(name=ORACLE, expected=expected, status=RowStatus.OK, seen=f"{seen}{_range(steps)} steps")


def _earned_all(stage: _Stage, trajectory: Trajectory) -> bool:
    instance = stage.instance(trajectory)
    done = instance.rule_success <= stage.reached(trajectory) if instance.judged else trajectory.success
    return done and isclose(trajectory.total_reward, instance.rule_reward, abs_tol=1e-9)


def _what_went_wrong(stage: _Stage, trajectory: Trajectory, wanted: set[str]) -> str:
    """Return why an episode of the oracle is not perfect, or ""."""
    if refused := _first_refusal(trajectory):
        return refused
    reached = stage.reached(trajectory)
    if missing := wanted - reached:
        return f"it does not reach {_names(missing)} (it ended by {trajectory.stop_reason})"
    if faults := reached - wanted:
        return f"it reaches the forbidden {_names(faults)}"
    if not trajectory.success and not stage.instance(trajectory).judged:
        return f"no success (it ended by {trajectory.stop_reason})"
    if not _earned_all(stage, trajectory):
        return f"it earns {trajectory.total_reward:g} of {stage.instance(trajectory).rule_reward:g}"
    return ""


def _same_again(first: Sequence[Trajectory], second: Sequence[Trajectory]) -> Row:
    name, expected = "oracle again", "the same observations, rewards and end"
    if broken := _broken(second):
        return _machine_failed(name, expected, broken)
    for one, other in zip(first[: len(second)], second, strict=True):
        if (one.steps, one.stop_reason) == (other.steps, other.stop_reason):
            continue
        at = next((i for i, (a, b) in enumerate(zip(one.steps, other.steps, strict=False)) if a != b), None)
        where = "at the end" if at is None else f"at step {at + 1}"
        return Row(
            name=name,
            expected=expected,
            status=RowStatus.FAILED,
            seen=f"seed {one.seed}: two episodes with the same actions differ {where}",
            cure="let the application draw only from the generator it is given, and take no time or id from outside",
        )
    return Row(name=name, expected=expected, status=RowStatus.OK, seen=f"{len(second)} of {len(second)} are the same")


def _near_miss(stage: _Stage, index: int) -> Row:
    near_miss = stage.task.near_miss[index]
    name, expected = f"near miss: {near_miss.name}", f"no {_names(near_miss.not_reached)}, no success"
    # One idle step more than it has, so that what comes late is seen.
    task = for_null_agents(stage.task, len(near_miss.actions) + 1)
    trajectories = stage.play(ScriptPolicy(lambda instance: instance.near_misses[index].actions), task)
    if broken := _broken(trajectories):
        return _machine_failed(name, expected, broken)
    for trajectory in trajectories:
        wrong = stage.reached(trajectory) & set(near_miss.not_reached)
        if wrong or trajectory.success:
            seen = (
                f"seed {trajectory.seed}: it reaches {_names(wrong)}" if wrong else f"seed {trajectory.seed}: success"
            )
            cure = "let the detector ask for more, such as the server's state, or mend the near miss"
            return Row(name=name, expected=expected, status=RowStatus.FAILED, seen=seen, cure=cure)
    refused = next((f"seed {t.seed}: {r}" for t in trajectories if (r := _first_refusal(t))), "")
    if refused:
        cure = "it misses because an action cannot be done; let it be a way that an agent could go"
        return Row(name=name, expected=expected, status=RowStatus.ADVICE, seen=refused, cure=cure)
    reached = sorted(frozenset[str]().union(*(stage.reached(t) for t in trajectories)))
    seen = f"{len(trajectories)} episodes reach {_names(reached) or 'nothing'}"
    return Row(name=name, expected=expected, status=RowStatus.OK, seen=seen)


def _idle(stage: _Stage, name: str, trajectories: Sequence[Trajectory]) -> Row:
    """Judge an agent that does next to nothing: it must reach nothing."""
    expected = "nothing earned"
    if broken := _broken(trajectories):
        return _machine_failed(name, expected, broken)
    for trajectory in trajectories:
        if reached := stage.reached(trajectory):
            cure = "let the milestone ask for something that takes the right work, or come `after` what does"
            seen = f"seed {trajectory.seed}: it reaches {_names(reached)}, {trajectory.total_reward:g}"
            return Row(name=name, expected=expected, status=RowStatus.FAILED, seen=seen, cure=cure)
    return Row(name=name, expected=expected, status=RowStatus.OK, seen=f"{len(trajectories)} episodes, nothing earned")


def _busy(stage: _Stage, name: str, trajectories: Sequence[Trajectory]) -> Row:
    """Judge an agent that does a lot without sense: it must not succeed."""
    expected = f"success in at most {MOST_NULL_SUCCESS:.0%}, at most {MOST_NULL_REWARD:.0%} of the reward"
    if broken := _broken(trajectories):
        return _machine_failed(name, expected, broken)
    episodes = len(trajectories)
    successes = sum(t.success for t in trajectories)
    share = sum(t.total_reward / (stage.instance(t).rule_reward or 1.0) for t in trajectories) / episodes
    seen = f"{successes} of {episodes} succeed, {share:.0%} of the reward"
    status, cure = RowStatus.OK, ""
    if successes > MOST_NULL_SUCCESS * episodes:
        status = RowStatus.FAILED
        cure = "forbid the wrong choices (`forbidden: true`, `ends_episode: true`), or let success need a right entry"
    elif share > MOST_NULL_REWARD:
        status, cure = RowStatus.ADVICE, "let the milestones on the way pay less, or come `after` one another"
    return Row(name=name, expected=expected, status=status, seen=seen, cure=cure)


def _first_refusal(trajectory: Trajectory) -> str:
    """Return the first action of an episode that could not be done, with the reason, or ""."""
    return next(
        (f"action {i + 1}, {s.action!r}, was refused: {s.error}" for i, s in enumerate(trajectory.steps) if s.error), ""
    )


def _broken(trajectories: Sequence[Trajectory]) -> list[str]:
    return [f"seed {t.seed}: {t.failure}" for t in trajectories if t.failure is not None]


def _machine_failed(name: str, expected: str, broken: Sequence[str]) -> Row:
    return Row(
        name=name,
        expected=expected,
        status=RowStatus.FAILED,
        seen=f"the machine failed {len(broken)} times, {broken[0]}",
        cure="see `milepost doctor --deep`; an application that raises fails this way too",
    )


def _names(ids: Sequence[str] | frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(ids))


def _range(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"


__all__ = ["MOST_NULL_REWARD", "MOST_NULL_SUCCESS", "QUICK_NULL_STEPS", "Row", "RowStatus", "TaskCheck", "check_task"]
