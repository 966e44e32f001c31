"""What an evaluation says of a policy, task by task: what was measured, what was judged, and what nobody knows.

An episode of which nobody can say whether it succeeded is no failure: it is counted apart, and the interval of the
success rate covers both. The same holds for a milestone of meaning that nobody judged, and for the reward of the
episodes in which one is open.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..envs.registration import task_for
from ..envs.task import TaskInstance
from ..rewards.router import Mode
from .records import Trajectory
from .settlement import SettlementStats


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """How a policy did on one task.

    Attributes:
        episodes: episodes that were played to their end.
        failures: episodes that the machine broke, not counted in anything else.
        successes: episodes that reached every success milestone.
        undecided: episodes of which nobody can tell whether they succeeded: rules found all that they can, and a
            milestone of meaning that success needs was not judged.
        rule_successes: episodes that reached every success milestone that rules find, and no forbidden one; None where
            success is a matter of meaning alone.
        success_low, success_high: 95 % Wilson interval of the success rate; undecided episodes widen it both ways.
        scored: episodes whose reward is known to the last step.
        mean_reward: mean total reward of those; None if there are none.
        mean_reward_fraction: mean, over those, of total reward over the most that the episode could earn; likewise.
        mean_steps: mean number of actions.
        milestones: share of episodes that reached each milestone, by id, of those in which it is known; a milestone of
            which nothing is known is left out.
        unjudged: episodes in which a milestone of meaning is open since nobody judged it, by its id.
    """

    episodes: int
    failures: int
    successes: int
    undecided: int
    rule_successes: int | None
    success_low: float
    success_high: float
    scored: int
    mean_reward: float | None
    mean_reward_fraction: float | None
    mean_steps: float
    milestones: dict[str, float]
    unjudged: dict[str, int]

    @property
    def decided(self) -> int:
        """Episodes of which it is known whether they succeeded."""
        return self.episodes - self.undecided

    @property
    def success_rate(self) -> float | None:
        """Successes over decided episodes; None when none was decided."""
        return self.successes / self.decided if self.decided else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """Scores by task id.

    Attributes:
        policy: what was evaluated.
        first_seed: seed of the first episode of each task.
        seeds: episodes of each task.
        wall_s: time that playing took, in seconds; settling is not in it.
        tasks: the scores.
        mode: how rewards were settled.
        layers: which layers were there beside the rules.
        settlement: how they were used.
    """

    policy: str
    first_seed: int
    seeds: int
    wall_s: float
    tasks: dict[str, TaskScore]
    mode: Mode
    layers: tuple[str, ...]
    settlement: SettlementStats

    @property
    def success_rate(self) -> float | None:
        """Successes over decided episodes, all tasks together; None when none was decided."""
        decided = sum(t.decided for t in self.tasks.values())
        return sum(t.successes for t in self.tasks.values()) / decided if decided else None

    @property
    def undecided(self) -> int:
        """Episodes of which nobody can tell whether they succeeded."""
        return sum(t.undecided for t in self.tasks.values())

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready plain data."""
        return {
            "policy": self.policy,
            "first_seed": self.first_seed,
            "seeds": self.seeds,
            "wall_s": self.wall_s,
            "success_rate": self.success_rate,
            "undecided": self.undecided,
            "tasks": {name: asdict(task) | {"success_rate": task.success_rate} for name, task in self.tasks.items()},
            "reward": {"mode": str(self.mode), "layers": list(self.layers), **self.settlement.to_json()},
        }


def wilson_interval(successes: int, episodes: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a binomial rate.

    Args:
        successes: how many succeeded.
        episodes: out of how many; 0 gives (0, 1).
        z: normal quantile; the default gives 95 %.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if episodes == 0:
        return 0.0, 1.0
    p, n = successes / episodes, episodes
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def as_percent(rate: float | None, *, digits: int = 0) -> str:
    """Return a rate for people, e.g. "87%"; "unknown" where there is none."""
    return "unknown" if rate is None else f"{rate:.{digits}%}"


def score(task: str, trajectories: Sequence[Trajectory]) -> TaskScore:
    """Summarise the trajectories of one task, their rewards settled (see `settlement`)."""
    played = [t for t in trajectories if t.failure is None]
    definition = task_for(task)
    instances = [definition.instantiate(t.seed) for t in played]
    episodes = list(zip(played, instances, strict=True))
    successes = sum(t.success for t in played)
    undecided = sum(is_undecided(t, instance) for t, instance in episodes)
    known = [(t, instance) for t, instance in episodes if all(step.reward is not None for step in t.steps)]
    reached: Counter[str] = Counter()
    unjudged: Counter[str] = Counter()
    for t, instance in episodes:
        reached.update(_reached(t, instance))
        unjudged.update(t.unjudged)
    decidable = all(instance.rule_success for instance in instances)
    ids = [m.id for m in definition.milestones]
    return TaskScore(
        episodes=len(played),
        failures=len(trajectories) - len(played),
        successes=successes,
        undecided=undecided,
        rule_successes=sum(_rules_succeed(t, instance) for t, instance in episodes) if decidable else None,
        success_low=wilson_interval(successes, len(played))[0],
        success_high=wilson_interval(successes + undecided, len(played))[1],
        scored=len(known),
        mean_reward=_mean(t.total_reward for t, _ in known),
        mean_reward_fraction=_mean(
            t.total_reward / instance.max_reward if instance.max_reward else 0.0 for t, instance in known
        ),
        mean_steps=_mean(float(len(t.steps)) for t in played) or 0.0,
        milestones={m: reached[m] / (len(played) - unjudged[m]) for m in ids if len(played) > unjudged[m]},
        unjudged={m: unjudged[m] for m in ids if unjudged[m]},
    )


def _reached(trajectory: Trajectory, instance: TaskInstance) -> frozenset[str]:
    bits = trajectory.steps[-1].milestones_after if trajectory.steps else 0
    return frozenset(m.id for i, m in enumerate(instance.milestones) if bits >> i & 1)


def _is_at_fault(reached: frozenset[str], instance: TaskInstance) -> bool:
    return any(m.forbidden and m.id in reached for m in instance.milestones)


def _rules_succeed(trajectory: Trajectory, instance: TaskInstance) -> bool:
    """Tell whether an episode reached what rules find of its success; without matters of meaning that is success."""
    if not instance.judged & instance.success:
        return trajectory.success
    reached = _reached(trajectory, instance)
    return instance.rule_success <= reached and not _is_at_fault(reached, instance)


def is_undecided(trajectory: Trajectory, instance: TaskInstance) -> bool:
    """Tell whether nothing but open milestones of meaning stands between an episode and success."""
    missing = instance.success - _reached(trajectory, instance)
    return (
        not trajectory.success
        and bool(missing)
        and missing <= set(trajectory.unjudged)
        and not _is_at_fault(_reached(trajectory, instance), instance)
    )


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return sum(listed) / len(listed) if listed else None


__all__ = ["EvaluationResult", "TaskScore", "as_percent", "is_undecided", "score", "wilson_interval"]
