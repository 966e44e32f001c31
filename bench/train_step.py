"""How fast a training step is, beside TRL's and beside an update that shares nothing, in one run.

    python bench/train_step.py [--json OUT] [--quick] [--repeats 3] [--threads 2] [--trl FOLDER]

Two pieces of work on the default model with a LoRA adapter of rank 16 on every linear layer, in bfloat16:

- a GRPO step of 8 prompts x 8 responses (about 162 prompt tokens, 100 of them common to all; up to 16 new tokens), ours
  and that of TRL's GRPOTrainer, which takes its batch in parts of 16 rows; neither scores a reference model;
- an update on episodes of five steps each, packed as tries, and as one padded row for each step.

The sides take turns, each time in a fresh process, so that its peak of resident memory is its own; a row's ratio is
the median of the ratios of the turns. The gradients of the packed and the padded update are compared in float32. TRL
lies in a folder of its own, by default in the cache, where it is put on first use. `--quick` leaves TRL out, and does
less. The exit status is 1 if a bar was measured and missed. The numbers count only on a machine that does nothing else.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _miniwob_site import cache_folder

SIDES = Path(__file__).with_name("_train_step_sides.py")
MODEL = "smollm2-135m-instruct"
RUN_DEADLINE_S = 1200
OF_TRL = (
    "trl==1.16.0", "datasets", "multiprocess", "dill", "pandas", "pyarrow", "xxhash", "aiohttp", "aiosignal",
    "aiohappyeyeballs", "frozenlist", "multidict", "yarl", "propcache", "attrs", "python-dateutil", "pytz", "six",
    "tzdata",
)  # fmt: skip
"""What TRL needs beside the packages that milepost trains with."""
STEP, EPISODES = {"groups": 8, "members": 8}, {"groups": 2, "members": 4}
QUICK_EPISODES = {"groups": 1, "members": 4}
OURS, TRL, PACKED, PADDED = "our step", "TRL's step", "packed episodes", "unpacked episodes"

# label, measurement, of which side, over which side, at most (of the ratio)
BARS = (
    ("GRPO step", "step_s", OURS, TRL, 1 / 10),
    ("its update alone", "update_s", OURS, TRL, 1 / 6),
    ("peak memory of a step", "peak_mb", OURS, TRL, 1.0),
    ("update on episodes of 5 steps", "update_s", PACKED, PADDED, 1 / 4),
)
GRADIENTS = 1e-4


def trl_folder():
    """Return the folder of TRL and what it needs, filling it on first use."""
    folder = cache_folder() / "trl" / "site-packages"
    ready = folder.parent / "ready"
    if not (ready.exists() and ready.read_text(encoding="utf-8") == "\n".join(OF_TRL)):
        print(f"putting TRL into {folder} (once; some 250 MB)", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--upgrade", "--target", folder, *OF_TRL]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise SystemExit(f"TRL could not be installed: {made.stderr.strip()[-400:]}\n--quick leaves it out.")
        ready.write_text("\n".join(OF_TRL), encoding="utf-8")
    return folder


def measured(side, options, sizes):
    """Measure a side in a process of its own."""
    settings = {"side": side, "model": options.model, "dtype": options.dtype, "threads": options.threads, **sizes}
    settings["trl"] = str(options.trl)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="train-step-") as folder:
        wanted, result = Path(folder, "settings.json"), Path(folder, "result.json")
        wanted.write_text(json.dumps(settings), encoding="utf-8")
        environ = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
        command = [sys.executable, str(SIDES), str(wanted), str(result)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=RUN_DEADLINE_S, check=False)
        if done.returncode:
            raise SystemExit(f"{side} could not be measured:\n{done.stderr[-3000:]}")
        found = json.loads(result.read_text(encoding="utf-8"))
    said = "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items())
    print(f"{side}: {said}   ({time.monotonic() - began:.0f} s in all)", file=sys.stderr, flush=True)
    return found


def row(label, what, side, over, bar, runs):
    """One row of the table: medians of both sides, and the median of the ratios of the turns."""
    pairs = [(one[what], other[what]) for one, other in zip(runs[side], runs[over], strict=True)]
    ratio = statistics.median(one / other for one, other in pairs)
    return {
        "label": label,
        "measure": what,
        side: statistics.median(one for one, _ in pairs),
        over: statistics.median(other for _, other in pairs),
        "ratio": ratio,
        "bar": bar,
        "passed": ratio <= bar,
    }


def machine():
    """Say what this was measured on."""
    import torch

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = dict((part.strip() for part in line.split(":", 1)) for line in lines if ":" in line)
    flags = set(facts.get("flags", "").split())
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return {
        "platform": platform.platform(),
        "processor": facts.get("model name", platform.processor()),
        "instructions": sorted(flags & {"avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile"}),
        "cores": cores,
        "torch": torch.__version__,
        "load_at_start": load,
        "busy": load > 0.5 * cores,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every number there as well")
    parser.add_argument("--quick", action="store_true", help="leave TRL out and do less")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side (default 3; --quick: 1)")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--model", default=MODEL, help="a model's name or folder; the bars are meant for the default")
    parser.add_argument("--trl", type=Path, help="folder that holds TRL 1.16 and what it needs")
    options = parser.parse_args()
    if not options.quick:
        options.trl = options.trl or trl_folder()
    facts, began = machine(), time.monotonic()
    episodes = QUICK_EPISODES if options.quick else EPISODES
    work = [(OURS, STEP), *([] if options.quick else [(TRL, STEP)]), (PACKED, episodes), (PADDED, episodes)]
    runs = {side: [] for side, _ in work}
    for _ in range(1 if options.quick else options.repeats):
        for side, sizes in work:
            runs[side].append(measured(side, options, sizes))
    gradients = measured("gradients", options, QUICK_EPISODES)["relative_difference"]
    rows = [row(*bar, runs) for bar in BARS if bar[2] in runs and bar[3] in runs]
    for found in rows:
        verdict = "passed" if found["passed"] else "MISSED"
        one, other = (found[side] for side in found if side in runs)
        print(f"{found['label']:<32} {one:9.3g} against {other:9.3g}   ratio {found['ratio']:.4f}  "
              f"bar {found['bar']:.4f}  {verdict}")  # fmt: skip
    verdict = "passed" if gradients <= GRADIENTS else "MISSED"
    print(f"{'gradients, relative difference':<32} {gradients:.2e}   bar {GRADIENTS:.0e}  {verdict}")
    if facts["busy"]:
        print(f"The machine was busy when this began (load {facts['load_at_start']:.1f}): the times do not count.")
    good = all(found["passed"] for found in rows) and gradients <= GRADIENTS
    if options.json is not None:
        report = {
            "machine": facts,
            "settings": {
                "threads": options.threads,
                "dtype": options.dtype,
                "quick": options.quick,
                "model": options.model,
            },
            "seconds": round(time.monotonic() - began, 1),
            "rows": rows,
            "gradients": {"relative_difference": gradients, "bar": GRADIENTS, "passed": gradients <= GRADIENTS},
            "passed": good,
            "runs": runs,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
