"""Runs with whole episodes, made without a browser: what the policy saw and did, its tokens, and its ledgers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from milepost.agents.evaluation.folder import EvaluationFolder
from milepost.agents.evaluation.outcome import result_of
from milepost.agents.prompts import render_observation
from milepost.agents.records import StepRecord, Trajectory
from milepost.envs.observation import build_observation
from milepost.envs.registration import task_for
from milepost.rewards.ledger import LedgerWriter
from milepost.rewards.scorer import Scorer
from milepost.rewards.types import Ending, Moment
from milepost.sandbox.snapshot import Element, Snapshot
from milepost.trainers.metrics import MetricsWriter, TaskEvaluation, write_evaluation
from milepost.trainers.run_folder import RunFolder
from tests.rewards.scenes import click, el, loaded, moments, page, submit, typed, went

TASK = "milepost/expense-form-v0"
PLANS = ("all", "wrong amount", "stopped after the name", "all")
"""What the agent does in the episodes of a seed, in turn: the first and the last succeed."""
P_TOKEN = 0.25


def _boxed(element: Element) -> Element:
    return replace(element, box=(320.0, 72.0 * element.ref, 640.0, 36.0), interactive=element.role != "heading")


def _scenes(seed: int, plan: str) -> Iterator[tuple[str, list[dict[str, Any]], Snapshot]]:
    """Yield (action, events, page), the reset first."""
    values = task_for(TASK).instantiate(seed).parameters
    wanted = {"Name": values["person"], "Amount": str(values["amount"]), "Purpose": values["purpose"]}
    if plan == "wrong amount":
        wanted["Amount"] = str(values["wrong_amount"])
    shown = dict.fromkeys(wanted, "")
    empty: dict[str, Any] = {"expenses": []}

    def form() -> Snapshot:
        fields = (el(ref, "textbox", name, value=value) for ref, (name, value) in enumerate(shown.items(), 2))
        elements = (el(1, "heading", "New expense"), *fields, el(5, "button", "Submit"))
        return page("/new", *map(_boxed, elements), title="New expense", state=empty)

    yield "", [went("/new"), loaded("/new")], form()
    for ref, name in enumerate(wanted, 2):
        shown[name] = wanted[name]
        yield f'fill("{name}", "{wanted[name]}")', [typed("textbox", name, wanted[name], ref)], form()
        if plan.startswith("stopped"):
            yield "done()", [], form()
            return
    sent = {"expenses": [{"name": wanted["Name"], "amount": int(wanted["Amount"]), "purpose": wanted["Purpose"]}]}
    receipt = [el(1, "dialog", "Expense submitted"), el(2, "status", "Saved as EX-7417", depth=1)]
    events = [click("button", "Submit", 5), submit("Submit"), went("/receipt"), loaded("/receipt")]
    yield 'click("Submit")', events, page("/receipt", *receipt, title="Receipt", state=sent)


def episode(path: Path, seed: int, plan: str, *, iteration: int = 0) -> Trajectory:
    """Write an episode's ledger; return its trajectory."""
    instance = task_for(TASK).instantiate(seed)
    scorer = Scorer(instance.milestones, instance.scheme)
    scenes = list(_scenes(seed, plan))
    actions = [action for action, _, _ in scenes]
    observations = [
        render_observation(build_observation(goal=instance.goal, snapshot=snapshot, last_action=action))
        for action, _, snapshot in scenes
    ]
    ledger = LedgerWriter(
        path,
        task="expense-form",
        version=0,
        seed=seed,
        parameters=instance.parameters,
        milestones=instance.milestones,
        scheme=instance.scheme,
    )
    steps: list[StepRecord] = []
    told: list[Moment] = list(moments(*((events, seen) for _, events, seen in scenes), parameters=instance.parameters))
    for moment in told:
        before = int(scorer.tracker.bits)
        reward = scorer.update(moment, Ending.TERMINATED if moment is told[-1] else None)
        ledger.write_step(moment, reward, action=actions[moment.step])
        if moment.step == 0:
            continue
        steps.append(
            StepRecord(
                prompt_ids=(),
                response_ids=(1, 2, 0),
                behaviour_logprobs=(math.log(P_TOKEN), math.log(0.999), -0.0),
                action=actions[moment.step],
                observation=observations[moment.step - 1],
                reward=reward.total,
                milestones_before=before,
                milestones_after=int(scorer.tracker.bits),
                error="" if iteration else "cannot do this twice" if moment.step == 2 else "",
                entropy=0.5,
                tiers=reward.tiers,
            )
        )
    stop = "success" if scorer.succeeded else "done"
    ledger.finish(stop_reason=stop, success=scorer.succeeded)
    return Trajectory(
        task=TASK,
        seed=seed,
        steps=tuple(steps),
        success=scorer.succeeded,
        terminated=True,
        truncated=False,
        stop_reason=stop,
        failure=None,
        policy_version=iteration,
        ledger_path=f"/elsewhere/{path.name}",
        ledger_hash=ledger.last_hash,
        final_observation=observations[-1],
    )


def record_run(path: Path, *, seeds: int = 2, iterations: int = 2, name: str = "") -> Path:
    """Write a run: in each iteration an episode of each plan on each seed, and metrics."""
    with (
        RunFolder.create(path, {"model": name or "absent"}, seed=0) as folder,
        MetricsWriter(folder, tensorboard=False) as log,
    ):
        for iteration in range(iterations):
            trajectories = [
                episode(folder.ledger_dir(iteration) / f"e{seed}-{n}.jsonl", seed, plan, iteration=iteration)
                for seed in range(seeds)
                for n, plan in enumerate(PLANS)
            ]
            folder.write_trajectories(iteration, trajectories)
            share = sum(t.success for t in trajectories) / len(trajectories)
            log.log(
                iteration,
                {"train/success": share, "train/entropy": 1.5 - iteration / 4, "milestone/expense-form/saved": share},
            )
        result = TaskEvaluation(
            episodes=8, successes=6, mean_reward_fraction=0.8, mean_steps=4.0, milestones={"saved": 0.75}
        )
        write_evaluation(folder, "trained", {"expense-form": result})
    return path


def record_evaluation(path: Path, *, seeds: int = 2) -> Path:
    """Write an evaluation: on each seed a sample of each plan, the first of them broken at first and played again."""
    reward = {milestone.id: milestone.reward for milestone in task_for(TASK).instantiate(0).milestones}
    with EvaluationFolder.create(path, {"policy": {}, "tasks": {TASK: {"milestones": reward}}}) as folder:
        results = [
            result_of(
                episode(folder.ledger_dir / f"e{seed}-{n}.jsonl", seed, plan),
                sample=n,
                ledger_path=f"episodes/e{seed}-{n}.jsonl",
            )
            for seed in range(seeds)
            for n, plan in enumerate(PLANS)
        ]
        folder.append([replace(results[0], failure="page_hung", success=False, reward=None)])
        folder.append(results)
    return path


def record_many(path: Path, count: int) -> Path:
    """Write a run of so many episodes without ledgers, a hundred to an iteration, each of about 3 kB."""
    with RunFolder.create(path, {}, seed=0):
        pass
    whole = episode(path / "one.jsonl", 0, "all")
    lost = episode(path / "one.jsonl", 0, "wrong amount")
    with RunFolder.create(path, {}, seed=0) as folder:
        one = folder.write_trajectories(0, [replace(t, ledger_path=None, ledger_hash=None) for t in (whole, lost)])
        kinds = [orjson.loads(line) for line in one.read_bytes().splitlines()]
        for iteration in range(-(-count // 100)):
            lines = [
                orjson.dumps(kinds[n % 3 == 0] | {"seed": n, "policy_version": iteration}) + b"\n"
                for n in range(100 * iteration, min(100 * (iteration + 1), count))
            ]
            folder.trajectories_path(iteration).write_bytes(b"".join(lines))
    return path


def word_model(folder: Path) -> Path:
    """Write what the viewer needs of a model: a tokenizer of four words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    folder.mkdir()
    words = {"<end>": 0, "fill": 1, "<b>Name</b>": 2, "?": 3}
    Tokenizer(WordLevel(words, unk_token="?")).save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder
