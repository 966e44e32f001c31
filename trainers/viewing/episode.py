"""One episode as the page gets it: moment by moment what the model saw, what it did, and what came of it.

A moment is a decision: the observation, the action that answers it with its target and its tokens, and what that action
changed and earned. The last moment is the end, which nobody answered. Everything is text that can do nothing
(`local_page.text`) and numbers; the page sets it as text.
"""

from __future__ import annotations

from typing import Any

from ...agents.prompts import build_messages
from ...agents.records import StepRecord, Trajectory
from ...agents.views import episode_view
from ...envs.registration import task_for
from ...rewards.step_view import StepView
from ...rewards.types import Milestone
from ...sandbox.errors import TaskError
from ..local_page.text import MAX_TEXT_CHARS, harmless
from . import evidence
from .evidence import LedgerRead
from .index import RunIndex
from .targets import target_of
from .tokens import TokenTexts

MAX_MOMENTS = 400
MAX_ACTION_CHARS = 2_000


def episode_document(index: RunIndex, number: int, texts: TokenTexts) -> dict[str, Any]:
    """Return everything about an episode but its pictures, JSON-ready.

    Args:
        index: the run's index.
        number: the episode's place in it.
        texts: says what tokens stand for.

    Raises:
        RunError: its line is no longer where it was.
    """
    row, trajectory = index.rows[number], index.trajectory(number)
    read = evidence.read(index.ledger(number), trajectory.ledger_hash)
    view = episode_view(trajectory)
    moments = [
        _moment(place, step, seen, read, texts)
        for place, (step, seen) in enumerate(zip(trajectory.steps, view.steps, strict=True))
    ][:MAX_MOMENTS]
    if len(trajectory.steps) <= MAX_MOMENTS:
        moments.append({"page": harmless(view.steps[-1].after if view.steps else ""), **_place(read, len(moments))})
    milestones = _milestones(trajectory, read)
    return {
        "number": number,
        "task": harmless(row.task.removeprefix("milepost/"), 200),
        "seed": row.seed,
        "iteration": row.iteration,
        "sample": row.sample,
        "outcome": row.outcome,
        "stop": harmless(row.stop_reason, 200),
        "failure": harmless(row.failure, 200),
        "policy_version": row.policy_version,
        "total": row.total,
        "most": None if read.ledger is None else evidence.most(read.ledger),
        "goal": harmless(view.goal),
        "moments": moments,
        "cut": max(0, len(trajectory.steps) - MAX_MOMENTS),
        "milestones": milestones,
        "reached": _reached(trajectory, read, [m["id"] for m in milestones]),
        "unjudged": [harmless(name, 200) for name in trajectory.unjudged],
        "ledger": {"state": read.state, "note": read.note},
        "prompt": _prompt_head(trajectory),
        "file": f"{row.file}, line {row.line + 1}",
    }


def _moment(place: int, step: StepRecord, seen: StepView, read: LedgerRead, texts: TokenTexts) -> dict[str, Any]:
    ledger = read.ledger
    after = ledger.steps[place + 1] if ledger is not None and place + 1 < len(ledger.steps) else None
    elements = ledger.steps[place].snapshot.elements if ledger is not None and place < len(ledger.steps) else ()
    said = step.tiers or (() if after is None else after.reward.tiers)
    return {
        "page": harmless(seen.before),
        **_place(read, place),
        "action": harmless(step.action, MAX_ACTION_CHARS),
        "error": harmless(step.error, MAX_ACTION_CHARS),
        "target": target_of(step.action, elements),
        "reward": step.reward,
        "tiers": [evidence.tier_shown(score) for score in said],
        "paid": [] if after is None else evidence.reached_at(after),
        "shaping": 0.0 if after is None else after.reward.shaping,
        "goal_paid": 0.0 if after is None else after.reward.goal,
        "events": None if after is None else evidence.events_of(after),
        "tokens": texts.of(step),
        "prompt": texts.prompt(step),
        "entropy": step.entropy,
    }


def _place(read: LedgerRead, place: int) -> dict[str, Any]:
    """Say on which page a moment is."""
    if read.ledger is None or place >= len(read.ledger.steps):
        return {"url": "", "title": ""}
    snapshot = read.ledger.steps[place].snapshot
    return {"url": harmless(snapshot.url, 500), "title": harmless(snapshot.title, 200)}


def _milestones(trajectory: Trajectory, read: LedgerRead) -> list[dict[str, Any]]:
    """Return the task's milestones, as the ledger recorded them, else as the task is registered here."""
    milestones: tuple[Milestone, ...] | None = None
    success: frozenset[str] = frozenset()
    if read.ledger is not None:
        milestones, success = read.ledger.header.milestones, read.ledger.header.scheme.success
    if milestones is None:
        try:
            instance = task_for(trajectory.task).instantiate(trajectory.seed)
        except TaskError:
            return []
        milestones, success = instance.milestones, instance.success
    return [evidence.milestone_shown(m, success=m.id in success) for m in milestones]


def _reached(trajectory: Trajectory, read: LedgerRead, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Return after which action each milestone was reached, and what it paid; None where a layer's word paid it."""
    found: dict[str, dict[str, Any]] = {}
    for place, step in enumerate(trajectory.steps, start=1):
        for bit, name in enumerate(ids):
            if step.milestones_after >> bit & 1 and name not in found:
                found[name] = {"step": place, "reward": None}
    if read.ledger is not None:
        for recorded in read.ledger.steps:
            for result in recorded.reward.milestones:
                found[harmless(result.id, 200)] = {"step": recorded.step, "reward": result.reward}
    return found


def _prompt_head(trajectory: Trajectory) -> list[dict[str, str]]:
    """Return the turns before the observation, as a language model is prompted for this task; [] if it is not known."""
    try:
        verbs = task_for(trajectory.task).verbs
    except TaskError:
        return []
    turns = build_messages("", verbs=verbs)[:-1]
    return [{"role": turn["role"], "content": harmless(turn["content"], MAX_TEXT_CHARS)} for turn in turns]


__all__ = ["MAX_MOMENTS", "episode_document"]
