"""The report's section on the reward's layers: who was believed, and whether pleasing a layer meant doing the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .metrics import MetricsRecord
from .report_plots import Series, line_chart, percent, stacked_bars

_NAMES = {"rule": "rules", "model": "learned model", "judge": "judge", "blend": "a blend"}
_COLOURS = {"rule": "s0", "model": "s2", "judge": "s1", "blend": "s3"}


def layers_context(iterations: Sequence[MetricsRecord]) -> dict[str, Any] | None:
    """Return what the template shows of the layers; None for a run that learned from rules alone."""
    asked = [r for r in iterations if "router/coverage" in r.values]
    if not asked:
        return None
    return {
        "rows": [row for layer in _NAMES if (row := _row(asked, layer)) is not None],
        "unscored": int(_total(asked, "router/unscored")),
        "cost": _total(asked, "router/cost"),
        "wide": _beside_success(asked, 1080),
        "narrow": _beside_success(asked, 380),
        "ranges": [text for layer in ("model", "judge") if (text := _range(asked, layer)) is not None],
        "believed": _believed(asked),
        "legend": [(_NAMES[layer], _COLOURS[layer]) for layer in _NAMES if _total(asked, f"router/believed/{layer}")],
    }


def _total(records: Sequence[MetricsRecord], name: str) -> float:
    return sum(r.values.get(name, 0.0) for r in records)


def _row(records: Sequence[MetricsRecord], layer: str) -> dict[str, Any] | None:
    questions, believed = _total(records, f"router/asked/{layer}"), _total(records, f"router/believed/{layer}")
    if not questions and not believed:
        return None
    agreement = [r.values[name] for r in records if (name := f"router/agreement/{layer}") in r.values]
    return {
        "name": _NAMES[layer], "asked": int(questions), "believed": int(believed),
        "abstained": int(_total(records, f"router/abstained/{layer}")),
        "agreement": sum(agreement) / len(agreement) if agreement else None,
    }  # fmt: skip


def _said(records: Sequence[MetricsRecord], layer: str) -> list[tuple[float, float]]:
    name = f"router/total/{layer}"
    return [(float(r.iteration), r.values[name]) for r in records if name in r.values]


def _range(records: Sequence[MetricsRecord], layer: str) -> str | None:
    values = [value for _, value in _said(records, layer)]
    return f"{_NAMES[layer]}: {min(values):.2f} to {max(values):.2f}" if values else None


def _beside_success(records: Sequence[MetricsRecord], width: int) -> Any:
    """Draw each layer's mean score of an episode, from its lowest to its highest, beside success by the rules."""
    success = [(float(r.iteration), r.values["train/success"]) for r in records if "train/success" in r.values]
    lines = [Series(label="success", points=success, css="ink", strong=True)]
    for layer in ("model", "judge"):
        points = _said(records, layer)
        low, high = (min(y for _, y in points), max(y for _, y in points)) if points else (0.0, 0.0)
        span = high - low
        scaled = [(x, (y - low) / span if span else 0.5) for x, y in points]
        lines.append(Series(label=_NAMES[layer], points=scaled, css=_COLOURS[layer]))
    title = "What a layer says of an episode, beside what the rules measured"
    return line_chart(
        lines, width=width, height=270 if width > 500 else 230, title=title, y_max=1.0, form=percent,
        end_labels=width > 500,
    )  # fmt: skip


def _believed(records: Sequence[MetricsRecord]) -> Any:
    def points(name: str) -> list[tuple[float, float]]:
        return [(float(r.iteration), r.values.get(name, 0.0)) for r in records]

    bars = [
        Series(label=_NAMES[layer], points=points(f"router/believed/{layer}"), css=_COLOURS[layer])
        for layer in _NAMES
        if _total(records, f"router/believed/{layer}")
    ]
    if _total(records, "router/unscored"):
        bars.append(Series(label="unscored", points=points("router/unscored"), css="dead"))
    return stacked_bars(bars, width=1080, height=210, title="Who decided, per iteration")


__all__ = ["layers_context"]
