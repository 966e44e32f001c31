"""Same seed, same actions: is every observation and reward the same, byte for byte, in every process?

    python bench/determinism.py [--seeds 20] [--first-seed 0] [--contexts 8] [--delay 2] [--tasks NAME ...] [--json OUT]

Each seed of each registered task is played by its oracle, by its near misses and by a random agent, and everything that
comes back is hashed: all kinds of observation (pictures and boxes too), reward, milestones and their evidence. Three
processes do so: one undisturbed, one that thinks for up to `--delay` seconds of real time before every action, and one
while both cores are kept busy by others. The run passes, and exits with 0, if all three hash to the same and no episode
was lost to the machine. It can be done in parts: `--tasks` and `--first-seed` name one.
"""

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import orjson

from milepost.agents.policies import RandomPolicy, View
from milepost.envs import MilepostEnv, task_for
from milepost.envs.observation_kinds import KINDS
from milepost.envs.registration import registered_ids
from milepost.sandbox.browser_thread import BrowserThread

WORKERS = ("undisturbed", "slow to think", "on a busy machine")
RANDOM_STEPS = 8
WORKER_DEADLINE_S = 3_600.0


def digest(observation, reward, info):
    """Return the hashes of all that a step returned and that an agent or a trainer could see, by what it is."""
    found = {}
    for key, value in observation.items():
        data = value.tobytes() if isinstance(value, np.ndarray) else value.encode("utf-8")
        found[key] = hashlib.sha256(data).hexdigest()[:16]
    paid = [(m.id, m.reward, m.evidence.summary, dict(m.evidence.facts)) for m in info["reward"].milestones]
    rest = [reward, info["reward"].total, paid, sorted(info["milestones"]), info["progress"], info["stop_reason"]]
    found["reward"] = hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return found


def played(instance):
    """Return name -> actions of everything that is played of an instance; None is the random agent."""
    misses = {f"near miss: {near_miss.name}": near_miss.actions for near_miss in instance.near_misses}
    return {"oracle": instance.oracle, **misses, "random": None}


async def play(task, seed, name, delay_s, pause):
    """Play one episode and return the hashes of its reset and of its steps."""
    env = MilepostEnv(task, observations=KINDS)
    rng = np.random.default_rng(seed)
    try:
        observation, info = await env.areset(seed=seed)
        hashes = [digest(observation, 0.0, info)]
        actions = played(env.instance)[name]
        for step in range(RANDOM_STEPS if actions is None else len(actions)):
            await asyncio.sleep(pause.uniform(0, delay_s))
            if actions is None:
                view = View(observation=observation, instance=env.instance, step=step, rng=rng)
                action = RandomPolicy().decide([view])[0].action
            else:
                action = actions[step]
            observation, reward, terminated, truncated, info = await env.astep(action)
            if info["failure"] is not None:
                message = f"{task.name}, seed {seed}, {name}, {action}: {info['failure_message']}"
                print(message, file=sys.stderr, flush=True)
                return [*hashes, {"failure": message}]
            hashes.append(digest(observation, reward, info))
            if terminated or truncated:
                break
        return hashes
    finally:
        await env.aclose()


def work(tasks, seeds, contexts, delay_s, result):
    """Play everything, `contexts` episodes at a time, and write episode -> hashes."""
    listed = [
        (task, seed, name) for task in map(task_for, tasks) for seed in seeds for name in played(task.instantiate(seed))
    ]
    found, pause, episodes, total = {}, random.Random(), iter(listed), len(listed)

    async def next_to_next():
        for task, seed, name in episodes:
            found[f"{task.name} {seed} {name}"] = await play(task, seed, name, delay_s, pause)
            if len(found) % 100 == 0:
                print(f"{len(found)} of {total} episodes", flush=True)

    async def all_of_them():
        await asyncio.gather(*(next_to_next() for _ in range(contexts)))

    BrowserThread.get().run(all_of_them(), WORKER_DEADLINE_S)
    BrowserThread.get().close()
    result.write_text(json.dumps(found))


def spin():
    """Keep a core busy."""
    while True:
        pass


def run_worker(kind, options, folder):
    """Run one of the three in a process of its own and return what it found."""
    result = folder / f"{WORKERS.index(kind)}.json"
    command = [sys.executable, __file__, "--seeds", str(options.seeds), "--first-seed", str(options.first_seed)]
    command += ["--contexts", str(options.contexts)]
    command += ["--delay", str(options.delay if kind == "slow to think" else 0), "--worker", str(result)]
    busy = []
    if kind == "on a busy machine":
        busy = [multiprocessing.Process(target=spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for process in busy:
        process.start()
    try:
        subprocess.run([*command, "--tasks", *options.tasks], check=True, timeout=WORKER_DEADLINE_S + 60)
    finally:
        for process in busy:
            process.kill()
    return json.loads(result.read_text())


def differences(first, other):
    """Return the episodes that differ, each with the first step that does, and in what."""
    found = []
    for episode, hashes in first.items():
        pairs = zip(hashes, other[episode], strict=False)
        step = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        if step is not None:
            what = [key for key in hashes[step] if hashes[step][key] != other[episode][step].get(key)]
            found.append(f"{episode}: step {step}: {', '.join(what)}")
        elif len(hashes) != len(other[episode]):
            found.append(f"{episode}: {len(hashes)} and {len(other[episode])} observations")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--contexts", type=int, default=8)
    parser.add_argument("--delay", type=float, default=2.0, help="longest pause before an action, seconds")
    parser.add_argument("--tasks", nargs="+", default=list(registered_ids()))
    parser.add_argument("--json", type=Path, help="write the summary here as well")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        work(options.tasks, seeds, options.contexts, options.delay, options.worker)
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in WORKERS:
            began = time.perf_counter()
            found[kind] = run_worker(kind, options, Path(folder))
            print(f"{kind}: {len(found[kind])} episodes in {time.perf_counter() - began:.0f} s", flush=True)
    first = found[WORKERS[0]]
    wrong = {kind: differences(first, found[kind]) for kind in WORKERS[1:]}
    failures = [h[-1]["failure"] for episodes in found.values() for h in episodes.values() if "failure" in h[-1]]
    steps = sum(map(len, first.values()))
    print("".join(f"the machine failed: {failure}\n" for failure in failures), end="")
    for kind, episodes in wrong.items():
        print(f"{kind}: {len(episodes)} of {len(first)} episodes differ ({steps} observations)")
        print("".join(f"    {episode}\n" for episode in episodes[:20]), end="")
    if options.json:
        report = {
            "tasks": options.tasks,
            "seeds": options.seeds,
            "first_seed": options.first_seed,
            "episodes": len(first),
            "observations": steps,
        }
        options.json.write_text(json.dumps(report | {"different": wrong, "failures": failures}, indent=2) + "\n")
    good = first and not failures and not any(wrong.values())
    print("passed" if good else "FAILED")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
