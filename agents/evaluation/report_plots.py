"""Plots of the evaluation report as inline SVG; colours are CSS classes, text from callers is escaped here."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from .summary import Figure

_WIDTH, _LINE, _TOP, _LEFT, _RIGHT = 720, 54, 8, 8, 96


def interval_plot(lines: Sequence[tuple[str, Figure, str]], *, title: str) -> Markup:
    """Draw rates with their intervals on one axis from 0 to 100 %, a line for each.

    Args:
        lines: label, figure and CSS class of each, from the top.
        title: what it shows, for people who cannot see it.
    """
    height = _TOP + _LINE * len(lines) + 26
    parts = [_axis(height)]
    for i, (label, figure, css) in enumerate(lines):
        y = _TOP + _LINE * i + 36
        parts.append(Markup('<text class="label" x="{}" y="{}">{}</text>').format(_LEFT, y - 16, _short(label)))
        if figure.value is None or figure.low is None or figure.high is None:
            parts.append(Markup('<text x="{}" y="{}">unknown</text>').format(_LEFT, y + 4))
            continue
        low, value, high = (_x(v) for v in (figure.low, figure.value, figure.high))
        said = f"{label}: {100 * figure.value:.1f} % ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
        parts.append(
            Markup(
                '<g class="{}"><title>{}</title><line class="interval" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>'
                '<circle class="dot" cx="{:.1f}" cy="{}" r="6"/></g>'
                '<text class="value" x="{}" y="{}" text-anchor="end">{:.1f}&#8239;%</text>'
            ).format(css, said, low, high, y, y, value, y, _WIDTH, y + 5, 100 * figure.value)
        )
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, height, title, Markup("").join(parts)
    )


def share_bar(value: float | None, css: str = "s0") -> Markup:
    """Draw a share as a small horizontal bar; an empty one if it is not known."""
    filled = 0.0 if value is None else 100 * min(1.0, max(0.0, value))
    return Markup(
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8" rx="2"/>'
        '<rect class="fill {}" width="{:.1f}" height="8" rx="2"/></svg>'
    ).format(css, filled)


def _axis(height: int) -> Markup:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _x(share)
        parts.append(
            Markup(
                '<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>'
                '<text x="{:.1f}" y="{}" text-anchor="middle">{:.0f}</text>'
            ).format(x, x, _TOP, height - 20, x, height - 4, 100 * share)
        )
    return Markup("").join(parts)


def _x(share: float) -> float:
    left = _LEFT + 8
    return left + share * (_WIDTH - _RIGHT - 24 - left)


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


__all__ = ["interval_plot", "share_bar"]
