"""PPO on real pages, the whole way, with a model that knows nothing: what is measured, written, and taken up again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from milepost.trainers.online_run import OnlineRun
from milepost.trainers.ppo import main


@pytest.mark.browser
@pytest.mark.model
@pytest.mark.slow
def test_a_run_learns_values_and_goes_on_where_it_was(tiny_model: Path, tmp_path: Path, capsys, monkeypatch):
    cached: list[int] = []
    save = OnlineRun._save

    def saving(self: OnlineRun, *, elapsed_s: float) -> None:
        engine: Any = self.engine
        cached.append(len(engine._cache._slot_of))
        save(self, elapsed_s=elapsed_s)

    monkeypatch.setattr(OnlineRun, "_save", saving)
    run, config = tmp_path / "run", tmp_path / "config.yaml"
    config.write_text(
        # the model earns nothing, so what it is paid is the KL to its base; demonstrations keep it from standing still
        f"preset: ppo-ptx\ntasks: [search-open]\nrun: {run}\nmodel: {tiny_model}\nprecision: float32\niterations: 1\n"
        "groups: 1\ngroup_size: 2\nevaluation_seeds: 1\nmax_new_tokens: 4\nkl_coef: 0.5\nptx_coef: 0.1\nepochs: 2\n"
        "minibatches: 2\ntarget_kl: null\nold_logprobs: trainer\nlearning_rate: 1.0e-2\nwarmup_updates: 0\n"
        "warm_start: {demonstrations: 1, epochs: 2, learning_rate: 1.0e-2}\n",
        encoding="utf-8",
    )
    first = main([str(config)])
    assert first.iterations == 1
    assert sorted(p.name for p in (run / "checkpoints/iteration_0001/critic").iterdir()) == [
        "critic.json",
        "heads.safetensors",
        "optimizer.pt",
    ]
    second = main([str(config), "iterations=2"])
    assert second.iterations == 2
    assert "resumed after iteration 1" in capsys.readouterr().err
    records = {r["iteration"]: r for r in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())}
    assert list(records) == [0, 1, 2, 3]
    for iteration in (1, 2):
        values = records[iteration]
        assert values["train/optimizer_steps"] == 4.0
        assert values["train/samples"] == values["train/steps"]
        assert values["train/value_loss"] > 0
        assert values["train/ptx_loss"] > 0
        assert math.isfinite(values["train/explained_variance"])
        assert math.isfinite(values["train/kl"])
    assert records[1]["train/mean_value"] == 0.0  # the head begins at zero, and has learned by the second iteration
    assert records[2]["train/mean_value"] != 0.0
    assert cached == [0, 0, 0]  # a resumed run has nothing cached either, and rounds sums alike
    report = second.report.read_text(encoding="utf-8")
    assert "Did the critic foretell the returns?" in report
    assert "after PPO-PTX" in report or "After PPO-PTX" in report
