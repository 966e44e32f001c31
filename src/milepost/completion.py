"""What the shell completes: names of suites, tasks and policies. Quiet: an error here must not spoil the line."""

from __future__ import annotations

from collections.abc import Iterable

from .sandbox.errors import MilepostError


def complete_task(incomplete: str) -> list[str]:
    """Return the suites and tasks that begin so."""
    from .envs.registration import registered_tasks
    from .envs.suites import suite_names

    try:
        names = [*suite_names(), *(task.name for task in registered_tasks().values())]
    except MilepostError:
        return []
    return _beginning(names, incomplete)


def complete_policy(incomplete: str) -> list[str]:
    """Return the policies by name, and the runs, that begin so."""
    from pathlib import Path

    names = ["oracle", "noop", "random", "submit-only", "click-everything", "openai:"]
    runs = sorted(str(path.parent) for path in Path("runs").glob("*/config.yaml"))
    return _beginning([*names, *runs], incomplete)


def complete_evaluation(incomplete: str) -> list[str]:
    """Return the evaluations in evals/ that begin so."""
    from pathlib import Path

    found = sorted(str(path.parent) for path in Path("evals").glob("*/config.json"))
    return _beginning(found, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


__all__ = ["complete_evaluation", "complete_policy", "complete_task"]
