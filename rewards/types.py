"""Records of the reward layer: what detectors see, what they answer, and what one step earned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..sandbox.events import Event
from ..sandbox.snapshot import Snapshot

if TYPE_CHECKING:
    from .trace import Trace


class Source(StrEnum):
    """Which layer answers for a milestone."""

    RULE = "rule"
    MODEL = "model"
    JUDGE = "judge"


class Ending(StrEnum):
    """How an episode ended at a step. The two are never merged: only a terminated episode has nothing left to earn."""

    TERMINATED = "terminated"
    TRUNCATED = "truncated"


class Component(StrEnum):
    """A term of the component form of a reward (spec 2.3)."""

    NAV = "nav"
    UI = "ui"
    FORM = "form"
    FILE = "file"
    GOAL = "goal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Everything a detector may look at, at the end of one step.

    Attributes:
        step: index of the step; 0 is the reset, which can pay nothing.
        events: events of this step.
        history: events of the whole episode up to and including this step.
        snapshot: the computer now.
        previous: the computer at the end of the step before; None at the reset.
        parameters: the episode's drawn task parameters.
        reset: the computer at the reset; None at the reset itself. The tracker fills this and the next in.
        behind: what was seen last of the pages that modal dialogs cover in `previous`, the outermost first; see
            `looks`.
        past: what the detector that is asked remembers of the steps before (see `trace`); None at the reset.
        reached: the milestones reached so far and their steps, as far as the one that is judged may depend on them.
    """

    step: int
    events: Sequence[Event]
    history: Sequence[Event]
    snapshot: Snapshot
    previous: Snapshot | None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reset: Snapshot | None = None
    behind: tuple[Snapshot, ...] = ()
    past: Trace | None = None
    reached: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a detector saw: a sentence for people, the facts as JSON-ready data, and where (see `evidence_place`)."""

    summary: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)


class Detector(Protocol):
    """A pure function of a moment: evidence if the milestone's event is there, else None."""

    def __call__(self, moment: Moment) -> Evidence | None:
        """Return evidence if the moment shows the milestone's event, else None."""
        ...


@runtime_checkable
class _Description(Protocol):
    """A detector's description, whose templates are not filled yet."""

    def build(self, parameters: Mapping[str, Any]) -> Detector: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """A named, verifiable state transition with a reward.

    Attributes:
        id: unique in its task.
        description: one line for people.
        detector: what recognises it: any function of a moment, or one of `milepost.rewards.detectors`, such as
            `detectors.url_loaded(path="/reports")`.
        reward: what it pays, once per episode; negative for a trap.
        after: ids that must have been reached before (at this step or earlier).
        forbidden: reaching it is a fault; it does not count towards progress.
        ends_episode: reaching it terminates the episode.
        source: the layer that answers for it.
        expires_after: it can be reached for so many steps after it became reachable: after the reset, or after the step
            at which the last of its prerequisites was reached; None: for the whole episode.
    """

    id: str
    description: str
    detector: Detector
    reward: float
    after: tuple[str, ...] = ()
    forbidden: bool = False
    ends_episode: bool = False
    source: Source = Source.RULE
    expires_after: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.detector, _Description):
            object.__setattr__(self, "detector", self.detector.build({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneResult:
    """A milestone reached at this step, with what was paid for it and what was seen.

    The reward is 0.0 where the task pays for something else than milestones one by one.
    """

    id: str
    reward: float
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentScore:
    """New progress of one component at this step.

    Attributes:
        component: which.
        score: how much new progress, in (0, 1].
        weight: its weight in the task; score times weight was paid.
        evidence: what was seen.
    """

    component: Component
    score: float
    weight: float
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class TierScore:
    """What one layer of the router said of a step. `raw` None: it abstained."""

    tier: Source
    raw: float | None
    confidence: float | None
    latency_ms: float = field(default=0.0, compare=False)
    cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReward:
    """The reward of one step, decomposed: what its milestones, its components and success itself paid, and the shaping.

    Attributes:
        total: the step's reward; None means unscored (never silently zero).
        milestones: milestones reached at this step.
        tiers: what each layer said.
        shaping: the potential-based part of `total`.
        components: components that made new progress at this step.
        goal: what success itself paid, where milestones are not paid one by one; see docs/rewards.md.
        ending: how the episode ended at this step; None while it goes on.
    """

    total: float | None
    milestones: tuple[MilestoneResult, ...] = ()
    tiers: tuple[TierScore, ...] = ()
    shaping: float = 0.0
    components: tuple[ComponentScore, ...] = ()
    goal: float = 0.0
    ending: Ending | None = None
