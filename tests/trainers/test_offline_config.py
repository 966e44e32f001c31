from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from milepost.sandbox.errors import RunError
from milepost.trainers.config import load_settings
from milepost.trainers.offline_config import (
    LossConfig,
    ObjectiveName,
    OfflineConfig,
    PreferenceTrainingConfig,
    ReSTConfig,
    SFTConfig,
)

EXAMPLES = Path(__file__).parents[2] / "examples" / "offline"
KINDS: dict[str, type[OfflineConfig]] = {"dpo": PreferenceTrainingConfig, "sft": SFTConfig, "rest": ReSTConfig}


def test_the_examples_are_valid():
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == set(KINDS)
    for name, settings in KINDS.items():
        config = load_settings(EXAMPLES / f"{name}.yaml", [], settings, kind=name, example="x")
        assert config.tasks == ("expense-form", "report-download", "search-open")


@pytest.mark.parametrize(
    ("name", "override", "told"),
    [
        ("dpo", "loss.objective=ppo", "loss.objective"),
        ("dpo", "loss.beta=0", "loss.beta"),
        ("dpo", "loss.label_smoothing=0.5", "label_smoothing"),
        ("dpo", "loss={objective: kto, nll_coef: 1.0}", "kto does not use nll_coef"),
        ("dpo", "preferences=[p.jsonl]", "pairs.unit: trajectory"),
        ("sft", "demonstrations=0", "nothing to learn from"),
        ("rest", "thresholds=[0.9, 0.5]", "rise"),
        ("rest", "thresholds=[0.5, 1.5]", "rise"),
        ("rest", "thresholds=[0.5, 0.5]", "rise"),
    ],
)
def test_a_wrong_setting_is_told(name, override, told):
    with pytest.raises(RunError, match=told):
        load_settings(EXAMPLES / f"{name}.yaml", [override], KINDS[name], kind=name, example="x")


def test_the_example_takes_every_objective():
    for objective in get_args(ObjectiveName):
        changed = [f"loss.objective={objective}"]
        config = load_settings(EXAMPLES / "dpo.yaml", changed, PreferenceTrainingConfig, kind="dpo", example="x")
        assert config.loss.objective == objective


def test_each_objective_has_a_scale_of_its_own_unless_one_is_set():
    assert LossConfig(objective="simpo").scale == 2.0
    assert LossConfig(objective="dpo").scale == 0.1
    assert LossConfig(objective="simpo", beta=0.5).scale == 0.5
