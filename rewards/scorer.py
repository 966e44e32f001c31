"""What a step pays, by the rules that a task chose: milestones or components, and the shaping beside them.

The tracker says what was reached; the scorer says what that is worth:

| | `none` | `raw` | `potential` |
|---|---|---|---|
| milestones | success pays `max_reward` at once | each milestone pays its own reward | as `none`, plus F |
| components | the components | - | the components, plus F |

A milestone with a negative reward costs it in every case. docs/rewards.md explains all of it on one episode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum

from ..sandbox.errors import TaskError
from .components import Components, ComponentState, advance, begin
from .shaping import Shaping, Truncation, declared_potential, potential_at, shaping_term
from .tracker import Tracker
from .types import Ending, Milestone, MilestoneResult, Moment, Source, StepReward, TierScore


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardScheme:
    """How what happened becomes a reward.

    Attributes:
        success: ids that together mean success: what `none` and `potential` pay for, and the components' goal.
        components: the component form, filled for the episode; None: milestones pay.
        shaping: what guides the agent.
        gamma: discount of the shaping, in [0, 1]; it must be the learner's own for the optimum to stay as it is.
        potential: Phi as weights of milestones; None: Phi is the tracker's progress, in [0, 1].
        truncation: what the potential is where an episode was cut.
    """

    success: frozenset[str] = frozenset()
    components: Components | None = None
    shaping: Shaping = Shaping.RAW
    gamma: float = 1.0
    potential: Mapping[str, float] | None = None
    truncation: Truncation = Truncation.BOOTSTRAP


class Scorer:
    """Follows one episode and says what each step earned.

    Args:
        milestones: the task instance's milestones.
        scheme: how they pay.

    Raises:
        TaskError: the milestones are not in order (see `Tracker`), the scheme names an unknown one, or it asks for raw
            bonuses beside components.
    """

    def __init__(self, milestones: Sequence[Milestone], scheme: RewardScheme | None = None) -> None:
        self.tracker = Tracker(milestones)
        self.scheme = RewardScheme() if scheme is None else scheme
        known = {milestone.id for milestone in self.tracker.milestones}
        unknown = sorted({*self.scheme.success, *(self.scheme.potential or ())} - known)
        if unknown:
            raise TaskError(
                f"expected the reward's success and potential to name milestones of the task, got "
                f"{', '.join(unknown)}; known ids: {', '.join(sorted(known))}"
            )
        if self.scheme.components is not None and self.scheme.shaping is Shaping.RAW:
            raise TaskError(
                "expected shaping none or potential beside components, got raw; components are raw bonuses already, so "
                "leave it out"
            )
        self._state = ComponentState()
        self._phi = 0.0
        self._succeeded = False
        self._terminated = False

    @property
    def max_reward(self) -> float:
        """What a perfect episode earns, shaping aside."""
        return most_reward(self.tracker.milestones, self.scheme.components)

    @property
    def succeeded(self) -> bool:
        """Whether every milestone of success is reached, and no forbidden one."""
        success = self.scheme.success
        return bool(success) and success <= self.tracker.reached and not self.tracker.fault

    @property
    def potential(self) -> float:
        """Phi of the present state: a function of the milestones reached, whatever else happened."""
        if self.scheme.potential is None:
            return self.tracker.progress
        return declared_potential(self.tracker.reached, self.scheme.potential)

    def update(self, moment: Moment, ending: Ending | None = None) -> StepReward:
        """Take in one step and return what it earned.

        Call it with the reset (step 0) first, then with every step once, in order.

        Args:
            moment: the step.
            ending: how the episode ends at this step for another reason than its milestones: the agent is done, or a
                limit is reached. Success and milestones that end the episode are seen here, and go before.

        Raises:
            RewardError: see `Tracker.update`.
        """
        reached = self.tracker.update(moment)
        assert self.tracker.moment is not None
        moment = self.tracker.moment  # with what earlier looks have left behind
        components = self.scheme.components
        if moment.step == 0:
            if components is not None:
                self._state = begin(components, moment)
            self._phi = self.potential
            return reached
        if self.succeeded or self.tracker.ended:
            ending = Ending.TERMINATED
        self._terminated = self._terminated or ending is Ending.TERMINATED
        reward = replace(reached, ending=ending)
        if components is not None:
            reward = self._by_components(components, reward, moment)
        elif self.scheme.shaping is not Shaping.RAW:
            goal = self.max_reward if self.succeeded and not self._succeeded else 0.0
            reward = replace(reward, milestones=penalties(reward.milestones), goal=goal)
        self._succeeded = self._succeeded or self.succeeded
        return self._shaped(reward)

    def _by_components(self, components: Components, reward: StepReward, moment: Moment) -> StepReward:
        self._state, scores = advance(components, self._state, moment, goal=self.succeeded)
        return replace(reward, milestones=penalties(reward.milestones), components=scores)

    def _shaped(self, reward: StepReward) -> StepReward:
        """Return the reward with its parts added up and the shaping beside them."""
        paid = [result.reward for result in reward.milestones]
        base = fsum([*paid, *(part.score * part.weight for part in reward.components), reward.goal])
        shaping = 0.0
        if self.scheme.shaping is Shaping.POTENTIAL:
            ending = Ending.TERMINATED if self._terminated else reward.ending
            phi = potential_at(self.potential, ending, self.scheme.truncation)
            shaping = shaping_term(self._phi, phi, gamma=self.scheme.gamma)
            self._phi = phi
        tiers = (TierScore(tier=Source.RULE, raw=base, confidence=1.0),)
        return replace(reward, total=base + shaping, tiers=tiers, shaping=shaping)


def penalties(results: Iterable[MilestoneResult]) -> tuple[MilestoneResult, ...]:
    """Return milestones as they pay where something else than they pays for progress: what they cost, else 0."""
    return tuple(replace(result, reward=min(result.reward, 0.0)) for result in results)


def most_reward(milestones: Iterable[Milestone], components: Components | None) -> float:
    """Return what a perfect episode earns, shaping aside: all that the components can pay, or all gains."""
    if components is not None:
        return components.max_reward
    return fsum(m.reward for m in milestones if m.reward > 0 and not m.forbidden)


__all__ = ["RewardScheme", "Scorer", "most_reward", "penalties"]
