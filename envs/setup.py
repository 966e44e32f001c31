"""What a task's own set-up function is given: the episode's computer before its first page is loaded."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..sandbox.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One episode to prepare. The same seed must prepare the same: draw from `rng`, and from nothing else.

    Attributes:
        parameters: the task's, as the seed drew them.
        seed: the episode's.
        rng: draws what the parameters leave open.
        files: the workspace, with the task's `workspace` and `files` in it. What it holds afterwards is what the agent
            finds at step 0.
        db: the application's database, seeded; committed afterwards.
    """

    parameters: Mapping[str, Any]
    seed: int
    rng: np.random.Generator
    files: Workspace
    db: sqlite3.Connection


__all__ = ["Setup"]
