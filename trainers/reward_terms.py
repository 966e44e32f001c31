"""Terms that a trainer adds to the steps' rewards before it credits them.

They are the trainer's and not the task's: recorded trajectories keep the rewards that the environment paid. Unscored
steps stay unscored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..agents.records import Trajectory


def soft_overlong(length_tokens: int, *, most_tokens: int, cache_tokens: int) -> float:
    """Return a response's penalty for its length: 0 up to most - cache, falling linearly to -1 at most, -1 beyond.

    Args:
        length_tokens: of the response.
        most_tokens: longest response, Lmax.
        cache_tokens: length of the slope, above 0 and at most `most_tokens`.

    Source: Yu et al. 2025 (DAPO, 2503.14476), equation 13.
    """
    start = most_tokens - cache_tokens
    return -min(1.0, max(0.0, (length_tokens - start) / cache_tokens))


def with_overlong_penalty(
    trajectories: Sequence[Trajectory], *, most_tokens: int, cache_tokens: int, weight: float = 1.0
) -> list[Trajectory]:
    """Return the episodes, each step's reward with `weight` times its response's `soft_overlong` added."""
    return _with_added(
        trajectories,
        [
            [
                weight * soft_overlong(len(s.response_ids), most_tokens=most_tokens, cache_tokens=cache_tokens)
                for s in t.steps
            ]
            for t in trajectories
        ],
    )


def with_kl_penalty(
    trajectories: Sequence[Trajectory],
    policy: Sequence[Sequence[Sequence[float]]],
    reference: Sequence[Sequence[Sequence[float]]],
    *,
    coef: float,
) -> tuple[list[Trajectory], float]:
    """Return the episodes, each step's reward less coef * (log pi - log pi_ref) summed over its response (k1).

    Args:
        trajectories: the episodes.
        policy: for each episode, for each step, the response tokens' log-probabilities when they were sampled.
        reference: likewise, under the reference policy.
        coef: beta, at least 0.

    Returns:
        The episodes, and the mean of log pi - log pi_ref over all tokens, nats.

    Source: Ouyang et al. 2022 (InstructGPT, 2203.02155), equation 2, without its pretraining term.
    """
    gaps = [
        [[p - q for p, q in zip(mine, other, strict=True)] for mine, other in zip(a, b, strict=True)]
        for a, b in zip(policy, reference, strict=True)
    ]
    tokens = [gap for episode in gaps for step in episode for gap in step]
    shaped = _with_added(trajectories, [[-coef * sum(step) for step in episode] for episode in gaps])
    return shaped, sum(tokens) / max(len(tokens), 1)


def _with_added(trajectories: Sequence[Trajectory], added: Sequence[Sequence[float]]) -> list[Trajectory]:
    return [
        replace(
            t,
            steps=tuple(
                s if s.reward is None else replace(s, reward=s.reward + more)
                for s, more in zip(t.steps, row, strict=True)
            ),
        )
        for t, row in zip(trajectories, added, strict=True)
    ]


__all__ = ["soft_overlong", "with_kl_penalty", "with_overlong_penalty"]
