"""Supervised learning from the tasks' own oracles: the optional warm start of a run.

The oracle acts in the real environment; what the policy would have been shown is its prompt, what the oracle did its
response. The loss is the mean negative log-likelihood of the response tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..agents.lora import trainable_parameters
from ..agents.policies import Decision, OraclePolicy, View
from ..agents.prompts import build_prompt_ids, render_observation
from ..agents.rollout import EnvPool, EpisodeSpec, run_episodes
from ..sandbox.errors import TaskError
from .config import WarmStartConfig
from .policy_update import response_logprobs
from .schedule import scheduled
from .trie import make_packs

Pair = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(slots=True)
class _TokenisedOracle:
    """The oracle, with the tokens a language model would have seen and said."""

    tokenizer: Any
    oracle: OraclePolicy

    def decide(self, views: Sequence[View]) -> list[Decision]:
        decisions = []
        for view, decision in zip(views, self.oracle.decide(views), strict=True):
            response = self.tokenizer(decision.action, add_special_tokens=False)["input_ids"]
            prompt_ids = build_prompt_ids(
                self.tokenizer, render_observation(view.observation), verbs=view.drawn.task.verbs
            )
            response_ids = (*map(int, response), int(self.tokenizer.eos_token_id))
            decisions.append(Decision(action=decision.action, prompt_ids=prompt_ids, response_ids=response_ids))
        return decisions


def collect_demonstrations(specs: Sequence[EpisodeSpec], tokenizer: Any, *, pool: EnvPool) -> list[list[Pair]]:
    """Play the oracle and return each demonstration as its (prompt_ids, response_ids) steps.

    Raises:
        TaskError: an oracle did not succeed, so its task is broken.
    """
    trajectories = run_episodes(specs, _TokenisedOracle(tokenizer, OraclePolicy()), pool=pool)
    for t in trajectories:
        if not t.success:
            raise TaskError(
                f"the oracle of {t.task} did not succeed with seed {t.seed} ({t.stop_reason}; its last actions: "
                f"{[s.action for s in t.steps][-3:]}; error: {t.steps[-1].error or 'none'}). "
                "Mend the task's oracle or its app."
            )
    return [[(s.prompt_ids, s.response_ids) for s in t.steps] for t in trajectories]


def train_on_demonstrations(
    model: Any,
    demonstrations: Sequence[Sequence[Pair]],
    config: WarmStartConfig,
    *,
    pack_tokens: int,
    generator: torch.Generator,
    on_step: Callable[[int, int, float], None] = lambda done, total, loss: None,
) -> list[float]:
    """Fit the model's adapter to demonstrations.

    Args:
        model: model with an adapter.
        demonstrations: steps of each demonstration.
        config: epochs, learning rate, batch.
        pack_tokens: most tokens in one packed forward pass.
        generator: shuffles the demonstrations.
        on_step: told (optimiser steps done, in all, loss).

    Returns:
        The mean loss of each optimiser step, nats per token. The learning rate rises over three steps and falls
        linearly to a fifth.
    """
    parameters = list(trainable_parameters(model))
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    per_epoch = -(-len(demonstrations) // config.batch_demonstrations)
    total = per_epoch * config.epochs
    losses: list[float] = []
    model.eval()
    for _ in range(config.epochs):
        order = torch.randperm(len(demonstrations), generator=generator).tolist()
        for start in range(0, len(order), config.batch_demonstrations):
            pairs = [pair for i in order[start : start + config.batch_demonstrations] for pair in demonstrations[i]]
            tokens = sum(len(response) for _, response in pairs)
            done = len(losses)
            for group in optimizer.param_groups:
                group["lr"] = scheduled(
                    config.learning_rate, step=done, warmup_steps=2, progress=done / total, decay_from=0.0,
                    final_fraction=0.2,
                )  # fmt: skip
            optimizer.zero_grad(set_to_none=True)
            loss_value = 0.0
            for pack in make_packs(pairs, max_tokens=pack_tokens):
                logprobs_R, _ = response_logprobs(model, pack)
                loss = -logprobs_R.sum() / tokens
                loss.backward()  # type: ignore[no-untyped-call]
                loss_value += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            losses.append(loss_value)
            on_step(len(losses), total, loss_value)
    return losses


__all__ = ["Pair", "collect_demonstrations", "train_on_demonstrations"]
