"""Advantages of a batch of episodes, as pure functions (spec 6.1 to 6.7).

Trajectories in, an advantage for each step out, and from there for each sampled token. Masked episodes (infrastructure
failure) and unscored steps (reward None) take part in no mean and get advantage None. Rewards-to-go are undiscounted
unless `gamma` says otherwise; an unscored step contributes nothing to the rewards-to-go before it.
"""

from __future__ import annotations

from .anchor import anchor_advantages
from .credit import AdvantageStats, Credit, describe, step_advantages, token_advantages
from .frontier import frontier_advantages
from .gae import TokenValues, gae, step_gae, token_gae
from .group_relative import centred_advantages, leave_one_out_advantages, outcome_advantages, process_advantages
from .groups import StepAdvantages
from .returns import returns_to_go, reward_to_go_advantages
from .whitening import root_mean_square, whiten

__all__ = [
    "AdvantageStats",
    "Credit",
    "StepAdvantages",
    "TokenValues",
    "anchor_advantages",
    "centred_advantages",
    "describe",
    "frontier_advantages",
    "gae",
    "leave_one_out_advantages",
    "outcome_advantages",
    "process_advantages",
    "returns_to_go",
    "reward_to_go_advantages",
    "root_mean_square",
    "step_advantages",
    "step_gae",
    "token_advantages",
    "token_gae",
    "whiten",
]
