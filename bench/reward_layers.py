"""The figures of the layered reward: how good R_phi is, what a policy learns from it alone, what the cascade adds.

    python bench/reward_layers.py --json OUT [--work runs/reward_layers] [--stages model,policy,cascade]

`model` records episodes of many quality levels, ranks them by their rule totals and trains a reward model for each of
`--seeds`, one task kept out altogether: accuracy and calibration error on held-out seeds and on that task, minutes.

`policy` trains the quickstart's policy twice from the same warm start, for as many iterations: on rules, and on R_phi
alone, with rules switched off. Reported are the share of the gain that R_phi recovers and, iteration by iteration,
success by the rules beside what R_phi says of the same episodes: a policy that pleases the model rather than the task
parts them.

`cascade` hides the rules of a third of the tasks, each third once, and asks of fresh episodes of one task and seed
which is the better one; the hidden rule totals are the truth. A layer, or the cascade, that leaves one of the two
unscored has not answered: that counts as half a right answer in `score`, and against `coverage`.

Stages share `--work`: recorded episodes, models and runs found there are used again. OUT keeps what earlier calls wrote
of other stages.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from milepost.agents.records import Trajectory
from milepost.agents.reward_layers import JudgingLayer, LearnedLayer
from milepost.agents.settlement import Settler
from milepost.envs.milestone_spec import MilestoneSpec
from milepost.envs.registration import env_id_of, register_task, registered_ids, resolve_id, task_for
from milepost.rewards.judge import Judge, JudgeConfig
from milepost.rewards.preferences import write_preferences
from milepost.rewards.reward_model.versions import read_manifest, resolve_version
from milepost.rewards.router import Mode, Thresholds, Unscored
from milepost.trainers.config import load_config
from milepost.trainers.episode_groups import group_episodes
from milepost.trainers.grpo import train
from milepost.trainers.metrics import read_evaluations, read_metrics
from milepost.trainers.preferences_from_rules import rankings_from_rules
from milepost.trainers.progress import TrainingProgress
from milepost.trainers.recorded import RecordedEpisodes
from milepost.trainers.reward_model import train_reward_model
from milepost.trainers.reward_model_config import RewardModelConfig
from milepost.trainers.run_folder import RunFolder

QUICKSTART = Path(__file__).parent.parent / "examples" / "quickstart" / "config.yaml"
FRESH_SEED = 5000  # of the episodes that the cascade is asked about: none is trained on
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
SAME = 1e-6


def model_stage(options: argparse.Namespace) -> dict[str, Any]:
    """Train a reward model for each seed and report what each was measured to do."""
    preferences = _preferences(options.work, options.level_seeds)
    rows = []
    for seed in options.seeds:
        out = options.work / f"reward_model_{seed}"
        if not out.is_dir():
            config = RewardModelConfig(
                preferences=(preferences,), out=out, seed=seed, start="fresh",
                unseen_tasks=(resolve_id(options.unseen),), time_budget_s=options.model_s,
            )  # fmt: skip
            train_reward_model(config)
        manifest = read_manifest(resolve_version(out))
        unseen = manifest.unseen
        rows.append(
            {
                "seed": seed, "minutes": manifest.wall_s / 60, "rankings": manifest.rankings,
                "held_out_accuracy": manifest.held_out.accuracy, "held_out_ece": manifest.held_out.ece,
                "held_out_pairs": manifest.held_out.pairs,
                "unseen_accuracy": unseen and unseen.accuracy, "unseen_ece": unseen and unseen.ece,
                "unseen_pairs": unseen and unseen.pairs,
            }
        )  # fmt: skip
    return {"unseen_task": options.unseen, "seeds": rows}


def policy_stage(options: argparse.Namespace) -> dict[str, Any]:
    """Train on rules and on R_phi alone; report what R_phi recovers of the gain, and both by iteration."""
    model = _policy_model(options)
    shared = [f"seed={options.policy_seed}", f"iterations={options.iterations}", "time_budget_s=null"]
    runs = {
        "rules": ["reward.mode=rules", f"run={options.work / 'policy_rules'}"],
        "model": ["reward.mode=model", f"reward.model={model}", f"run={options.work / 'policy_model'}"],
    }
    rows: dict[str, Any] = {}
    for name, own in runs.items():
        config = load_config(QUICKSTART, [*shared, *own])
        with TrainingProgress(f"GRPO on {name}") as progress:
            result = train(config, progress=progress)
        rows[name] = {
            "success": dict(result.success), "seconds": result.elapsed_s, "iterations": result.iterations,
            "report": str(result.report), "by_task": _by_task(result.run), "curve": _curve(result.run),
        }  # fmt: skip
    gains = {name: row["success"]["trained"] - row["success"]["warm_start"] for name, row in rows.items()}
    recovered = gains["model"] / gains["rules"] if gains["rules"] > 0 else None
    return {"model": str(model), "recovered": recovered, "gains": gains, **rows}


def cascade_stage(options: argparse.Namespace) -> dict[str, Any]:
    """Ask which of two episodes is the better one, with a third of the tasks' rules hidden."""
    levels = options.work / "fresh_levels"
    if not levels.is_dir():
        _record(levels, seeds=options.fresh_seeds, first=FRESH_SEED)
    episodes = _groups(levels)
    model = LearnedLayer.load(options.work / f"reward_model_{options.seeds[0]}")
    judge = None if options.judge is None else JudgingLayer(Judge.connect(_judge_config(options.judge)))
    settlers = {
        "rules alone": Settler(mode=Mode.RULES),
        "model alone": Settler(mode=Mode.MODEL, model=model),
        **{
            f"cascade, sure from {t:g}": Settler(
                mode=Mode.CASCADE, model=model, judge=judge, thresholds=Thresholds(model=t)
            )
            for t in THRESHOLDS
        },
    }
    if judge is not None:
        settlers["judge alone"] = Settler(mode=Mode.JUDGE, judge=judge)
    tasks = sorted({group[0].task for group in episodes})
    counts = {name: Tally() for name in settlers}
    for third in range(3):
        hidden = set(tasks[third::3])
        for name, settler in settlers.items():
            for group in episodes:
                counts[name].add(group, _settled(group, settler, hide=group[0].task in hidden))
    return {
        "episodes": sum(map(len, episodes)), "groups": len(episodes), "hidden_thirds": [tasks[i::3] for i in range(3)],
        "judge": None if options.judge is None else str(options.judge),
        "layers": {name: tally.plain() for name, tally in counts.items()},
    }  # fmt: skip


@dataclass(slots=True)
class Tally:
    """Pairs of episodes with different true totals: how many there were, were answered, and were ordered rightly."""

    pairs: int = 0
    answered: int = 0
    right: float = 0.0

    def add(self, truth: Sequence[Trajectory], settled: Sequence[float | None]) -> None:
        """Count the pairs of one group."""
        for (a, x), (b, y) in itertools.combinations(zip(truth, settled, strict=True), 2):
            if abs(a.total_reward - b.total_reward) < SAME:
                continue
            self.pairs += 1
            if x is None or y is None:
                continue
            self.answered += 1
            same = abs(x - y) < SAME
            self.right += 0.5 if same else float((x > y) == (a.total_reward > b.total_reward))

    def plain(self) -> dict[str, float | None]:
        """Return the figures: accuracy where it answered, coverage, and the score in which silence counts a half."""
        return {
            "pairs": self.pairs,
            "coverage": self.answered / self.pairs,
            "accuracy": self.right / self.answered if self.answered else None,
            "score": (self.right + 0.5 * (self.pairs - self.answered)) / self.pairs,
        }


def _settled(group: Sequence[Trajectory], settler: Settler, *, hide: bool) -> list[float | None]:
    """Return each episode's reward; None: unscored, at least in part."""
    shown = [_without_rules(t) for t in group] if hide else list(group)
    done, _ = replace(settler, unscored=Unscored.MASK).settle(shown)
    return [None if any(s.reward is None for s in t.steps) else t.total_reward for t in done]


def _without_rules(trajectory: Trajectory) -> Trajectory:
    """Return the episode as one of a task that says what it wants in words only."""
    task = task_for(trajectory.task)
    name = f"{task.name}-unruled"
    env_id = env_id_of(name, task.version)
    if env_id not in registered_ids():
        # a task needs a milestone; this one pays next to nothing, so that the steps' scores decide
        wanted = MilestoneSpec.model_validate(
            {"id": "reached", "source": "model", "reward": 0.001, "rubric": f"The agent reached this goal: {task.goal}"}
        )
        register_task(task.model_copy(update={"name": name, "milestones": (wanted,), "success": (), "near_miss": ()}))
    blank = [replace(s, reward=0.0, milestones_before=0, milestones_after=0, tiers=()) for s in trajectory.steps]
    return replace(trajectory, task=env_id, steps=tuple(blank), success=False)


def _groups(run: Path) -> list[list[Trajectory]]:
    """Return a run's distinct episodes by task and seed."""
    read, recorded = group_episodes([run], scored_only=True), RecordedEpisodes()
    return [[recorded.trajectory(episode.ref) for episode in group] for group in read.groups.values()]


def _preferences(work: Path, seeds: int) -> Path:
    """Return rankings of recorded episodes, made if they are not there."""
    levels, path = work / "levels", work / "preferences.jsonl"
    if not levels.is_dir():
        _record(levels, seeds=seeds, first=0)
    if not path.is_file():
        write_preferences(path, rankings_from_rules([levels], most_items=8).rankings)
    return path


def _record(run: Path, *, seeds: int, first: int) -> None:
    """Record episodes of many quality levels, in a process of their own."""
    script = Path(__file__).with_name("record_quality_levels.py")
    subprocess.run([sys.executable, script, run, "--seeds", str(seeds), "--first-seed", str(first)], check=True)


def _policy_model(options: argparse.Namespace) -> Path:
    """Return the version that the policy learns from: the first seed's, trained on with a policy's own episodes."""
    first = options.work / f"reward_model_{options.seeds[0]}"
    if not options.policy_runs:
        return resolve_version(first)
    out, version = options.work / "reward_model_policy", resolve_version(first)
    if not out.is_dir():
        out.mkdir(parents=True)
        (out / version.name).symlink_to(version.resolve())
    if resolve_version(out).name == version.name:  # nothing was trained on it yet, or that was cut short
        preferences = options.work / "policy_preferences.jsonl"
        write_preferences(preferences, rankings_from_rules(options.policy_runs, most_items=8).rankings)
        train_reward_model(
            RewardModelConfig(
                preferences=(options.work / "preferences.jsonl", preferences), out=out,
                unseen_tasks=(resolve_id(options.unseen),), time_budget_s=options.model_s,
            )
        )  # fmt: skip
    return resolve_version(out)


def _by_task(run: Path) -> dict[str, dict[str, float]]:
    stages = read_evaluations(RunFolder.open(run))
    return {stage: {task: s.successes / s.episodes for task, s in scores.items()} for stage, scores in stages.items()}


def _curve(run: Path) -> list[dict[str, float]]:
    wanted = ("train/success", "train/reward_fraction", "router/total/model", "time/iteration_s")
    return [
        {"iteration": r.iteration, **{n.split("/", 1)[1]: r.values[n] for n in wanted if n in r.values}}
        for r in read_metrics(RunFolder.open(run).metrics_path)
        if "train/success" in r.values
    ]


def _judge_config(path: Path) -> JudgeConfig:
    return JudgeConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


STAGES = {"model": model_stage, "policy": policy_stage, "cascade": cascade_stage}


def show(report: dict[str, Any]) -> None:
    """Print what was measured."""
    if "model" in report:
        table = Table("seed", "held-out", "ECE", f"{report['model']['unseen_task']} (unseen)", "ECE", "minutes")
        for row in report["model"]["seeds"]:
            names = ("held_out_accuracy", "held_out_ece", "unseen_accuracy", "unseen_ece")
            table.add_row(str(row["seed"]), *(_figure(row[n]) for n in names), f"{row['minutes']:.1f}")
        Console().print(table)
    if "policy" in report:
        table = Table("learned from", "warm start", "after GRPO", "gain", "iterations", "seconds")
        for name in ("rules", "model"):
            row, gain = report["policy"][name], report["policy"]["gains"][name]
            scores = [f"{row['success'][stage]:.1%}" for stage in ("warm_start", "trained")]
            table.add_row(name, *scores, f"{gain:+.1%}", str(row["iterations"]), f"{row['seconds']:.0f}")
        Console().print(table)
        Console().print(f"R_phi alone recovers {_figure(report['policy']['recovered'])} of what rules gain")
    if "cascade" in report:
        table = Table("whose word", "accuracy", "coverage", "score")
        for name, row in report["cascade"]["layers"].items():
            table.add_row(name, *(_figure(row[n]) for n in ("accuracy", "coverage", "score")))
        Console().print(table)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="the figures; what other stages wrote there stays")
    parser.add_argument("--work", type=Path, default=Path("runs/reward_layers"), help="episodes, models and runs")
    parser.add_argument("--stages", default=",".join(STAGES), help="comma-separated")
    parser.add_argument("--seeds", type=lambda s: [int(x) for x in s.split(",")], default=[0, 1, 2])
    parser.add_argument("--level-seeds", type=int, default=24, help="instances of each task to train the model on")
    parser.add_argument("--fresh-seeds", type=int, default=8, help="instances of each task for the cascade")
    parser.add_argument("--unseen", default="settings-toggle", help="the task that the reward model never sees")
    parser.add_argument("--model-s", type=float, default=840.0, help="seconds for a reward model's training")
    parser.add_argument("--policy-seed", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=6, help="of GRPO, on each reward")
    parser.add_argument("--policy-runs", type=Path, nargs="*", default=[], help="GRPO runs whose episodes are added")
    parser.add_argument("--judge", type=Path, help="YAML file of a judge's settings, see docs/judge.md")
    options = parser.parse_args()
    unknown = [name for name in options.stages.split(",") if name not in STAGES]
    if unknown:
        parser.error(f"expected stages among {', '.join(STAGES)}, got {', '.join(unknown)}")
    options.work.mkdir(parents=True, exist_ok=True)
    report = json.loads(options.json.read_text(encoding="utf-8")) if options.json.is_file() else {}
    for name in options.stages.split(","):
        began = time.perf_counter()
        report[name] = {**STAGES[name](options), "stage_s": time.perf_counter() - began}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()
