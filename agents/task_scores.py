"""What an evaluation says of a policy, task by task: what was measured, what was judged, and what nobody knows.

An episode of which nobody can say whether it succeeded is no failure: it is counted apart, and the interval of the
success rate covers both. The same holds for a milestone of meaning that nobody judged, and for the reward of the
episodes in which one is open.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..envs.registration import task_for
from ..rewards.router import Mode
from .evaluation.outcome import EpisodeResult, rate_of, result_of
from .evaluation.statistics import mean_of
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
        return rate_of(self.successes, self.decided)


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
        return rate_of(sum(t.successes for t in self.tasks.values()), sum(t.decided for t in self.tasks.values()))

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
    return score_results([m.id for m in task_for(task).milestones], [result_of(t) for t in trajectories])


def score_results(milestones: Sequence[str], results: Sequence[EpisodeResult]) -> TaskScore:
    """Summarise the episodes of one task.

    Args:
        milestones: ids of the task's milestones, in its order.
        results: its episodes, those that the machine broke among them.
    """
    played = [r for r in results if r.failure is None]
    successes = sum(r.success is True for r in played)
    undecided = sum(r.success is None for r in played)
    reached = Counter(name for r in played for name in r.milestones)
    unjudged = Counter(name for r in played for name in r.unjudged)
    decidable = all(r.rule_success is not None for r in played)
    fractions = [r.reward_fraction for r in played if r.reward_fraction is not None]
    return TaskScore(
        episodes=len(played),
        failures=len(results) - len(played),
        successes=successes,
        undecided=undecided,
        rule_successes=sum(r.rule_success is True for r in played) if decidable else None,
        success_low=wilson_interval(successes, len(played))[0],
        success_high=wilson_interval(successes + undecided, len(played))[1],
        scored=len(fractions),
        mean_reward=mean_of([r.reward for r in played if r.reward is not None]),
        mean_reward_fraction=mean_of(fractions),
        mean_steps=mean_of([float(r.steps) for r in played]) or 0.0,
        milestones={m: reached[m] / (len(played) - unjudged[m]) for m in milestones if len(played) > unjudged[m]},
        unjudged={m: unjudged[m] for m in milestones if unjudged[m]},
    )


__all__ = ["EvaluationResult", "TaskScore", "as_percent", "score", "score_results", "wilson_interval"]
