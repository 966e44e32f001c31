"""Rules on how a task's parts hang together: order, success, weights, the oracle and the near misses."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum

from ...rewards.shaping import Shaping
from ...rewards.tracker import dag_order
from ...sandbox.errors import ActionError, TaskError
from ..actions import parse_action
from ..task import Task
from .findings import Findings, Subject

SEEDS = range(8)
"""Instances whose texts are tried."""
FEW_INSTANCES = 100


def prerequisites(task: Task) -> Mapping[str, frozenset[str]]:
    """Return for every milestone all those that must come before it, directly or not."""
    after = {milestone.id: milestone.after for milestone in task.milestones}
    found: dict[str, frozenset[str]] = {}
    for name in dag_order(list(after.items())):
        found[name] = frozenset(after[name]).union(*(found[other] for other in after[name]))
    return found


def unreachable(subject: Subject) -> Findings:
    """A milestone after a forbidden one, or after the end of the episode, cannot be earned as it seems."""
    task = subject.task
    by_id = {milestone.id: milestone for milestone in task.milestones}
    earlier = prerequisites(task)
    for i, milestone in enumerate(task.milestones):
        where = ("milestones", i, "after")
        if not milestone.forbidden:
            for name in sorted(name for name in earlier[milestone.id] if by_id[name].forbidden):
                message = f"{milestone.id!r} comes after the forbidden {name!r}"
                if milestone.id in task.success_ids:
                    yield subject.error(
                        "after-forbidden",
                        f"{message}, and success needs it: no episode can succeed; take {name!r} out of `after`",
                        *where,
                        milestone=milestone.id,
                    )
                else:
                    yield subject.warning(
                        "after-forbidden",
                        f"{message}: only an episode that is no success earns it; take {name!r} out of `after`",
                        *where,
                        milestone=milestone.id,
                    )
        ends = next((name for name in sorted(earlier[milestone.id]) if by_id[name].ends_episode), None)
        if ends is None and task.success_ids <= earlier[milestone.id]:
            ends = min(task.success_ids)
        if ends is not None:
            yield subject.advice(
                "after-end",
                f"{milestone.id!r} comes after {ends!r}, which ends the episode: it pays only if both happen in one "
                "step; if they do not, let another milestone end the episode",
                *where,
                milestone=milestone.id,
            )


def cut_short(subject: Subject) -> Findings:
    """A milestone that ends the episode while success still waits for others throws success away."""
    task = subject.task
    earlier = prerequisites(task)
    for i, milestone in enumerate(task.milestones):
        if not milestone.ends_episode or milestone.forbidden:
            continue
        missing = sorted(
            name
            for name in task.success_ids - {milestone.id} - earlier[milestone.id]
            if milestone.id not in earlier[name]
        )
        if missing:
            yield subject.warning(
                "ends-too-early",
                f"{milestone.id!r} ends the episode even while {', '.join(missing)}, which success needs, is not "
                f"reached; add `after: [{', '.join(missing)}]`, or drop `ends_episode`: success ends it anyway",
                "milestones",
                i,
                "ends_episode",
                milestone=milestone.id,
            )


def weights(subject: Subject) -> Findings:
    """Rewards should rise towards success."""
    task = subject.task
    if task.reward.mode != "milestones" or task.reward.shaping is not Shaping.RAW:
        return  # then success pays, or components do
    earlier = prerequisites(task)
    needed_by_others = {name for milestone in task.milestones for name in milestone.after}
    for i, milestone in enumerate(task.milestones):
        where = ("milestones", i, "reward")
        if milestone.reward < 0 and not milestone.forbidden:
            yield subject.warning(
                "negative-reward",
                f"{milestone.id!r} costs {-milestone.reward:g} but is not forbidden; add `forbidden: true`, so that an "
                "episode that reaches it is no success",
                *where,
                milestone=milestone.id,
            )
        elif milestone.reward == 0 and not milestone.forbidden and milestone.id not in needed_by_others:
            yield subject.advice(
                "no-reward",
                f"{milestone.id!r} pays nothing and nothing comes after it; give it a reward or take it out",
                *where,
                milestone=milestone.id,
            )
    paying = [m for m in task.milestones if m.reward > 0 and not m.forbidden]
    if not paying:
        yield subject.error("nothing-pays", "no milestone pays anything; give those on the way a reward", "milestones")
    with_success = [m for m in paying if m.id in task.success_ids or earlier[m.id] & task.success_ids]
    last, on_the_way = fsum(m.reward for m in with_success), fsum(m.reward for m in paying if m not in with_success)
    if paying and last < on_the_way:
        yield subject.advice(
            "success-pays-less",
            f"success pays {last:g} and the milestones on the way {on_the_way:g} together; let success pay at least as "
            "much, so that nearly solving is never worth more than solving",
            "milestones",
        )


def twice(subject: Subject) -> Findings:
    """One thing should not be paid for twice."""
    milestones = subject.task.milestones
    for i, milestone in enumerate(milestones):
        for other in milestones[:i]:
            if other.spec == milestone.spec and set(other.after) == set(milestone.after):
                yield subject.warning(
                    "same-twice",
                    f"{milestone.id!r} asks for exactly what {other.id!r} asks for, so one event pays twice; take one "
                    "of them out",
                    "milestones",
                    i,
                    milestone=milestone.id,
                )


def answers(subject: Subject) -> Findings:
    """What is reached by `done(...)` ends the episode, and the oracle must say it."""
    task = subject.task
    for i, milestone in enumerate(task.milestones):
        if milestone.spec.kind != "answer" or milestone.forbidden:
            continue
        if not milestone.ends_episode:
            yield subject.advice(
                "answer-ends",
                f"{milestone.id!r} is reached by done(...), which ends the episode; say so: `ends_episode: true`",
                "milestones",
                i,
                milestone=milestone.id,
            )
        if not any(action.lstrip().startswith("done(") for action in task.oracle):
            yield subject.error(
                "answer-not-given",
                f"{milestone.id!r} wants an answer, and the oracle never gives one; end it with done(...)",
                "oracle",
                milestone=milestone.id,
            )


def actions(subject: Subject) -> Findings:
    """The oracle and the near misses must be actions that the task allows, and few enough."""
    task = subject.task
    if len(task.oracle) > task.max_steps:
        yield subject.error(
            "oracle-too-long",
            f"the oracle takes {len(task.oracle)} actions and the episode ends after {task.max_steps}; raise "
            "`max_steps`, with a few to spare",
            "max_steps",
        )
    elif len(task.oracle) == task.max_steps:
        yield subject.advice(
            "no-step-to-spare",
            f"the oracle takes all {task.max_steps} steps; raise `max_steps`, so that one slip loses nothing",
            "max_steps",
        )
    try:
        instances = [task.instantiate(seed) for seed in SEEDS]
    except TaskError as error:
        yield subject.error("parameters", str(error), "parameters")
        return
    scripts: list[tuple[tuple[str | int, ...], str, list[tuple[str, ...]]]] = [
        (("oracle",), "oracle", [instance.oracle for instance in instances])
    ]
    for i, near_miss in enumerate(task.near_miss):
        filled = [instance.near_misses[i].actions for instance in instances]
        scripts.append((("near_miss", i, "actions"), f"near miss {near_miss.name!r}", filled))
    for where, name, per_instance in scripts:
        for position, alternatives in enumerate(zip(*per_instance, strict=True)):
            for action in alternatives:
                try:
                    parse_action(action, allowed=task.verbs)
                except ActionError as error:
                    yield subject.error(
                        "action", f"{name}, action {position + 1}, {action!r}: {error}", *where, position
                    )
                    break


def near_misses(subject: Subject) -> Findings:
    """A task should show what it must not pay for."""
    task = subject.task
    if not task.near_miss:
        yield subject.warning(
            "no-near-miss",
            "nothing shows what almost solves the task and must not be paid; add `near_miss:` with a name, actions and "
            "`not_reached`",
        )
        return
    missed = {name for near_miss in task.near_miss for name in near_miss.not_reached}
    if not task.success_ids & missed:
        yield subject.warning(
            "near-miss-succeeds",
            f"no near miss says that it does not reach {' or '.join(sorted(task.success_ids))}; add one that fails "
            "only at the end",
            "near_miss",
        )
    for i, near_miss in enumerate(task.near_miss):
        if len(near_miss.actions) > task.max_steps:
            yield subject.warning(
                "near-miss-too-long",
                f"near miss {near_miss.name!r} takes {len(near_miss.actions)} actions and the episode ends after "
                f"{task.max_steps}; shorten it",
                "near_miss",
                i,
            )


def instances(subject: Subject) -> Findings:
    """An agent should not be able to learn the instances by heart."""
    count = subject.task.instance_count
    if count < FEW_INSTANCES:
        yield subject.advice(
            "few-instances",
            f"the parameters make {count} instance{'s' * (count != 1)}; with fewer than {FEW_INSTANCES} an agent may "
            "learn them by heart: draw more",
            "parameters",
        )


RULES = (unreachable, cut_short, weights, twice, answers, actions, near_misses, instances)

__all__ = ["FEW_INSTANCES", "RULES", "SEEDS", "prerequisites"]
