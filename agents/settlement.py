"""Settling an iteration's rewards: what the rules measured, and what the model and the judge say of the rest.

Episodes are played on the rules' word alone; nothing waits for a judge. When they are over, and before a trainer sees
them, the layers are asked for what is still open:

* a step of a task that has no rules (or of any task, in the modes that let others speak), and
* a milestone of meaning (`source: model` or `source: judge`), which is paid at the episode's last step.

The cascade asks the model only where no rule speaks, and the judge only where the model is not sure. The judge's word
is on the episode as a whole: it is paid at the last step, the others earn 0, and the model's word on them is dropped,
for the two measure on different scales. A milestone whose prerequisites were not reached is missed for certain, so
nobody is asked. What nobody could score is unscored: its step's reward is None, and `Unscored` says what becomes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..envs.registration import task_for
from ..envs.reward_spec import ComponentReward
from ..envs.task import TaskInstance
from ..rewards.layers import JudgeLayer, ModelLayer, Question, goal_rubric
from ..rewards.router import Mode, Routed, Thresholds, Unscored, Weights, blend, cascade, is_believed, only
from ..rewards.semantic import Rubric
from ..rewards.spec import BoundDetector
from ..rewards.types import Milestone, Source, TierScore
from ..sandbox.errors import RewardError
from .records import Trajectory
from .views import episode_view

PASSED = 0.5
"""From this score on a milestone of meaning counts as reached; it is paid in proportion to the score in any case."""


@dataclass(slots=True, kw_only=True)
class SettlementStats:
    """How the layers were used.

    Attributes:
        items: what had to be scored: steps, and milestones of meaning.
        asked: questions put to each layer, by its name.
        believed: items that each layer decided; `blend` where several did.
        abstained: questions that each layer did not answer.
        unscored: items that nobody scored.
        compared: episodes on which both the rules and another layer spoke, by the layer.
        agreed: those on which they agreed about success.
        cost: money spent, in the judge's currency.
        latency_ms: time the layers took, together.
    """

    items: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    believed: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    unscored: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    agreed: Counter[str] = field(default_factory=Counter)
    cost: float = 0.0
    latency_ms: float = 0.0

    def add(self, other: SettlementStats) -> None:
        """Add the counts of another batch."""
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            setattr(self, part.name, mine + theirs)

    @property
    def coverage(self) -> float:
        """Share of the items that were scored; 1 if there were none."""
        return 1.0 - self.unscored / self.items if self.items else 1.0

    @property
    def agreement(self) -> dict[str, float]:
        """Share of the compared episodes on which a layer agreed with the rules about success, by the layer."""
        return {layer: self.agreed[layer] / count for layer, count in self.compared.items() if count}

    def counts(self) -> dict[str, Any]:
        """Return what is not zero as plain data, to be added up later; `of` reads it."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        return {
            name: {str(layer): n for layer, n in value.items() if n} if isinstance(value, Counter) else value
            for name, value in values.items()
            if value and (not isinstance(value, Counter) or any(value.values()))
        }

    @classmethod
    def of(cls, counts: Mapping[str, Any]) -> SettlementStats:
        """Return what `counts` gave."""
        values: dict[str, Any] = {
            name: Counter(value) if isinstance(value, dict) else value for name, value in counts.items()
        }
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready plain data."""
        return {
            "items": self.items,
            "unscored": self.unscored,
            "coverage": self.coverage,
            "asked": {str(layer): count for layer, count in self.asked.items()},
            "believed": {str(layer): count for layer, count in self.believed.items()},
            "abstained": {str(layer): count for layer, count in self.abstained.items() if count},
            "agreement": {str(layer): share for layer, share in self.agreement.items()},
            "compared": {str(layer): count for layer, count in self.compared.items()},
            "cost": self.cost,
            "latency_ms": self.latency_ms,
        }

    def metrics(self) -> dict[str, float]:
        """Return the numbers by name, for a run's metrics."""
        values = {"coverage": self.coverage, "unscored": float(self.unscored), "cost": self.cost}
        for name, counts in (("asked", self.asked), ("believed", self.believed), ("abstained", self.abstained)):
            values |= {f"{name}/{layer}": float(n) for layer, n in counts.items()}
        values |= {f"agreement/{layer}": share for layer, share in self.agreement.items()}
        return {f"router/{name}": value for name, value in values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settler:
    """Knows the layers and settles batches of episodes.

    Attributes:
        mode: which layers make the reward.
        model: the learned reward model; needed in the modes model and blend, and for `source: model` elsewhere.
        judge: the judge; needed in the mode judge.
        thresholds: how sure a layer must be, in a cascade.
        weights: how much each layer counts, in a blend.
        unscored: what becomes of a step that nobody scored.

    Raises:
        RewardError: the mode asks for a layer that is not given.
    """

    mode: Mode = Mode.RULES
    model: ModelLayer | None = None
    judge: JudgeLayer | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    weights: Weights = field(default_factory=Weights)
    unscored: Unscored = Unscored.MASK

    def __post_init__(self) -> None:
        wanted = {Mode.MODEL: ("model", self.model), Mode.JUDGE: ("judge", self.judge)}
        if self.mode in wanted and wanted[self.mode][1] is None:
            name = wanted[self.mode][0]
            raise RewardError(f"reward.mode={self.mode} needs a {name}, got none; give reward.{name}")
        if self.mode in (Mode.CASCADE, Mode.BLEND) and self.model is None and self.judge is None:
            raise RewardError(
                f"reward.mode={self.mode} needs a layer beside the rules, got neither reward.model nor reward.judge; "
                "give one, or use reward.mode=rules"
            )

    def changes_rewards(self, tasks: Iterable[str]) -> bool:
        """Tell whether settling may change the rewards of episodes of these tasks from what the rules measured."""
        return self.mode is not Mode.RULES or any(
            m.source is not Source.RULE for t in tasks for m in task_for(t).milestones
        )

    def settle(self, trajectories: Sequence[Trajectory]) -> tuple[list[Trajectory], SettlementStats]:
        """Return the episodes with their rewards settled, and how the layers were used.

        Episodes that the machine broke come back as they are.

        Raises:
            RewardError: something is unscored and `unscored` is `require`.
        """
        stats = SettlementStats()
        open_episodes = [_Open.of(t) for t in trajectories if t.failure is None and t.steps]
        if self.mode is not Mode.RULES:
            self._ask_about_steps(open_episodes, stats)
        self._ask_about_milestones(open_episodes, stats)
        settled = {id(e.trajectory): self._close(e, stats) for e in open_episodes}
        return [settled.get(id(t), t) for t in trajectories], stats

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are there beside the rules."""
        given = {Source.MODEL: self.model, Source.JUDGE: self.judge}
        return tuple(str(name) for name, layer in given.items() if layer is not None)

    # what is asked

    def _ask_about_steps(self, episodes: Sequence[_Open], stats: SettlementStats) -> None:
        """Let the model, then the judge, speak about the steps that the mode gives them."""
        mode = self.mode
        if self.model is not None and mode is not Mode.JUDGE:
            asked = [e for e in episodes if mode is not Mode.CASCADE or not e.has_rules]
            for episode, scores in zip(asked, self.model.score_steps([e.view for e in asked]), strict=True):
                for answers, score in zip(episode.steps, scores, strict=True):
                    answers.append(score)
                    _count(stats, score)
        if self.judge is None or mode is Mode.MODEL:
            return
        asked = [e for e in episodes if mode is not Mode.CASCADE or (not e.has_rules and self._is_unsure(e))]
        questions = [Question(episode=e.view, rubric=goal_rubric(e.view.goal)) for e in asked]
        for episode, score in zip(asked, self.judge.score(questions), strict=True):
            _count(stats, score)
            for answers in episode.steps[:-1]:
                raw = None if score.raw is None else 0.0
                answers.append(TierScore(tier=score.tier, raw=raw, confidence=score.confidence))
            episode.steps[-1].append(score)

    def _is_unsure(self, episode: _Open) -> bool:
        """Tell whether the model leaves any step of an episode open."""
        threshold = self.thresholds.of(Source.MODEL, task=episode.instance.task.name)
        return any(not any(is_believed(a, threshold) for a in answers) for answers in episode.steps)

    def _ask_about_milestones(self, episodes: Sequence[_Open], stats: SettlementStats) -> None:
        asked = [(e, m) for e in episodes for m in e.open_milestones()]
        by_model = [(e, m) for e, m in asked if m.source is Source.MODEL] if self.model is not None else []
        if self.model is not None:
            for (e, m), score in zip(by_model, self.model.score([e.question(m) for e, m in by_model]), strict=True):
                e.answers[m.id].append(score)
                _count(stats, score)
        if self.judge is None:
            return
        by_judge = [(e, m) for e, m in asked if self._route(e, m.id).score is None]
        for (e, m), score in zip(by_judge, self.judge.score([e.question(m) for e, m in by_judge]), strict=True):
            e.answers[m.id].append(score)
            _count(stats, score)

    def _route(self, episode: _Open, milestone: str) -> Routed:
        return cascade(
            episode.answers[milestone], self.thresholds, task=episode.instance.task.name, milestone=milestone
        )

    # what comes of the answers

    def _close(self, episode: _Open, stats: SettlementStats) -> Trajectory:
        trajectory, task = episode.trajectory, episode.instance.task.name
        rewards: list[float | None] = []
        tiers: list[tuple[TierScore, ...]] = []
        judged = self.mode is Mode.CASCADE and not episode.has_rules and self._is_judged(episode)
        by_meaning = self.mode is Mode.RULES and not episode.has_rules and bool(episode.instance.judged)
        for answers in episode.steps:
            if by_meaning:  # all that the task pays for is settled below: a step by itself earns nothing, for certain
                rewards.append(0.0)
                tiers.append(tuple(answers))
                continue
            routed = only(answers, Source.JUDGE) if judged else self._of_step(answers, task)
            _tally(stats, routed)
            rewards.append(routed.score)
            tiers.append(routed.tiers)
        paid, reached, unjudged = self._milestones(episode, stats)
        is_open = bool(unjudged)
        if self.mode in (Mode.MODEL, Mode.JUDGE):
            paid, is_open = 0.0, False  # the layer's own score of the episode is the reward, and the whole of it
        bits = trajectory.steps[-1].milestones_after | reached
        if rewards[-1] is not None:
            rewards[-1] += paid
        elif paid:
            rewards[-1] = paid
        rewards = self._without_silence(rewards, is_open, trajectory)
        _compare(stats, episode)
        steps = [replace(s, reward=r, tiers=t) for s, r, t in zip(trajectory.steps, rewards, tiers, strict=True)]
        steps[-1] = replace(steps[-1], milestones_after=bits)
        success = trajectory.success
        if episode.instance.judged & episode.instance.success:
            ids = [m.id for m in episode.instance.milestones]
            success = all(bits >> ids.index(name) & 1 for name in episode.instance.success) and not episode.fault
        return replace(trajectory, steps=tuple(steps), success=success, unjudged=unjudged)

    def _is_judged(self, episode: _Open) -> bool:
        """Tell whether the judge was sure enough of an episode."""
        threshold = self.thresholds.of(Source.JUDGE, task=episode.instance.task.name)
        return any(a.tier is Source.JUDGE and is_believed(a, threshold) for a in episode.steps[-1])

    def _of_step(self, answers: Sequence[TierScore], task: str) -> Routed:
        match self.mode:
            case Mode.CASCADE:
                return cascade(answers, self.thresholds, task=task)
            case Mode.BLEND:
                return blend(answers, self.weights)
            case Mode.MODEL:
                return only(answers, Source.MODEL)
            case Mode.JUDGE:
                return only(answers, Source.JUDGE)
            case Mode.RULES:
                return only(answers, Source.RULE)

    def _milestones(self, episode: _Open, stats: SettlementStats) -> tuple[float, int, tuple[str, ...]]:
        """Return what an episode's milestones of meaning pay, their bits, and the ids of those that are left open."""
        paid, bits, unjudged = 0.0, 0, list[str]()
        for i, milestone in enumerate(episode.instance.milestones):
            if milestone.id not in episode.answers:
                continue
            routed = self._route(episode, milestone.id)
            _tally(stats, routed)
            if routed.score is None:
                unjudged.append(milestone.id)
                continue
            paid += milestone.reward * routed.score
            bits |= (routed.score >= PASSED) << i
        return paid, bits, tuple(unjudged)

    def _without_silence(
        self, rewards: list[float | None], is_open: bool, trajectory: Trajectory
    ) -> list[float | None]:
        """Apply `unscored`: an open milestone leaves the episode's return unknown, an open step its own reward."""
        if not is_open and None not in rewards:
            return rewards
        if self.unscored is Unscored.REQUIRE:
            raise RewardError(
                f"{trajectory.task}, seed {trajectory.seed}: no layer scored "
                f"{'a milestone' if is_open else 'a step'}, and reward.unscored=require; lower reward.thresholds, give "
                "another layer, or use reward.unscored=mask"
            )
        if self.unscored is Unscored.CARRY:
            return [0.0 if reward is None else reward for reward in rewards]
        return [None] * len(rewards) if is_open else rewards


@dataclass(slots=True, kw_only=True)
class _Open:
    """An episode that is being settled: who said what of its steps, and of its milestones of meaning."""

    trajectory: Trajectory
    instance: TaskInstance
    view: Any
    steps: list[list[TierScore]]
    answers: dict[str, list[TierScore]]

    @classmethod
    def of(cls, trajectory: Trajectory) -> _Open:
        instance = task_for(trajectory.task).instantiate(trajectory.seed)
        episode = cls(trajectory=trajectory, instance=instance, view=episode_view(trajectory), steps=[], answers={})
        for step in trajectory.steps:
            raw = step.reward if episode.has_rules else None
            episode.steps.append([TierScore(tier=Source.RULE, raw=raw, confidence=None if raw is None else 1.0)])
        episode.answers = {m.id: [] for m in episode.open_milestones()}
        return episode

    @property
    def has_rules(self) -> bool:
        """Whether the task pays for anything that rules find."""
        task = self.instance.task
        return isinstance(task.reward, ComponentReward) or self.instance.rule_reward > 0

    @property
    def fault(self) -> bool:
        """Whether a forbidden milestone was reached."""
        reached = self.trajectory.steps[-1].milestones_after
        return any(m.forbidden and reached >> i & 1 for i, m in enumerate(self.instance.milestones))

    def open_milestones(self) -> list[Milestone]:
        """Return the milestones of meaning whose prerequisites were reached by rules."""
        ids = [m.id for m in self.instance.milestones]
        reached = self.trajectory.steps[-1].milestones_after
        return [
            m
            for m in self.instance.milestones
            if m.source is not Source.RULE
            and all(name in self.instance.judged or reached >> ids.index(name) & 1 for name in m.after)
        ]

    def question(self, milestone: Milestone) -> Question:
        detector = milestone.detector
        assert isinstance(detector, BoundDetector)
        assert isinstance(detector.spec, Rubric)
        return Question(
            episode=self.view, rubric=detector.spec.rubric, truth=detector.spec.truth, milestone=milestone.id
        )


def _count(stats: SettlementStats, score: TierScore) -> None:
    stats.asked[score.tier] += 1
    stats.abstained[score.tier] += score.raw is None
    stats.cost += score.cost
    stats.latency_ms += score.latency_ms


def _tally(stats: SettlementStats, routed: Routed) -> None:
    stats.items += 1
    if routed.score is None:
        stats.unscored += 1
    else:
        stats.believed[routed.tier or "blend"] += 1


def _compare(stats: SettlementStats, episode: _Open) -> None:
    """Hold the judge's word on the whole episode against the rules' success, where both spoke."""
    if not episode.instance.rule_success or episode.instance.judged & episode.instance.success:
        return
    for answer in episode.steps[-1]:
        if answer.tier is Source.JUDGE and answer.raw is not None:
            stats.compared[answer.tier] += 1
            stats.agreed[answer.tier] += (answer.raw >= PASSED) == episode.trajectory.success


def tier_totals(trajectories: Iterable[Trajectory]) -> Mapping[str, float]:
    """Return what each layer said of each episode, added up over its steps, averaged over the episodes it spoke on.

    Beside the rules' success it shows a policy that learns to please a layer rather than to do the task.
    """
    totals: dict[str, list[float]] = {}
    for trajectory in trajectories:
        said: dict[str, float] = {}
        for step in trajectory.steps:
            for tier in step.tiers:
                if tier.raw is not None:
                    said[tier.tier] = said.get(tier.tier, 0.0) + tier.raw
        for name, total in said.items():
            totals.setdefault(name, []).append(total)
    return {name: sum(values) / len(values) for name, values in totals.items()}


__all__ = ["PASSED", "SettlementStats", "Settler", "tier_totals"]
