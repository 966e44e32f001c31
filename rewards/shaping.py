"""Potential-based shaping: guidance that does not change what is best to do.

Each step is paid F = gamma * Phi(s') - Phi(s) on top of its reward, where Phi is a function of the state alone: here,
of the milestones reached so far (the frontier). Whatever the agent does, the discounted sum of F over an episode that
terminates is -Phi(s0), so no behaviour is favoured; only *when* the learner hears of progress changes.

That holds only if Phi is 0 where an episode terminates. Truncation is not termination: a learner that bootstraps goes
on from the state at which the episode was cut, and needs its potential as it is; see `Truncation`.

Source: Ng, Harada and Russell, "Policy invariance under reward transformations", ICML 1999, equation 2 and theorem 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from math import fsum

from .types import Ending


class Shaping(StrEnum):
    """What guides the agent on its way to success."""

    NONE = "none"
    """Nothing: only success pays (in the component form: only the components)."""
    RAW = "raw"
    """Milestones pay their own rewards as bonuses, which changes what is best to do."""
    POTENTIAL = "potential"
    """F = gamma * Phi(s') - Phi(s), which does not."""


class Truncation(StrEnum):
    """What the potential is at the end of an episode that was cut."""

    BOOTSTRAP = "bootstrap"
    """Phi(s'), as in any other state: for learners that bootstrap the value of the state at which they were cut."""
    CLOSE = "close"
    """0, as if it had terminated: for learners that only add rewards up, such as GRPO."""


def shaping_term(before: float, after: float, *, gamma: float) -> float:
    """Return F = gamma * Phi(s') - Phi(s).

    Args:
        before: Phi(s), the potential at the end of the step before.
        after: Phi(s'), the potential at the end of this step, already 0 where the episode ends for good.
        gamma: discount, in [0, 1].
    """
    return gamma * after - before


def declared_potential(reached: Collection[str], weights: Mapping[str, float]) -> float:
    """Return Phi as the sum of the weights of the milestones reached."""
    return fsum(weight for name, weight in weights.items() if name in reached)


def potential_at(phi: float, ending: Ending | None, truncation: Truncation) -> float:
    """Return the potential to shape with at the end of a step: `phi`, or 0 where nothing more can be earned.

    Args:
        phi: the potential of the state.
        ending: how the episode ended at this step; None while it goes on.
        truncation: what a cut counts as.
    """
    closed = ending is Ending.TERMINATED or (ending is Ending.TRUNCATED and truncation is Truncation.CLOSE)
    return 0.0 if closed else phi


__all__ = ["Shaping", "Truncation", "declared_potential", "potential_at", "shaping_term"]
