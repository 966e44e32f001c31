"""Scoring a ledger again: the same numbers for the same rules, and what moves when the rules change.

rewards = rescore(path)                   # raises RewardError at the first difference
report = examine(path)                    # raises nothing: says what became of the episode
report = examine(path, rules=changed)     # scores it by other rules and says what moved
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from math import fsum
from pathlib import Path
from typing import Any

import orjson

from ..sandbox.errors import LedgerTamperedError, RewardError, TaskError
from .ledger_reading import moments_of, read_ledger
from .ledger_records import Ledger, LedgerHeader
from .scorer import RewardScheme, Scorer
from .types import Milestone, MilestoneResult, StepReward


class Verdict(StrEnum):
    """What became of one episode when it was scored again."""

    OK = "ok"
    DIFFERS = "differs"
    TAMPERED = "tampered"
    MISSING = "missing"
    TORN = "torn"
    NOT_RESCORABLE = "not re-scorable"
    UNREADABLE = "unreadable"


PASSED = frozenset({Verdict.OK, Verdict.TORN})
"""Verdicts that leave nothing open but what a process that was killed did not write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that re-scoring found otherwise than it is recorded.

    Attributes:
        step: the step; None for the footer.
        milestone: the milestone that differs, if it is one.
        what: "total", "milestone", "evidence" or the name of another part of `StepReward`.
        recorded: what the ledger says; None where it has no such milestone.
        again: what re-scoring says; None where it does not reach the milestone.
        message: both in a sentence.
    """

    step: int | None
    milestone: str | None
    what: str
    recorded: Any
    again: Any
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an episode is scored by: its milestones and how they pay; the scheme's `success` is empty if not known."""

    milestones: tuple[Milestone, ...]
    scheme: RewardScheme = field(default_factory=RewardScheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """When a milestone was reached, and what was paid for it."""

    step: int
    reward: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeReport:
    """What became of one episode.

    Attributes:
        path: its ledger.
        verdict: in a word.
        note: why, in a sentence; "" if there is nothing to say.
        task: the task's name; None where the ledger could not be read. The same for `version` and `seed`.
        steps: recorded steps, the reset included.
        sealed: whether its hash chain was found whole; False for ledgers of format 1, which have none.
        old_total: the recorded rewards together.
        new_total: the same, scored again; None where it could not be.
        old_success: whether it succeeded, as recorded; None where that is not known.
        new_success: whether it succeeds by the other rules; None without other rules.
        old_reached: the milestones reached, as recorded.
        new_reached: the milestones reached, scored again.
        differences: what is otherwise than recorded, by the same rules; empty with other rules.
    """

    path: Path
    verdict: Verdict
    note: str = ""
    task: str | None = None
    version: int | None = None
    seed: int | None = None
    steps: int = 0
    sealed: bool = False
    old_total: float | None = None
    new_total: float | None = None
    old_success: bool | None = None
    new_success: bool | None = None
    old_reached: Mapping[str, Reached] = field(default_factory=dict)
    new_reached: Mapping[str, Reached] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()

    @property
    def moved(self) -> tuple[str, ...]:
        """Ids of the milestones that are reached at another step, for another reward, or only one of both times."""
        ids = dict.fromkeys([*self.old_reached, *self.new_reached])
        return tuple(name for name in ids if self.old_reached.get(name) != self.new_reached.get(name))


def rescore(
    path: Path | str, milestones: Sequence[Milestone] | None = None, scheme: RewardScheme | None = None
) -> list[StepReward]:
    """Compute every step's reward again from what was recorded, and hold it against what was paid.

    Args:
        path: the ledger.
        milestones: what to score with; those of the ledger's header if None.
        scheme: how they pay; the header's if None.

    Returns:
        The rewards, one per recorded step, the reset first.

    Raises:
        LedgerTamperedError: the ledger's hash chain is broken.
        RewardError: the ledger is broken, or a reward, a milestone or its evidence differs from the record.
    """
    ledger = read_ledger(path)
    chosen = ledger.header.milestones if milestones is None else tuple(milestones)
    if chosen is None:
        raise RewardError(
            f"{path} has a milestone whose detector is code, not data; give rescore the task's milestones"
        )
    rewards = _score(ledger, chosen, ledger.header.scheme if scheme is None else scheme)
    if found := _differences(ledger, rewards):
        raise RewardError(f"{path}, {found[0].message}")
    return rewards


def examine(
    path: Path | str, *, rules: Callable[[LedgerHeader], Rules] | None = None, head: str | None = None
) -> EpisodeReport:
    """Score a ledger again and say what became of it; a bad ledger is a verdict, not an error.

    Args:
        path: the ledger.
        rules: gives other rules for an episode, or raises a TaskError that says why there are none; None scores by
            the recorded ones. Scoring stops where the episode would have ended by the other rules; what the agent
            would have done had it gone on longer nobody knows.
        head: the hash of the ledger's last line, as the run recorded it; None if it did not.
    """
    path = Path(path)
    try:
        ledger = read_ledger(path)
    except LedgerTamperedError as error:
        return EpisodeReport(path=path, verdict=Verdict.TAMPERED, note=_less_path(error, path))
    except RewardError as error:
        return EpisodeReport(path=path, verdict=Verdict.UNREADABLE, note=_less_path(error, path))
    report = _recorded(path, ledger)
    if head is not None and head != ledger.head:
        what = "its last line is not the one that the run recorded: it was made anew, or lines were cut off"
        return replace(report, verdict=Verdict.TAMPERED, note=what)
    try:
        report = _by_recorded_rules(report, ledger) if rules is None else _by_other_rules(report, ledger, rules)
    except TaskError as error:
        return replace(report, verdict=Verdict.NOT_RESCORABLE, note=str(error))
    except RewardError as error:  # a detector's question does not fit the recorded state
        return replace(report, verdict=Verdict.DIFFERS, note=f"it cannot be scored: {error}")
    return report


def _recorded(path: Path, ledger: Ledger) -> EpisodeReport:
    torn = ledger.torn or ledger.footer is None
    cut = "the last line is cut short" if ledger.torn else "there is no footer: broken off, or cut at a line's end"
    return EpisodeReport(
        path=path,
        verdict=Verdict.TORN if torn else Verdict.OK,
        note=cut if torn else "",
        task=ledger.header.task,
        version=ledger.header.version,
        seed=ledger.header.seed,
        steps=len(ledger.steps),
        sealed=ledger.sealed,
        old_total=_total([step.reward for step in ledger.steps]),
        old_success=None if ledger.footer is None else ledger.footer.success,
        old_reached=_reached([step.reward for step in ledger.steps]),
    )


def _by_recorded_rules(report: EpisodeReport, ledger: Ledger) -> EpisodeReport:
    if ledger.header.milestones is None:
        what = "a milestone's detector is code, not data; give the task that it belongs to"
        return replace(report, verdict=Verdict.NOT_RESCORABLE, note=what)
    rewards = _score(ledger, ledger.header.milestones, ledger.header.scheme)
    found = _differences(ledger, rewards)
    report = replace(report, new_total=_total(rewards), new_reached=_reached(rewards), differences=tuple(found))
    return replace(report, verdict=Verdict.DIFFERS, note=found[0].message) if found else report


def _by_other_rules(report: EpisodeReport, ledger: Ledger, rules: Callable[[LedgerHeader], Rules]) -> EpisodeReport:
    chosen = rules(ledger.header)
    scorer = Scorer(chosen.milestones, chosen.scheme)
    rewards: list[StepReward] = []
    for moment, step in zip(moments_of(ledger), ledger.steps, strict=True):
        rewards.append(scorer.update(moment, step.reward.ending))
        if scorer.succeeded or scorer.tracker.ended:
            break
    return replace(report, new_total=_total(rewards), new_reached=_reached(rewards), new_success=scorer.succeeded)


def _score(ledger: Ledger, milestones: Sequence[Milestone], scheme: RewardScheme) -> list[StepReward]:
    scorer = Scorer(milestones, scheme)
    steps = zip(moments_of(ledger), ledger.steps, strict=True)
    return [scorer.update(moment, step.reward.ending) for moment, step in steps]


def _total(rewards: Sequence[StepReward]) -> float:
    return fsum(reward.total for reward in rewards if reward.total is not None)


def _reached(rewards: Sequence[StepReward]) -> dict[str, Reached]:
    return {
        result.id: Reached(step=step, reward=result.reward)
        for step, reward in enumerate(rewards)
        for result in reward.milestones
    }


def _differences(ledger: Ledger, rewards: Sequence[StepReward]) -> list[Difference]:
    found: list[Difference] = []
    for step, again in zip(ledger.steps, rewards, strict=True):
        found += _step_differences(step.step, step.reward, again if ledger.sealed else _without_places(again))
    total = _total(rewards)
    if ledger.footer is not None and ledger.footer.total != total:
        message = f"the footer says a total of {ledger.footer.total}, the steps re-score to {total}"
        found.append(
            Difference(
                step=None, milestone=None, what="total", recorded=ledger.footer.total, again=total, message=message
            )
        )
    return found


def _step_differences(step: int, paid: StepReward, again: StepReward) -> list[Difference]:
    found: list[Difference] = []

    def differs(milestone: str | None, what: str, recorded: Any, new: Any, message: str) -> None:
        found.append(
            Difference(
                step=step,
                milestone=milestone,
                what=what,
                recorded=recorded,
                again=new,
                message=f"step {step}: {message}",
            )
        )

    ids = f"recorded milestones {_ids(paid)}, re-scored {_ids(again)}"
    if paid.total != again.total:
        message = f"recorded reward {paid.total}, re-scored {again.total} ({ids})"
        differs(None, "total", paid.total, again.total, message)
    old, new = ({result.id: result for result in reward.milestones} for reward in (paid, again))
    for name in dict.fromkeys([*old, *new]):
        one, other = old.get(name), new.get(name)
        if one is None or other is None:
            differs(name, "milestone", one and one.reward, other and other.reward, ids)
        elif _json(one) != _json(other):
            message = (
                f"the evidence recorded for {name} differs from what re-scoring sees (reward {one.reward} both times)"
            )
            if one.reward != other.reward:
                message = f"{name} is recorded with the reward {one.reward}, re-scored {other.reward}"
            differs(name, "evidence", _plain(one), _plain(other), message)
    for part in fields(StepReward):
        if part.name not in ("total", "milestones", "tiers"):
            one, other = getattr(paid, part.name), getattr(again, part.name)
            if _json(one) != _json(other):
                differs(None, part.name, one, other, f"recorded {part.name} {one!r}, re-scored {other!r}")
    return found


def _without_places(reward: StepReward) -> StepReward:
    """Return the reward as format 1 recorded it: evidence did not say where."""

    def bare(result: MilestoneResult) -> MilestoneResult:
        return replace(result, evidence=replace(result.evidence, where={}))

    return replace(reward, milestones=tuple(bare(result) for result in reward.milestones))


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _plain(result: MilestoneResult) -> Any:
    return orjson.loads(orjson.dumps(result.evidence))


def _ids(reward: StepReward) -> str:
    return ", ".join(result.id for result in reward.milestones) or "none"


def _less_path(error: RewardError, path: Path) -> str:
    return str(error).removeprefix(f"{path}").lstrip(":, ")


__all__ = [
    "PASSED",
    "Difference",
    "EpisodeReport",
    "Reached",
    "Rules",
    "Verdict",
    "examine",
    "rescore",
]
