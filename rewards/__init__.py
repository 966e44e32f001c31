"""Milestones, the detectors that recognise them, the tracker that pays for them, and the ledger that proves it."""

from __future__ import annotations

from .catalogue import CATALOGUE, CatalogueEntry
from .detectors import DETECTORS, DetectorSpec
from .ledger import Ledger, LedgerWriter, read_ledger, rescore
from .memory import detections
from .tracker import Tracker
from .types import (
    Detector,
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
    "CatalogueEntry",
    "Detector",
    "DetectorSpec",
    "Evidence",
    "Ledger",
    "LedgerWriter",
    "Milestone",
    "MilestoneResult",
    "Moment",
    "Source",
    "StepReward",
    "TierScore",
    "Tracker",
    "detections",
    "read_ledger",
    "rescore",
]
