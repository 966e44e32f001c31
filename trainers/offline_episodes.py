"""Recorded episodes as offline trainers want them: none that the machine broke, none with another model's tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import yaml

from ..agents.evaluate import HELD_OUT_SEED
from ..agents.records import Trajectory
from ..envs.registration import task_for
from ..rewards.preferences import Ranking, TrajectoryRef
from ..sandbox.errors import RunError
from .recorded import RecordedEpisodes, read_trajectories, trajectory_files

Pair = tuple[Trajectory, Trajectory]


def read_episodes(
    runs: Iterable[Path],
    *,
    model: str,
    tasks: Iterable[str] | None = None,
    on_file: Callable[[Path], None] = lambda path: None,
) -> list[Trajectory]:
    """Read the whole episodes of some runs, in the order of runs and iterations.

    Args:
        runs: run folders.
        model: name of the model that will learn; tokens that another one sampled are left out.
        tasks: ids of the tasks whose episodes are wanted; None: all.
        on_file: told each file before it is read.

    Raises:
        RunError: a run holds no episodes, or a file is damaged.
    """
    wanted = None if tasks is None else set(tasks)
    episodes: list[Trajectory] = []
    for run in runs:
        same = _model_of(run) == model
        for path in trajectory_files(run):
            on_file(path)
            episodes += [
                trajectory if same else without_tokens(trajectory)
                for trajectory in read_trajectories(path)
                if is_whole(trajectory) and (wanted is None or trajectory.task in wanted)
            ]
    return episodes


def ranked_pairs(rankings: Iterable[Ranking], *, model: str) -> list[Pair]:
    """Return the ordered (better, worse) pairs of episodes that rankings name; pairs with a broken one are left out.

    Raises:
        RunError: an episode is missing, or is another one than was ranked.
    """
    recorded = RecordedEpisodes()
    known: dict[TrajectoryRef, Trajectory] = {}

    def episode(ref: TrajectoryRef) -> Trajectory:
        if ref not in known:
            found = recorded.trajectory(ref)
            known[ref] = found if _model_of(ref.run) == model else without_tokens(found)
        return known[ref]

    pairs: list[Pair] = []
    for ranking in rankings:
        episodes = [episode(item.trajectory) for item in ranking.items]
        for found in episodes:
            if (found.task, found.seed) != (ranking.task, ranking.seed):
                raise RunError(
                    f"a ranking of {ranking.task} seed {ranking.seed} names an episode of {found.task} seed "
                    f"{found.seed}. The run was written anew since; make the preferences anew."
                )
        pairs += [
            (episodes[better], episodes[worse])
            for better, worse in ranking.pairs
            if is_whole(episodes[better]) and is_whole(episodes[worse])
        ]
    return pairs


def is_of_training(trajectory: Trajectory, held_out_seeds: int) -> bool:
    """Whether an episode is none of evaluation's, not even one of the same goal under another seed.

    Args:
        trajectory: the episode.
        held_out_seeds: evaluation seeds per task.
    """
    if trajectory.seed >= HELD_OUT_SEED:
        return False
    goal = _plain(task_for(trajectory.task).instantiate(trajectory.seed).goal)
    return goal not in _held_out_goals(trajectory.task, held_out_seeds)


@lru_cache(maxsize=1024)
def _held_out_goals(task: str, seeds: int) -> frozenset[str]:
    return frozenset(_plain(task_for(task).instantiate(HELD_OUT_SEED + k).goal) for k in range(seeds))


def _plain(goal: str) -> str:
    return " ".join(goal.split()).casefold()


def is_whole(trajectory: Trajectory) -> bool:
    """Whether something can be learnt from an episode: the machine did not break it, and it has a step."""
    return trajectory.failure is None and bool(trajectory.steps)


def without_tokens(trajectory: Trajectory) -> Trajectory:
    """Return the episode as it is recorded without token ids."""
    steps = (replace(s, prompt_ids=(), response_ids=(), behaviour_logprobs=()) for s in trajectory.steps)
    return replace(trajectory, steps=tuple(steps))


def _model_of(run: Path) -> str | None:
    """Name of the model that acted in a run; None if it was none or is not known."""
    try:
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return None
    return config.get("model") if isinstance(config, dict) else None


__all__ = ["Pair", "is_of_training", "is_whole", "ranked_pairs", "read_episodes", "without_tokens"]
