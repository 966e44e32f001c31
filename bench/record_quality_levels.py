"""Records episodes of many quality levels of tasks into a run folder: food for a reward model.

    python bench/record_quality_levels.py runs/levels --seeds 16 [--first-seed 0] [--tasks expense-form,search-open]
    milepost preferences from-rules runs/levels --out preferences.jsonl

Every (task, seed) is played once at each level, so that its episodes can be ranked: the oracle, the oracle cut short,
the oracle with idle detours, its first two thirds in circles, the second half (or all) of another seed's oracle, the
task's near misses, and agents that understand nothing. All act on real pages.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from milepost.agents.null_policies import ClickEverythingPolicy, SubmitOnlyPolicy
from milepost.agents.policies import NoopPolicy, OraclePolicy, Policy, RandomPolicy, ScriptPolicy
from milepost.agents.records import Trajectory
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.envs.registration import resolve_id, task_for
from milepost.envs.task import TaskInstance
from milepost.trainers.run_folder import RunFolder

TASKS = (
    "expense-form", "mail-attach", "mail-send", "report-download", "report-extract", "report-file", "search-open",
    "settings-toggle",
)  # fmt: skip
"""What is played unless told: one or two short tasks of each family, which take some ten minutes."""

_DONE = 'done("finished")'
_IDLE = ("noop()", 'scroll("down")')


def _ended(actions: Sequence[str]) -> list[str]:
    """The actions, and a claim to be done unless they end with one: idling to the step limit would say nothing."""
    return [*actions] if actions and actions[-1].startswith("done(") else [*actions, _DONE]


def _cut(share: float) -> Callable[[TaskInstance], list[str]]:
    return lambda instance: _ended(instance.oracle[: max(1, round(share * len(instance.oracle)))])


def _detours(instance: TaskInstance) -> list[str]:
    rng = np.random.default_rng(instance.seed)
    actions: list[str] = []
    for action in instance.oracle:
        if len(actions) + len(instance.oracle) + 2 < instance.task.max_steps and rng.random() < 0.5:
            actions.append(_IDLE[int(rng.integers(len(_IDLE)))])
        actions.append(action)
    return actions


def _circling(instance: TaskInstance) -> list[str]:
    """The first two thirds of the oracle again and again: what is done already earns nothing a second time."""
    actions = instance.oracle[: max(1, round(2 / 3 * len(instance.oracle)))]
    return [actions[i % len(actions)] for i in range(instance.task.max_steps)]


def _strayed(share: float) -> Callable[[TaskInstance], list[str]]:
    """The oracle up to a share of it, then another seed's: what would have been right for another goal."""

    def actions(instance: TaskInstance) -> list[str]:
        other = instance.task.instantiate(instance.seed + 7919).oracle
        at = int(share * len(instance.oracle))
        return _ended([*instance.oracle[:at], *other[at:]])

    return actions


def _near_miss(index: int) -> Callable[[TaskInstance], list[str]]:
    return lambda instance: _ended(instance.near_misses[index].actions)


def levels(near_misses: int) -> dict[str, Policy]:
    """Return the ways of playing a task that has so many near misses."""
    return {
        "oracle": OraclePolicy(),
        "cut to a third": ScriptPolicy(_cut(1 / 3)),
        "cut to two thirds": ScriptPolicy(_cut(2 / 3)),
        "detours": ScriptPolicy(_detours),
        "circling": ScriptPolicy(_circling),
        "strayed": ScriptPolicy(_strayed(0.5)),
        "another goal's": ScriptPolicy(_strayed(0.0)),
        **{f"near miss {i}": ScriptPolicy(_near_miss(i)) for i in range(near_misses)},
        "random": RandomPolicy(),
        "click everything": ClickEverythingPolicy(),
        "submit only": SubmitOnlyPolicy(),
        "no-op": NoopPolicy(),
    }


def record(run: Path, tasks: Sequence[str], seeds: Sequence[int], concurrency: int) -> int:
    """Play all levels and write them as one iteration of a run per task; returns the number of episodes."""
    console = Console(stderr=True)
    config = {"what": "quality levels", "tasks": list(tasks), "first_seed": seeds[0], "seeds": len(seeds)}
    total = 0
    began = time.perf_counter()
    with RunFolder.create(run, config, seed=seeds[0]) as folder:
        for iteration, task in enumerate(tasks):
            recorded: list[Trajectory] = []
            with EnvPool(ledger_dir=folder.ledger_dir(iteration)) as pool:
                for name, policy in levels(len(task_for(task).near_miss)).items():
                    specs = [EpisodeSpec(task=task, seed=seed) for seed in seeds]
                    episodes = run_episodes(specs, policy, pool=pool, concurrency=concurrency)
                    recorded += episodes
                    mean = np.mean([t.total_reward for t in episodes])
                    console.print(f"{task} {name}: {len(episodes)} episodes, mean reward {mean:.2f}", highlight=False)
            folder.write_trajectories(iteration, recorded)
            total += len(recorded)
        folder.mark("finished", wall_s=time.perf_counter() - began)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, default=16, help="instances of each task")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tasks", default=",".join(TASKS), help="comma-separated names of tasks with an oracle")
    parser.add_argument("--concurrency", type=int, default=16)
    arguments = parser.parse_args()
    tasks = [resolve_id(name) for name in arguments.tasks.split(",")]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    began = time.perf_counter()
    total = record(arguments.run, tasks, seeds, arguments.concurrency)
    print(f"{total} episodes in {time.perf_counter() - began:.0f} s: {arguments.run}")


if __name__ == "__main__":
    main()
