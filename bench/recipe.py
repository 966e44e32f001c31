"""Train as a recipe says, measure before and after, and write down what came of it.

    python bench/recipe.py examples/core-mail [--seeds 0] [--out runs/recipes/core-mail] [--collect]

FOLDER/recipe.yaml names the stages, each of which goes on from the one before, and what is measured:

    what: SFT on the oracle's demonstrations of one family of `core`, then GRPO.
    minutes: 180                                   # the budget of all stages together
    stages:
      sft: {trainer: sft, config: examples/core/sft.yaml, set: ["tasks=[core:mail]"]}
      grpo: {trainer: grpo, config: examples/core/grpo.yaml, set: ["tasks=[core:mail]"]}
    measure:
      seeds: 16                                    # held-out instances of each task
      parts: {seen: "core:mail:train", unseen: "core:mail:held_out"}

Everything is run by ordinary `milepost train` and `milepost eval`, one after the other; what is finished is not run
again (to begin anew after a change of settings, remove its folder), and what was cut short goes on. FOLDER/result.json
then holds of each seed the commands, each run's own settings and versions (commit included), wall times beside the
budget, and success before and after, with intervals, by level and by task, beside the share of the rules' reward;
FOLDER/STAGE-SEED.jsonl is the log of a stage. `--collect` runs nothing and writes what there is.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from learning_curves import command, run_arm

from milepost.envs.level import LEVELS
from milepost.trainers.run_folder import RunFolder

FIGURES = ("success", "reward_fraction", "milestone_rate", "efficiency")
COUNTS = ("episodes", "failures", "successes")


class Recipe:
    """A recipe's folder, and one seed's runs and evaluations under `out`."""

    def __init__(self, folder: Path, out: Path, seed: int) -> None:
        self.folder = folder
        self.plan: dict[str, Any] = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
        self.out = out / f"seed-{seed}"
        self.seed = seed

    def stages(self) -> dict[str, tuple[dict[str, Any], list[str]]]:
        """Return each stage with its settings, the folder of the stage before among them."""
        found: dict[str, tuple[dict[str, Any], list[str]]] = {}
        settings = [f"seed={self.seed}"]
        for name, stage in self.plan["stages"].items():
            found[name] = (stage, settings)
            settings = [f"seed={self.seed}", f"start={self.out / name}"]
        return found

    def train(self) -> None:
        """Run the stages that are not finished."""
        for name, (stage, settings) in self.stages().items():
            run_arm(f"{self.folder.name} {name}, seed {self.seed}", stage, settings, self.out / name)

    def evaluations(self) -> dict[str, dict[str, list[str]]]:
        """Return the command of each evaluation, by what is evaluated and on which part of the tasks."""
        measure = self.plan["measure"]
        policies = {"before": str(measure.get("before", "smollm2-135m-instruct"))}
        policies |= {name: str(self.out / name) for name in self.plan["stages"]}
        return {
            name: {
                part: [
                    "eval", tasks, "--policy", policy, "--seeds", str(measure["seeds"]), "--max-new-tokens",
                    str(measure.get("max_new_tokens", 32)), "--out", str(self.out / f"eval-{name}-{part}"),
                ]
                for part, tasks in measure["parts"].items()
            }
            for name, policy in policies.items()
        }  # fmt: skip

    def evaluate(self) -> None:
        """Run the evaluations; those that are complete take a moment."""
        for name, parts in self.evaluations().items():
            for part, line in parts.items():
                print(f"{self.folder.name} {name} on {part}, seed {self.seed}: milepost {' '.join(line)}", flush=True)
                log = self.out / f"eval-{name}-{part}.log"
                with log.open("wb") as file:
                    done = subprocess.run([sys.executable, "-m", "milepost", *line], stdout=file, stderr=file)
                if done.returncode:
                    sys.exit(f"it failed; see {log}")

    def result(self) -> dict[str, Any]:
        """Return what this seed's runs and evaluations say; those that are not there are left out."""
        found: dict[str, Any] = {"stages": {}, "measured": {}}
        for name, (stage, settings) in self.stages().items():
            if (self.out / name / "status.json").is_file():
                run = RunFolder.open(self.out / name)
                found["stages"][name] = {
                    "command": " ".join(["milepost", *command(stage, [*settings, f"run={self.out / name}"])[3:]]),
                    "wall_s": run.wall_s, "settings": run.config, "versions": run.read_json("versions.json"),
                }  # fmt: skip
        found["minutes"] = sum(stage["wall_s"] for stage in found["stages"].values()) / 60
        for name, parts in self.evaluations().items():
            for part, line in parts.items():
                summary = self.out / f"eval-{name}-{part}" / "summary.json"
                if summary.is_file():
                    read = json.loads(summary.read_text(encoding="utf-8"))
                    found["measured"].setdefault(name, {})[part] = {
                        "command": " ".join(["milepost", *line]), "all": _figures(read["all"]),
                        "levels": {level: _figures(group) for level, group in read["levels"].items()},
                        "tasks": {task: _figures(group) for task, group in read["tasks"].items()},
                    }  # fmt: skip
        return found

    def copy_logs(self) -> None:
        """Put each stage's log beside the recipe."""
        for name in self.plan["stages"]:
            if (log := self.out / name / "metrics.jsonl").is_file():
                shutil.copyfile(log, self.folder / f"{name}-{self.seed}.jsonl")


def _figures(group: dict[str, Any]) -> dict[str, Any]:
    return {name: group[name] for name in COUNTS} | {
        name: [group[name][end] for end in ("value", "low", "high")] for name in FIGURES
    }


def told(recipe: Recipe, results: dict[str, Any]) -> str:
    """Return the success of every stage on every part, mean over the seeds, as lines of text."""
    lines = []
    for part in recipe.plan["measure"]["parts"]:
        lines.append(f"{part}:")
        for name in ("before", *recipe.plan["stages"]):
            found = [r["measured"][name][part] for r in results.values() if part in r["measured"].get(name, {})]
            if found:
                levels = {level for f in found for level in f["levels"]}
                shown = [f"all {statistics.mean(f['all']['success'][0] for f in found):.1%}"]
                shown += [
                    f"{level} {statistics.mean(f['levels'][level]['success'][0] for f in found):.1%}"
                    for level in LEVELS
                    if level in levels
                ]
                lines.append(f"  {name}: {', '.join(shown)} ({len(found)} seeds)")
    minutes = ", ".join(f"{result['minutes']:.0f}" for result in results.values())
    lines.append(f"minutes of training: {minutes} (budget {recipe.plan['minutes']})")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, help="folder of the runs [runs/recipes/NAME]")
    parser.add_argument("--collect", action="store_true", help="run nothing; write down what there is")
    asked = parser.parse_args()
    out = asked.out or Path("runs/recipes") / asked.folder.resolve().name
    results: dict[str, Any] = {}
    for seed in asked.seeds:
        recipe = Recipe(asked.folder, out, seed)
        if not asked.collect:
            recipe.train()
            recipe.evaluate()
        results[str(seed)] = recipe.result()
        recipe.copy_logs()
        document = {
            "recipe": recipe.plan, "command": f"python bench/recipe.py {asked.folder} --seeds {' '.join(results)}",
            "machine": {"platform": platform.platform(), "processor": _processor()}, "seeds": results,
        }  # fmt: skip
        (asked.folder / "result.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(told(recipe, results))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
