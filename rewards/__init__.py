"""Milestones, the detectors that recognise them, the tracker that pays for them, and the ledger that proves it."""

from __future__ import annotations

from .catalogue import CATALOGUE, CatalogueEntry
from .components import PRESETS, Components, ComponentWeights
from .detectors import DETECTORS, DetectorSpec
from .ledger import Ledger, LedgerWriter, read_ledger, rescore
from .memory import detections
from .scorer import RewardScheme, Scorer
from .shaping import Shaping, Truncation
from .tracker import Tracker
from .types import (
    Component,
    ComponentScore,
    Detector,
    Ending,
    Evidence,
    Milestone,
    MilestoneResult,
    Moment,
    Source,
    StepReward,
    TierScore,
)

__all__ = [
    "CATALOGUE",
    "DETECTORS",
    "PRESETS",
    "CatalogueEntry",
    "Component",
    "ComponentScore",
    "ComponentWeights",
    "Components",
    "Detector",
    "DetectorSpec",
    "Ending",
    "Evidence",
    "Ledger",
    "LedgerWriter",
    "Milestone",
    "MilestoneResult",
    "Moment",
    "RewardScheme",
    "Scorer",
    "Shaping",
    "Source",
    "StepReward",
    "TierScore",
    "Tracker",
    "Truncation",
    "detections",
    "read_ledger",
    "rescore",
]
