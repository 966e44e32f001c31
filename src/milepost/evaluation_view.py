"""What `milepost eval` shows to people: scores by task, how rewards were settled, and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from .agents.reward_layers import JudgingLayer
from .agents.task_scores import EvaluationResult, TaskScore, as_percent

if TYPE_CHECKING:
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


__all__ = ["doubts", "show_scores"]
