"""`milepost eval`: play held-out episodes, keep them, and say what they show."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .arguments import registered, split_settings, train_extra
from .completion import complete_policy, complete_task
from .console import Json, print_json, stderr, stdout
from .sandbox.errors import EngineError, TaskError

if TYPE_CHECKING:
    from .agents.evaluation.comparison import Comparison
    from .agents.evaluation.folder import EvaluationFolder
    from .agents.evaluation.outcome import EpisodeResult
    from .agents.evaluation.play import Plan
    from .agents.evaluation.summary import Summary
    from .agents.policies import Policy
    from .agents.settlement import Settler
    from .agents.task_scores import EvaluationResult

_HINT = "[dim]{path}: episodes.jsonl, summary.json, summary.csv, report.html[/dim]"


def evaluate(
    tasks: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK|SUITE|reward.KEY=VALUE",
            help="Ids or names of registered tasks, suites, or task files; settings such as reward.mode=cascade.",
            autocompletion=complete_task,
        ),
    ],
    *,
    policy: Annotated[
        str,
        typer.Option(
            help="oracle, noop, random, submit-only or click-everything; a run's or a model's folder; "
            "openai:MODEL@URL; or Python, as module:callable or file.py:callable.",
            autocompletion=complete_policy,
        ),
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Held-out instances per task.")] = 64,
    samples: Annotated[int, typer.Option("--samples", "-k", min=1, help="Episodes per instance, for pass@k.")] = 1,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="Of a language model; 0 is greedy. By default 0, and 1 with --samples.")
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer of a language model.")] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable with the key of an openai: policy.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Most episodes under way at once.")] = 32,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to keep it; by default a folder of its own in evals/.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew where an evaluation lies already.")] = False,
    compare: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Compare with another evaluation, episode by episode.")
    ] = None,
    reward: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Settle rewards by the layers of this file's `reward:` section; a training's configuration will do.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Play held-out episodes and report success, reward and milestone rates; the same command again resumes.

    Milestones of meaning are judged if --reward or reward.KEY=VALUE names a layer for them; else they are left open,
    and what depends on them is reported as unknown.
    """
    from .agents.evaluation.folder import EvaluationFolder
    from .agents.evaluation.play import Plan, default_name, settings_of
    from .agents.evaluation.policies import Sampling, policy_named
    from .evaluation_view import doubts, show_comparison, show_figures, show_scores
    from .sandbox.chromium import find_chromium

    names, settings = split_settings(tasks)
    ids = list(dict.fromkeys(task_id for name in names for task_id in registered(name)))
    if not ids:
        raise TaskError("expected a task to evaluate, got settings only; name one, such as expense-form.")
    settler, reward_settings = _layers(reward, settings)
    warmth = (0.0 if samples == 1 else 1.0) if temperature is None else temperature
    sampling = Sampling(
        temperature=warmth, max_new_tokens=max_new_tokens, concurrency=concurrency, api_key_env=api_key_env
    )
    named = policy_named(policy, sampling)
    if named.is_model and samples > 1 and warmth == 0:
        raise EngineError(f"--samples {samples} at --temperature 0 are {samples} copies of one; raise the temperature.")
    if not named.is_model and (temperature, max_new_tokens, api_key_env) != (None, None, None):
        stderr().print(
            "[yellow]--temperature, --max-new-tokens and --api-key-env mean nothing to the policy "
            f"{escape(policy)}; they are left aside.[/yellow]",
            soft_wrap=True,
        )
    other = None if compare is None else EvaluationFolder.open(evaluation_path(compare))
    find_chromium()  # without one every episode would break down; better said at once
    plan = Plan.of(ids, seeds=seeds, samples=samples)
    asked = settings_of(plan, named.identity, reward_settings)
    path = Path("evals") / default_name(names, policy, asked) if out is None else out
    with EvaluationFolder.create(path, asked, facts=_facts(names, policy), fresh=fresh) as folder:
        before = len(folder.episodes)
        with train_extra():
            acting = named.load()
        wall_s = _play(folder, plan, acting, settler, concurrency)
        summary, result = finish(folder, policy=policy, wall_s=wall_s, suites=names)
        comparison = None if other is None else _compared(folder, other)
    if as_json:
        print_json(_document(result, summary, folder, comparison))
    else:
        show_scores(result, stdout())
        show_figures(summary, stdout())
        if comparison is not None:
            show_comparison(comparison, stdout())
        stdout().print(_HINT.format(path=escape(str(path))), highlight=False, soft_wrap=True)
    if before == plan.total and folder.resumed:
        stderr().print(f"All {before} episodes were there already; --fresh plays them anew.", soft_wrap=True)
    for doubt in doubts(result, settler):
        stderr().print(f"[yellow]{escape(doubt)}[/yellow]", highlight=False, soft_wrap=True)
    if failures := summary.all.failures:
        stderr().print(
            f"[yellow]{failures} of {plan.total} episodes broke down and were not scored; the same command plays them "
            "again.[/yellow]",
            soft_wrap=True,
        )
        if failures == plan.total:
            raise typer.Exit(1)


def evaluation_path(named: Path) -> Path:
    """Return an evaluation's folder: the one given, or the one of that name in evals/."""
    inside = Path("evals") / named
    return inside if not named.exists() and inside.is_dir() else named


def finish(
    folder: EvaluationFolder, *, policy: str, wall_s: float, suites: Sequence[str]
) -> tuple[Summary, EvaluationResult]:
    """Write the summary and the report of an evaluation, and return its figures."""
    from .agents.evaluation.play import result_in, summary_of
    from .agents.evaluation.report import report_page, row_of
    from .agents.evaluation.summary import as_csv, table

    total_s = folder.wall_s + wall_s
    summary = summary_of(folder)
    result = result_in(folder, summary, policy=policy, wall_s=total_s)
    document = {"name": folder.name, "policy": policy, "suites": list(suites), "wall_s": total_s}
    document |= {"success_rate": result.success_rate, "reward": result.to_json()["reward"]}
    folder.write_json(document | summary.to_json())
    folder.write("summary.csv", as_csv(*table(summary)).encode())
    folder.write("report.html", report_page([row_of(folder, summary)]).encode())
    return summary, result


def _layers(reward: Path | None, settings: list[str]) -> tuple[Settler | None, dict[str, Any] | None]:
    """Return what settles rewards, and the settings that its figures depend on."""
    if reward is None and not settings:
        return None, None
    with train_extra():
        from .trainers.config import load_reward
        from .trainers.reward_layers import build_settler

        config = load_reward(reward, settings)
        settler = build_settler(config)
    return settler, {
        "mode": str(settler.mode),
        "layers": list(settler.layers),
        "config": config.model_dump(mode="json"),
    }


def _facts(suites: Sequence[str], policy: str) -> dict[str, Any]:
    from .trainers.run_folder import collect_versions

    return {"suites": list(suites), "policy": policy, "versions": collect_versions()}


def _play(folder: EvaluationFolder, plan: Plan, policy: Policy, settler: Settler | None, concurrency: int) -> float:
    """Play what is missing under a progress line; what was played is written down whatever ends it."""
    from .agents.evaluation.outcome import success_rate
    from .agents.evaluation.play import play
    from .agents.task_scores import as_percent

    done = [e for e in folder.episodes.values() if e.failure is None]
    outcomes, first, began = [e.success for e in done], len(done), time.monotonic()
    with stderr().status(f"{first}/{plan.total} episodes") as status:

        def on_episode(result: EpisodeResult) -> None:
            if result.failure is None:
                outcomes.append(result.success)
            now = len(outcomes)
            left_s = (time.monotonic() - began) / max(now - first, 1) * (plan.total - now)
            rate = as_percent(success_rate(outcomes))
            last = f"{result.task} seed {result.seed}"
            status.update(f"{now}/{plan.total} episodes, success {rate}, {left_s:.0f} s left; last: {last}")

        try:
            return play(folder, plan, policy, settler=settler, concurrency=concurrency, on_episode=on_episode)
        except KeyboardInterrupt:
            stderr().print("Interrupted. The same command goes on with the episodes that are missing.")
            raise typer.Exit(130) from None
        finally:
            if close := getattr(policy, "close", None):
                close()


def _compared(folder: EvaluationFolder, other: EvaluationFolder) -> Comparison:
    from .agents.evaluation.comparison import compare

    return compare(folder.episodes.values(), other.episodes.values(), other=other.name)


def _document(
    result: EvaluationResult, summary: Summary, folder: EvaluationFolder, comparison: Comparison | None
) -> dict[str, Any]:
    document, figures = result.to_json(), summary.to_json()
    document["tasks"] = {name: figures["tasks"][name] | scores for name, scores in document["tasks"].items()}
    document |= {"folder": str(folder.path), "samples": folder.settings["samples"]}
    document |= {name: figures[name] for name in ("all", "families", "levels", "family_levels")}
    return document if comparison is None else document | {"comparison": comparison.to_json()}


__all__ = ["evaluate", "evaluation_path", "finish"]
