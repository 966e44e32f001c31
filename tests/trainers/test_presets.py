"""Presets: each is a valid configuration of its trainer, gives way to explicit keys, and has an example that parses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from milepost.sandbox.errors import RunError
from milepost.trainers.coefficients import Coefficients
from milepost.trainers.config import GRPOConfig, load_config
from milepost.trainers.learning_phase import objective_of
from milepost.trainers.online_config import OnlineConfig
from milepost.trainers.ppo_config import PPOConfig, load_ppo_config
from milepost.trainers.presets import PRESETS
from milepost.trainers.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
LOADERS = {"grpo": load_config, "ppo": load_ppo_config}


def config_of(name: str, **own: object) -> OnlineConfig:
    kind: type[OnlineConfig] = PPOConfig if PRESETS[name].trainer == "ppo" else GRPOConfig
    return kind.model_validate({"preset": name, "tasks": ["a"], "run": "r", **own})


def test_every_preset_has_an_example_and_every_example_a_preset():
    assert {p.stem for p in (ROOT / "examples/presets").glob("*.yaml")} == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_an_example_parses_and_keeps_what_makes_its_method(name):
    config = LOADERS[PRESETS[name].trainer](ROOT / f"examples/presets/{name}.yaml", ["iterations=3"])
    assert (config.preset, config.iterations) == (name, 3)
    kept = {k for k, v in PRESETS[name].settings.items() if getattr(config, k) == v}
    assert {"surrogate", "ratio", "normalisation", "advantage", "update", "kl_in"} & PRESETS[
        name
    ].settings.keys() <= kept
    assert f"milepost train {PRESETS[name].trainer} examples/presets/{name}.yaml" in (
        ROOT / f"examples/presets/{name}.yaml"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_documented_with_its_paper(name):
    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{re.escape(name)}` \|", text, re.MULTILINE)
    number = re.search(r"\d{4}\.\d{5}", PRESETS[name].paper)
    assert number is None or number[0] in text


def test_every_setting_is_documented():
    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    missing = [k for k in {**GRPOConfig.model_fields, **PPOConfig.model_fields} if f"`{k}`" not in text]
    assert missing == []


def test_explicit_keys_win_also_inside_sections():
    config = config_of("trpo", gamma=0.5, trpo={"max_kl": 0.5})
    assert isinstance(config, GRPOConfig)
    assert (config.update, config.gamma, config.trpo.max_kl, config.trpo.cg_iterations) == ("trpo", 0.5, 0.5, 8)


def test_what_presets_mean():
    def objective(name: str):
        config = config_of(name)
        return objective_of(config, Coefficients.of(config))

    dapo = objective("dapo")
    assert (dapo.eps_low, dapo.eps_high, dapo.normalisation, dapo.kl_coef) == (0.2, 0.28, "token", 0.0)
    grpo = objective("grpo")
    assert (grpo.eps_high, grpo.normalisation, grpo.kl_coef, grpo.kl_estimator) == (0.2, "sequence", 0.04, "k3")
    dr_grpo = objective("dr-grpo")
    assert (dr_grpo.normalisation, dr_grpo.length_tokens) == ("constant", 24)
    assert objective("gspo").ratio == "sequence"
    assert objective("cispo").surrogate == "cispo"
    assert objective("ppo-penalty").penalty_coef == 1.0
    assert objective("rloo").kl_coef == 0.0  # its KL is in the reward
    assert config_of("rloo").kl_coef == 0.03
    assert config_of("ppo-ptx").ptx_coef == 27.8


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"preset": "dapoo"}, "nearest is dapo"),
        ({"preset": "ppo"}, "milepost train ppo"),
        ({"importance_cap": 2.0}, "old_logprobs: trainer"),
        ({"ptx_coef": 1.0, "warm_start": {"demonstrations": 0}}, "demonstrations"),
        ({"overlong_cache_tokens": 99}, "max_new_tokens"),
        ({"update": "trpo"}, "kl_coef"),
        ({"kl_target": 0.1, "kl_coef": 0.0}, "above 0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(own, told):
    with pytest.raises(ValueError, match=told):
        GRPOConfig.model_validate({"tasks": ["a"], "run": "r", **own})


@pytest.mark.parametrize(
    "own",
    [{"gae_level": "token", "critic": {"backbone": "separate"}}, {"critic": {"reward_model": "models/x"}}],
)
def test_critics_that_cannot_be_are_refused(own):
    with pytest.raises(ValueError, match=r"separate|shared"):
        PPOConfig.model_validate({"tasks": ["a"], "run": "r", **own})


@pytest.mark.parametrize(
    ("override", "near"), [("clip_hihg=1", "clip_high"), ("critic.leraning_rate=1", "learning_rate")]
)
def test_an_unknown_setting_is_refused_with_the_nearest_name(override, near):
    with pytest.raises(RunError, match=f"the nearest setting is {near}"):
        load_ppo_config(ROOT / "examples/presets/ppo.yaml", [override])


def test_a_run_from_before_a_setting_existed_is_resumed(tmp_path):
    config = GRPOConfig(tasks=("a",), run=tmp_path / "run")
    plain = config.to_plain()
    older = {k: v for k, v in plain.items() if k not in ("preset", "surrogate", "trpo", "epochs")}
    RunFolder.create(config.run, older, 0).close()
    with RunFolder.create(config.run, plain, 0, absent=GRPOConfig.unset()) as folder:
        assert folder.resumed
    changed = GRPOConfig(tasks=("a",), run=tmp_path / "run", epochs=2).to_plain()
    older_run = tmp_path / "older"
    RunFolder.create(older_run, older, 0).close()
    with pytest.raises(RunError, match="epochs"):
        RunFolder.create(older_run, changed | {"run": str(tmp_path / "run")}, 0, absent=GRPOConfig.unset())
