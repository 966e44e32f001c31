"""A run that is killed and begun again ends as one that was left alone, bit for bit."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bench.kill_and_resume import OF_TRAINER, SETTINGS, Command, broken, contents, differences, moves


@pytest.mark.browser
@pytest.mark.model
@pytest.mark.slow
def test_a_run_that_is_killed_twice_ends_as_one_that_was_not(tiny_model: Path, tmp_path: Path):
    config = tmp_path / "config.yaml"
    settings = SETTINGS.replace("[search-open, settings-toggle]", "[search-open]") + OF_TRAINER["grpo"]
    config.write_text(f"{settings}model: {tiny_model}\nrun: unset\n", encoding="utf-8")
    smaller = ["iterations=2", "groups=1", "max_replacements=0", "warm_start.demonstrations=1"]

    def command(name: str) -> Command:
        return Command("grpo", config, smaller, tmp_path / name)

    whole, killed = command("whole"), command("killed")
    assert whole.go()
    assert not killed.go(kill_at="iteration_0000")  # evaluations have just been made, and caches are full
    assert not killed.left()
    assert not killed.go(kill_at="iteration_0001")
    assert not killed.left()
    assert killed.go()
    assert "resumed after iteration 1" in killed.said
    assert "held-out success" in killed.said
    assert str(killed.run / "report.html") in killed.said
    assert json.loads((killed.run / "status.json").read_text())["state"] == "finished"
    assert moves(whole.run)
    assert not broken(whole.run)
    assert not broken(killed.run)
    one, other = contents(whole.run), contents(killed.run)
    assert {"metrics of 0", "metrics of 1", "metrics of 2", "metrics of 3", "evaluations"} <= set(one)
    assert not differences(one, other)


def test_a_single_bit_is_a_difference(tmp_path: Path):
    import torch

    runs = []
    for value in (1.0, 1.0 + 2.0**-23):
        run = tmp_path / str(value)
        last = run / "checkpoints/iteration_0001"
        last.mkdir(parents=True)
        (run / "trajectories").mkdir()
        (run / "evaluations.json").write_text("{}")
        (run / "metrics.jsonl").write_text(json.dumps({"iteration": 1, "time": random.random(), "time/update_s": 3}))
        torch.save({"state": {0: {"exp_avg": torch.tensor([value])}}}, last / "optimizer.pt")
        runs.append(contents(run))
    assert differences(runs[0], runs[0]) == []
    assert differences(runs[0], runs[1]) == ["iteration_0001/optimizer.pt:/state/0/exp_avg"]
