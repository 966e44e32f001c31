"""How milestones and rewards are written in a ledger, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .detectors import DETECTOR_ADAPTER
from .spec import BoundDetector
from .types import Evidence, Milestone, MilestoneResult, Source, StepReward, TierScore


def milestone_to_json(milestone: Milestone) -> dict[str, Any]:
    """Return a milestone as JSON-ready data; `detector` is None where it is code, not data."""
    detector = milestone.detector
    spec = detector.spec if isinstance(detector, BoundDetector) and detector.spec.is_data() else None
    return {
        "id": milestone.id,
        "description": milestone.description,
        "reward": milestone.reward,
        "after": milestone.after,
        "forbidden": milestone.forbidden,
        "ends_episode": milestone.ends_episode,
        "source": milestone.source,
        "detector": None if spec is None else spec.model_dump(mode="json"),
    }


def milestone_from_json(data: Mapping[str, Any]) -> Milestone | None:
    """Rebuild a milestone from `milestone_to_json`; None where its detector was code."""
    if data["detector"] is None:
        return None
    return Milestone(
        id=data["id"],
        description=data["description"],
        detector=BoundDetector(spec=DETECTOR_ADAPTER.validate_python(data["detector"])),
        reward=data["reward"],
        after=tuple(data["after"]),
        forbidden=data["forbidden"],
        ends_episode=data["ends_episode"],
        source=Source(data["source"]),
    )


def reward_from_json(data: Mapping[str, Any]) -> StepReward:
    """Rebuild a step's reward from its fields as JSON."""
    return StepReward(
        total=data["total"],
        milestones=tuple(
            MilestoneResult(id=result["id"], reward=result["reward"], evidence=Evidence(**result["evidence"]))
            for result in data["milestones"]
        ),
        tiers=tuple(TierScore(**{**tier, "tier": Source(tier["tier"])}) for tier in data["tiers"]),
        shaping=data["shaping"],
    )
