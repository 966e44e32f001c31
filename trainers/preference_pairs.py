"""Which recorded episode, or step, is better than which: pairs out of what rules measured, as pure functions.

Whole episodes of one task and seed are compared by success, then by total reward. Steps are compared where they began
alike: same task, seed and milestones reached before, and the same observation where it can be had, since the preference
between two answers means most when both answer one prompt. A step's worth is the return-to-go that was measured from it
on, averaged over the steps that took the same action from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from ..agents.records import StepRecord, Trajectory
from .advantages import returns_to_go


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPair:
    """Two steps of one task, seed and frontier.

    Attributes:
        task: the environment's id.
        better: the step with the higher mean return-to-go.
        worse: the other one.
        gap: by how much it is higher, above 0.
        same_prompt: whether both answer the same observation.
    """

    task: str
    better: StepRecord
    worse: StepRecord
    gap: float
    same_prompt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodePair:
    """Two episodes of one task and seed.

    Attributes:
        better: the one that succeeded while the other did not, or the one with the higher total.
        worse: the other one.
        gap: difference of their totals; may be 0 or less where success decided.
    """

    better: Trajectory
    worse: Trajectory
    gap: float


@dataclass(slots=True)
class _Choice:
    """One action from one observation at one frontier, and the returns that were seen after it."""

    step: StepRecord
    total: float = 0.0
    count: int = 0

    @property
    def value(self) -> float:
        return self.total / self.count


def episode_pairs(episodes: Sequence[Trajectory], *, min_gap: float, most: int) -> list[EpisodePair]:
    """Pair distinct episodes of each task and seed.

    Args:
        episodes: whole episodes; one with an unscored step has no total and is left out.
        min_gap: least difference of totals where success does not decide, above 0.
        most: most pairs of one task and seed, those with the largest gaps, success before totals.
    """
    pairs: list[EpisodePair] = []
    for group in distinct(episodes):
        scored = [e for e in group if all(step.reward is not None for step in e.steps)]
        found: list[tuple[bool, float, EpisodePair]] = []
        for a, b in combinations(scored, 2):
            decided = not a.unjudged and not b.unjudged and a.success != b.success
            better, worse = (a, b) if _rank(a, decided) > _rank(b, decided) else (b, a)
            gap = better.total_reward - worse.total_reward
            if decided or gap >= min_gap:
                found.append((decided, gap, EpisodePair(better=better, worse=worse, gap=gap)))
        found.sort(key=lambda item: item[:2], reverse=True)
        pairs += [pair for _, _, pair in found[:most]]
    return pairs


def step_pairs(
    episodes: Sequence[Trajectory], *, min_gap: float, most: int, gamma: float, across_prompts: bool = True
) -> list[StepPair]:
    """Pair steps that share a frontier.

    Args:
        episodes: whole episodes; a step without a reward has no return and is left out.
        min_gap: least difference of returns-to-go, above 0.
        most: most pairs of one prompt, or of one frontier across prompts; the best action is paired with the worst
            ones first.
        gamma: discount of returns-to-go in a step, in (0, 1]; below 1 the shorter way is better.
        across_prompts: whether steps whose own prompt makes no pair are paired at their frontier, though they answer
            different observations.
    """
    frontiers: dict[tuple[str, int, int], dict[str, dict[str, _Choice]]] = {}
    for episode in episodes:
        returns = returns_to_go([step.reward for step in episode.steps], gamma)
        for step, value in zip(episode.steps, returns, strict=True):
            if value is not None:
                prompts = frontiers.setdefault((episode.task, episode.seed, step.milestones_before), {})
                choice = prompts.setdefault(step.observation, {}).setdefault(step.action, _Choice(step))
                choice.total += value
                choice.count += 1
    pairs: list[StepPair] = []
    for (task, _, _), prompts in frontiers.items():
        alone: list[_Choice] = []
        for choices in prompts.values():
            found = _best_against_others(task, choices.values(), min_gap, most, same_prompt=True)
            pairs += found
            if not found:
                alone += choices.values()
        if across_prompts:
            pairs += _best_against_others(task, alone, min_gap, most, same_prompt=False)
    return pairs


def distinct(episodes: Iterable[Trajectory]) -> list[list[Trajectory]]:
    """Group episodes by task and seed, leaving out those that repeat the actions of another of their group."""
    groups: dict[tuple[str, int], dict[tuple[str, ...], Trajectory]] = {}
    for episode in episodes:
        actions = tuple(step.action for step in episode.steps)
        groups.setdefault((episode.task, episode.seed), {}).setdefault(actions, episode)
    return [list(group.values()) for group in groups.values()]


def _rank(episode: Trajectory, decided: bool) -> tuple[bool, float]:
    return (decided and episode.success, episode.total_reward)


def _best_against_others(
    task: str, choices: Iterable[_Choice], min_gap: float, most: int, *, same_prompt: bool
) -> list[StepPair]:
    ordered = sorted(choices, key=lambda choice: choice.value)
    if len(ordered) < 2:
        return []
    best = ordered[-1]
    return [
        StepPair(task=task, better=best.step, worse=other.step, gap=best.value - other.value, same_prompt=same_prompt)
        for other in ordered[:-1]
        if best.value - other.value >= min_gap
    ][:most]


__all__ = ["EpisodePair", "StepPair", "distinct", "episode_pairs", "step_pairs"]
