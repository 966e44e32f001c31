"""A report names a run after its method, whichever trainer made it."""

from pathlib import Path

import pytest

from milepost.trainers.config import GRPOConfig
from milepost.trainers.offline_config import LossConfig, PreferenceTrainingConfig, ReSTConfig, SFTConfig
from milepost.trainers.ppo_config import PPOConfig
from milepost.trainers.report_critic import method_of

TASKS, RUN = ("search-open",), Path("r")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (GRPOConfig(tasks=TASKS, run=RUN), "GRPO"),
        (GRPOConfig(tasks=TASKS, run=RUN, preset="dapo"), "DAPO"),
        (PPOConfig(tasks=TASKS, run=RUN), "PPO"),
        (SFTConfig(tasks=TASKS, run=RUN), "SFT"),
        (ReSTConfig(tasks=TASKS, run=RUN), "ReST"),
        (
            PreferenceTrainingConfig(tasks=TASKS, run=RUN, episodes=(RUN,), loss=LossConfig(objective="apo-zero")),
            "APO-ZERO",
        ),
    ],
)
def test_method_names(config: GRPOConfig | PPOConfig | SFTConfig | ReSTConfig | PreferenceTrainingConfig, name: str):
    assert method_of(config.to_plain()) == name
