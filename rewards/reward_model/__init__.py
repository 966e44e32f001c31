"""R_phi, the learned reward model: everything about it that needs no deep-learning package.

The network that computes scores is `agents.reward_model`, its training `trainers.reward_model`.
"""

from __future__ import annotations

from .scores import RewardModel, StepScore
from .text import StepEncoder, StepText, TextBudgets, step_text
from .versions import Manifest, latest_version, read_manifest, resolve_version, versions

__all__ = [
    "Manifest",
    "RewardModel",
    "StepEncoder",
    "StepScore",
    "StepText",
    "TextBudgets",
    "latest_version",
    "read_manifest",
    "resolve_version",
    "step_text",
    "versions",
]
