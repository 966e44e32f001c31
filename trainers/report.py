"""The run report: one HTML file that shows someone new to the project what was trained and what came of it.

Usage:

    save_example(folder, "early", Example(task="expense-form", ..., steps=steps), screenshots=[png, png, None])
    path = build_report(folder)                 # or build_report(RunFolder.open("runs/first"))

Reads config.yaml, versions.json, status.json, metrics.jsonl (names in `metrics`), evaluations.json and samples/,
whatever of them is there: a report can be built from a run under way. The file needs nothing else: plots are inline
SVG, screenshots are embedded, there is no script and a content security policy refuses any. Everything that comes from
pages, agents and configurations is text, escaped by the template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from ..agents.evaluate import wilson_interval
from ..sandbox.errors import RunError
from .embedded import embedded_picture
from .metrics import (
    STAGES,
    MetricsRecord,
    Stage,
    TaskEvaluation,
    read_evaluations,
    read_metrics,
    task_series,
)
from .report_critic import critic_context, method_of
from .report_engine import engine_context
from .report_layers import layers_context
from .report_plots import Series, compact, interval_strip, line_chart, percent, sparkline, stacked_bars
from .run_folder import RunFolder, write_atomically

Evaluations = Mapping[Stage, Mapping[str, TaskEvaluation]]
ExampleLabel = Literal["early", "late"]
LABELS: tuple[ExampleLabel, ...] = ("early", "late")

STAGE_NAMES: dict[Stage, str] = {
    "untrained": "Untrained", "warm_start": "After warm start", "trained": "After {method}",
}  # fmt: skip
_PHASES = {
    "warm_start": "warm start", "sampling": "generating actions", "browser": "browser", "update": "policy update",
    "evaluate": "evaluation", "other": "other",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleMilestone:
    """A milestone reached in an example step: its id, what it paid, and the evidence in one sentence."""

    id: str
    reward: float
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleStep:
    """One step of an example episode.

    Attributes:
        action: as the policy wrote it.
        observation: the text the policy saw before it acted.
        reward: None means unscored.
        milestones: reached by this step.
        error: the environment's `last_action_error` for this action, "" if none.
        screenshot: PNG of the page after the action, relative to samples/; None if none was taken.
    """

    action: str
    observation: str
    reward: float | None
    milestones: tuple[ExampleMilestone, ...] = ()
    error: str = ""
    screenshot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An episode worth showing.

    Attributes:
        task: label of the task.
        seed: the episode's seed.
        goal: what the agent was asked, in words.
        total: the episode's reward.
        max_total: the most the task can pay; None if unknown.
        success: whether every success milestone was reached.
        when: which policy acted, for people: "before training", "iteration 20".
        steps: in order.
    """

    task: str
    seed: int
    goal: str
    total: float
    max_total: float | None = None
    success: bool
    when: str = ""
    steps: tuple[ExampleStep, ...]


def save_example(
    folder: RunFolder, label: ExampleLabel, example: Example, *, screenshots: Sequence[bytes | None] = ()
) -> None:
    """Write an example episode to samples/<label>.json.

    Args:
        folder: the run.
        label: "early" (failing, before training) or "late" (succeeding, after it).
        example: the episode.
        screenshots: a PNG of the page after each step, None where there is none; they are written beside it and replace
            the steps' `screenshot`.
    """
    steps = list(example.steps)
    for i, png in enumerate(screenshots[: len(steps)]):
        if png is not None:
            name = f"{label}_{i + 1:02d}.png"
            write_atomically(folder.samples_dir / name, png)
            steps[i] = replace(steps[i], screenshot=name)
    folder.write_json(f"samples/{label}.json", asdict(replace(example, steps=tuple(steps))))


def read_example(folder: RunFolder, label: ExampleLabel) -> Example | None:
    """Return the example episode of that label; None if there is none.

    Raises:
        RunError: the file does not hold an example.
    """
    data = folder.read_json(f"samples/{label}.json")
    if data is None:
        return None
    try:
        steps = tuple(
            ExampleStep(**{**s, "milestones": tuple(ExampleMilestone(**m) for m in s.get("milestones", ()))})
            for s in data["steps"]
        )
        return Example(**{**data, "steps": steps})
    except (KeyError, TypeError) as error:
        raise RunError(
            f"{folder.samples_dir / label}.json does not hold an example episode ({error}). Remove it and build the "
            "report again."
        ) from error


def build_report(run: RunFolder | str | Path) -> Path:
    """Build report.html from what the run folder holds and return its path.

    Raises:
        RunError: the folder holds no run, a file in it is damaged, or the report cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    folder = run if isinstance(run, RunFolder) else RunFolder.open(run)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, compact=compact, duration=duration, minutes=_minutes)
    source = files(__package__).joinpath("report_template.html.j2").read_text("utf-8")
    write_atomically(folder.report_path, environment.from_string(source).render(report_context(folder)).encode())
    return folder.report_path


def summary_line(folder: RunFolder) -> str:
    """Return a run's result in one line: held-out success by stage, over all tasks, and where the report is."""
    stages = " -> ".join(
        f"{s['name'][0].lower()}{s['name'][1:]} {s['share']:.1%} of {s['episodes']}"
        for s in _stages(read_evaluations(folder), method_of(folder.config))
    )
    found = f"held-out success: {stages}" if stages else "held-out success: not measured"
    return f"{found}; report: {folder.report_path}"


def report_context(folder: RunFolder) -> dict[str, Any]:
    """Return everything the template shows."""
    records = read_metrics(folder.metrics_path)
    evaluations = read_evaluations(folder)
    iterations = [r for r in records if "train/success" in r.values or "train/reward_fraction" in r.values]
    tasks = _task_names(records, evaluations)
    colours = {task: f"s{i % 8}" for i, task in enumerate(tasks)}
    status = folder.read_json("status.json") or {}
    versions = folder.read_json("versions.json") or {}
    times = _times(records)
    method = method_of(folder.config)
    return {
        "method": method,
        "config": folder.config,
        "config_text": yaml.safe_dump(folder.config, sort_keys=False, allow_unicode=True),
        "versions": versions,
        "version_rows": _version_rows(versions),
        "name": folder.path.name,
        "seed": folder.seed,
        "state": status.get("state", "running"),
        "date": str(status.get("started", ""))[:16].replace("T", " "),
        "wall_s": status.get("wall_s") or sum(times["totals"].values()),
        "tasks": tasks,
        "colours": colours,
        "iterations": len(iterations),
        "episodes": int(sum(r.values.get("train/episodes", 0) for r in records)),
        "stages": _stages(evaluations, method),
        "by_task": [_task_row(task, evaluations, method) for task in tasks],
        "learning": _learning(iterations, tasks, colours, _series(records, "eval/success")),
        "milestones": [_milestones(task, records, evaluations, colours[task], method) for task in tasks],
        "health": _health(iterations),
        "critic": critic_context(iterations),
        "engine": engine_context(iterations),
        "layers": layers_context(iterations),
        "times": times,
        "examples": [e for label in LABELS if (e := _example(folder, label))],
        "metric_rows": _metric_rows(iterations),
    }


def duration(seconds: float) -> str:
    """Format seconds for people: "48 s", "9 min 32 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _minutes(seconds: float) -> str:
    """Format seconds for a headline: "48 seconds", "10 minutes", "2.1 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _version_rows(versions: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in versions.items():
        if isinstance(value, dict):
            rows += [(f"{key}: {k}", "absent" if v is None else str(v)) for k, v in value.items()]
        else:
            rows.append((key, "unknown" if value is None else str(value)))
    return rows


def _task_names(records: Sequence[MetricsRecord], evaluations: Evaluations) -> list[str]:
    names: dict[str, None] = {}
    for stage in evaluations.values():
        names.update(dict.fromkeys(stage))
    names.update(dict.fromkeys(task_series(records, "train/success/")))
    names.update(dict.fromkeys(rest.split("/")[0] for rest in task_series(records, "milestone/")))
    return list(names)


def _rate(successes: int, episodes: int) -> dict[str, Any]:
    low, high = wilson_interval(successes, episodes)
    share = successes / episodes if episodes else None
    return {"share": share, "low": low, "high": high, "successes": successes, "episodes": episodes}


def _stage_name(stage: Stage, method: str) -> str:
    return STAGE_NAMES[stage].format(method=method)


def _stages(evaluations: Evaluations, method: str) -> list[dict[str, Any]]:
    found = []
    for stage in STAGES:
        if tasks := evaluations.get(stage):
            rate = _rate(sum(t.successes for t in tasks.values()), sum(t.episodes for t in tasks.values()))
            if rate["share"] is not None:
                found.append({"id": stage, "name": _stage_name(stage, method), **rate})
    return found


def _task_row(task: str, evaluations: Evaluations, method: str) -> dict[str, Any]:
    cells = []
    for stage in STAGES:
        result = evaluations.get(stage, {}).get(task)
        if result is not None and result.episodes:
            cells.append({
                "id": stage, "name": _stage_name(stage, method), "steps": result.mean_steps,
                "reward": result.mean_reward_fraction, **_rate(result.successes, result.episodes),
            })  # fmt: skip
    strip = interval_strip(
        [(c["name"], f"stage-{c['id']}", c["share"], c["low"], c["high"]) for c in cells],
        title=f"{task}: held-out success by stage",
    )
    return {"task": task, "cells": cells, "strip": strip}


def _series(records: Sequence[MetricsRecord], name: str) -> list[tuple[float, float]]:
    return [(r.iteration, r.values[name]) for r in records if name in r.values]


def _learning(
    iterations: Sequence[MetricsRecord],
    tasks: Sequence[str],
    colours: Mapping[str, str],
    validated: Sequence[tuple[float, float]],
) -> dict[str, Any]:
    overall = Series(label="all tasks", points=_series(iterations, "train/success"), css="ink", strong=True)
    reward = Series(label="reward", points=_series(iterations, "train/reward_fraction"), css="reward", strong=True)
    by_task = [Series(label=t, points=_series(iterations, f"train/success/{t}"), css=colours[t]) for t in tasks]
    held_out = Series(label="held out", points=validated, css="held-out", strong=True)
    lines = [overall, *by_task] if len(tasks) > 1 else [overall]
    if validated:
        lines.append(held_out)

    def chart(lines: Sequence[Series], width: int, height: int, title: str) -> Any:
        return line_chart(
            lines, width=width, height=height, title=title, y_max=1.0, form=percent, end_labels=width > 500
        )  # fmt: skip

    return {
        "success_wide": chart(lines, 1080, 330, "Success of sampled episodes per iteration"),
        "success_narrow": chart(lines, 380, 250, "Success of sampled episodes per iteration"),
        "reward_wide": chart([reward], 1080, 230, "Reward of sampled episodes per iteration"),
        "reward_narrow": chart([reward], 380, 210, "Reward of sampled episodes per iteration"),
        "legend": [(s.label, s.css) for s in lines if s.points],
        "validated": bool(validated),
    }


def _milestones(
    task: str, records: Sequence[MetricsRecord], evaluations: Evaluations, css: str, method: str
) -> dict[str, Any]:
    sampled = {
        name.removeprefix(f"{task}/"): points
        for name, points in task_series(records, "milestone/").items()
        if name.startswith(f"{task}/")
    }
    held_out = {stage: tasks[task].milestones for stage, tasks in evaluations.items() if task in tasks}
    order = dict.fromkeys([*(i for rates in held_out.values() for i in rates), *sampled])
    panels = []
    for milestone in order:
        points = sampled.get(milestone, [])
        rates = [(_stage_name(s, method), held_out[s][milestone]) for s in STAGES if milestone in held_out.get(s, {})]
        panels.append({
            "id": milestone, "plot": sparkline(points, css=css, title=f"{milestone}: share of sampled episodes"),
            "first": points[0][1] if points else None, "last": points[-1][1] if points else None,
            "held_out": rates,
        })  # fmt: skip
    return {"task": task, "css": css, "panels": panels}


def _health(iterations: Sequence[MetricsRecord]) -> dict[str, Any]:
    def plot(name: str, css: str, title: str) -> Any:
        line = Series(label=title, points=_series(iterations, name), css=css, strong=True)
        return line_chart([line], width=360, height=220, title=title)

    with_groups = [r for r in iterations if "train/groups" in r.values]
    dead = [(float(r.iteration), r.values.get("train/dead_groups", 0.0)) for r in with_groups]
    live = [
        (x, max(0.0, r.values["train/groups"] - d)) for (x, d), r in zip(dead, with_groups, strict=True)
    ]  # fmt: skip
    replaced = sum(v for _, v in _series(iterations, "train/replaced_groups"))
    bars = [Series(label="groups that taught", points=live, css="live"), Series(label="dead", points=dead, css="dead")]
    return {
        "entropy": plot("train/entropy", "s0", "entropy, nats per token"),
        "kl": plot("train/kl", "s3", "KL to the frozen model, nats per token"),
        "groups": stacked_bars(bars, width=360, height=220, title="Groups per iteration"),
        "dead": int(sum(v for _, v in dead)),
        "replaced": int(replaced),
        "all_groups": int(sum(r.values["train/groups"] for r in with_groups)),
    }


def _times(records: Sequence[MetricsRecord]) -> dict[str, Any]:
    """Split each record's time into phases that add up; what no phase claims of an iteration is "other"."""
    rows: list[tuple[float, dict[str, float]]] = []
    for r in records:
        row = {phase: r.values.get(f"time/{phase}_s", 0.0) for phase in _PHASES if phase != "other"}
        row["other"] = max(0.0, r.values.get("time/iteration_s", 0.0) - sum(row.values()))
        rows.append((float(r.iteration), row))
    totals = {phase: sum(row[phase] for _, row in rows) for phase in _PHASES}
    whole = sum(totals.values())
    layers = [
        Series(label=label, points=[(x, row[phase]) for x, row in rows if x > 0], css=f"t-{phase}")
        for phase, label in _PHASES.items()
        if totals[phase] > 0 and phase not in {"warm_start", "evaluate"}
    ]

    def chart(width: int) -> Any:
        return stacked_bars(
            layers, width=width, height=230, title="Seconds per iteration by phase", form=lambda s: f"{s:.0f} s"
        )  # fmt: skip

    return {
        "totals": totals,
        "parts": [
            {"label": label, "css": f"t-{phase}", "s": totals[phase], "share": totals[phase] / whole}
            for phase, label in _PHASES.items()
            if totals[phase] > 0
        ],
        "wide": chart(1080),
        "narrow": chart(380),
    }


def _example(folder: RunFolder, label: ExampleLabel) -> dict[str, Any] | None:
    example = read_example(folder, label)
    if example is None:
        return None
    steps: list[tuple[ExampleStep, str | None, bool]] = []
    before = None
    for step in example.steps:
        image = _embed(folder.samples_dir, step.screenshot)
        repeated = image is not None and image == before
        steps.append((step, None if repeated else image, repeated))
        before = image or before
    return {"label": label, "episode": example, "steps": steps}


def _embed(samples: Path, name: str | None) -> str | None:
    """Return a screenshot as a data URI, at most 640 pixels wide; None if there is none that can be shown."""
    if name is None:
        return None
    path = (samples / name).resolve()
    if not path.is_relative_to(samples.resolve()) or not path.is_file():
        return None
    return embedded_picture(path)


def _metric_rows(iterations: Sequence[MetricsRecord]) -> dict[str, Any]:
    names = list(dict.fromkeys(n for r in iterations for n in r.values if re.match(r"(train|time)/[^/]+$", n)))
    return {
        "names": names,
        "rows": [(r.iteration, [r.values.get(name) for name in names]) for r in iterations],
    }
