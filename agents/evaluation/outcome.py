"""One episode of an evaluation as a line of `episodes.jsonl`, and the success rate that every reader uses.

An episode's success is True, False, or None: nobody can tell. `success_rate` is the one place where outcomes become a
rate: `milepost eval`, its reports, `milepost rescore` and a viewer call it, so their figures are the same float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ...envs.registration import task_for
from ...envs.task import TaskInstance
from ...sandbox.errors import RunError
from ..records import Trajectory

Key = tuple[str, int, int]
"""Task id, seed, sample: what makes an episode of an evaluation unique."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeResult:
    """What came of one episode.

    Attributes:
        task: the environment's id.
        family: the task's family.
        seed: the episode's seed.
        sample: which of the samples of this task and seed, from 0.
        success: whether every success milestone was reached; None: nobody can tell, since one of meaning is open.
        rule_success: the same as far as rules can tell; None where success is a matter of meaning alone.
        reward: total reward; None where a step of it is unknown.
        max_reward: the most that the episode could earn.
        steps: actions taken.
        oracle_steps: actions of the task's own oracle at this seed; None if it has none.
        milestones: ids of the milestones reached, in the task's order.
        unjudged: ids of milestones of meaning that nobody judged.
        prompt_tokens: tokens of all prompts of the episode; None where the policy has none or does not say.
        completion_tokens: tokens that the policy answered; likewise.
        duration_s: seconds from the start of the reset to the end, other episodes running beside it.
        stop_reason: why it ended.
        failure: what the machine did wrong, a `FailureKind`; None in every episode that counts.
        failure_message: what is known of it.
        ledger_path: the ledger, seen from the evaluation's folder; None if there is none.
        ledger_hash: the hash of its last line.
    """

    task: str
    family: str
    seed: int
    sample: int
    success: bool | None
    rule_success: bool | None
    reward: float | None
    max_reward: float
    steps: int
    oracle_steps: int | None
    milestones: tuple[str, ...]
    unjudged: tuple[str, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    duration_s: float | None = None
    stop_reason: str
    failure: str | None = None
    failure_message: str = ""
    ledger_path: str | None = None
    ledger_hash: str | None = None

    @property
    def key(self) -> Key:
        """What makes it unique."""
        return self.task, self.seed, self.sample

    @property
    def reward_fraction(self) -> float | None:
        """The reward as a share of the most there was to earn; 0 where there was nothing; None where it is unknown."""
        if self.reward is None:
            return None
        return self.reward / self.max_reward if self.max_reward else 0.0

    @property
    def efficiency(self) -> float | None:
        """Oracle's steps over its own, in an episode that succeeded; 1 is as direct as the oracle."""
        return self.oracle_steps / self.steps if self.success and self.oracle_steps and self.steps else None

    def to_json(self) -> dict[str, Any]:
        """Return the line as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> EpisodeResult:
        """Read a line; keys that this version does not know are passed over.

        Raises:
            RunError: a key is missing.
        """
        known = {f.name: line[f.name] for f in fields(cls) if f.name in line}
        try:
            return cls(
                **{**known, "milestones": tuple(known["milestones"]), "unjudged": tuple(known.get("unjudged", ()))}
            )
        except (KeyError, TypeError) as error:
            raise RunError(
                f"expected an episode of an evaluation, got a line without what one has ({error}): {str(line)[:80]}"
            ) from error


def result_of(trajectory: Trajectory, **more: Any) -> EpisodeResult:
    """Return what came of an episode, its rewards settled (see `settlement`).

    Args:
        trajectory: the episode.
        more: fields that a trajectory does not have: sample, tokens, duration, failure_message, ledger_path.
    """
    task = task_for(trajectory.task)
    instance = task.instantiate(trajectory.seed)
    reached = reached_in(trajectory, instance)
    known = trajectory.failure is None and all(step.reward is not None for step in trajectory.steps)
    given: dict[str, Any] = {"sample": 0, "ledger_path": trajectory.ledger_path, **more}
    return EpisodeResult(
        task=trajectory.task,
        family=task.family,
        seed=trajectory.seed,
        success=None if _is_undecided(trajectory, reached, instance) else trajectory.success,
        rule_success=_rule_success(trajectory, reached, instance),
        reward=trajectory.total_reward if known else None,
        max_reward=instance.max_reward,
        steps=len(trajectory.steps),
        oracle_steps=len(instance.oracle) or None,
        milestones=tuple(m.id for m in instance.milestones if m.id in reached),
        unjudged=trajectory.unjudged,
        stop_reason=trajectory.stop_reason,
        failure=None if trajectory.failure is None else str(trajectory.failure),
        ledger_hash=trajectory.ledger_hash,
        **given,
    )


def success_rate(outcomes: Iterable[bool | None]) -> float | None:
    """Return successes over decided episodes; None when none was decided.

    Args:
        outcomes: one for each episode that was played to its end; None where nobody can tell. Episodes that the machine
            broke have no outcome and must be left out by the caller.
    """
    decided = [outcome for outcome in outcomes if outcome is not None]
    return rate_of(sum(decided), len(decided))


def rate_of(successes: int, decided: int) -> float | None:
    """Return a success rate from counts; None of nothing."""
    return successes / decided if decided else None


def reached_in(trajectory: Trajectory, instance: TaskInstance) -> frozenset[str]:
    """Return the ids of the milestones that an episode has reached at its end."""
    bits = trajectory.steps[-1].milestones_after if trajectory.steps else 0
    return frozenset(m.id for i, m in enumerate(instance.milestones) if bits >> i & 1)


def _is_at_fault(reached: frozenset[str], instance: TaskInstance) -> bool:
    return any(m.forbidden and m.id in reached for m in instance.milestones)


def _rule_success(trajectory: Trajectory, reached: frozenset[str], instance: TaskInstance) -> bool | None:
    """Tell whether an episode reached what rules find of its success; without matters of meaning that is success."""
    if not instance.rule_success:
        return None
    if not instance.judged & instance.success:
        return trajectory.success
    return instance.rule_success <= reached and not _is_at_fault(reached, instance)


def _is_undecided(trajectory: Trajectory, reached: frozenset[str], instance: TaskInstance) -> bool:
    """Tell whether nothing but open milestones of meaning stands between an episode and success."""
    missing = instance.success - reached
    return (
        not trajectory.success
        and bool(missing)
        and missing <= set(trajectory.unjudged)
        and not _is_at_fault(reached, instance)
    )


__all__ = ["EpisodeResult", "Key", "rate_of", "reached_in", "result_of", "success_rate"]
