"""A run of the bundled expense-form task as a trainer leaves it, made without a browser: ledgers and trajectories."""

from pathlib import Path
from typing import Any

from milepost.agents.records import Trajectory
from milepost.envs.registration import task_for
from milepost.rewards.ledger import LedgerWriter
from milepost.rewards.scorer import Scorer
from milepost.trainers.run_folder import RunFolder
from tests.rewards.scenes import click, el, loaded, moments, page, submit, typed, went

TASK = "expense-form"
PLANS = {1: "all", 2: "all", 3: "wrong amount", 4: "stopped after the name"}
"""What the agent does, by the episode's seed."""


def _steps(seed: int, plan: str):
    values = task_for(TASK).instantiate(seed).parameters
    wanted = {"Name": values["person"], "Amount": str(values["amount"]), "Purpose": values["purpose"]}
    if plan == "wrong amount":
        wanted["Amount"] = str(values["wrong_amount"])
    shown = dict.fromkeys(wanted, "")
    empty: dict[str, Any] = {"expenses": []}

    def form():
        fields = (el(ref, "textbox", name, value=value) for ref, (name, value) in enumerate(shown.items(), 2))
        return page("/new", el(1, "heading", "New expense"), *fields, el(5, "button", "Submit"), state=empty)

    yield [went("/new"), loaded("/new")], form()
    for ref, name in enumerate(wanted, 2):
        shown[name] = wanted[name]
        yield [typed("textbox", name, wanted[name], ref)], form()
        if plan.startswith("stopped"):
            return
    amount = int(wanted["Amount"])
    sent = {"expenses": [{"name": wanted["Name"], "amount": amount, "purpose": wanted["Purpose"]}]}
    receipt = [el(1, "dialog", "Expense submitted"), el(2, "status", "Saved as EX-7417", depth=1)]
    events = [click("button", "Submit", 5), submit("Submit"), went("/receipt"), loaded("/receipt")]
    yield events, page("/receipt", *receipt, state=sent)


def record(path: Path, seed: int, plan: str) -> Trajectory:
    """Write the ledger of one episode; return its trajectory, without the steps."""
    instance = task_for(TASK).instantiate(seed)
    scorer = Scorer(instance.milestones, instance.scheme)
    ledger = LedgerWriter(
        path,
        task=TASK,
        version=0,
        seed=seed,
        parameters=instance.parameters,
        milestones=instance.milestones,
        scheme=instance.scheme,
    )
    for moment in moments(*_steps(seed, plan), parameters=instance.parameters):
        ledger.write_step(moment, scorer.update(moment))
    success = scorer.succeeded
    stop = "success" if success else "done"
    ledger.finish(stop_reason=stop, success=success)
    return Trajectory(
        task="milepost/expense-form-v0",
        seed=seed,
        steps=(),
        success=success,
        terminated=True,
        truncated=False,
        stop_reason=stop,
        failure=None,
        policy_version=0,
        ledger_path=str(path),
        ledger_hash=ledger.last_hash,
    )


def record_run(path: Path) -> RunFolder:
    """Write a run of one iteration: an episode for each of `PLANS`."""
    folder = RunFolder.create(path, {}, seed=0)
    trajectories = [
        record(folder.ledger_dir(0) / f"milepost_expense-form-v0-seed{seed}.jsonl", seed, plan)
        for seed, plan in PLANS.items()
    ]
    folder.write_trajectories(0, trajectories)
    folder.close()
    return folder
