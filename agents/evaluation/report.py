"""Evaluations side by side: rows of a leaderboard, and the page that shows one or several of them.

The page is one file: no script, nothing loaded, plots as inline SVG whose colours follow the reader's light or dark
setting. The figures on it are those of `summary`, formatted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from ...envs.level import LEVEL_ACTIONS, LEVELS
from .comparison import PairedScore, paired_score
from .folder import EvaluationFolder
from .outcome import EpisodeResult, Key, success_rate
from .report_plots import interval_plot, share_bar
from .summary import Figure, Summary

_COLOURS = 8
_UNKNOWN = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One evaluation of a leaderboard.

    Attributes:
        name: of its folder.
        policy: what was evaluated, as it was named.
        suites: what it was asked to play, as it was named.
        seeds: instances of each task.
        samples: episodes of each instance.
        facts: what it ran with.
        summary: its figures.
        episodes: its decided episodes, by key.
        planned: how many episodes it consists of.
        common: decided episodes that every evaluation of the leaderboard has.
        common_success: its success rate on those.
        versus_best: compared with the first of the leaderboard; None of the first, and where they share no episode.
    """

    name: str
    policy: str
    suites: tuple[str, ...]
    seeds: int
    samples: int
    facts: Mapping[str, Any]
    summary: Summary
    episodes: Mapping[Key, EpisodeResult]
    planned: int
    common: int = 0
    common_success: float | None = None
    versus_best: PairedScore | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain data, without its episodes."""
        return {
            "name": self.name,
            "policy": self.policy,
            "suites": list(self.suites),
            "seeds": self.seeds,
            "samples": self.samples,
            "planned": self.planned,
            "success_rate": self.summary.all.success.value,
            "common": self.common,
            "common_success_rate": self.common_success,
            "versus_best": None if self.versus_best is None else asdict(self.versus_best),
            **self.summary.to_json(),
        }


def row_of(folder: EvaluationFolder, summary: Summary) -> BoardRow:
    """Return an evaluation as a row."""
    settings = folder.settings
    decided = {k: e for k, e in folder.episodes.items() if e.failure is None and e.success is not None}
    return BoardRow(
        name=folder.name,
        policy=str(folder.facts.get("policy", settings["policy"].get("name", "?"))),
        suites=tuple(folder.facts.get("suites", ())),
        seeds=settings["seeds"],
        samples=settings["samples"],
        facts=folder.facts,
        summary=summary,
        episodes=decided,
        planned=len(settings["tasks"]) * settings["seeds"] * settings["samples"],
        common=len(decided),
        common_success=summary.all.success.value,
    )


def leaderboard(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Return the rows, the best first by success on the episodes that all have, each held against the first."""
    shared = set.intersection(*(set(row.episodes) for row in rows)) if rows else set()
    keys = sorted(shared)
    rows = [
        replace(row, common=len(keys), common_success=success_rate(row.episodes[k].success for k in keys))
        for row in rows
    ]
    board = sorted(rows, key=_rank)
    if not board or not keys:
        return board
    best = board[0].episodes
    versus = [paired_score([(row.episodes[k], best[k]) for k in keys]) for row in board[1:]]
    return [board[0], *(replace(row, versus_best=score) for row, score in zip(board[1:], versus, strict=True))]


def leaderboard_table(board: Sequence[BoardRow]) -> tuple[list[str], list[list[Any]]]:
    """Return a leaderboard as a table: its columns and its rows."""
    families = sorted({name for row in board for name in row.summary.families})
    columns = ["rank", "name", "policy", "episodes", "failures", "undecided", "success", "success_low", "success_high"]
    columns += ["reward_fraction", "milestone_rate", "efficiency", "mean_steps", "mean_prompt_tokens"]
    columns += ["mean_completion_tokens", "samples", "pass_at_samples", "common", "common_success"]
    columns += ["difference_to_best", "p_value", *(f"success:{family}" for family in families)]
    rows: list[list[Any]] = []
    for rank, row in enumerate(board, start=1):
        group, versus = row.summary.all, row.versus_best
        best_k = group.pass_at.get(str(row.samples))
        own = [rank, row.name, row.policy, group.episodes, group.failures, group.undecided]
        own += [group.success.value, group.success.low, group.success.high, group.reward_fraction.value]
        own += [group.milestone_rate.value, group.efficiency.value, group.mean_steps, group.mean_prompt_tokens]
        own += [group.mean_completion_tokens, row.samples, None if best_k is None else best_k.value]
        own += [row.common, row.common_success]
        own += [None, None] if versus is None else [versus.difference, versus.p_value]
        own += [None if (f := row.summary.families.get(family)) is None else f.success.value for family in families]
        rows.append(own)
    return columns, rows


def report_page(board: Sequence[BoardRow]) -> str:
    """Return the HTML page of one evaluation or several; see the module."""
    families = sorted({name for row in board for name in row.summary.families})
    tasks = list(dict.fromkeys(task for row in board for task in row.summary.tasks))
    lines = [(row.name, row.policy, row.summary.all.success, f"s{i % _COLOURS}") for i, row in enumerate(board)]
    html: str = _template().render(
        board=board,
        families=families,
        levels=[level for level in LEVELS if any(level in row.summary.levels for row in board)],
        level_actions=LEVEL_ACTIONS,
        tasks=tasks,
        plot=interval_plot([(_label(policy), figure, css) for _, policy, figure, css in lines], title="Success"),
        same=all(row.common == row.summary.all.episodes - row.summary.all.undecided for row in board),
    )
    return html


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _percent, "interval": _interval, "number": _number, "p_value": p_value_text, "bar": share_bar,
        "points": _points, "label": _label, "short": lambda task: task.removeprefix("milepost/"),
    }  # fmt: skip
    return environment.get_template("report.html.j2")


def _label(policy: str) -> str:
    """Return a policy's name without the address of its server."""
    return policy.partition("@")[0]


def _percent(value: float | None, digits: int = 1) -> str:
    return _UNKNOWN if value is None else f"{100 * value:.{digits}f}\u202f%"


def _points(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{100 * value:+.1f}"


def _interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"


def _number(value: float | None, digits: int = 1) -> str:
    return _UNKNOWN if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def p_value_text(value: float | None) -> str:
    """Return a p-value for people; "" of none."""
    return "" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _rank(row: BoardRow) -> tuple[float, float, str]:
    rates = [-1.0 if rate is None else rate for rate in (row.common_success, row.summary.all.success.value)]
    return -rates[0], -rates[1], row.name


__all__ = ["BoardRow", "leaderboard", "leaderboard_table", "p_value_text", "report_page", "row_of"]
