"""Rankings out of a judge's scores: preferences from AI feedback (RLAIF).

Episodes of one task and seed are scored by a judge, each by itself against the same rubric, and ranked by their scores.
No episode is shown beside another, so no order of showing can sway the judge, and a group of K costs K questions rather
than K(K-1)/2. The price: two good episodes are told apart only as far as the judge's scale does, so near scores are
ties.

A judge that abstains, or is not sure, says nothing of that episode: it is left out, never ranked last.

Source: Bai et al. 2022, "Constitutional AI: harmlessness from AI feedback"; Lee et al. 2023, "RLAIF".
Deviations: 1. scores instead of comparisons, as said above; 2. hard ranks instead of the judge's probabilities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from ..agents.reward_layers import final_answer
from ..agents.task_rubric import RubricOrigin, task_rubric
from ..rewards.judge.judge import Judge
from ..rewards.judge.judgement import Judgement
from ..rewards.judge.request import JudgeRequest, Rubrics
from ..rewards.judge.untrusted import one_line
from ..rewards.preferences import PreferenceSource, RankedTrajectory, Ranking
from .episode_groups import GroupedEpisode, group_episodes, most_different
from .judge_preferences_config import JudgePreferencesConfig
from .recorded import RecordedEpisodes
from .rule_agreement import RuleAgreement, rule_agreement

_TURNS_A_BATCH = 4  # questions asked together, for each that the judge answers at once
_REASON_CHARS = 300
_ROUNDING = 1e-9


@dataclass(slots=True, kw_only=True)
class FromJudge:
    """What came of it.

    Attributes:
        rankings: one for each group of which the judge has something to say.
        episodes: how many were read.
        broken: episodes left out because the machine broke them or they took no step.
        repeated: episodes left out because another of their group has the same actions.
        alone: episodes that nobody was asked about, since each is the only one of its group.
        spared: episodes that nobody was asked about, since there were more than `most` of their group.
        groups: groups that the judge was asked about.
        asked: episodes that the judge was asked about.
        judged: episodes that it scored, surely enough.
        abstained: episodes that it did not score, by the kind of its abstention.
        unsure: episodes that it scored with too little confidence.
        thin_groups: groups left out because fewer than two of their episodes were judged.
        tied_groups: groups left out because all scores are near each other.
        rubrics: episodes asked about, by where the rubric comes from.
        agreement: with the rule totals, where they tell episodes apart, by task; tied groups count too.
        cost: money spent, in the currency of the judge's prices.
        tokens: tokens spent.
        cached: episodes about which every answer was known already.
    """

    rankings: list[Ranking] = field(default_factory=list)
    episodes: int = 0
    broken: int = 0
    repeated: int = 0
    alone: int = 0
    spared: int = 0
    groups: int = 0
    asked: int = 0
    judged: int = 0
    abstained: Counter[str] = field(default_factory=Counter)
    unsure: int = 0
    thin_groups: int = 0
    tied_groups: int = 0
    rubrics: Counter[RubricOrigin] = field(default_factory=Counter)
    agreement: dict[str, RuleAgreement] = field(default_factory=dict)
    cost: float = 0.0
    tokens: int = 0
    cached: int = 0

    @property
    def pairs(self) -> int:
        """Ordered pairs in the rankings."""
        return sum(len(ranking.pairs) for ranking in self.rankings)

    @property
    def agreement_in_all(self) -> RuleAgreement:
        """The agreement with the rule totals, all tasks together."""
        total = RuleAgreement()
        for one in self.agreement.values():
            total = total.plus(one)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Episodes of one task and seed that the judge is asked about, with their questions."""

    task: str
    seed: int
    episodes: tuple[GroupedEpisode, ...]
    requests: tuple[JudgeRequest, ...]
    origins: tuple[RubricOrigin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """An episode with the judge's word on it."""

    episode: GroupedEpisode
    judgement: Judgement
    score: float


async def rankings_from_judge(
    runs: Iterable[Path],
    config: JudgePreferencesConfig,
    judge: Judge,
    *,
    now: datetime | None = None,
    on_file: Callable[[Path], None] = lambda path: None,
    on_judged: Callable[[int, int, float], None] = lambda done, total, cost: None,
) -> FromJudge:
    """Rank the recorded episodes of some runs by a judge's scores.

    What the judge has answered lies in its cache, so a call that was cut short pays for no answer twice.

    Args:
        runs: run folders.
        config: which episodes to ask about, and what to believe.
        judge: what is asked; its budget holds for all questions together.
        now: the time to write down; None: the clock's.
        on_file: told each file before it is read.
        on_judged: told, now and then, how many groups are done, of how many, and the cost so far.

    Raises:
        RunError: a run holds no episodes, or a file is damaged.
        RewardError: the file of rubrics cannot be read, or a goal is too long to ask about.
    """
    time = datetime.now(UTC).replace(microsecond=0) if now is None else now
    rubrics = None if config.rubrics is None else Rubrics.read(config.rubrics)
    read = group_episodes(runs, scored_only=False, on_file=on_file)
    chosen = {name: most_different(group, config.most) for name, group in read.groups.items() if len(group) > 1}
    made = FromJudge(
        episodes=read.episodes,
        broken=read.broken,
        repeated=read.repeated,
        alone=sum(len(group) == 1 for group in read.groups.values()),
        spared=sum(len(read.groups[name]) - len(kept) for name, kept in chosen.items()),
        groups=len(chosen),
    )
    recorded, done = RecordedEpisodes(), 0
    groups = (_group(task, seed, episodes, recorded, rubrics) for (task, seed), episodes in chosen.items())
    for batch in _batches(groups, _TURNS_A_BATCH * judge.config.max_concurrency):
        judgements = await judge.judge([request for group in batch for request in group.requests])
        for group in batch:
            own, judgements = judgements[: len(group.requests)], judgements[len(group.requests) :]
            _rank(group, own, config, time, made)
            done += 1
        on_judged(done, len(chosen), made.cost)
    return made


def connect_judge(config: JudgePreferencesConfig, out: Path) -> Judge:
    """Return the judge of a configuration, its answers kept beside the preferences unless it names another cache.

    Args:
        config: with the judge's settings.
        out: the preferences' file.

    Raises:
        RewardError: the judge cannot be made.
    """
    settings = config.judge
    if settings.cache is None:
        settings = settings.model_copy(update={"cache": out.with_name(f"{out.stem}.answers.sqlite")})
    return Judge.connect(settings)


def ranks_of(scores: Sequence[float], *, tie: float) -> list[int]:
    """Return the ranks of some scores, 0 for the highest, those near each other sharing one.

    A rank ends where the next lower score lies further than `tie` below: so any two scores of different ranks differ by
    more, while a chain of near scores is one rank even if its ends lie further apart. What is doubtful is not ordered.

    Args:
        scores: in any order.
        tie: the widest distance, 0 or more, of scores that are a tie.
    """
    falling = sorted(set(scores), reverse=True)
    rank_of, rank = dict.fromkeys(falling[:1], 0), 0
    for higher, lower in pairwise(falling):
        rank += higher - lower > tie + _ROUNDING
        rank_of[lower] = rank
    return [rank_of[score] for score in scores]


def _group(
    task: str, seed: int, episodes: Sequence[GroupedEpisode], recorded: RecordedEpisodes, rubrics: Rubrics | None
) -> _Group:
    views = recorded.views(episode.ref for episode in episodes)
    asked = [task_rubric(view, rubrics) for view in views]
    requests = tuple(
        JudgeRequest(rubric=rubric, view=view, answer=final_answer(view), id=f"{task} {seed} preference")
        for view, (rubric, _) in zip(views, asked, strict=True)
    )
    return _Group(
        task=task, seed=seed, episodes=tuple(episodes), requests=requests, origins=tuple(origin for _, origin in asked)
    )


def _batches(groups: Iterable[_Group], questions: int) -> Iterator[list[_Group]]:
    """Yield groups by so many questions or a few more, so that a judge is never short of work, nor far ahead."""
    batch: list[_Group] = []
    for group in groups:
        batch.append(group)
        if sum(len(each.requests) for each in batch) >= questions:
            yield batch
            batch = []
    if batch:
        yield batch


def _rank(
    group: _Group, judgements: Sequence[Judgement], config: JudgePreferencesConfig, time: datetime, made: FromJudge
) -> None:
    """Rank a group by what the judge said of it, and count what came of it."""
    believed = sorted(_believed(group, judgements, config, made), key=lambda scored: -scored.score)
    if len(believed) < 2:
        made.thin_groups += 1
        return
    ranks = ranks_of([scored.score for scored in believed], tie=config.tie)
    compared = rule_agreement([scored.episode.total for scored in believed], ranks)
    made.agreement[group.task] = made.agreement.get(group.task, RuleAgreement()).plus(compared)
    if len(set(ranks)) < 2:
        made.tied_groups += 1
        return
    best, worst = believed[0].judgement, believed[-1].judgement
    made.rankings.append(
        Ranking(
            task=group.task,
            seed=group.seed,
            items=tuple(
                RankedTrajectory(trajectory=scored.episode.ref, rank=rank)
                for scored, rank in zip(believed, ranks, strict=True)
            ),
            source=PreferenceSource.JUDGE,
            annotator=f"{best.model} {best.prompt_version}",
            reason=f"scores {', '.join(f'{scored.score:.3g}' for scored in believed)}. "
            f"Of the best: {_first_reason(best)} Of the worst: {_first_reason(worst)}",
            time=time,
        )
    )


def _believed(
    group: _Group, judgements: Sequence[Judgement], config: JudgePreferencesConfig, made: FromJudge
) -> Iterator[_Scored]:
    """Yield the episodes that the judge scored surely enough, and count the others."""
    made.rubrics.update(group.origins)
    for episode, judgement in zip(group.episodes, judgements, strict=True):
        made.asked += 1
        made.cost += judgement.cost
        made.tokens += judgement.tokens
        made.cached += judgement.cached
        if judgement.score is None:
            made.abstained[judgement.abstention.kind if judgement.abstention else "unknown"] += 1
        elif (judgement.confidence or 0.0) < config.min_confidence:
            made.unsure += 1
        else:
            made.judged += 1
            yield _Scored(episode=episode, judgement=judgement, score=judgement.score)


def _first_reason(judgement: Judgement) -> str:
    return one_line(judgement.reasons[0] if judgement.reasons else "", _REASON_CHARS)


__all__ = ["FromJudge", "connect_judge", "rankings_from_judge", "ranks_of"]
