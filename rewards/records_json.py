"""How milestones, reward schemes and rewards are written in a ledger, and read back.

What a ledger of before a field was there does not say is read as the field's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .components import RECORDED, Components
from .detectors import DETECTOR_ADAPTER
from .scorer import RewardScheme
from .shaping import Shaping, Truncation
from .spec import BoundDetector
from .types import (
    Component,
    ComponentScore,
    Ending,
    Evidence,
    Milestone,
    MilestoneResult,
    Source,
    StepReward,
    TierScore,
)


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
        "expires_after": milestone.expires_after,
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
        expires_after=data.get("expires_after"),
    )


def scheme_to_json(scheme: RewardScheme) -> dict[str, Any]:
    """Return a reward scheme as JSON-ready data."""
    components = scheme.components
    return {
        "success": sorted(scheme.success),
        "components": None if components is None else components.model_dump(mode="json"),
        "shaping": scheme.shaping,
        "gamma": scheme.gamma,
        "potential": None if scheme.potential is None else dict(scheme.potential),
        "truncation": scheme.truncation,
    }


def scheme_from_json(data: Mapping[str, Any] | None) -> RewardScheme:
    """Rebuild a reward scheme from `scheme_to_json`; None is the scheme of a ledger that names none."""
    if data is None:
        return RewardScheme()
    components = data["components"]
    return RewardScheme(
        success=frozenset(data["success"]),
        components=None if components is None else Components.model_validate(components, context=RECORDED),
        shaping=Shaping(data["shaping"]),
        gamma=data["gamma"],
        potential=data["potential"],
        truncation=Truncation(data["truncation"]),
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
        components=tuple(_component_from_json(part) for part in data.get("components", ())),
        goal=data.get("goal", 0.0),
        ending=None if data.get("ending") is None else Ending(data["ending"]),
    )


def _component_from_json(data: Mapping[str, Any]) -> ComponentScore:
    return ComponentScore(
        component=Component(data["component"]),
        score=data["score"],
        weight=data["weight"],
        evidence=Evidence(**data["evidence"]),
    )
