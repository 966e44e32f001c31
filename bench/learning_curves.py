"""Train arms that differ in a setting from the same start over several seeds, and plot held-out success in one figure.

    python bench/learning_curves.py examples/methods/arms.yaml --out runs/methods [--seeds 0 1 2] [--arms ppo dapo]
                                    [--json FILE] [--svg FILE]

ARMS.yaml names the arms:

    start: {trainer: grpo, config: examples/quickstart/config.yaml, set: [iterations=0]}   # trained once per seed
    common: [iterations=12, validate_every=3]           # settings of every arm
    arms:
      dapo: {trainer: grpo, config: examples/presets/dapo.yaml}
      trpo: {trainer: grpo, config: examples/presets/trpo.yaml, set: [trpo.max_kl=0.03]}

Every run is an ordinary `milepost train`, one after the other; a finished one is not run again, and one that was cut
short goes on. The result holds, for each arm and seed, the command, held-out success by iteration and episodes, the
share of dead groups and the wall time; the figure shows each arm's mean over its seeds.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import yaml

from milepost.trainers.metrics import read_metrics
from milepost.trainers.report_plots import Series, line_chart, percent
from milepost.trainers.run_folder import RunFolder

_STYLE = (
    """<style>
svg{font:13px system-ui,sans-serif;background:#fff}text{fill:#666c74}text.end{fill:var(--c);font-weight:600}
.grid{stroke:#e3e3de}.line{fill:none;stroke:var(--c);stroke-width:2.4;stroke-linejoin:round}.dot{fill:var(--c)}
.hit{fill:transparent}
"""
    + "".join(
        f".s{i}{{--c:{colour}}}"
        for i, colour in enumerate(
            ("#3574e2", "#dd7430", "#8a5bc8", "#16909e", "#cc4787", "#7c8a16", "#9a6644", "#5b6b7f")
        )
    )
    + "</style>"
)


def command(arm, settings):
    return [
        sys.executable,
        "-m",
        "milepost",
        "train",
        arm["trainer"],
        arm["config"],
        *arm.get("set", []),
        *settings,
    ]


def finished(folder):
    status = folder / "status.json"
    return status.is_file() and json.loads(status.read_text())["state"] == "finished"


def run_arm(name, arm, settings, folder):
    if finished(folder):
        return
    line = command(arm, [*settings, f"run={folder}"])
    print(f"{name}: {' '.join(line[2:])}", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".log").open("ab") as log:
        started = time.monotonic()
        code = subprocess.run(line, stdout=log, stderr=subprocess.STDOUT).returncode
    print(f"{name}: exit {code}, {time.monotonic() - started:.0f} s", flush=True)
    if not finished(folder):
        sys.exit(f"{name} did not finish; see {folder.with_suffix('.log')}")


def measured(arm, settings, folder):
    """Return a run's curve and what else is compared; None if it has none yet."""
    if not (folder / "metrics.jsonl").is_file():
        return None
    curve, episodes, dead, groups = [], 0, 0.0, 0.0
    for record in read_metrics(folder / "metrics.jsonl"):
        v = record.values
        group_size = v.get("train/episodes", 0) / max(v.get("train/groups", 1), 1)
        episodes += int(v.get("train/episodes", 0) + v.get("train/replaced_groups", 0) * group_size)
        dead += v.get("train/dead_groups", 0) + v.get("train/replaced_groups", 0)
        groups += v.get("train/groups", 0) + v.get("train/replaced_groups", 0)
        if "eval/success" in v:
            by_task = {k.removeprefix("eval/success/"): x for k, x in v.items() if k.startswith("eval/success/")}
            curve.append({
                "iteration": record.iteration, "episodes": episodes, "success": v["eval/success"], "tasks": by_task,
            })  # fmt: skip
    if not curve:
        return None
    return {
        "command": " ".join(["milepost", *command(arm, settings)[3:]]),
        "finished": finished(folder),
        "curve": curve,
        "first": curve[0]["success"],
        "last": curve[-1]["success"],
        "best": max(p["success"] for p in curve),
        "dead_groups": dead / groups if groups else None,
        "wall_s": RunFolder.open(folder).wall_s,
        "versions": RunFolder.open(folder).read_json("versions.json"),
    }


def mean_curve(runs, x):
    """Average curves that were measured at the same iterations; a point needs every seed."""
    points = []
    for i in range(min(len(r["curve"]) for r in runs)):
        at = [r["curve"][i] for r in runs]
        points.append((statistics.mean(p[x] for p in at), statistics.mean(p["success"] for p in at)))
    return points


def figure(results, x, title):
    lines = [
        Series(label=name, points=mean_curve(list(runs.values()), x), css=f"s{i % 8}", strong=True)
        for i, (name, runs) in enumerate(results.items())
        if runs
    ]
    drawn = str(line_chart(lines, width=900, height=380, title=title, y_max=1.0, form=percent, end_labels=True))
    if x == "episodes":
        drawn = re.sub(r">iteration</text>", ">episodes</text>", drawn).replace(", iteration ", ", episodes ")
    return re.sub(r"<svg([^>]*)>", rf'<svg xmlns="http://www.w3.org/2000/svg"\1>{_STYLE}', drawn, count=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", help="only these")
    parser.add_argument("--set", nargs="*", default=[], help="key=value of every arm, beside the file's")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--collect", action="store_true", help="train nothing; take what runs have measured")
    asked = parser.parse_args()
    plan = yaml.safe_load(asked.file.read_text(encoding="utf-8"))
    unknown = sorted(set(asked.arms or []) - set(plan["arms"]))
    if unknown:
        parser.error(f"no arm {', '.join(unknown)}; there are {', '.join(plan['arms'])}")
    arms = {name: arm for name, arm in plan["arms"].items() if not asked.arms or name in asked.arms}
    results = {name: {} for name in arms}
    for seed in asked.seeds:
        settings = [*plan.get("common", []), f"seed={seed}", *asked.set]
        if "start" in plan:
            start = asked.out / f"start-{seed}"
            if not asked.collect:
                run_arm(f"start, seed {seed}", plan["start"], [f"seed={seed}", *asked.set], start)
            settings.append(f"start={start}")
        for name, arm in arms.items():
            folder = asked.out / f"{name}-{seed}"
            if not asked.collect:
                run_arm(f"{name}, seed {seed}", arm, settings, folder)
            if found := measured(arm, settings, folder):
                results[name][str(seed)] = found
                tail = " -> ".join(f"{p['success']:.3f}" for p in found["curve"])
                print(f"{name:>16} seed {seed}: {tail}", flush=True)
        if asked.json:
            asked.json.parent.mkdir(parents=True, exist_ok=True)
            machine = {"machine": platform.machine(), "python": platform.python_version()}
            asked.json.write_text(json.dumps({"plan": plan, **machine, "arms": results}, indent=1), encoding="utf-8")
        if asked.svg and any(results.values()):
            asked.svg.write_text(figure(results, "episodes", "Held-out success against episodes"), encoding="utf-8")


if __name__ == "__main__":
    main()
