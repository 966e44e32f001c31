"""When a run's steps are large and when it must stop: the learning-rate schedule and the time budget."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

TIME_MARGIN = 1.05
"""Successful episodes are longer, so iterations and evaluations take longer as the agent learns."""
REPORT_S = 2.0


def scheduled(
    peak: float, *, step: int, warmup_steps: int, progress: float, decay_from: float, final_fraction: float
) -> float:
    """Return the learning rate of one optimiser step: a linear rise, a plateau and a linear fall.

    Args:
        peak: highest learning rate.
        step: optimiser steps made before this one.
        warmup_steps: steps over which it rises.
        progress: how much of the run is done, 0 to 1.
        decay_from: the progress at which the fall begins; 1 never falls.
        final_fraction: share of `peak` that is left at progress 1.
    """
    rise = min(1.0, (step + 1) / (warmup_steps + 1))
    fallen = max(0.0, min(1.0, progress) - decay_from) / (1.0 - decay_from) if decay_from < 1.0 else 0.0
    return peak * rise * (1.0 - (1.0 - final_fraction) * fallen)


@dataclass(slots=True, kw_only=True)
class TimeBudget:
    """The wall time of a run over all its processes, in seconds.

    Attributes:
        limit_s: the run's whole time; None: no limit.
        before_s: spent by earlier processes of the run.
        began_s: when its iterations began.
        closing_s: what the run does after its last iteration (an evaluation and an example) took when last measured.
        started: when this process began, by the monotonic clock.
    """

    limit_s: float | None
    before_s: float = 0.0
    began_s: float = 0.0
    closing_s: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def elapsed_s(self) -> float:
        """Return the seconds spent so far."""
        return self.before_s + time.monotonic() - self.started

    def allows(self, iteration_s: float) -> bool:
        """Return whether one more iteration fits in, with what comes after the last one."""
        ahead_s = TIME_MARGIN * (iteration_s + self.closing_s + REPORT_S)
        return self.limit_s is None or self.elapsed_s() + ahead_s < self.limit_s

    def spent(self) -> float:
        """Return how much of the time meant for iterations is spent, 0 to 1; 0 without a limit."""
        if self.limit_s is None:
            return 0.0
        whole_s = self.limit_s - TIME_MARGIN * (self.closing_s + REPORT_S) - self.began_s
        return min(1.0, max(0.0, (self.elapsed_s() - self.began_s) / whole_s)) if whole_s > 0 else 1.0


def out_of_time(time_budget_s: float, iteration: int) -> str:
    """Say that the time is used up, and how to go on."""
    if not iteration:
        return (
            f"time_budget_s={time_budget_s:g} is used up before the first iteration: this machine is slow for it. The "
            f"same command with a larger one goes on from here, for example time_budget_s={4 * time_budget_s:g}"
        )
    return (
        f"time_budget_s={time_budget_s:g} is used up after {iteration} iterations; the same command with a larger one "
        f"goes on from here, for example time_budget_s={2 * time_budget_s:g}"
    )


__all__ = ["TimeBudget", "out_of_time", "scheduled"]
