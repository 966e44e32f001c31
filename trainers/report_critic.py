"""The report's part on the critic, where a run has one, and what a run's method is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .metrics import MetricsRecord
from .report_plots import Series, line_chart


def method_of(config: Mapping[str, Any]) -> str:
    """Return what a run's method is called, by its configuration: its preset, its objective, or its trainer."""
    preset, loss = config.get("preset"), config.get("loss")
    if isinstance(preset, str):
        return preset.upper()
    if isinstance(loss, Mapping) and isinstance(loss.get("objective"), str):
        return str(loss["objective"]).upper()
    kinds = {"gae_lambda": "PPO", "thresholds": "ReST", "demonstrations": "SFT"}
    return next((name for key, name in kinds.items() if key in config), "GRPO")


def critic_context(iterations: Sequence[MetricsRecord]) -> dict[str, Any] | None:
    """Return the plots of how well the critic foretold returns; None if the run has none."""
    if not any("train/value_loss" in r.values for r in iterations):
        return None

    def plot(name: str, css: str, title: str, y_max: float | None = None) -> Any:
        points = [(float(r.iteration), r.values[name]) for r in iterations if name in r.values]
        line = Series(label=title, points=points, css=css, strong=True)
        return line_chart([line], width=360, height=220, title=title, y_max=y_max)

    return {
        "explained": plot("train/explained_variance", "s1", "share of the returns' variance explained", 1.0),
        "loss": plot("train/value_loss", "s4", "value loss"),
        "clipped": plot("train/value_clip_fraction", "s2", "share of values held by the clip", 1.0),
    }


__all__ = ["critic_context", "method_of"]
