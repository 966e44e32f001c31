"""The rows of a task's check: what each way of playing it showed, and what that says of the task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isclose

from ..envs.task import Task
from ..rewards.types import Source
from .records import Trajectory

MOST_NULL_SUCCESS = 0.01
"""Share of episodes in which a null agent may succeed."""
MOST_NULL_REWARD = 0.5
"""Share of the reward that clicking about may earn before it is remarked upon."""
ORACLE = "oracle"


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


def reached_in(task: Task, trajectory: Trajectory, steps: int | None = None) -> frozenset[str]:
    """Return the milestones that an episode of a task reached, in its first so many steps (in all, if None)."""
    taken = trajectory.steps[:steps]
    bits = taken[-1].milestones_after if taken else 0
    return frozenset(m.id for i, m in enumerate(task.milestones) if bits >> i & 1)


def start_row(trajectories: Sequence[Trajectory], held_at_start: Mapping[int, frozenset[str]]) -> Row:
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


def oracle_row(task: Task, trajectories: Sequence[Trajectory]) -> Row:
    """Judge the oracle: it must earn everything, and do nothing that is refused."""
    expected = "every milestone that is not forbidden, success, no action refused"
    if broken := _broken(trajectories):
        return _machine_failed(ORACLE, expected, broken)
    wanted = {m.id for m in task.milestones if not m.forbidden and m.source is Source.RULE}
    for trajectory in trajectories:
        problem = _what_went_wrong(task, trajectory, wanted)
        if problem:
            earned = sum(_earned_all(task, t) for t in trajectories)
            return Row(
                name=ORACLE,
                expected=expected,
                status=RowStatus.FAILED,
                seen=f"{earned} of {len(trajectories)} earn everything; seed {trajectory.seed}: {problem}",
                cure=f"play it by hand: milepost tasks show {task.name} --seed {trajectory.seed}",
            )
    rewards = {f"{task.instantiate(t.seed).rule_reward:.2f}" for t in trajectories}
    steps = sorted({len(t.steps) for t in trajectories})
    seen = f"{len(trajectories)} of {len(trajectories)} earn everything, {' or '.join(sorted(rewards))}, in "
    return Row(name=ORACLE, expected=expected, status=RowStatus.OK, seen=f"{seen}{_range(steps)} steps")


def _earned_all(task: Task, trajectory: Trajectory) -> bool:
    instance = task.instantiate(trajectory.seed)
    done = instance.rule_success <= reached_in(task, trajectory) if instance.judged else trajectory.success
    return done and isclose(trajectory.total_reward, instance.rule_reward, abs_tol=1e-9)


def _what_went_wrong(task: Task, trajectory: Trajectory, wanted: set[str]) -> str:
    """Return why an episode of the oracle is not perfect, or ""."""
    if refused := _first_refusal(trajectory):
        return refused
    reached = reached_in(task, trajectory)
    if missing := wanted - reached:
        return f"it does not reach {_names(missing)} (it ended by {trajectory.stop_reason})"
    if faults := reached - wanted:
        return f"it reaches the forbidden {_names(faults)}"
    if not trajectory.success and not task.instantiate(trajectory.seed).judged:
        return f"no success (it ended by {trajectory.stop_reason})"
    if not _earned_all(task, trajectory):
        return f"it earns {trajectory.total_reward:g} of {task.instantiate(trajectory.seed).rule_reward:g}"
    return ""


def again_row(first: Sequence[Trajectory], second: Sequence[Trajectory]) -> Row:
    """Judge whether the first episodes came out the same when they were played once more."""
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


def near_miss_row(task: Task, index: int, trajectories: Sequence[Trajectory]) -> Row:
    """Judge a near miss: it must not reach what it says that it misses, and not succeed."""
    near_miss = task.near_miss[index]
    name, expected = f"near miss: {near_miss.name}", f"no {_names(near_miss.not_reached)}, no success"
    if broken := _broken(trajectories):
        return _machine_failed(name, expected, broken)
    for trajectory in trajectories:
        wrong = reached_in(task, trajectory) & set(near_miss.not_reached)
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
    reached = sorted(frozenset[str]().union(*(reached_in(task, t) for t in trajectories)))
    seen = f"{len(trajectories)} episodes reach {_names(reached) or 'nothing'}"
    return Row(name=name, expected=expected, status=RowStatus.OK, seen=seen)


def idle_row(task: Task, name: str, trajectories: Sequence[Trajectory], steps: int | None = None) -> Row:
    """Judge an agent that does next to nothing, in its first so many steps (in all, if None): it must reach nothing."""
    expected = "nothing earned"
    if broken := _broken(trajectories):
        return _machine_failed(name, expected, broken)
    for trajectory in trajectories:
        if reached := reached_in(task, trajectory, steps):
            cure = "let the milestone ask for something that takes the right work, or come `after` what does"
            earned = sum(step.reward or 0.0 for step in trajectory.steps[:steps])
            seen = f"seed {trajectory.seed}: it reaches {_names(reached)}, {earned:g}"
            return Row(name=name, expected=expected, status=RowStatus.FAILED, seen=seen, cure=cure)
    return Row(name=name, expected=expected, status=RowStatus.OK, seen=f"{len(trajectories)} episodes, nothing earned")


def busy_row(task: Task, name: str, trajectories: Sequence[Trajectory]) -> Row:
    """Judge an agent that does a lot without sense: it must not succeed."""
    expected = f"success in at most {MOST_NULL_SUCCESS:.0%}, at most {MOST_NULL_REWARD:.0%} of the reward"
    if broken := _broken(trajectories):
        return _machine_failed(name, expected, broken)
    episodes = len(trajectories)
    successes = sum(t.success for t in trajectories)
    share = sum(t.total_reward / (task.instantiate(t.seed).rule_reward or 1.0) for t in trajectories) / episodes
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


def broken_row(name: str, expected: str, trajectories: Sequence[Trajectory]) -> Row | None:
    """Return the row of episodes that the machine broke; None if it broke none."""
    broken = _broken(trajectories)
    return _machine_failed(name, expected, broken) if broken else None


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


__all__ = [
    "MOST_NULL_REWARD",
    "MOST_NULL_SUCCESS",
    "ORACLE",
    "Row",
    "RowStatus",
    "again_row",
    "broken_row",
    "busy_row",
    "idle_row",
    "near_miss_row",
    "oracle_row",
    "reached_in",
    "start_row",
]
