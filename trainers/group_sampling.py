"""Sampling an iteration's groups of episodes, and replacing those that are dead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from ..agents.overlap import run_overlapped
from ..agents.records import Trajectory
from ..agents.rollout import EpisodeSpec, RolloutTimes, run_episodes
from ..agents.settlement import SettlementStats
from .advantages.groups import groups_of
from .replacement import Group, GroupReplacer

if TYPE_CHECKING:
    from .online_run import OnlineRun

DeadGroups = Callable[[Sequence[Trajectory]], tuple[Group, ...]]
"""Names the groups that have nothing to teach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """An iteration's episodes.

    Attributes:
        trajectories: of the groups that were kept, rewards settled.
        dead: of the groups that were replaced.
        replaced: how many dead groups were replaced.
        times: where the time went.
        settlement: how the reward's layers were used.
    """

    trajectories: list[Trajectory]
    dead: list[Trajectory]
    replaced: int
    times: RolloutTimes
    settlement: SettlementStats


def sample_groups(run: OnlineRun, dead_groups: DeadGroups) -> Sampled:
    """Sample an iteration's groups, settle their rewards, and replace dead groups.

    Several ranks share the groups and the replacements that are allowed, and all get all episodes.
    """
    config, ranks, times, settlement = run.config, run.ranks, RolloutTimes(), SettlementStats()
    groups = ranks.share(run.sampler.draw(config.groups))
    sampler = run.sampler.apart(ranks.rank) if ranks.several else run.sampler
    policy = replace(
        run.policy(config.temperature, by_episode=config.overlap), generator=ranks.generator(run.generator)
    )
    everything: list[Trajectory] = []
    most_replacements = len(ranks.share(range(config.max_replacements)))
    run.progress.phase("sampling")
    run.pool.ledger_dir = run.folder.ledger_dir(run.iteration)

    def play(drawn: Sequence[EpisodeSpec], replacer: GroupReplacer | None = None) -> list[Trajectory]:
        specs = [spec for spec in drawn for _ in range(config.group_size)]
        run_all = run_overlapped if config.overlap else run_episodes
        played = run_all(
            specs,
            policy,
            pool=run.pool,
            concurrency=config.concurrency,
            policy_version=run.updates,
            times=times,
            on_episode=lambda done, _: run.progress.advance_within(done, max(done, len(specs))),
            refill=replacer,
        )
        settled, stats = run.settler.settle(played)
        settlement.add(stats)
        everything.extend(settled)
        return settled

    def draw() -> EpisodeSpec | None:
        return sampler.draw(1)[0] if min(sampler.success.values()) < config.solved_at else None

    replacer = GroupReplacer(
        len(groups),
        size=config.group_size,
        most=most_replacements,
        is_dead=lambda group: bool(dead_groups(group)),
        draw=draw,
        again=config.resample,
    )
    if run.settler.changes_rewards(run.tasks):  # only then it shows which groups are dead
        trajectories = play(groups)
        while True:
            dead = dead_groups(trajectories)[: most_replacements - len(replacer.dead)]
            fresh = [spec for _ in dead if (spec := draw()) is not None]
            replacer.dead += dead[: len(fresh)]
            trajectories = replacer.without_dead(trajectories) + (play(fresh) if fresh else [])
            if not (fresh and config.resample):
                break
    else:
        trajectories = replacer.without_dead(play(groups, replacer))
    run.pool.ledger_dir = None
    own = Sampled(
        trajectories=trajectories,
        dead=[t for t in everything if (t.task, t.seed) in replacer.dead],
        replaced=len(replacer.dead),
        times=times,
        settlement=settlement,
    )
    return _together(ranks.gathered(own))


def _together(parts: Sequence[Sampled]) -> Sampled:
    """Put together what the ranks have sampled; seconds are those of the slowest."""
    if len(parts) == 1:
        return parts[0]
    times, settlement = RolloutTimes(), SettlementStats()
    for part in parts:
        settlement.add(part.settlement)
    for name in (f.name for f in fields(times)):
        values = [getattr(part.times, name) for part in parts]
        setattr(times, name, max(values) if name.endswith("_s") else sum(values))
    return Sampled(
        trajectories=[t for part in parts for t in part.trajectories],
        dead=[t for part in parts for t in part.dead],
        replaced=sum(part.replaced for part in parts),
        times=times,
        settlement=settlement,
    )


def alike_in_success(trajectories: Sequence[Trajectory]) -> tuple[Group, ...]:
    """Name the groups whose episodes all succeeded or all failed.

    Source: Yu et al. 2025 (DAPO, 2503.14476), section 3.2: kept are groups with 0 < successes < members.
    """
    return tuple(
        key for key, members in groups_of(trajectories).items() if len({trajectories[i].success for i in members}) == 1
    )


__all__ = ["DeadGroups", "Sampled", "alike_in_success", "sample_groups"]
