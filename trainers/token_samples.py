"""From credited steps to what an update learns from: one sample for each response, masks applied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from ..agents.records import StepRecord, Trajectory

TruncationMask = Literal["none", "responses", "episodes", "both"]
"""What is left out of the loss: responses without an end token, episodes cut short, or both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSample:
    """One sampled response to learn from.

    Attributes:
        prompt_ids: the prompt's tokens.
        response_ids: the response's tokens.
        behaviour_logprobs: of each response token under the distribution it was drawn from, nats.
        advantage: applies to each of the response's tokens.
        token_advantages: of each token where they differ; None: `advantage` for all.
        old_logprobs: by the trainer's arithmetic before the update; None: the sampler's are taken for them.
        reference_logprobs: under the reference policy; None: computed when they are needed.
        value_targets: what the critic should have said: one for the step, or one for each token; () without a critic.
        old_values: what it did say, likewise.
    """

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    behaviour_logprobs: tuple[float, ...]
    advantage: float
    token_advantages: tuple[float, ...] | None = None
    old_logprobs: tuple[float, ...] | None = None
    reference_logprobs: tuple[float, ...] | None = None
    value_targets: tuple[float, ...] = ()
    old_values: tuple[float, ...] = ()

    @property
    def advantages(self) -> tuple[float, ...]:
        """The advantage of each response token."""
        if self.token_advantages is None:
            return (self.advantage,) * len(self.response_ids)
        return self.token_advantages


def to_token_samples(
    trajectories: Sequence[Trajectory],
    advantages: Sequence[Sequence[float | None]],
    *,
    negative_scale: float = 1.0,
    keep_zero: bool = False,
) -> list[TokenSample]:
    """Return the steps that have something to teach: masked ones and those without advantage are left out.

    Args:
        trajectories: the episodes.
        advantages: of each step of each episode; None is masked.
        negative_scale: negative advantages are multiplied by this.
        keep_zero: keep steps of advantage 0; they count in normalisation, KL and entropy.
    """
    return [
        TokenSample(
            prompt_ids=step.prompt_ids,
            response_ids=step.response_ids,
            behaviour_logprobs=step.behaviour_logprobs,
            advantage=advantage * (negative_scale if advantage < 0 else 1.0),
        )
        for trajectory, row in zip(trajectories, advantages, strict=True)
        for step, advantage in zip(trajectory.steps, row, strict=True)
        if advantage or (keep_zero and advantage is not None)
    ]


def without_truncated(
    trajectories: Sequence[Trajectory],
    advantages: Sequence[Sequence[float | None]],
    *,
    mask: TruncationMask,
    stop_ids: Collection[int],
) -> list[list[float | None]]:
    """Return the advantages with those of cut-off samples masked.

    Args:
        trajectories: the episodes.
        advantages: of each step of each episode; None is masked.
        mask: see `TruncationMask`.
        stop_ids: tokens that end a response.

    Source: loss masking of truncated responses, as in DeepCoder's GRPO+ (Luo et al. 2025) and DAPO section 3.4.
    """
    responses, episodes = mask in ("responses", "both"), mask in ("episodes", "both")
    return [
        [
            None if (episodes and t.truncated) or (responses and is_cut_off(step, stop_ids)) else a
            for step, a in zip(t.steps, row, strict=True)
        ]
        for t, row in zip(trajectories, advantages, strict=True)
    ]


def is_cut_off(step: StepRecord, stop_ids: Collection[int]) -> bool:
    """Whether a response reached its longest length before an end token."""
    return bool(step.response_ids) and step.response_ids[-1] not in stop_ids


__all__ = ["TokenSample", "TruncationMask", "is_cut_off", "to_token_samples", "without_truncated"]
