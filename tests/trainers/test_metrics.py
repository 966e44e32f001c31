"""The metrics log: one record per iteration, no iteration twice, TensorBoard in step with it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.agents.evaluate import wilson_interval
from milepost.sandbox.errors import RunError
from milepost.trainers.metrics import (
    MetricsWriter,
    TaskEvaluation,
    read_evaluations,
    read_metrics,
    task_label,
    task_series,
    write_evaluation,
)
from milepost.trainers.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"tasks": ["t"]}, seed=0)


def tensorboard_steps(folder: RunFolder, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found = []
    for path in sorted(folder.tensorboard_dir.iterdir()):
        for event in LegacyEventFileLoader(str(path)).Load():
            found += [(event.step, value.simple_value) for value in event.summary.value if value.tag == name]
    return found


def test_what_is_logged_is_read_back(folder: RunFolder) -> None:
    with MetricsWriter(folder) as metrics:
        assert metrics.last_iteration is None
        metrics.log(0, {"time/warm_start_s": 92.5})
        metrics.log(1, {"train/success": 0.25, "train/kl": math.nan, "train/loss": math.inf})
        assert metrics.last_iteration == 1
    records = read_metrics(folder.metrics_path)
    assert [r.iteration for r in records] == [0, 1]
    assert records[1].values == {"train/success": 0.25}  # what is not finite was not measured
    assert tensorboard_steps(folder, "train/success") == [(1, 0.25)]


def test_iterations_only_grow(folder: RunFolder) -> None:
    with MetricsWriter(folder, tensorboard=False) as metrics:
        metrics.log(3, {"a": 1.0})
        with pytest.raises(RunError, match=r"cannot log iteration 3: the log is at 3 .* truncate_after\(2\)"):
            metrics.log(3, {"a": 2.0})
    assert [r.values for r in read_metrics(folder.metrics_path)] == [{"a": 1.0}]


def test_resuming_replaces_the_iterations_after_the_checkpoint(folder: RunFolder) -> None:
    with MetricsWriter(folder) as metrics:
        for i in range(1, 6):
            metrics.log(i, {"train/success": i / 10})
    with MetricsWriter(folder) as metrics:
        metrics.truncate_after(3)
        metrics.log(4, {"train/success": 0.75})
    assert [(r.iteration, r.values["train/success"]) for r in read_metrics(folder.metrics_path)] == [
        (1, 0.1), (2, 0.2), (3, 0.3), (4, 0.75),
    ]  # fmt: skip
    assert dict(tensorboard_steps(folder, "train/success")) == pytest.approx({1: 0.1, 2: 0.2, 3: 0.3, 4: 0.75})


def test_truncating_to_nothing(folder: RunFolder) -> None:
    with MetricsWriter(folder, tensorboard=False) as metrics:
        metrics.log(0, {"a": 1.0})
        metrics.truncate_after(-1)
        assert metrics.last_iteration is None
        metrics.log(0, {"a": 2.0})
    assert [r.values for r in read_metrics(folder.metrics_path)] == [{"a": 2.0}]


def test_a_torn_last_line_is_dropped_before_the_next_is_written(folder: RunFolder) -> None:
    with MetricsWriter(folder, tensorboard=False) as metrics:
        metrics.log(1, {"a": 1.0})
    with folder.metrics_path.open("ab") as file:
        file.write(b'{"iteration": 2, "a": 0.')
    with MetricsWriter(folder, tensorboard=False) as metrics:
        assert metrics.last_iteration == 1
        metrics.log(2, {"a": 2.0})
    assert [(r.iteration, r.values) for r in read_metrics(folder.metrics_path)] == [(1, {"a": 1.0}), (2, {"a": 2.0})]


@pytest.mark.parametrize("line", ['{"iteration": 1}', '{"iteration": "2"}', '{"a": 2.0}'])
def test_a_log_out_of_order_is_named_by_line(folder: RunFolder, line: str) -> None:
    folder.metrics_path.write_text(f'{{"iteration": 1, "a": 1.0}}\n{line}\n')
    with pytest.raises(RunError, match=r"metrics.jsonl:2: expected an iteration after 1"):
        read_metrics(folder.metrics_path)


def test_evaluations_are_kept_by_stage_in_the_order_of_the_run(folder: RunFolder) -> None:
    assert read_evaluations(folder) == {}
    result = TaskEvaluation(
        episodes=64, successes=16, mean_reward_fraction=0.5, mean_steps=7.25, milestones={"second": 0.5, "first": 0.75}
    )
    write_evaluation(folder, "trained", {"expense-form": result})
    write_evaluation(folder, "untrained", {"expense-form": result})
    found = read_evaluations(folder)
    assert list(found) == ["untrained", "trained"]
    assert found["trained"] == {"expense-form": result}
    assert list(found["trained"]["expense-form"].milestones) == ["second", "first"]


def test_wilson_interval_against_hand_worked_numbers() -> None:
    # n = 10, k = 5, z = 1.96: centre (0.5 + 0.19207) / 1.38415 = 0.5, half width 0.3641 / 1.38415 = 0.2634.
    assert wilson_interval(5, 10, z=1.96) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    # k = 0: the upper end is z^2 / (n + z^2) = 3.8415 / 67.8415.
    assert wilson_interval(0, 64) == pytest.approx((0.0, 0.05662), abs=1e-5)
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(n=st.integers(1, 10_000), share=st.floats(0, 1))
def test_wilson_interval_holds_the_rate_and_mirrors(n: int, share: float) -> None:
    k = round(n * share)
    low, high = wilson_interval(k, n)
    assert 0.0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1.0
    mirrored = wilson_interval(n - k, n)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


def test_labels_and_series(folder: RunFolder) -> None:
    assert task_label("milepost/expense-form-v0") == "expense-form"
    assert task_label("expense-form") == "expense-form"
    assert task_label("milepost/two-vowels-v12") == "two-vowels"
    with MetricsWriter(folder, tensorboard=False) as metrics:
        metrics.log(1, {"milestone/t/a": 0.25, "milestone/t/b": 0.5, "train/success": 1.0})
        metrics.log(2, {"milestone/t/a": 0.75})
    series = task_series(read_metrics(folder.metrics_path), "milestone/t/")
    assert series == {"a": [(1, 0.25), (2, 0.75)], "b": [(1, 0.5)]}
