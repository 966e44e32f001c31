"""From recorded episodes and rankings to a preference run's examples, with their tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..agents.records import Trajectory
from ..rewards.preferences import read_preferences
from ..sandbox.errors import RunError
from .offline_config import UNPAIRED, PreferenceTrainingConfig
from .offline_episodes import is_of_training, ranked_pairs, read_episodes
from .preference_pairs import distinct, episode_pairs, step_pairs
from .turns import Example, OfflineData, Tokens, Turns, mismatched


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a preference run learns from.

    Attributes:
        data: the examples, without the reference's log-probabilities.
        episodes: how many recorded episodes they were made of; those of held-out instances are not among them.
        same_prompt: of the pairs of steps, how many answer one observation; None for whole episodes.
    """

    data: OfflineData
    episodes: int
    same_prompt: int | None


def collect_examples(
    config: PreferenceTrainingConfig,
    tasks: Sequence[str],
    tokens: Tokens,
    *,
    generator: torch.Generator,
    on_file: Callable[[Path], None] = lambda path: None,
) -> Collected:
    """Read what was recorded and make the objective's examples of it.

    Args:
        config: the run.
        tasks: ids of the tasks that it is about.
        tokens: gives steps their tokens.
        generator: draws the examples where there is a limit.
        on_file: told each file of episodes before it is read.

    Raises:
        RunError: something is missing or damaged, or it holds nothing to learn from.
        RewardError: a file of preferences is wrong.
    """
    turns = Turns()
    unpaired = config.loss.objective in UNPAIRED
    read = read_episodes(config.episodes, model=config.model, tasks=tasks, on_file=on_file)
    episodes = [e for e in read if is_of_training(e, config.evaluation_seeds)]
    examples: list[Example] = []
    same_prompt: int | None = None
    if config.pairs.unit == "step":
        found = step_pairs(
            episodes,
            min_gap=config.pairs.min_gap,
            most=config.pairs.most,
            gamma=config.pairs.gamma,
            across_prompts=config.pairs.across_prompts,
        )
        same_prompt = sum(pair.same_prompt for pair in found)
        examples = [
            Example(
                task=pair.task,
                chosen=(turns.add(tokens.turn(pair.task, pair.better)),),
                rejected=(turns.add(tokens.turn(pair.task, pair.worse)),),
            )
            for pair in found
        ]
    else:
        rankings = [ranking for path in config.preferences for ranking in read_preferences(path)]
        pairs = [
            pair
            for pair in ranked_pairs(rankings, model=config.model)
            if pair[0].task in tasks and is_of_training(pair[0], config.evaluation_seeds)
        ]
        if not unpaired:  # single episodes are told apart by success, below
            found_pairs = episode_pairs(episodes, min_gap=config.pairs.min_gap, most=config.pairs.most)
            pairs += [(pair.better, pair.worse) for pair in found_pairs]
        examples = [
            Example(task=a.task, chosen=_side(a, tokens, turns), rejected=_side(b, tokens, turns)) for a, b in pairs
        ]
    examples = [e for e in examples if e.chosen != e.rejected]  # other words, but the same tokens
    if unpaired:
        examples = _single(examples)
        if config.pairs.unit == "trajectory":
            examples += _by_success(episodes, tokens, turns, most=config.pairs.most, known=examples)
    if not examples:
        raise RunError(
            f"{len(episodes)} recorded episodes make no example: no two of one task and seed differ enough. Record "
            "more episodes of the same seeds, or lower pairs.min_gap."
        )
    if config.pairs.limit is not None and len(examples) > config.pairs.limit:
        kept = torch.randperm(len(examples), generator=generator)[: config.pairs.limit].tolist()
        examples = [examples[i] for i in sorted(kept)]
    if config.loss.objective == "kto":
        examples = _with_mismatched(examples, turns, generator)
    return Collected(
        data=OfflineData(turns=turns, examples=tuple(examples)), episodes=len(episodes), same_prompt=same_prompt
    )


def _side(episode: Trajectory, tokens: Tokens, turns: Turns) -> tuple[int, ...]:
    return tuple(turns.add(turn) for turn in tokens.turns(episode))


def _single(pairs: Sequence[Example]) -> list[Example]:
    """Take pairs apart: what only ever wins is desirable, what only ever loses is not, the rest is left out."""
    won = {pair.chosen: pair.task for pair in pairs}
    lost = {pair.rejected: pair.task for pair in pairs}
    return [
        *(Example(task=task, chosen=side) for side, task in won.items() if side not in lost),
        *(Example(task=task, rejected=side) for side, task in lost.items() if side not in won),
    ]


def _by_success(
    episodes: Sequence[Trajectory], tokens: Tokens, turns: Turns, *, most: int, known: Sequence[Example]
) -> list[Example]:
    """Return episodes that succeeded as desirable and others as not, at most so many of a task and seed and kind."""
    seen = {example.chosen or example.rejected for example in known}
    found: list[Example] = []
    for group in distinct(episodes):
        for success in (True, False):
            for episode in [e for e in group if not e.unjudged and e.success == success][:most]:
                side = _side(episode, tokens, turns)
                if side in seen:
                    continue
                seen.add(side)
                found.append(
                    Example(task=episode.task, chosen=side) if success else Example(task=episode.task, rejected=side)
                )
    return found


def _with_mismatched(examples: Sequence[Example], turns: Turns, generator: torch.Generator) -> list[Example]:
    """Give each example the responses of another one, drawn once: each one's are given away once."""
    order = torch.randperm(len(examples), generator=generator).tolist()
    partner = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    sides = [example.chosen or example.rejected for example in examples]
    return [
        replace(example, mismatched=mismatched(turns, sides[i], sides[partner[i]]))
        for i, example in enumerate(examples)
    ]


__all__ = ["Collected", "collect_examples"]
