"""How long a task's oracle takes on its real pages."""

from __future__ import annotations

import statistics

from ..envs.env import MilepostEnv
from ..envs.task import Task
from ..sandbox.errors import TaskError
from .policies import OraclePolicy
from .rollout import EnvPool, EpisodeSpec, StepTaken, run_episodes

TIMED_EPISODES = 3


def oracle_seconds(task: Task, *, episodes: int = TIMED_EPISODES) -> float:
    """Play a task's oracle, one episode after another, and return the median time of an episode's steps in seconds.

    What else the machine does shows in it. Resets are left out, and so is one episode beforehand, which finds the
    browser, the application and their caches cold.

    Args:
        task: the task.
        episodes: how many are timed, 1 or more; seeds 1 onwards.

    Raises:
        TaskError: the machine failed, so that there is nothing to tell.
    """
    taken: dict[int, float] = {}

    def count(step: StepTaken) -> None:
        seed = step.spec.seed
        taken[seed] = taken.get(seed, 0.0) + float(step.info["step_ms"].total) / 1000

    specs = [EpisodeSpec(task=task.name, seed=seed) for seed in range(episodes + 1)]
    observations = ("text",) if task.oracle else OraclePolicy.observations
    with EnvPool(makers={task.name: lambda: MilepostEnv(task, observations=observations)}) as pool:
        played = run_episodes(specs, OraclePolicy(), pool=pool, concurrency=1, on_step=count)
    if broken := [t for t in played if t.failure is not None]:
        raise TaskError(f"the oracle of {task.name!r} could not be timed: {broken[0].failure}; see `milepost doctor`")
    return statistics.median(seconds for seed, seconds in taken.items() if seed > 0)


__all__ = ["TIMED_EPISODES", "oracle_seconds"]
