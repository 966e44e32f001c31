"""Preferences as a reward model's trainer needs them: token ids of every step, ranks, and which side each is on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..agents.reward_model.network import Ids
from ..rewards.preferences import Ranking, read_preferences
from ..rewards.reward_model.text import StepEncoder
from ..sandbox.errors import RunError
from .recorded import RecordedEpisodes


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedEpisodes:
    """One ranking with its episodes' steps as token ids.

    Attributes:
        task: the environment's id.
        seed: the episodes' seed.
        ranks: of each episode, 0 the best.
        steps: each episode's steps.
        successes: whether each episode succeeded.
        margin: asked of every ordered pair; None: none.
    """

    task: str
    seed: int
    ranks: tuple[int, ...]
    steps: tuple[tuple[Ids, ...], ...]
    successes: tuple[bool, ...]
    margin: float | None = None

    def demonstrations(self) -> list[int]:
        """Return the episodes that stand for demonstrations: the best-ranked ones, only successful ones if any is."""
        best = [i for i, rank in enumerate(self.ranks) if rank == min(self.ranks)]
        return [i for i in best if self.successes[i]] or best


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The rankings to train on, those held out of the same tasks, and those of tasks kept out altogether."""

    train: tuple[RankedEpisodes, ...]
    held_out: tuple[RankedEpisodes, ...]
    unseen: tuple[RankedEpisodes, ...]


def load_rankings(paths: Iterable[Path]) -> list[Ranking]:
    """Read all files of preferences.

    Raises:
        RewardError: a file or line is wrong.
    """
    return [ranking for path in paths for ranking in read_preferences(path)]


def encode_rankings(rankings: Sequence[Ranking], encoder: StepEncoder) -> list[RankedEpisodes]:
    """Read the episodes behind the rankings and tokenise their steps.

    Raises:
        RunError: an episode is missing, or is another one than was ranked.
    """
    recorded = RecordedEpisodes()
    encoded: list[RankedEpisodes] = []
    for ranking in rankings:
        refs = [item.trajectory for item in ranking.items]
        for ref in refs:
            found = recorded.trajectory(ref)
            if (found.task, found.seed) != (ranking.task, ranking.seed):
                raise RunError(
                    f"a ranking of {ranking.task} seed {ranking.seed} names episode {ref.index} of {ref.run / ref.file}"
                    f", which is {found.task} seed {found.seed}. The file was written anew since; make the preferences "
                    "anew."
                )
        views = recorded.views(refs)
        encoded.append(
            RankedEpisodes(
                task=ranking.task,
                seed=ranking.seed,
                ranks=tuple(item.rank for item in ranking.items),
                steps=tuple(tuple(encoder.ids(view.goal, step) for step in view.steps) for view in views),
                successes=tuple(recorded.trajectory(ref).success for ref in refs),
                margin=ranking.margin,
            )
        )
    return encoded


def is_held_out(task: str, seed: int, share: float) -> bool:
    """Whether a (task, seed) group is kept from training; depends on nothing else, so it is the same for ever."""
    digest = hashlib.sha256(f"{task}\n{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def split_rankings(ranked: Sequence[RankedEpisodes], *, share: float, unseen_tasks: Iterable[str]) -> Sides:
    """Deal rankings to their sides by task and seed.

    Raises:
        RunError: a side that is needed is empty, or a task to keep out does not occur.
    """
    unseen = set(unseen_tasks)
    if missing := unseen - {r.task for r in ranked}:
        raise RunError(
            f"unseen_tasks names {', '.join(sorted(missing))}, of which there are no preferences; there are of "
            f"{', '.join(sorted({r.task for r in ranked}))}."
        )
    seen = [r for r in ranked if r.task not in unseen]
    sides = Sides(
        train=tuple(r for r in seen if not is_held_out(r.task, r.seed, share)),
        held_out=tuple(r for r in seen if is_held_out(r.task, r.seed, share)),
        unseen=tuple(r for r in ranked if r.task in unseen),
    )
    for name, side in (("train on", sides.train), ("hold out", sides.held_out)):
        if not side:
            raise RunError(
                f"there is no ranking to {name} among {len(seen)}: groups of task and seed go to one side whole. "
                "Record more seeds, or change held_out."
            )
    return sides


__all__ = ["RankedEpisodes", "Sides", "encode_rankings", "is_held_out", "load_rankings", "split_rankings"]
