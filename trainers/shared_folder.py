"""The folder of a run in which several processes may take part."""

from __future__ import annotations

from collections.abc import Collection

from ..sandbox.errors import RunError
from .online_config import OnlineConfig
from .ranks import Ranks
from .run_folder import RunFolder


def shared_folder(config: OnlineConfig, ranks: Ranks, *, may_change: Collection[str]) -> RunFolder:
    """Collective: rank 0 makes the run's folder, or takes it up; the others read it.

    Args:
        config: the run's.
        ranks: who takes part.
        may_change: see `RunFolder.create`.

    Raises:
        RunError: it is not usable, there are more processes than groups, or several with an engine for one.
    """
    if ranks.several and config.engine == "vllm":
        raise RunError(
            f"engine: vllm runs in one process, got {ranks.world}: vLLM opens a group of processes of its own where "
            "these would meet. Set engine: hf, or start a single process."
        )
    if config.groups < ranks.world:
        raise RunError(
            f"{ranks.world} processes cannot share {config.groups} groups: set groups to {ranks.world} or more, or "
            "start fewer processes."
        )
    folder = None
    if ranks.main:
        folder = RunFolder.create(
            config.run, config.to_plain(), config.seed, may_change=may_change, absent=type(config).unset()
        )
    ranks.wait()
    return RunFolder.open(config.run) if folder is None else folder


__all__ = ["shared_folder"]
