import time

import pytest

from milepost.trainers.schedule import TIME_MARGIN, TimeBudget, scheduled


def rate(step: int = 100, warmup_steps: int = 3, progress: float = 0.0, decay_from: float = 0.5) -> float:
    return scheduled(
        1e-4, step=step, warmup_steps=warmup_steps, progress=progress, decay_from=decay_from, final_fraction=0.1
    )


def test_learning_rate_rises_to_its_value():
    rates = [rate(step) for step in range(6)]
    assert rates == pytest.approx([2.5e-5, 5e-5, 7.5e-5, 1e-4, 1e-4, 1e-4])


def test_learning_rate_falls_in_the_last_part_only():
    rates = [rate(progress=p) for p in (0.0, 0.5, 0.75, 1.0, 1.5)]
    assert rates == pytest.approx([1e-4, 1e-4, 5.5e-5, 1e-5, 1e-5])


def test_decay_from_one_never_falls():
    assert rate(progress=1.0, decay_from=1.0) == 1e-4


def budget(elapsed_s: float, limit_s: float | None = 100.0) -> TimeBudget:
    return TimeBudget(limit_s=limit_s, before_s=elapsed_s, began_s=20.0, closing_s=18.0, started=time.monotonic())


def test_an_iteration_is_begun_only_if_the_end_fits_too():
    ahead_s = TIME_MARGIN * (10.0 + 18.0 + 2.0)
    assert budget(100.0 - ahead_s - 0.5).allows(10.0)
    assert not budget(100.0 - ahead_s + 0.5).allows(10.0)
    assert budget(1e9, limit_s=None).allows(10.0)


def test_spent_counts_only_the_time_of_iterations():
    assert budget(20.0).spent() == pytest.approx(0.0, abs=1e-3)
    assert budget(20.0 + (80.0 - TIME_MARGIN * 20.0) / 2).spent() == pytest.approx(0.5, abs=1e-3)
    assert budget(99.0).spent() == 1.0
    assert budget(99.0, limit_s=None).spent() == 0.0
    assert budget(30.0, limit_s=25.0).spent() == 1.0
