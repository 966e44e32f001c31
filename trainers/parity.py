"""How far the sampler's log-probabilities are from the trainer's: of the same tokens, under the same weights.

Two programs that compute one model differ in the order of their sums and in where they round. What a policy gradient
takes for the probability that a token was drawn with is then a little off; `Objective.importance_cap` makes up for it,
and this is its measure. It is taken before the policy changes: afterwards the gap is the update's doing.

Shape legend: R response tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..agents.records import Trajectory
from .pack_forward import logprobs_of
from .token_samples import TokenSample

_CHECKED_STEPS = 16


@dataclass(slots=True)
class LogprobGap:
    """Absolute gaps of tokens' log-probabilities, nats, gathered in parts.

    Attributes:
        total: their sum.
        largest: the largest.
        tokens: how many.
    """

    total: float = 0.0
    largest: float = 0.0
    tokens: int = 0

    def add(self, trainer_R: Tensor, sampler_R: Tensor) -> None:
        """Take in some tokens, by the trainer's arithmetic and by the sampler's."""
        if not trainer_R.numel():
            return
        gap_R = (trainer_R.detach().float() - sampler_R.float()).abs()
        self.total += float(gap_R.sum())
        self.largest = max(self.largest, float(gap_R.max()))
        self.tokens += gap_R.numel()

    @classmethod
    def together(cls, parts: Sequence[LogprobGap]) -> LogprobGap:
        """Return the gap of several parts' tokens."""
        return cls(
            total=sum(p.total for p in parts),
            largest=max((p.largest for p in parts), default=0.0),
            tokens=sum(p.tokens for p in parts),
        )

    def metrics(self) -> dict[str, float]:
        """Return the mean, the largest and how many tokens they are of; nothing if there were none."""
        if not self.tokens:
            return {}
        return {
            "logprob_gap": self.total / self.tokens,
            "logprob_gap_max": self.largest,
            "logprob_gap_tokens": float(self.tokens),
        }


def gap_of_samples(samples: Sequence[TokenSample]) -> dict[str, float]:
    """Return the gap of samples whose trainer's log-probabilities are known; nothing if they are not."""
    gap = LogprobGap()
    for sample in samples:
        if sample.old_logprobs is not None:
            gap.add(torch.tensor(sample.old_logprobs), torch.tensor(sample.behaviour_logprobs))
    return gap.metrics()


def gap_of_episodes(
    model: Any, trajectories: Sequence[Trajectory], *, temperature: float, max_pack_tokens: int
) -> dict[str, float]:
    """Return the gap of some steps of these episodes, spread evenly, by forward passes of their own.

    Args:
        model: the policy, its weights those that the episodes were sampled from.
        trajectories: the episodes, with their tokens.
        temperature: the one they were sampled at.
        max_pack_tokens: most tokens in one forward pass.
    """
    steps = [s for t in trajectories for s in t.steps if s.prompt_ids and s.response_ids]
    if not steps:
        return {}
    picked = steps[:: -(-len(steps) // _CHECKED_STEPS)]
    known = logprobs_of(
        model,
        [(s.prompt_ids, s.response_ids) for s in picked],
        temperature=temperature,
        max_pack_tokens=max_pack_tokens,
    )
    gap = LogprobGap()
    for step, logprobs in zip(picked, known, strict=True):
        gap.add(torch.tensor(logprobs), torch.tensor(step.behaviour_logprobs))
    return gap.metrics()


__all__ = ["LogprobGap", "gap_of_episodes", "gap_of_samples"]
