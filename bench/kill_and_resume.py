"""Does a killed run come out as if nothing had happened? SIGKILL at random moments, and every byte compared.

    python bench/kill_and_resume.py [--kills 10] [--trainers grpo ppo] [--iterations 6] [--config FILE] [--json OUT]

For each trainer: one run without interruption, then the same run in another folder, killed at a moment drawn from the
whole of the first one's time, and begun again by the same command, until it gets to its end; and again from the start,
until there have been enough kills. Each finished run must hold what the first one holds, bit for bit: adapter, critic,
reference, the optimisers' moments, random states, coefficients, what the sampler remembers, every measurement that is
no time, every evaluation and every episode. And after each kill no process and no temporary folder may be left.
Without --config it is a random two-layer model on two easy tasks, with settings that put into the checkpoint all that
it can hold. The exit status is 0 if all that is so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from milepost.sandbox.browser_process import command_line, process_table
from milepost.trainers.checkpoint import checkpoints

LEFT_DEADLINE_S = 30.0
RUN_DEADLINE_S = 1800.0
UNLIKE = {"elapsed_s", "began_s", "closing_s"}
"""What a checkpoint says of the run's wall time."""
LEDGER = {"ledger_path", "ledger_hash"}
"""Where an episode's ledger lies and what it comes to, the times of its events among it."""
SETTINGS = """
tasks: [search-open, settings-toggle]
precision: float32
groups: 2
group_size: 2
evaluation_seeds: 1
max_new_tokens: 6
learning_rate: 1.0e-2
warmup_updates: 2
target_kl: null
entropy_coef: 0.01
entropy_target: 0.5
warm_start: {demonstrations: 2, epochs: 2, learning_rate: 1.0e-2}
"""
OF_TRAINER = {
    # the model earns little, so that what it is paid is mostly the KL to its reference
    "grpo": "kl_coef: 0.5\nkl_in: reward\nreference_decay: 0.5\nmax_replacements: 2\nold_logprobs: trainer\n",
    "ppo": "preset: ppo-ptx\nkl_coef: 0.5\nptx_coef: 0.1\nkl_target: 0.1\nepochs: 2\nminibatches: 2\n",
}


@dataclass
class Trial:
    """What has been seen of one trainer.

    Attributes:
        seconds: of the run without interruption.
        moves: whether the parameters of its last two checkpoints differ; if not, there was nothing to compare.
        kills: for each kill, how long the process had lived and the checkpoint that it left (None: none yet).
        finished: runs that came to their end after one kill or more.
        differing: what differs in them from the first run.
        left: processes and temporary files that outlived a kill, and half-written ones that outlived the run.
        broken: training episodes that the machine broke, in all finished runs: with any, runs may differ for that.
    """

    seconds: float = 0.0
    moves: bool = False
    kills: list[dict[str, Any]] = field(default_factory=list)
    finished: int = 0
    differing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    broken: int = 0

    @property
    def good(self) -> bool:
        """Whether it all came out as it should."""
        return self.moves and self.finished > 0 and not self.differing and not self.left


class Command:
    """The training command of one run folder, its temporary files in a folder of its own.

    Args:
        trainer: `grpo` or `ppo`.
        config: the configuration.
        overrides: `key=value` items.
        folder: of the run.

    Attributes:
        said: what it printed when it came to its end.
    """

    def __init__(self, trainer: str, config: Path, overrides: Sequence[str], folder: Path) -> None:
        self.run = folder
        self.said = ""
        self.temporary = Path(tempfile.mkdtemp(prefix="kill-and-resume-"))
        self._arguments = [sys.executable, "-m", f"milepost.trainers.{trainer}", str(config), f"run={folder}"]
        self._arguments += overrides
        self._environ = os.environ | {"TMPDIR": str(self.temporary)}

    def go(self, kill_after_s: float | None = None, kill_at: str | None = None) -> bool:
        """Run it, and kill it unless it has ended before; return whether it has.

        Args:
            kill_after_s: seconds that it may live; None: until it ends.
            kill_at: a checkpoint's name: kill it as soon as there is that one, if it is not there already.
        """
        wanted = None if kill_at is None else self.run / "checkpoints" / kill_at
        until = time.monotonic() + (RUN_DEADLINE_S if kill_after_s is None else kill_after_s)
        log_path = self.temporary.with_suffix(".log")
        with log_path.open("wb") as log, subprocess.Popen(
            self._arguments, env=self._environ, stdout=log, stderr=log
        ) as process:  # fmt: skip
            while process.poll() is None and time.monotonic() < until and not (wanted and wanted.exists()):
                time.sleep(0.005)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                if kill_after_s is None and wanted is None:
                    raise SystemExit(f"the run in {self.run} took longer than {RUN_DEADLINE_S:.0f} s")
                return False
        self.said = log_path.read_text(encoding="utf-8", errors="replace")
        if process.returncode:
            raise SystemExit(f"the run in {self.run} ended with status {process.returncode}:\n{self.said[-4000:]}")
        return True

    def left(self) -> list[str]:
        """Return which processes and temporary files are left, after a while for dying ones to be gone."""
        deadline = time.monotonic() + LEFT_DEADLINE_S
        while True:
            mark = str(self.temporary)
            living = [p.pid for p in process_table().values() if not p.ended and _is_marked(p.pid, mark)]
            entries = [str(path) for path in self.temporary.iterdir()]
            if not (living or entries) or time.monotonic() > deadline:
                return [f"{pid}: {' '.join(command_line(pid))[:200]}" for pid in living] + entries
            time.sleep(0.1)


def _is_marked(pid: int, mark: str) -> bool:
    """Whether a process names our temporary folder in its arguments or has inherited it."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        environ = b""
    return mark.encode() in environ or any(mark in argument for argument in command_line(pid))


def make_tiny_model(folder: Path, *, hidden: int = 64, layers: int = 2) -> Path:
    """Write a random Llama with the default model's tokenizer into a folder: real tokens, no skill; return the folder.

    Args:
        folder: is made if it is not there.
        hidden: width, a multiple of 8; below 64 a product comes out alike however many rows it has, and what depends on
            that would not show.
        layers: number of blocks.
    """
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from milepost.agents.models import resolve_model

    tokenizer = AutoTokenizer.from_pretrained(resolve_model(), local_files_only=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=3 * hidden // 2, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def contents(run: Path) -> dict[str, Any]:
    """Return everything in a run's folder that must not depend on interruptions, by name."""
    import torch
    from safetensors import safe_open

    [*_, last] = checkpoints(run / "checkpoints")
    found: dict[str, Any] = {}
    for path in sorted(p for p in last.rglob("*") if p.is_file()):
        name = f"{last.name}/{path.relative_to(last)}"
        if path.suffix == ".pt":
            tensors = _flat(torch.load(path, weights_only=True))
        elif path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        elif path.name == "state.json":
            tensors = {k: v for k, v in json.loads(path.read_bytes()).items() if k not in UNLIKE}
        elif path.suffix == ".json":
            tensors = {k: sorted(v) if isinstance(v, list) else v for k, v in json.loads(path.read_bytes()).items()}
        else:
            tensors = {"": path.read_bytes()}
        found |= {f"{name}:{key}": _plain(value) for key, value in tensors.items()}
    for record in _lines(run / "metrics.jsonl"):
        kept = {k: v for k, v in record.items() if not k.startswith("time")}
        found[f"metrics of {record['iteration']}"] = json.dumps(kept)
    found["evaluations"] = (run / "evaluations.json").read_bytes()
    for path in sorted((run / "trajectories").glob("*.jsonl")):
        episodes = [{k: v for k, v in t.items() if k not in LEDGER} for t in _lines(path)]
        found[path.name] = json.dumps(episodes)
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _flat(data: Any, name: str = "") -> dict[str, Any]:
    """Return a nested state's leaves by their path."""
    if isinstance(data, dict | list | tuple):
        items: Any = data.items() if isinstance(data, dict) else enumerate(data)
        return {key: leaf for k, value in items for key, leaf in _flat(value, f"{name}/{k}").items()}
    return {name: data}


def _plain(value: Any) -> Any:
    """A tensor as its type, shape and bytes; anything else as it is."""
    import torch

    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.reshape(-1).view(torch.uint8).numpy().tobytes()
    return value


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the names under which two runs hold different things."""
    return sorted(name for name in {**one, **other} if one.get(name) != other.get(name))


def broken(run: Path) -> int:
    """Return how many training episodes the machine broke."""
    return int(sum(record.get("train/failed_episodes", 0) for record in _lines(run / "metrics.jsonl")))


def moves(run: Path) -> bool:
    """Whether the last two checkpoints' adapters differ."""
    saved = [p / "adapter/adapter_model.safetensors" for p in checkpoints(run / "checkpoints")[-2:]]
    return len(saved) == 2 and saved[0].read_bytes() != saved[1].read_bytes()


def attempt(
    trainer: str, config: Path, overrides: Sequence[str], folder: Path, kills: int, draw: random.Random
) -> Trial:
    """Compare a run without interruption with runs that are killed until there have been enough kills."""
    trial = Trial()
    whole = Command(trainer, config, overrides, folder / f"{trainer}-whole")
    began = time.monotonic()
    whole.go()
    trial.seconds = round(time.monotonic() - began, 1)
    trial.left += whole.left()
    trial.moves, trial.broken = moves(whole.run), broken(whole.run)
    wanted = contents(whole.run)
    print(f"{trainer}: {trial.seconds} s without interruption, {len(wanted)} things to compare", flush=True)
    number = 0
    while len(trial.kills) < kills:
        number += 1
        command = Command(trainer, config, overrides, folder / f"{trainer}-killed-{number}")
        before, ended = len(trial.kills), False
        while not ended:
            after_s = draw.uniform(0.0, trial.seconds)
            ended = command.go(after_s if len(trial.kills) < kills else None)
            if not ended:
                saved = checkpoints(command.run / "checkpoints")
                trial.kills.append({"after_s": round(after_s, 2), "left": saved[-1].name if saved else None})
                print(
                    f"{trainer}: kill {len(trial.kills)} after {after_s:.2f} s: {trial.kills[-1]['left']}", flush=True
                )
            trial.left += command.left()
        if len(trial.kills) > before:
            trial.finished += 1
            trial.broken += broken(command.run)
            trial.left += [str(p) for p in command.run.rglob(".*") if p.name != ".lock"]
            found = differences(wanted, contents(command.run))
            trial.differing += [f"run {number}: {name}" for name in found]
            print(f"{trainer}: run {number}, {len(trial.kills) - before} kills: {len(found)} differences", flush=True)
    return trial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="of each trainer")
    parser.add_argument("--trainers", nargs="+", default=["grpo", "ppo"], choices=["grpo", "ppo"])
    parser.add_argument("--iterations", type=int, default=6)
    parser.add_argument("--config", type=Path, help="of the one trainer named, instead of the built-in settings")
    parser.add_argument("--model", help="a model's name or folder, instead of the random one")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--keep", type=Path, help="leave the run folders here")
    parser.add_argument("--json", type=Path, help="write what was seen here as well")
    options = parser.parse_args()
    if options.config and len(options.trainers) != 1:
        parser.error("--config belongs to one trainer: name it with --trainers")
    draw, trials = random.Random(options.seed), {}
    with tempfile.TemporaryDirectory(prefix="kill-and-resume-runs-") as scratch:
        folder = options.keep or Path(scratch)
        for trainer in options.trainers:
            overrides = [f"iterations={options.iterations}"]
            config = options.config
            if config is None:
                config = folder / f"{trainer}.yaml"
                model = options.model or make_tiny_model(folder / "model")
                config.write_text(f"{SETTINGS}{OF_TRAINER[trainer]}model: {model}\nrun: unset\n", encoding="utf-8")
            trials[trainer] = attempt(trainer, config, overrides, folder, options.kills, draw)
    for trainer, trial in trials.items():
        print(
            f"{trainer}: {'passed' if trial.good else 'FAILED'}: {len(trial.kills)} kills, {trial.finished} runs, "
            f"{trial.broken} episodes that the machine broke"
        )
        for line in trial.differing[:20] + trial.left[:20]:
            print(f"    {line}")
    if options.json:
        summary = {name: vars(trial) | {"passed": trial.good} for name, trial in trials.items()}
        options.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(trial.good for trial in trials.values()) else 1)


if __name__ == "__main__":
    main()
