"""What `milepost preferences from-judge` says of its work: one document for programs, one paragraph for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .trainers.preferences_from_judge import FromJudge
from .trainers.rule_agreement import RuleAgreement

COIN = 0.5
"""A judge that orders no more than this share of the pairs as the rules do tells no more than a coin."""


def judged_document(made: FromJudge, out: Path) -> dict[str, Any]:
    """Return everything as JSON-ready data."""
    return {
        "out": str(out),
        "rankings": len(made.rankings),
        "pairs": made.pairs,
        "groups": made.groups,
        "thin_groups": made.thin_groups,
        "tied_groups": made.tied_groups,
        "episodes": made.episodes,
        "broken": made.broken,
        "repeated": made.repeated,
        "alone": made.alone,
        "spared": made.spared,
        "asked": made.asked,
        "judged": made.judged,
        "abstained": dict(made.abstained),
        "unsure": made.unsure,
        "rubrics": {str(origin): count for origin, count in made.rubrics.items()},
        "cached": made.cached,
        "tokens": made.tokens,
        "cost": made.cost,
        "agreement": _agreement(made.agreement_in_all),
        "agreement_by_task": {task: _agreement(one) for task, one in made.agreement.items()},
    }


def judged_summary(made: FromJudge, out: Path) -> str:
    """Return what became of the groups, what it cost, and how far the judge agrees with the rules."""
    abstained = sum(made.abstained.values())
    if made.rankings:
        written = f"{len(made.rankings)} of {made.groups} groups in {out}, {made.pairs} ordered pairs"
    else:
        written = f"nothing to write of {made.groups} groups, {out} is left as it was"
    return (
        f"{written}; left out: {made.thin_groups} groups with fewer than two judged episodes, {made.tied_groups} whose "
        f"scores are near each other. Asked about {made.asked} episodes of {made.episodes}: {made.judged} judged, "
        f"{abstained} abstained{_kinds(made.abstained)}, {made.unsure} unsure; {made.cached} known before. "
        f"Cost {made.cost:.6g}, {made.tokens} tokens. {_said_of_rules(made.agreement_in_all)}"
    )


def judged_warning(made: FromJudge) -> str:
    """Return what should keep a reader from training on it; "" if nothing does."""
    agreement = made.agreement_in_all
    if agreement.rate is not None and agreement.rate <= COIN:
        return (
            f"Where rules tell episodes apart, this judge orders {agreement.reversed} pairs the other way round and "
            f"only {agreement.agreed} alike: no better than a coin. Look at its reasons, write a rubric, or take a "
            "better judge, before a reward model learns from it."
        )
    return ""


def _agreement(one: RuleAgreement) -> dict[str, Any]:
    return {
        "pairs": one.pairs,
        "agreed": one.agreed,
        "reversed": one.reversed,
        "tied": one.tied,
        "rate": one.rate,
        "somers_d": one.somers_d,
    }


def _kinds(abstained: Mapping[str, int]) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(abstained.items()))
    return f" ({kinds})" if kinds else ""


def _said_of_rules(one: RuleAgreement) -> str:
    if one.somers_d is None:
        return "Rules tell none of the judged episodes apart, so nothing is known of how good the judge is."
    return (
        f"Of {one.pairs} pairs that rules tell apart, it orders {one.agreed} alike, {one.reversed} the other way "
        f"round, and ties {one.tied} (Somers' D {one.somers_d:.2f})."
    )


__all__ = ["judged_document", "judged_summary", "judged_warning"]
