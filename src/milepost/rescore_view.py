"""What `milepost rescore` shows to people: what became of the episodes, and what moved by another task definition."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .agents.rescore_run import RunReport
from .rewards.rescoring import EpisodeReport, Reached, Verdict

SHOWN = 20
"""Episodes shown one by one; the rest are counted. `--json` has them all."""

_COLOURS = {Verdict.OK: "green", Verdict.TORN: "yellow", Verdict.NOT_RESCORABLE: "yellow"}


def show_rescored(report: RunReport, console: Console) -> None:
    """Print a report: findings first, what they come to last."""
    findings = report.findings
    for episode in findings[:SHOWN]:
        _show_episode(episode, report, console)
    if len(findings) > SHOWN:
        console.print(f"and {len(findings) - SHOWN} more; --json names them all")
    if report.changed:
        _show_milestones(report, console)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.counts.items())
    console.print(f"{len(report.episodes)} episodes: {counts or 'none'}", highlight=False, soft_wrap=True)
    if report.unsealed:
        console.print(
            f"{report.unsealed} not sealed (format 1): that their lines are those that were written cannot be told",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"reward: recorded {report.old_total:.2f}, scored again {report.new_total:.2f}", highlight=False, soft_wrap=True
    )
    if report.changed:
        console.print(
            f"successes: recorded {report.old_successes}, scored again {report.new_successes}", highlight=False
        )
        if report.other_tasks:
            console.print(f"{report.other_tasks} episodes of other tasks were left out", highlight=False)


def _show_episode(episode: EpisodeReport, report: RunReport, console: Console) -> None:
    try:
        name = episode.path.relative_to(report.path)
    except ValueError:
        name = episode.path
    colour = _COLOURS.get(episode.verdict, "red")
    word = "moved" if report.changed and episode.verdict is Verdict.OK else episode.verdict
    totals = "" if episode.new_total is None or not report.changed else f"  {_totals(episode)}"
    console.print(f"[{colour}]{word}[/]  {escape(str(name))}{totals}", highlight=False, soft_wrap=True)
    lines = [difference.message for difference in episode.differences] or ([episode.note] if episode.note else [])
    if report.changed:
        lines += [
            f"{name}: {_when(episode.old_reached.get(name))} -> {_when(episode.new_reached.get(name))}"
            for name in episode.moved
        ]
    for line in lines:
        console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)


def _totals(episode: EpisodeReport) -> str:
    became = {(False, True): ", now a success", (True, False): ", no longer a success"}
    success = "" if episode.old_success is None else became.get((episode.old_success, bool(episode.new_success)), "")
    return f"{episode.old_total:.2f} -> {episode.new_total:.2f}{success}"


def _when(reached: Reached | None) -> str:
    return "not reached" if reached is None else f"step {reached.step} for {reached.reward:+.2f}"


def _show_milestones(report: RunReport, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("task", "milestone"):
        table.add_column(column, no_wrap=True)
    for column in ("recorded", "again", "gained", "lost", "earlier", "later", "paid", "pays"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in report.milestones():
        moved = (row.gained, row.lost, row.earlier, row.later)
        table.add_row(
            row.task,
            row.milestone,
            str(row.old_count),
            str(row.new_count),
            *(str(count) if count else "" for count in moved),
            f"{row.old_paid:.2f}",
            f"{row.new_paid:.2f}",
        )
    console.print(table)


__all__ = ["show_rescored"]
