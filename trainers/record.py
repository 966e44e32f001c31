"""Recording of episodes with a fixed policy: what offline training learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..agents.evaluation.policies import policy_named
from ..agents.policies import LanguageModelPolicy
from ..agents.records import Trajectory
from ..agents.rollout import EnvPool, run_episodes
from .curriculum import GroupSampler
from .metrics import task_label
from .recorded import read_trajectories
from .run_folder import RunFolder

_BATCH = 8
"""Groups that are played, and written, at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was recorded.

    Attributes:
        episodes: how many were played.
        broken: how many of them the machine broke.
        success: share of the others that succeeded, by task label.
    """

    episodes: int
    broken: int
    success: dict[str, float]


def record_episodes(
    tasks: Sequence[str],
    policy: str,
    *,
    out: Path,
    groups: int,
    group_size: int,
    temperature: float = 1.0,
    seed: int = 0,
    held_out_seeds: int = 64,
    on_episode: Callable[[int, int], None] = lambda done, total: None,
) -> Recorded:
    """Play groups of episodes and write them to a new run folder, a file for every few groups.

    The same call again, into the same folder, goes on after the last whole file, and counts those before it, too.

    Args:
        tasks: environment ids.
        policy: as `milepost eval --policy` takes it: a training run's folder, say, or the name of a scripted policy.
        out: the run folder.
        groups: instances to play, the tasks taking turns; none is a held-out one.
        group_size: episodes of each.
        temperature: of a trained policy; 0 is greedy.
        seed: seeds the draws.
        held_out_seeds: evaluation seeds per task whose instances are left out.
        on_episode: told (episodes done, in all).

    Raises:
        RunError: there is no such policy, or the folder holds something else.
    """
    acting = policy_named(policy).load()
    place = Path(policy)
    settings = {
        "policy": str(place.resolve()) if place.exists() else policy,
        "tasks": list(tasks),
        "groups": groups,
        "group_size": group_size,
        "temperature": temperature,
        "held_out_seeds": held_out_seeds,
    }
    if isinstance(acting, LanguageModelPolicy):
        trained = (place / "config.yaml").is_file()
        settings["model"] = RunFolder.open(place).config["model"] if trained else settings["policy"]
    specs = GroupSampler(tasks, np.random.default_rng(seed), held_out_seeds=held_out_seeds).draw_evenly(groups)
    done = broken = 0
    outcomes: dict[str, list[bool]] = {task_label(task): [] for task in tasks}
    with RunFolder.create(out, settings, seed) as folder, EnvPool() as pool:
        for number, start in enumerate(range(0, groups, _BATCH)):
            played = read_trajectories(folder.trajectories_path(number))
            if not played:
                if isinstance(acting, LanguageModelPolicy):
                    draws = torch.Generator().manual_seed(seed * 1_000_003 + number)
                    acting = replace(acting, temperature=temperature, generator=draws)
                played = run_episodes(
                    [spec for spec in specs[start : start + _BATCH] for _ in range(group_size)],
                    acting,
                    pool=pool,
                    on_episode=_after(done, groups * group_size, on_episode),
                )
                folder.write_trajectories(number, played, with_tokens=True)
            done += len(played)
            broken += sum(t.failure is not None for t in played)
            for t in played:
                if t.failure is None:
                    outcomes[task_label(t.task)].append(t.success)
        folder.mark("finished", wall_s=folder.wall_s)
    return Recorded(
        episodes=done,
        broken=broken,
        success={task: sum(results) / len(results) for task, results in outcomes.items() if results},
    )


def _after(before: int, total: int, told: Callable[[int, int], None]) -> Callable[[int, Trajectory], None]:
    return lambda now, _: told(before + now, total)


__all__ = ["Recorded", "record_episodes"]
