"""What an evaluation's episodes say: by task, by family, by length, and in all.

Rates are means over episodes, pass@k over (task, seed) clusters, and every interval is a bootstrap over those clusters
(see `statistics`). Where all clusters agree, so that drawing them again shows no spread, success has Wilson's interval
on their number instead: a policy that solved five of five is not known to solve everything. Episodes that nobody could
decide widen the interval both ways.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...envs.level import LEVELS, Level, level_of
from ..task_scores import TaskScore, score_results, wilson_interval
from .outcome import EpisodeResult, success_rate
from .statistics import Interval, clustered_interval, mean_of, pass_at_k


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean with its 95 % interval; all None where nothing is known."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """How a policy did on some episodes: those of a task, of a family, or all.

    Attributes:
        episodes: episodes that were played to their end.
        failures: episodes that the machine broke, in nothing else.
        undecided: episodes of which nobody can tell whether they succeeded.
        successes: episodes that succeeded.
        success: successes over decided episodes.
        pass_at: pass@k by k, over the clusters that have as many decided samples.
        reward_fraction: reward as a share of the most there was to earn.
        milestone_rate: share of a task's paying milestones that were reached, those left out that nobody judged.
        efficiency: oracle's steps over the policy's, mean over solved episodes of tasks with an oracle.
        mean_reward: mean reward of the episodes of which it is known.
        mean_steps: mean number of actions.
        mean_prompt_tokens: mean of the prompt tokens of an episode; None where they are not known.
        mean_completion_tokens: the same of the tokens that the policy answered.
        mean_duration_s: mean seconds of an episode, others running beside it.
    """

    episodes: int
    failures: int
    undecided: int
    successes: int
    success: Figure
    pass_at: Mapping[str, Figure]
    reward_fraction: Figure
    milestone_rate: Figure
    efficiency: Figure
    mean_reward: float | None
    mean_steps: float | None
    mean_prompt_tokens: float | None
    mean_completion_tokens: float | None
    mean_duration_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of an evaluation.

    Attributes:
        all: those of all episodes.
        families: by family.
        levels: by the length of the oracle's way (see `envs.level`): "easy", "medium", "hard", as far as there are
            such episodes; those of tasks without an oracle are in none.
        family_levels: the same within each family that has any.
        tasks: by task.
        scores: those of `milepost eval` since its first version, by task.
    """

    all: GroupScore
    families: Mapping[str, GroupScore]
    levels: Mapping[Level, GroupScore]
    family_levels: Mapping[str, Mapping[Level, GroupScore]]
    tasks: Mapping[str, GroupScore]
    scores: Mapping[str, TaskScore]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "all": asdict(self.all),
            "families": {name: asdict(group) for name, group in self.families.items()},
            "levels": {name: asdict(group) for name, group in self.levels.items()},
            "family_levels": {
                family: {name: asdict(group) for name, group in levels.items()}
                for family, levels in self.family_levels.items()
            },
            "tasks": {name: asdict(group) for name, group in self.tasks.items()},
        }


def summarise(episodes: Iterable[EpisodeResult], milestones: Mapping[str, Mapping[str, float]]) -> Summary:
    """Summarise episodes.

    Args:
        episodes: those of an evaluation, in the order of its tasks.
        milestones: reward by milestone id, for each task; its order is that of the result.
    """
    by_task: dict[str, list[EpisodeResult]] = {task: [] for task in milestones}
    by_family: dict[str, list[EpisodeResult]] = {}
    everything: list[EpisodeResult] = []
    for episode in episodes:
        by_task.setdefault(episode.task, []).append(episode)
        by_family.setdefault(episode.family, []).append(episode)
        everything.append(episode)
    return Summary(
        all=score_group(everything, milestones),
        families={name: score_group(members, milestones) for name, members in sorted(by_family.items())},
        levels=_by_level(everything, milestones),
        family_levels={
            name: levels for name, members in sorted(by_family.items()) if (levels := _by_level(members, milestones))
        },
        tasks={name: score_group(members, milestones) for name, members in by_task.items()},
        scores={name: score_results(list(milestones.get(name, ())), members) for name, members in by_task.items()},
    )


def _by_level(
    episodes: Sequence[EpisodeResult], milestones: Mapping[str, Mapping[str, float]]
) -> dict[Level, GroupScore]:
    by_level = {level: [e for e in episodes if level_of(e.oracle_steps) == level] for level in LEVELS}
    return {level: score_group(members, milestones) for level, members in by_level.items() if members}


def score_group(episodes: Sequence[EpisodeResult], milestones: Mapping[str, Mapping[str, float]]) -> GroupScore:
    """Return the figures of some episodes; see `summarise`."""
    played = [e for e in episodes if e.failure is None]
    clusters: dict[tuple[str, int], list[EpisodeResult]] = {}
    for e in played:
        clusters.setdefault((e.task, e.seed), []).append(e)
    groups = list(clusters.values())

    def figure(value_of: Callable[[EpisodeResult], float | None]) -> Figure:
        values = [[v for e in group if (v := value_of(e)) is not None] for group in groups]
        return _figure(values)

    def mean(value_of: Callable[[EpisodeResult], float | None]) -> float | None:
        return mean_of([float(v) for e in played if (v := value_of(e)) is not None])

    return GroupScore(
        episodes=len(played),
        failures=len(episodes) - len(played),
        undecided=sum(e.success is None for e in played),
        successes=sum(e.success is True for e in played),
        success=_success(groups),
        pass_at=_pass_at(groups),
        reward_fraction=figure(lambda e: e.reward_fraction),
        milestone_rate=figure(lambda e: _share_reached(e, milestones.get(e.task, {}))),
        efficiency=figure(lambda e: e.efficiency),
        mean_reward=mean(lambda e: e.reward),
        mean_steps=mean(lambda e: e.steps),
        mean_prompt_tokens=mean(lambda e: e.prompt_tokens),
        mean_completion_tokens=mean(lambda e: e.completion_tokens),
        mean_duration_s=mean(lambda e: e.duration_s),
    )


def table(summary: Summary) -> tuple[list[str], list[list[Any]]]:
    """Return the figures as a table: its columns, and a row for all, each family, length and task."""
    ks = list(summary.all.pass_at)
    figures = ["success", *(f"pass@{k}" for k in ks), "reward_fraction", "milestone_rate", "efficiency"]
    means = ["mean_reward", "mean_steps", "mean_prompt_tokens", "mean_completion_tokens", "mean_duration_s"]
    columns = ["level", "name", "episodes", "failures", "undecided", "successes"]
    columns += [f"{name}{end}" for name in figures for end in ("", "_low", "_high")] + means
    groups = [("all", "all", summary.all)]
    groups += [("family", name, group) for name, group in summary.families.items()]
    groups += [("length", name, group) for name, group in summary.levels.items()]
    groups += [
        ("family and length", f"{family} {name}", group)
        for family, levels in summary.family_levels.items()
        for name, group in levels.items()
    ]
    groups += [("task", name, group) for name, group in summary.tasks.items()]
    return columns, [_row(level, name, group, ks, means) for level, name, group in groups]


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue()


def _row(level: str, name: str, group: GroupScore, ks: Sequence[str], means: Sequence[str]) -> list[Any]:
    none = Figure(value=None, low=None, high=None)
    figures = [group.success, *(group.pass_at.get(k, none) for k in ks)]
    figures += [group.reward_fraction, group.milestone_rate, group.efficiency]
    row: list[Any] = [level, name, group.episodes, group.failures, group.undecided, group.successes]
    row += [value for f in figures for value in (f.value, f.low, f.high)]
    return row + [getattr(group, name) for name in means]


def _figure(clusters: Sequence[Sequence[float]]) -> Figure:
    interval = clustered_interval(clusters)
    return Figure(value=mean_of([v for c in clusters for v in c]), low=interval.low, high=interval.high)


def _success(groups: Sequence[Sequence[EpisodeResult]]) -> Figure:
    value = success_rate(e.success for group in groups for e in group)
    low = _rate_interval([[float(e.success is True) for e in group] for group in groups]).low
    high = _rate_interval([[float(e.success is not False) for e in group] for group in groups]).high
    return Figure(value=value, low=low, high=high)


def _rate_interval(clusters: Sequence[Sequence[float]]) -> Interval:
    values = {v for cluster in clusters for v in cluster}
    if values not in ({0.0}, {1.0}):
        return clustered_interval(clusters)
    count = sum(1 for cluster in clusters if cluster)
    low, high = wilson_interval(count * round(values.pop()), count)
    return Interval(low=low, high=high)


def _pass_at(groups: Sequence[Sequence[EpisodeResult]]) -> dict[str, Figure]:
    counts = [
        (len(decided), sum(decided)) for g in groups if (decided := [e.success for e in g if e.success is not None])
    ]
    most = max((n for n, _ in counts), default=0)
    ks = sorted({k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k <= most} | ({most} if most else set()))
    figures: dict[str, Figure] = {}
    for k in ks:
        estimates = [[pass_at_k(n, c, k)] for n, c in counts if n >= k]
        interval = _rate_interval(estimates)
        figures[str(k)] = Figure(value=mean_of([e[0] for e in estimates]), low=interval.low, high=interval.high)
    return figures


def _share_reached(episode: EpisodeResult, rewards: Mapping[str, float]) -> float | None:
    paying = [name for name, reward in rewards.items() if reward > 0 and name not in episode.unjudged]
    return sum(name in episode.milestones for name in paying) / len(paying) if paying else None


__all__ = ["Figure", "GroupScore", "Summary", "as_csv", "score_group", "summarise", "table"]
