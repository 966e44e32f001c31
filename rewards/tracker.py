"""Turns moments into rewards: latching, prerequisites, traps, and the frontier.

The rules, each tested:

1. A milestone pays once per episode, whatever happens later.
2. Step 0, the reset, pays nothing. A condition that already held there is no achievement: without prerequisites the
   milestone is barred for the episode (leaving a page and coming back earns nothing); with prerequisites it can still
   be reached, by a transition after they were.
3. `after` is a partial order: a milestone can fire only at a step at whose end all its prerequisites are reached. Those
   that fire in the same step are resolved in that order. What happened too early is not remembered: it must happen
   again.
4. The order of declaration never changes what is reached or paid, only the numbering of the frontier's bits.
5. A forbidden milestone's reward (zero or negative) is paid too, but it counts neither towards progress nor towards the
   largest reward.
6. A milestone with `expires_after: n` can be reached until n steps after it became reachable: after the reset, or, with
   prerequisites, after the step at which the last of them was reached. Then it is gone for the episode, and with it
   whatever comes after it.
7. A detector that remembers (`trace`) is shown every step, before its prerequisites too, or it would miss some.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from math import fsum
from typing import Protocol, runtime_checkable

from ..sandbox.errors import RewardError, TaskError
from .evidence_place import located
from .looks import Looks
from .memory import Memory, keeps_trace
from .types import Milestone, MilestoneResult, Moment, Source, StepReward, TierScore


@runtime_checkable
class _KnowsReset(Protocol):
    """A detector that can tell whether its condition was there before the agent did anything."""

    def held_at_reset(self, moment: Moment) -> bool: ...


class Bitmask(int):
    """The frontier as a whole number: bit i is the i-th declared milestone.

    An `int` in every respect but one: Gymnasium's vector environments batch plain ints as int64, where the bit of the
    64th milestone does not fit; this they batch as objects.
    """


def dag_order(milestones: Sequence[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """Return ids so that each comes after its prerequisites.

    Args:
        milestones: pairs of an id and the ids it comes after.

    Raises:
        TaskError: an id occurs twice or is unknown, or the prerequisites form a cycle.
    """
    ids = [name for name, _ in milestones]
    for name in ids:
        if ids.count(name) > 1:
            raise TaskError(
                f"expected each milestone id once, got {name!r} {ids.count(name)} times; rename one of them"
            )
    for name, prerequisites in milestones:
        for other in prerequisites:
            if other not in ids:
                close = get_close_matches(other, ids, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known ids: {', '.join(ids)}"
                raise TaskError(f"milestone {name!r} comes after {other!r}, which is no milestone of the task; {hint}")
    try:
        return tuple(
            TopologicalSorter({name: tuple(prerequisites) for name, prerequisites in milestones}).static_order()
        )
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise TaskError(f"`after` must not go in circles, but {cycle}; take one of these prerequisites away") from error


class Tracker:
    """Follows one episode's milestones.

    Args:
        milestones: the task instance's milestones, in the order that numbers the frontier's bits.

    Attributes:
        milestones: the same.
        moment: the last moment taken in, with what earlier looks have left behind (see `looks`); None before the first.

    Raises:
        TaskError: duplicate or unknown ids, or a cycle in `after`.
    """

    def __init__(self, milestones: Sequence[Milestone]) -> None:
        self.milestones = tuple(milestones)
        by_id = {milestone.id: milestone for milestone in self.milestones}
        order = dag_order([(milestone.id, milestone.after) for milestone in self.milestones])
        self._in_order = tuple(by_id[name] for name in order)
        self._bit = {milestone.id: 1 << i for i, milestone in enumerate(self.milestones)}
        self._gains = {m.id: m.reward for m in self.milestones if m.reward > 0 and not m.forbidden}
        self._reached: dict[str, int] = {}  # id -> the step at which it was reached
        self._memory = Memory()
        self._barred: frozenset[str] | None = None
        self._last_step: int | None = None
        self._looks = Looks()
        self.moment: Moment | None = None

    @property
    def reached(self) -> frozenset[str]:
        """Ids reached so far: the frontier."""
        return frozenset(self._reached)

    @property
    def bits(self) -> Bitmask:
        """The frontier as a bitmask: bit i is the i-th declared milestone."""
        return Bitmask(sum(self._bit[name] for name in self._reached))

    @property
    def barred(self) -> frozenset[str]:
        """Ids that cannot pay in this episode, because their condition already held at the reset."""
        return self._barred or frozenset()

    @property
    def expired(self) -> frozenset[str]:
        """Ids that were not reached in their time, and what can no longer be reached because it comes after them."""
        gone: set[str] = set()
        for milestone in self._in_order:
            if milestone.id not in self._reached and (self._overdue(milestone) or not gone.isdisjoint(milestone.after)):
                gone.add(milestone.id)
        return frozenset(gone)

    @property
    def max_reward(self) -> float:
        """Sum of all positive rewards: what a perfect episode earns."""
        return fsum(self._gains.values())

    @property
    def progress(self) -> float:
        """Share of `max_reward` reached so far, in [0, 1]; 0 if there is nothing to gain."""
        if not self._gains:
            return 0.0
        if self._gains.keys() <= self._reached.keys():
            return 1.0
        return fsum(reward for name, reward in self._gains.items() if name in self._reached) / self.max_reward

    @property
    def fault(self) -> bool:
        """Whether a forbidden milestone was reached."""
        return any(milestone.forbidden and milestone.id in self._reached for milestone in self.milestones)

    @property
    def ended(self) -> bool:
        """Whether a milestone that ends the episode was reached."""
        return any(milestone.ends_episode and milestone.id in self._reached for milestone in self.milestones)

    def update(self, moment: Moment) -> StepReward:
        """Take in one step and return what it earned.

        Call it with the reset (step 0) first, then with every step once, in order.

        Raises:
            RewardError: the steps do not begin at 0 or do not count up by one.
        """
        expected = 0 if self._last_step is None else self._last_step + 1
        if moment.step != expected:
            raise RewardError(
                f"expected the moment of step {expected}, got step {moment.step}; give the tracker every step once, in "
                "order, the reset as step 0"
            )
        self._last_step = moment.step
        self.moment = moment = self._looks.recall(moment)
        if moment.step == 0:
            self._barred = frozenset(
                m.id
                for m in self.milestones
                if not m.after and isinstance(m.detector, _KnowsReset) and m.detector.held_at_reset(moment)
            )
            for milestone in self.milestones:
                if milestone.source is Source.RULE and keeps_trace(milestone.detector):
                    self._memory.judge(milestone.id, milestone.detector, moment)
            return StepReward(total=0.0, tiers=(TierScore(tier=Source.RULE, raw=0.0, confidence=1.0),))
        fired: dict[str, MilestoneResult] = {}
        for milestone in self._in_order:
            if milestone.id in self._reached or milestone.id in self.barred or milestone.source is not Source.RULE:
                continue
            deadline = self._deadline(milestone)
            is_open = self._reached.keys() >= set(milestone.after) and (deadline is None or moment.step <= deadline)
            if not is_open and not keeps_trace(milestone.detector):
                continue
            evidence = self._memory.judge(milestone.id, milestone.detector, moment, self._reached)
            if is_open and evidence is not None:
                self._reached[milestone.id] = moment.step
                evidence = located(evidence, moment)
                fired[milestone.id] = MilestoneResult(id=milestone.id, reward=milestone.reward, evidence=evidence)
        results = tuple(fired[milestone.id] for milestone in self.milestones if milestone.id in fired)
        total = fsum(result.reward for result in results)
        return StepReward(
            total=total, milestones=results, tiers=(TierScore(tier=Source.RULE, raw=total, confidence=1.0),)
        )

    def _deadline(self, milestone: Milestone) -> int | None:
        """Return the last step at which a milestone can be reached; None if there is none, or none yet."""
        if milestone.expires_after is None or not self._reached.keys() >= set(milestone.after):
            return None
        return max((self._reached[name] for name in milestone.after), default=0) + milestone.expires_after

    def _overdue(self, milestone: Milestone) -> bool:
        """Tell whether a milestone's time was up by the end of the last step."""
        deadline = self._deadline(milestone)
        return deadline is not None and self._last_step is not None and self._last_step >= deadline
