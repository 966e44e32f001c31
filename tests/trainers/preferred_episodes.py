"""Recorded runs whose better episodes are plain to see, and a backbone small enough to learn that in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from milepost.agents.records import StepRecord, Trajectory
from milepost.trainers.run_folder import RunFolder

GOOD, IDLE = 'click("Save")', "noop()"


def step(action: str, reward: float | None = 0.0, error: str = "") -> StepRecord:
    return StepRecord(
        prompt_ids=(),
        response_ids=(),
        behaviour_logprobs=(),
        action=action,
        observation='Goal: Save it.\n[1] button "Save"',
        reward=reward,
        milestones_before=0,
        milestones_after=0,
        error=error,
    )


def episode(*actions: str, seed: int = 0, task: str = "milepost/a-v0", **overrides: Any) -> Trajectory:
    """An episode that earns 1 for each good action."""
    settings: dict[str, Any] = dict(
        task=task,
        seed=seed,
        steps=tuple(step(action, float(action == GOOD)) for action in actions),
        success=actions.count(GOOD) >= 2,
        terminated=True,
        truncated=False,
        stop_reason="done",
        failure=None,
        policy_version=0,
        ledger_hash=f"{task}-{seed}-{'-'.join(actions)}",
        final_observation='Goal: Save it.\n[1] button "Save"',
    )
    return Trajectory(**(settings | overrides))


def record(
    run: Path, seeds: Sequence[int], tasks: Sequence[str] = ("milepost/a-v0",), *, pages_differ: bool = False
) -> Path:
    """Record four episodes of each task and seed: two good steps, one, none, and a long idle one.

    Unless `pages_differ`, those of all seeds read alike, so that a judge with a cache is asked about one seed only.
    """
    plans = [(GOOD, IDLE, GOOD), (GOOD, IDLE), (IDLE,), (IDLE,) * 4]
    episodes = [episode(*plan, seed=seed, task=task) for task in tasks for seed in seeds for plan in plans]
    if pages_differ:
        episodes = [replace(e, final_observation=f"{e.final_observation}\ntext {e.seed}") for e in episodes]
    with RunFolder.create(run, {}, seed=0) as folder:
        folder.write_trajectories(0, episodes)
    return run


def tiny_backbone(folder: Path) -> Path:
    """Save a Llama that reads bytes."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=256,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
        )
    ).save_pretrained(folder)
    return folder
