"""From episodes and a critic to advantages, value targets and samples."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..agents.prompts import build_prompt_ids
from ..agents.records import Trajectory
from ..envs.registration import task_for
from .advantages import AdvantageStats, TokenValues, describe, token_gae, whiten
from .ppo_config import PPOConfig
from .token_samples import TokenSample, without_truncated
from .value_loss import explained_variance

Ids = tuple[int, ...]
Row = list[tuple[float, ...] | None]
"""For each step of an episode, a number for the step or one for each of its tokens; None is masked."""


class Values(Protocol):
    """What is asked of a critic (see `critic.Critic`)."""

    def values(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[tuple[float, ...]]:
        """Return V of each (prompt_ids, response_ids): one number, or one for each response token."""
        ...

    def value_of_prompts(self, prompts: Sequence[Ids]) -> list[float]:
        """Return V of states in which nothing was said."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Credited:
    """What a critic made of a batch; every list holds an episode's row of steps.

    Attributes:
        advantages: whitened, if the configuration says so.
        returns: what the critic should have said.
        values: what it said.
        stats: of the advantages before they were whitened.
        measured: explained_variance (absent if all returns are equal) and mean_value.
    """

    advantages: list[Row]
    returns: list[Row]
    values: TokenValues
    stats: AdvantageStats
    measured: dict[str, float]


def credit_by_critic(config: PPOConfig, critic: Values, tokenizer: Any, episodes: Sequence[Trajectory]) -> Credited:
    """Estimate the advantages of a batch by GAE; episodes that were cut short go on from V of what they led to."""
    told = iter(critic.values([(s.prompt_ids, s.response_ids) for t in episodes for s in t.steps]))
    values: TokenValues = [[next(told) for _ in t.steps] for t in episodes]
    advantages, returns = token_gae(
        episodes,
        values,
        _final_values(critic, tokenizer, episodes),
        gamma=config.gamma,
        lam=config.gae_lambda,
        token_lambda=config.token_lambda,
    )
    firsts = [[None if part is None else part[0] for part in row] for row in advantages]
    stats = describe(episodes, firsts)
    if config.whiten:
        advantages = whitened(advantages)
    pairs = [
        (value, target)
        for told_row, row in zip(values, returns, strict=True)
        for said, part in zip(told_row, row, strict=True)
        for value, target in zip(said, part or (), strict=False)
    ]
    measured = {"explained_variance": explained_variance([v for v, _ in pairs], [r for _, r in pairs])}
    measured["mean_value"] = sum(v for v, _ in pairs) / max(len(pairs), 1)
    return Credited(
        advantages=advantages,
        returns=returns,
        values=values,
        stats=stats,
        measured={name: value for name, value in measured.items() if math.isfinite(value)},
    )


def _final_values(critic: Values, tokenizer: Any, episodes: Sequence[Trajectory]) -> list[float]:
    """V of what each truncated episode's last step led to; 0 for the others, which do not use it."""
    cut = [i for i, t in enumerate(episodes) if t.truncated and t.failure is None and t.final_observation]
    prompts = [
        build_prompt_ids(tokenizer, episodes[i].final_observation, verbs=task_for(episodes[i].task).verbs) for i in cut
    ]
    found = dict(zip(cut, critic.value_of_prompts(prompts), strict=True))
    return [found.get(i, 0.0) for i in range(len(episodes))]


def whitened(advantages: Sequence[Row]) -> list[Row]:
    """Whiten the advantages of a batch, over all of its steps' numbers together."""
    flat = whiten([[a for part in row if part is not None for a in part] for row in advantages])
    out: list[Row] = []
    for row, numbers in zip(advantages, flat, strict=True):
        rest = iter(a for a in numbers if a is not None)
        out.append([None if part is None else tuple(next(rest) for _ in part) for part in row])
    return out


def to_critic_samples(
    config: PPOConfig, episodes: Sequence[Trajectory], credited: Credited, *, stop_ids: Collection[int]
) -> list[TokenSample]:
    """Return a sample for each step that is not masked, its value target with it."""
    firsts = [[None if part is None else part[0] for part in row] for row in credited.advantages]
    kept = without_truncated(episodes, firsts, mask=config.mask_truncated, stop_ids=stop_ids)
    samples = []
    for t, row, parts, returns, values in zip(
        episodes, kept, credited.advantages, credited.returns, credited.values, strict=True
    ):
        for step, first, part, target, told in zip(t.steps, row, parts, returns, values, strict=True):
            if first is None or part is None or target is None:
                continue
            scaled = tuple(a * (config.negative_scale if a < 0 else 1.0) for a in part)
            samples.append(
                TokenSample(
                    prompt_ids=step.prompt_ids,
                    response_ids=step.response_ids,
                    behaviour_logprobs=step.behaviour_logprobs,
                    advantage=scaled[0],
                    token_advantages=scaled if config.gae_level == "token" else None,
                    value_targets=target,
                    old_values=told,
                )
            )
    return samples


__all__ = ["Credited", "credit_by_critic", "to_critic_samples", "whitened"]
