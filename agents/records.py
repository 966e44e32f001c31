"""The one record of truth between rollouts and trainers: tokens as sampled, rewards as measured.

Nothing here is ever re-tokenised. Everything that trains, exports or hands over maps from these records.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

from ..rewards.types import Source, TierScore
from ..sandbox.errors import FailureKind


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One decision of the policy and what came of it.

    Attributes:
        prompt_ids: token ids of the whole prompt that the policy saw, template included.
        response_ids: token ids as sampled, the end token included when it was sampled.
        behaviour_logprobs: log-probability of each response token under the distribution it was sampled from, nats.
        action: the response's text, as sent to the environment.
        observation: rendered text of the observation the action answers.
        reward: the step's reward; None means unscored.
        milestones_before: bitmask of the milestones reached before the action (the frontier).
        milestones_after: bitmask afterwards.
        error: the environment's `last_action_error` for this action, "" if none.
        entropy: mean entropy of the sampling distribution over the response's tokens, nats; None if not measured.
        tiers: what each layer said of the step, once the reward is settled (see `settlement`).
    """

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    behaviour_logprobs: tuple[float, ...]
    action: str
    observation: str
    reward: float | None
    milestones_before: int
    milestones_after: int
    error: str = ""
    entropy: float | None = None
    tiers: tuple[TierScore, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One episode.

    Attributes:
        task: the environment's id, e.g. "milepost/expense-form-v0".
        seed: the episode's seed; same task and seed make a group.
        steps: the decisions, in order.
        success: whether the task's success milestones were all reached.
        terminated: the task ended (success, forbidden act or `done`).
        truncated: cut short: step limit or infrastructure failure.
        stop_reason: the environment's stop reason.
        failure: infrastructure failure; such an episode is masked or retried, never scored as zero.
        policy_version: number of optimiser updates behind the policy that acted.
        ledger_path: the episode's ledger, relative to the run folder; None if not written.
        ledger_hash: the hash of the ledger's last line; a ledger that was made anew or cut does not match it.
        final_observation: rendered text of what the last step led to; "" if there is none.
        unjudged: milestones of meaning that were to be judged and that no layer scored, once rewards are settled.
    """

    task: str
    seed: int
    steps: tuple[StepRecord, ...]
    success: bool
    terminated: bool
    truncated: bool
    stop_reason: str
    failure: FailureKind | None
    policy_version: int
    ledger_path: str | None = None
    ledger_hash: str | None = None
    final_observation: str = ""
    unjudged: tuple[str, ...] = ()

    @property
    def total_reward(self) -> float:
        """Sum of the scored steps' rewards."""
        return fsum(s.reward for s in self.steps if s.reward is not None)  # as ledgers are summed: to the last digit

    @property
    def rule_reward(self) -> float:
        """What rules measured of it, whichever layer's word is the reward."""
        if not any(s.tiers for s in self.steps):
            return self.total_reward
        return fsum(x.raw for s in self.steps for x in s.tiers if x.tier is Source.RULE and x.raw is not None)


__all__ = ["StepRecord", "Trajectory"]
