"""What `milepost eval` shows to people: scores by task, how rewards were settled, and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .agents.evaluation.report import p_value_text
from .agents.reward_layers import JudgingLayer
from .agents.task_scores import EvaluationResult, TaskScore, as_percent

if TYPE_CHECKING:
    from .agents.evaluation.comparison import Comparison
    from .agents.evaluation.report import BoardRow
    from .agents.evaluation.summary import Figure, Summary
    from .agents.settlement import Settler


def show_scores(result: EvaluationResult, console: Console) -> None:
    """Print the scores; what layers beside the rules have done has columns and a line of its own if there is any."""
    meaning = any(t.unjudged or t.rule_successes != t.successes for t in result.tasks.values())
    settled = bool(result.layers)
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ["task", "success", *(["unknown", "by rules"] if meaning or settled else []), "95 % interval"]
    for column in (*columns, "reward", *(["scored"] if meaning or settled else []), "steps"):
        table.add_column(column, justify="left" if column == "task" else "right", no_wrap=True)
    for task_id, score in result.tasks.items():
        table.add_row(*_row(task_id, score, in_full=meaning or settled))
    console.print(table)
    for task_id, score in result.tasks.items():
        reached = [f"{name} {share:.0%}" for name, share in score.milestones.items()]
        reached += [f"{name} unknown" for name in score.unjudged if name not in score.milestones]
        console.print(f"[dim]{task_id} reached: {', '.join(reached)}[/dim]", highlight=False)
    if settled:
        console.print(_settled(result), highlight=False, soft_wrap=True)
    console.print(
        f"{result.policy}: {as_percent(result.success_rate, digits=1)} success on {result.seeds} seeds per task in "
        f"{result.wall_s:.1f} s" + (f"; {result.undecided} episodes undecided" if result.undecided else "")
    )


def show_figures(summary: Summary, console: Console) -> None:
    """Print the figures by family, by length and in all: rates with intervals, pass@k, efficiency, tokens."""
    ks = [k for k in summary.all.pass_at if k != "1"]
    tokens = summary.all.mean_completion_tokens is not None
    columns = ["", "episodes", "success", "95 % interval", *(f"pass@{k}" for k in ks), "reward", "milestones"]
    columns += ["efficiency", "steps", *(["tokens"] if tokens else [])]
    table = _table(columns)
    groups = list(summary.families.items()) if len(summary.families) > 1 else []
    lengths = list(summary.levels.items()) if len(summary.levels) > 1 else []
    for name, group in [*groups, *lengths, ("all", summary.all)]:
        row = [name, str(group.episodes), as_percent(group.success.value, digits=1), _interval(group.success)]
        row += [as_percent(group.pass_at[k].value, digits=1) if k in group.pass_at else "" for k in ks]
        row += [as_percent(group.reward_fraction.value), as_percent(group.milestone_rate.value)]
        row += [_number(group.efficiency.value, 2), _number(group.mean_steps, 1)]
        table.add_row(*row, *([_number(group.mean_completion_tokens, 0)] if tokens else []))
    console.print()
    console.print(table)


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print paired differences: tasks that differ, and all."""
    table = _table(["task", "pairs", "here", comparison.other, "difference", "95 % interval", "p", "better", "worse"])
    rows = [(task, score) for task, score in comparison.tasks.items() if score.better or score.worse]
    for name, score in [*rows, ("all", comparison.all)]:
        table.add_row(
            name,
            str(score.pairs),
            as_percent(score.success, digits=1),
            as_percent(score.other_success, digits=1),
            _points(score.difference),
            f"{_points(score.low)} to {_points(score.high)}",
            p_value_text(score.p_value),
            str(score.better),
            str(score.worse),
        )
    console.print()
    console.print(table)
    same = len(comparison.tasks) - len(rows)
    told = f"{same} tasks without a difference are left out; " if same else ""
    told += f"{comparison.unpaired} episodes have no partner; " if comparison.unpaired else ""
    told += "differences in percentage points, this evaluation less the other"
    console.print(f"[dim]{told}[/dim]", highlight=False, soft_wrap=True)


def show_leaderboard(board: Sequence[BoardRow], console: Console) -> None:
    """Print evaluations side by side."""
    partial = len(board) > 1 and any(row.common < row.summary.all.episodes for row in board)
    columns = [
        "policy",
        "success",
        "95 % interval",
        *(["common"] if partial else []),
        "to best",
        "p",
        "pass@k",
        "reward",
    ]
    table = _table([*columns, "efficiency", "steps", "tokens", "episodes", "broken"])
    for row in board:
        group, versus = row.summary.all, row.versus_best
        shown = group.pass_at.get(str(row.samples)) if row.samples > 1 else None
        table.add_row(
            escape(row.policy),
            as_percent(group.success.value, digits=1),
            _interval(group.success),
            *([as_percent(row.common_success, digits=1)] if partial else []),
            "" if versus is None else _points(versus.difference),
            "" if versus is None else p_value_text(versus.p_value),
            "" if shown is None else f"{as_percent(shown.value, digits=1)} (k = {row.samples})",
            as_percent(group.reward_fraction.value),
            _number(group.efficiency.value, 2),
            _number(group.mean_steps, 1),
            _number(group.mean_completion_tokens, 0),
            str(group.episodes),
            str(group.failures or ""),
        )
    console.print(table)


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", no_wrap=i > 0)
    return table


def _interval(figure: Figure) -> str:
    return "" if figure.low is None or figure.high is None else f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"


def _points(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.1f}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def doubts(result: EvaluationResult, settler: Settler | None) -> Iterator[str]:
    """Yield what keeps the numbers from being the whole truth, a paragraph each: what was left unjudged, and why."""
    open_ones = [
        f"{name} of {task_id} in {count} of {score.episodes} episodes"
        for task_id, score in result.tasks.items()
        for name, count in score.unjudged.items()
    ]
    if open_ones:
        why = (
            "no layer was sure enough, or it abstained"
            if result.layers
            else "no judge or model is configured; name one with --reward FILE or reward.judge.model=..."
        )
        yield (
            f"Milestones of meaning were left unjudged: {', '.join(open_ones)} ({why}). They are not counted as "
            f"missed: success is unknown of {result.undecided} episodes, which widens the interval, and rewards are "
            "those of the scored episodes."
        )
    silent = {task_id: t.episodes - t.scored for task_id, t in result.tasks.items() if not t.unjudged}
    if any(silent.values()):
        where = ", ".join(f"{count} of {task_id}" for task_id, count in silent.items() if count)
        yield (
            f"Episodes with steps that nobody scored, since no layer was sure enough: {where}. Their reward is "
            "unknown, and left out of the mean."
        )
    judge = settler.judge if settler is not None else None
    if isinstance(judge, JudgingLayer) and judge.abstentions:
        said = ", ".join(f"{count} {kind}" for kind, count in sorted(judge.abstentions.items()))
        yield f"The judge abstained: {said}. `reward.judge.log=FILE` keeps every exchange."


def _row(task_id: str, score: TaskScore, *, in_full: bool) -> list[str]:
    rules = "unknown" if score.rule_successes is None else f"{score.rule_successes}/{score.episodes}"
    return [
        task_id,
        f"{score.successes}/{score.decided}",
        *([str(score.undecided), rules] if in_full else []),
        f"{score.success_low:.2f} to {score.success_high:.2f}",
        "unknown" if score.mean_reward is None else f"{score.mean_reward:.2f}",
        *([f"{score.scored}/{score.episodes}"] if in_full else []),
        f"{score.mean_steps:.1f}",
    ]


def _settled(result: EvaluationResult) -> str:
    stats = result.settlement
    parts = [
        f"settled by rules and {' and '.join(result.layers)} (mode {result.mode})",
        f"coverage {stats.coverage:.1%}, {stats.unscored} of {stats.items} items unscored",
    ]
    parts += [
        f"{layer} asked {count} times, believed {stats.believed[layer]} times, abstained {stats.abstained[layer]} times"
        for layer, count in stats.asked.items()
    ]
    parts += [
        f"{layer} agreed with the rules about success in {stats.agreed[layer]} of {count} episodes"
        for layer, count in stats.compared.items()
    ]
    return "; ".join([*parts, f"cost {stats.cost:.6g}"])


__all__ = ["doubts", "show_comparison", "show_figures", "show_leaderboard", "show_scores"]
