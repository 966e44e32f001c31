"""The report on the sampler: how far its numbers are from the trainer's, how busy it and the browsers were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .metrics import MetricsRecord
from .report_plots import Series, line_chart, percent


def engine_context(iterations: Sequence[MetricsRecord]) -> dict[str, Any] | None:
    """Return the plots of the sampler; None if the run measured no gap."""
    if not any("train/logprob_gap" in r.values for r in iterations):
        return None

    def line(name: str, css: str, label: str) -> Series:
        points = [(float(r.iteration), r.values[name]) for r in iterations if name in r.values]
        return Series(label=label, points=points, css=css, strong=True)

    gap = line("train/logprob_gap", "s0", "mean absolute gap, nats")
    largest = line("train/logprob_gap_max", "s3", "largest gap, nats")
    busy = [line("time/engine_busy", "t-sampling", "engine"), line("time/browser_busy", "t-browser", "browsers")]
    shares = [share for share in busy if share.points]
    return {
        "gap": line_chart([gap], width=360, height=220, title=gap.label),
        "largest": line_chart([largest], width=360, height=220, title=largest.label),
        "busy": line_chart(
            shares, width=360, height=220, title="Share of the sampling phase at work", y_max=1.0, form=percent
        ),
        "legend": [(share.label, share.css) for share in shares],
    }


__all__ = ["engine_context"]
