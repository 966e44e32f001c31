"""Recorded episodes read back from run folders: what was written without token ids comes back with none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..agents.records import StepRecord, Trajectory
from ..agents.views import episode_view
from ..rewards.preferences import TrajectoryRef
from ..rewards.step_view import EpisodeView
from ..rewards.types import Source, TierScore
from ..sandbox.errors import FailureKind, RunError
from .run_folder import read_lines

_TUPLES = ("prompt_ids", "response_ids", "behaviour_logprobs")


def trajectory_files(run: Path) -> list[Path]:
    """Return a run's files of trajectories, in the order of their iterations.

    Raises:
        RunError: there is none.
    """
    files = sorted((run / "trajectories").glob("iteration_*.jsonl"))
    if not files:
        raise RunError(
            f"{run} holds no recorded episodes: expected trajectories/iteration_*.jsonl in it. Give the folder of a "
            "training run that finished an iteration."
        )
    return files


def read_trajectories(path: Path) -> list[Trajectory]:
    """Read a file of trajectories; a missing file is empty.

    Raises:
        RunError: a line is not a trajectory; the message names it.
    """
    trajectories: list[Trajectory] = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            trajectories.append(trajectory_from_line(line))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path}:{number}: expected a recorded episode, got a line with {type(error).__name__}: {error}. "
                "Remove that line, or record the run anew."
            ) from error
    return trajectories


def trajectory_from_line(line: Mapping[str, Any]) -> Trajectory:
    """Rebuild a trajectory from its line; one that is none raises KeyError, TypeError or ValueError."""
    steps = tuple(_step(step) for step in line["steps"])
    known = {f.name for f in fields(Trajectory)}
    values = {k: v for k, v in line.items() if k in known}  # `total_reward` is derived
    failure = None if values["failure"] is None else FailureKind(values["failure"])
    unjudged = tuple(values.get("unjudged", ()))
    return Trajectory(**{**values, "steps": steps, "failure": failure, "unjudged": unjudged})


def _step(step: Mapping[str, Any]) -> StepRecord:
    tokens = {name: tuple(step.get(name, ())) for name in _TUPLES}
    said = tuple(TierScore(**{**tier, "tier": Source(tier["tier"])}) for tier in step.get("tiers", ()))
    return StepRecord(**{**step, **tokens, "tiers": said})


class RecordedEpisodes:
    """Episodes by reference; each file is read once."""

    def __init__(self) -> None:
        self._files: dict[Path, list[Trajectory]] = {}

    def trajectory(self, ref: TrajectoryRef) -> Trajectory:
        """Return the trajectory that a reference names.

        Raises:
            RunError: it is not there, or is not the one that was ranked.
        """
        path = ref.run / ref.file
        if path not in self._files:
            if not path.is_file():
                raise RunError(
                    f"the preferences name {path}, which is not there. Put the run folder back, or mend `run` in the "
                    "preferences: it is read from the preferences' folder unless it is absolute."
                )
            self._files[path] = read_trajectories(path)
        found = self._files[path]
        if ref.index >= len(found):
            raise RunError(
                f"the preferences name episode {ref.index} of {path}, which holds {len(found)}. The file was written "
                "anew since; make the preferences anew."
            )
        trajectory = found[ref.index]
        if ref.ledger_hash is not None and ref.ledger_hash != trajectory.ledger_hash:
            raise RunError(
                f"episode {ref.index} of {path} has the ledger {trajectory.ledger_hash}, and {ref.ledger_hash} was "
                "ranked: it is another episode. Make the preferences anew."
            )
        return trajectory

    def views(self, refs: Iterable[TrajectoryRef]) -> list[EpisodeView]:
        """Return the episodes' texts."""
        return [episode_view(self.trajectory(ref)) for ref in refs]


__all__ = ["RecordedEpisodes", "read_trajectories", "trajectory_files", "trajectory_from_line"]
