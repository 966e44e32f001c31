"""Plots of the run report as inline SVG: no script, no fonts of their own, colours from the page's CSS variables.

Every function returns `Markup`. Text given by callers is escaped here; colours are CSS classes ("s0" to "s7" for
series, or a name that the template's style sheet knows), so one drawing serves the light and the dark page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line, or one layer of a stack.

    Attributes:
        label: for people; escaped when drawn.
        points: (x, y), x growing.
        css: the class that colours it.
        strong: drawn thicker, with dots.
    """

    label: str
    points: Sequence[Point]
    css: str
    strong: bool = False


def percent(value: float) -> str:
    """Format a share as a whole percentage."""
    return f"{100 * value:.0f}\u00a0%"


def compact(value: float) -> str:
    """Format a number with three significant digits and no exponent in the everyday range."""
    return f"{value:.3g}"


def line_chart(
    series: Sequence[Series],
    *,
    width: int,
    height: int,
    title: str,
    y_max: float | None = None,
    form: Callable[[float], str] = compact,
    end_labels: bool = False,
) -> Markup:
    """Draw lines over iterations, from y = 0.

    Args:
        series: the lines; one without points is left out.
        width: of the view box, in pixels at full size.
        height: the same.
        title: what it shows, for people who cannot see it.
        y_max: top of the vertical axis; None fits the data.
        form: formats values on the axis and in tooltips.
        end_labels: name the lines at their right end instead of leaving that to a legend.
    """
    shown = [s for s in series if s.points]
    if not shown:
        return _nothing(width, height)
    frame = _Frame.around(shown, width, height, y_max, right=176 if end_labels else 14, form=form)
    parts = [frame.axes(form)]
    for s in sorted(shown, key=lambda s: s.strong):
        places = [(frame.x(x), frame.y(y)) for x, y in s.points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(Markup('<path class="line {} {}" d="{}"/>').format(s.css, "strong" if s.strong else "thin", path))
        radius = 2.6 if s.strong else 1.8
        for (x, y), (at, value) in zip(places, s.points, strict=True):
            parts.append(
                Markup(
                    '<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="{}"/>'
                    '<circle class="hit" cx="{:.1f}" cy="{:.1f}" r="9">'
                    "<title>{}, iteration {:g}: {}</title></circle>"
                ).format(s.css, x, y, radius, x, y, s.label, at, form(value))
            )
    if end_labels:
        ends = _apart([frame.y(s.points[-1][1]) for s in shown], gap=17, low=frame.top + 4, high=frame.bottom)
        for s, y in zip(shown, ends, strict=True):
            parts.append(
                Markup('<text class="end {} {}" x="{:.1f}" y="{:.1f}">{} {}</text>').format(
                    s.css, "strong" if s.strong else "", frame.right + 10, y + 4, _short(s.label), form(s.points[-1][1])
                )
            )
    return _svg(width, height, title, parts)


def stacked_bars(
    layers: Sequence[Series], *, width: int, height: int, title: str, form: Callable[[float], str] = compact
) -> Markup:
    """Draw a bar per iteration, the layers stacked from the bottom; every layer has the same x values."""
    shown = [s for s in layers if s.points]
    if not shown:
        return _nothing(width, height)
    totals = [sum(s.points[i][1] for s in shown) for i in range(len(shown[0].points))]
    outline = Series(label="", points=[(x, t) for (x, _), t in zip(shown[0].points, totals, strict=True)], css="")
    frame = _Frame.around([outline], width, height, None, right=14, form=form, bars=len(totals))
    parts = [frame.axes(form)]
    bar = max(1.5, 0.72 * frame.slot)
    floor = [0.0] * len(totals)
    for s in shown:
        for i, (x, value) in enumerate(s.points):
            if value <= 0:
                continue
            top, bottom = frame.y(floor[i] + value), frame.y(floor[i])
            floor[i] += value
            parts.append(
                Markup(
                    '<rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.2f}">'
                    "<title>{}, iteration {:g}: {}</title></rect>"
                ).format(s.css, frame.x(x) - bar / 2, top, bar, max(0.0, bottom - top), s.label, x, form(value))
            )
    return _svg(width, height, title, parts)


def sparkline(points: Sequence[Point], *, css: str, title: str, width: int = 220, height: int = 56) -> Markup:
    """Draw a share (0 to 1) over iterations as a small filled line without axes."""
    if not points:
        return _nothing(width, height)
    low, high = points[0][0], points[-1][0]
    pad = 4.0

    def x(at: float) -> float:
        return pad + (width - 2 * pad) * ((at - low) / (high - low) if high > low else 1.0)

    def y(value: float) -> float:
        return height - pad - (height - 2 * pad) * min(1.0, max(0.0, value))

    path = "L".join(f"{x(a):.1f} {y(v):.1f}" for a, v in points)
    area = f"M{x(low):.1f} {y(0):.1f}L{path}L{x(high):.1f} {y(0):.1f}Z"
    last = points[-1]
    parts = [
        Markup('<line class="grid" x1="0" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(width, y(0), y(0)),
        Markup('<line class="grid faint" x1="0" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(width, y(1), y(1)),
        Markup('<path class="area {}" d="{}"/><path class="line strong {}" d="M{}"/>').format(css, area, css, path),
        Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(css, x(last[0]), y(last[1])),
    ]
    return _svg(width, height, title, parts)


def interval_strip(stages: Sequence[tuple[str, str, float, float, float]], *, title: str) -> Markup:
    """Draw proportions with their intervals, one above the other on a common 0 to 100 % scale.

    Args:
        stages: (label, css class, share, low, high), drawn from top to bottom.
        title: what it shows, for people who cannot see it.
    """
    width, row = 320.0, 16.0
    height = row * len(stages) + 6

    def x(share: float) -> float:
        return 8 + (width - 16) * share

    parts = [
        Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="0" y2="{:.1f}"/>').format(x(s), x(s), height)
        for s in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    for i, (label, css, share, low, high) in enumerate(stages):
        y = 3 + row * (i + 0.5)
        parts.append(
            Markup(
                '<line class="interval {}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
                '<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="5">'
                "<title>{}: {} (95 % interval {} to {})</title></circle>"
            ).format(
                *(css, x(low), x(high), y, y),
                *(css, x(share), y, label, percent(share), percent(low), percent(high)),
            )
        )
    return _svg(int(width), int(height), title, parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The plotting area and its scales."""

    left: float
    right: float
    top: float
    bottom: float
    x_low: float
    x_high: float
    y_high: float
    slot: float

    @classmethod
    def around(
        cls,
        series: Sequence[Series],
        width: int,
        height: int,
        y_max: float | None,
        *,
        right: int,
        form: Callable[[float], str],
        bars: int = 0,
    ) -> _Frame:
        xs = [x for s in series for x, _ in s.points]
        y_high = y_max if y_max is not None else max(y for s in series for _, y in s.points)
        y_high = _ticks(y_high)[-1] if y_max is None else y_max
        left = 14 + 7.5 * max(len(form(t)) for t in _ticks(y_high))
        slot = (width - right - left) / max(1, bars)
        return cls(
            left=left, right=width - right, top=12, bottom=height - 44, x_low=min(xs), x_high=max(xs), y_high=y_high,
            slot=slot if bars else 0.0,
        )  # fmt: skip

    def x(self, at: float) -> float:
        inset = self.slot / 2
        share = (at - self.x_low) / (self.x_high - self.x_low) if self.x_high > self.x_low else 0.5
        return self.left + inset + (self.right - self.left - 2 * inset) * share

    def y(self, value: float) -> float:
        share = min(1.0, max(0.0, value / self.y_high)) if self.y_high > 0 else 0.0
        return self.bottom - (self.bottom - self.top) * share

    def axes(self, form: Callable[[float], str]) -> Markup:
        parts = [
            Markup(
                '<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="tick" text-anchor="end" x="{:.1f}" y="{:.1f}">{}</text>'
            ).format(self.left, self.right, self.y(t), self.y(t), self.left - 8, self.y(t) + 4.5, form(t))
            for t in _ticks(self.y_high)
        ]
        room = max(2, int((self.right - self.left) / 60))
        step = max(1, math.ceil((self.x_high - self.x_low) / room))
        parts.append(
            Markup('<text class="tick" text-anchor="end" x="{:.1f}" y="{:.1f}">iteration</text>').format(
                self.right, self.bottom + 39
            )
        )
        at = self.x_low
        while at <= self.x_high:
            parts.append(
                Markup('<text class="tick" text-anchor="middle" x="{:.1f}" y="{:.1f}">{:g}</text>').format(
                    self.x(at), self.bottom + 20, at
                )
            )
            at += step
        return Markup("").join(parts)


def _ticks(high: float) -> list[float]:
    """Return round values from 0 to `high` or just above it, three to six of them."""
    if high <= 0:
        return [0.0, 1.0]
    raw = high / 4
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= raw * 0.999)
    return [step * i for i in range(math.ceil(high / step - 1e-9) + 1)]


def _apart(places: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Move labels apart so that none overlaps, each as near to its place as the others allow."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [0.0] * len(places)
    at = low - gap
    for i in order:
        at = moved[i] = max(places[i], at + gap)
    at = high + gap
    for i in reversed(order):
        at = moved[i] = min(moved[i], at - gap)
    return moved


def _short(label: str, most: int = 16) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _svg(width: int, height: int, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, title, Markup("").join(parts)
    )


def _nothing(width: int, height: int) -> Markup:
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img"><text class="tick" x="{}" y="{}" text-anchor="middle">{}</text></svg>'
    ).format(width, height, width / 2, height / 2, escape("not measured in this run"))
