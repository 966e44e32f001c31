"""Checkpoints of a run: the adapter, the optimiser, every random state, and where in the run it was.

A checkpoint is written beside its place and renamed into it, so that one that is there is whole. The newest two are
kept. A run resumes from the newest.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..agents.lora import save_lora
from ..sandbox.errors import RunError
from .run_folder import writing

_NAME = re.compile(r"iteration_(\d{4,})")
_KEPT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """Where a run is.

    Attributes:
        iteration: finished iterations; 0 after the warm start.
        updates: optimiser steps of them so far.
        elapsed_s: wall time spent so far, in all processes together.
        began_s: of it, what was spent before the first iteration.
        closing_s: seconds that the evaluation and the example at the end are expected to take.
        entropy_coef: current weight of the entropy bonus.
        solved: iterations in a row at or above the success at which the run may stop.
        sampler: state of the group sampler.
        generator: base64 of the torch generator's state.
        kl_coef: current weight of the KL to the reference; None: as configured.
        penalty_coef: current weight of the KL to the old policy; None: as configured.
        best: the fields of `validation.Best`; None: nothing was validated.
    """

    iteration: int
    updates: int
    elapsed_s: float
    began_s: float
    closing_s: float
    entropy_coef: float
    solved: int
    sampler: dict[str, Any]
    generator: str
    kl_coef: float | None = None
    penalty_coef: float | None = None
    best: dict[str, Any] | None = None

    def restore_generator(self, generator: torch.Generator) -> None:
        """Set a generator to the recorded state."""
        state = torch.frombuffer(bytearray(base64.b64decode(self.generator)), dtype=torch.uint8)
        generator.set_state(state)


def generator_state(generator: torch.Generator) -> str:
    """Return a generator's state as text."""
    return base64.b64encode(generator.get_state().numpy().tobytes()).decode()


def save_checkpoint(
    folder: Path,
    model: Any,
    optimizer: torch.optim.Optimizer,
    state: TrainingState,
    *,
    parts: Mapping[str, Callable[[Path], None]] | None = None,
) -> Path:
    """Write a checkpoint below `folder` and drop all but the newest two.

    Args:
        folder: of the checkpoints.
        model: its adapter is saved.
        optimizer: of the adapter.
        state: where the run is.
        parts: what else belongs to it, by the name in the checkpoint: each is called with the path to write to.

    Raises:
        RunError: it cannot be written; earlier checkpoints are untouched.
    """
    target = folder / f"iteration_{state.iteration:04d}"
    fresh = folder / f".{target.name}.tmp"
    with writing(target):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        save_lora(model, fresh / "adapter")
        torch.save(optimizer.state_dict(), fresh / "optimizer.pt")
        for name, write in (parts or {}).items():
            write(fresh / name)
        (fresh / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
        for path in fresh.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    for old in checkpoints(folder)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints below `folder`, oldest first."""
    if not folder.is_dir():
        return []
    found = [(int(m[1]), p) for p in folder.iterdir() if (m := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found)]


def read_state(checkpoint: Path) -> TrainingState:
    """Read where the run was.

    Raises:
        RunError: the file is missing or damaged.
    """
    path = checkpoint / "state.json"
    try:
        return TrainingState(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, json.JSONDecodeError) as error:
        raise RunError(
            f"{path} is missing or damaged ({error}). Delete {checkpoint} to resume from the checkpoint before it."
        ) from error


def load_optimizer(checkpoint: Path, optimizer: torch.optim.Optimizer) -> None:
    """Load the optimiser's moments from a checkpoint."""
    optimizer.load_state_dict(torch.load(checkpoint / "optimizer.pt", weights_only=True))


__all__ = ["TrainingState", "checkpoints", "generator_state", "load_optimizer", "read_state", "save_checkpoint"]
