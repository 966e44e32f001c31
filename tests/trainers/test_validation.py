import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from milepost.agents.evaluate import HELD_OUT_SEED, evaluate, evaluate_policy
from milepost.agents.task_scores import score
from milepost.sandbox.errors import RunError
from milepost.trainers.config import GRPOConfig
from milepost.trainers.grpo import train
from milepost.trainers.metrics import read_metrics
from milepost.trainers.progress import TrainingProgress
from milepost.trainers.start import start_adapter
from milepost.trainers.validation import Best, is_due, validate


def config(tiny_model: Path, run: Path, **settings) -> GRPOConfig:
    return GRPOConfig.model_validate({
        "tasks": ["search-open"], "run": run, "model": str(tiny_model), "precision": "float32", "iterations": 2,
        "groups": 1, "group_size": 2, "evaluation_seeds": 2, "max_new_tokens": 4, "max_replacements": 0,
        "warm_start": {"demonstrations": 0}, "validate_every": 1, "validation_seeds": 2,
    } | settings)  # fmt: skip


def test_validation_is_due_before_training_and_every_so_many_iterations(tiny_model: Path, tmp_path: Path):
    every_third = config(tiny_model, tmp_path, validate_every=3)
    assert [i for i in range(8) if is_due(every_third, i)] == [0, 3, 6]
    never = config(tiny_model, tmp_path, validate_every=None)
    assert not any(is_due(never, i) for i in range(8))
    assert (every_third.held_out_seeds, never.held_out_seeds) == (4, 2)


@pytest.mark.browser
@pytest.mark.model
def test_a_run_keeps_its_curve_and_its_best_checkpoint(tiny_model: Path, tmp_path: Path, monkeypatch):
    seeds: list[int] = []
    from milepost.trainers import held_out

    def recorded(tasks, policy, **how):
        seeds.extend(range(how["first_seed"], how["first_seed"] + how["seeds"]) if how["name"] == "validation" else ())
        return evaluate_policy(tasks, policy, **how)

    monkeypatch.setattr(held_out, "evaluate_policy", recorded)
    run = tmp_path / "run"
    train(config(tiny_model, run), progress=TrainingProgress())
    curve = [(r.iteration, r.values["eval/success"]) for r in read_metrics(run / "metrics.jsonl") if r.iteration <= 2]
    assert [i for i, _ in curve] == [0, 1, 2]
    assert seeds == [HELD_OUT_SEED + 2, HELD_OUT_SEED + 3] * 3  # never those of the evaluation at the end
    kept = Best(**json.loads((run / "checkpoints/best/state.json").read_text()))
    assert kept == Best(iteration=0, success=curve[0][1])  # it never acts well, and the first of equals stays
    assert json.loads((run / "checkpoints/iteration_0002/state.json").read_text())["best"] == {
        "iteration": 0, "success": 0.0,
    }  # fmt: skip
    assert 'The line "held out" is that rate' in (run / "report.html").read_text()
    goes_on = config(tiny_model, tmp_path / "on", start=run / "checkpoints/best", iterations=0, validate_every=None)
    begun = train(goes_on, progress=TrainingProgress())
    assert set(begun.success) == {"warm_start", "trained"}
    result = evaluate(["search-open"], str(run / "checkpoints/best"), seeds=1)
    assert result.success_rate == 0.0


def test_a_run_that_starts_from_another_asks_for_no_warm_start_of_its_own(tiny_model: Path, tmp_path: Path):
    plain = {"tasks": ["search-open"], "run": tmp_path, "model": str(tiny_model)}
    assert GRPOConfig.model_validate(plain).warm_start.demonstrations == 18
    assert GRPOConfig.model_validate(plain | {"start": "runs/a"}).warm_start.demonstrations == 0
    asked = plain | {"start": "runs/a", "warm_start": {"demonstrations": 5}}
    assert GRPOConfig.model_validate(asked).warm_start.demonstrations == 5


def test_a_start_is_a_run_or_one_of_its_checkpoints_of_the_same_model(tmp_path: Path):
    run = tmp_path / "run"
    for name in ("iteration_0002", "iteration_0010", "best"):
        (run / "checkpoints" / name / "adapter").mkdir(parents=True)
    (run / "config.yaml").write_text("model: small\n", encoding="utf-8")
    assert start_adapter(run, "small") == run / "checkpoints/iteration_0010/adapter"
    assert start_adapter(run / "checkpoints/best", "small") == run / "checkpoints/best/adapter"
    with pytest.raises(RunError, match="Set model=small"):
        start_adapter(run, "large")
    with pytest.raises(RunError, match="milepost train sft"):
        start_adapter(tmp_path, "small")


def test_episodes_that_the_machine_broke_are_no_success_of_zero(monkeypatch):
    said: list[str] = []
    nothing = SimpleNamespace(tasks={"milepost/search-open-v0": score("milepost/search-open-v0", [])})
    run: Any = SimpleNamespace(
        config=SimpleNamespace(validation_seeds=2, evaluation_seeds=0, concurrency=1),
        iteration=3,
        best=None,
        policy=lambda temperature: None,
        evaluation_settler=None,
        progress=SimpleNamespace(message=said.append),
    )
    monkeypatch.setattr("milepost.trainers.validation.play_held_out", lambda *_, **__: nothing)
    assert validate(run) == {}
    assert run.best is None  # the adapter of such a moment is not the best so far
    assert "validation after iteration 3: not measured" in said[0]
