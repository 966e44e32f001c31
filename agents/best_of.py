"""Best-of-n: play an instance several times and keep the episode that a judge of worth likes best.

Chosen by R_phi it is a policy that could be used where no rules are. Chosen by what rules measured it is not: nothing
knows these before it acts, so it is only an upper bound, the share of instances that n tries solve at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..sandbox.errors import RunError
from .policies import LanguageModelPolicy, Policy
from .records import Trajectory
from .views import episode_view

if TYPE_CHECKING:
    from ..rewards.reward_model import RewardModel

Worth = Callable[[Sequence[Trajectory]], list[float]]
"""Says how good each of some episodes is; higher is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOf:
    """How many episodes of each instance are played, and which one counts.

    Attributes:
        count: episodes of each instance, at least 1.
        temperature: that they are sampled at, above 0.
        worth: chooses among them; the first of equals is taken.
    """

    count: int
    temperature: float
    worth: Worth

    def sampling(self, policy: Policy) -> Policy:
        """Return the policy as it is to be sampled.

        Raises:
            RunError: it is a scripted one, which plays the same episode every time.
        """
        if not isinstance(policy, LanguageModelPolicy):
            raise RunError(
                "best-of-n needs a policy that is sampled, got a scripted one, which plays the same every time. Give "
                "the folder of a training run, or leave --best-of out."
            )
        return replace(policy, temperature=self.temperature)

    def choose(self, trajectories: Sequence[Trajectory]) -> list[Trajectory]:
        """Return the best episode of each task and seed, in the order of their first ones.

        What the machine broke is chosen only where it broke all of them.
        """
        groups: dict[tuple[str, int], list[Trajectory]] = {}
        for trajectory in trajectories:
            groups.setdefault((trajectory.task, trajectory.seed), []).append(trajectory)
        chosen: list[Trajectory] = []
        for group in groups.values():
            whole = [t for t in group if t.failure is None and t.steps] or group
            worth = self.worth(whole)
            chosen.append(whole[worth.index(max(worth))])
        return chosen


def by_rules(trajectories: Sequence[Trajectory]) -> list[float]:
    """Return what rules measured of each episode: the upper bound of what choosing can reach."""
    return [t.rule_reward for t in trajectories]


def by_model(model: RewardModel) -> Worth:
    """Return what asks a reward model: an episode's worth is the sum of its steps' raw scores."""

    def worth(trajectories: Sequence[Trajectory]) -> list[float]:
        scored = model.score([episode_view(t) for t in trajectories])
        return [sum(step.raw for step in steps) for steps in scored]

    return worth


__all__ = ["BestOf", "Worth", "by_model", "by_rules"]
