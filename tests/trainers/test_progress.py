"""The progress display, as lines where there is no terminal and as a panel where there is one."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from rich.console import Console

from milepost.trainers.progress import TrainingProgress

VALUES = {
    "train/reward_fraction": 0.6,
    "train/success": 0.5,
    "train/success/expense-form": 0.4,
    "train/success/library-search": 0.75,
    "milestone/expense-form/filled": 0.9,
    "milestone/expense-form/submitted": 0.45,
    "train/entropy": 0.412,
    "train/kl": 0.0123,
    "train/dead_groups": 1.0,
    "train/replaced_groups": 2.0,
    "train/episodes": 64.0,
}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def plain(out: io.StringIO, clock: Clock) -> TrainingProgress:
    console = Console(file=out, force_terminal=False, highlight=False)
    return TrainingProgress("grpo expense-form", console=console, clock=clock)


def live(out: io.StringIO, clock: Clock, *, width: int = 100) -> TrainingProgress:
    console = Console(file=out, force_terminal=True, width=width, height=40, color_system=None, _environ={})
    return TrainingProgress("grpo expense-form", console=console, clock=clock)


def test_without_a_terminal_an_iteration_is_a_line(out: io.StringIO, clock: Clock) -> None:
    with plain(out, clock) as progress:
        progress.start(20, 600)
        progress.phase("warm start")
        clock.now += 90
        for number in (1, 2):
            progress.phase("sampling")
            progress.advance_within(12, 64)
            clock.now += 16
            progress.phase("update")
            clock.now += 9
            progress.iteration(number, VALUES)
        progress.message("saved [checkpoint] 2")
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["grpo expense-form", "warm start ..."]
    assert lines[2] == "expense-form [milestones reached, %]: filled, submitted"
    assert lines[3].startswith(
        "iteration 1/20 | reward 60% | success 50% | entropy 0.412 | kl 0.012 | dead groups 1 | "
    )
    assert "replaced 2 | episodes 64 | expense-form 40% [90 45] | library-search 75%" in lines[3]
    assert lines[3].endswith("elapsed 1m55s | eta 7m55s")  # 19 iterations of 25 s each
    assert lines[4].startswith("iteration 2/20 | ")
    assert lines[5:] == ["saved [checkpoint] 2"]
    assert "\x1b" not in out.getvalue()


def test_eta_is_the_sooner_of_iterations_and_budget(out: io.StringIO, clock: Clock) -> None:
    progress = plain(out, clock)
    progress.start(10)
    assert progress.eta_s is None  # nothing is known yet
    clock.now = 100  # a warm start does not count as an iteration
    progress.phase("sampling")
    clock.now = 120
    progress.iteration(1, {})
    assert progress.eta_s == 180
    clock.now = 125  # within the second
    assert progress.eta_s == 175
    clock.now = 500  # late
    assert progress.eta_s == 0
    progress = plain(out, clock)
    progress.start(10, 300, elapsed_s=200)
    assert progress.eta_s == 100


def test_a_resumed_run_counts_only_what_it_does_itself(out: io.StringIO, clock: Clock) -> None:
    progress = plain(out, clock)
    progress.start(10, done=8, elapsed_s=400)
    progress.phase("sampling")
    clock.now = 30
    progress.iteration(9, {})
    assert progress.eta_s == 30
    assert progress.elapsed_s == 430


def test_phases_add_up(out: io.StringIO, clock: Clock) -> None:
    progress = plain(out, clock)
    progress.start(2)
    for name, seconds in (("warm start", 60), ("sampling", 10), ("update", 5), ("sampling", 12)):
        progress.phase(name)
        clock.now += seconds
    assert progress.phase_seconds == {"warm start": 60, "sampling": 22, "update": 5}
    progress.iteration(1, {})
    clock.now += 1
    assert progress.phase_seconds["sampling"] == 23
    progress.stop()
    progress.stop()


@pytest.mark.parametrize("width", [40, 70, 100, 200])
def test_on_a_terminal_everything_is_in_the_panel(out: io.StringIO, clock: Clock, width: int) -> None:
    with live(out, clock, width=width) as progress:
        progress.start(20, 600)
        progress.phase("sampling")
        progress.advance_within(12, 64)
        progress.iteration(1, VALUES)
        progress.iteration(2, {**VALUES, "train/success": 0.75})
        progress.phase("update")
        progress.message("resumed [from] 1")
    text = out.getvalue()
    assert "resumed [from] 1" in text
    assert "iteration 2/20" in text
    if width >= 70:
        for shown in ("success 75% ▲", "reward 60%", "entropy 0.412", "kl 0.012", "dead groups 1", "replaced 2"):
            assert shown in text
        assert "expense-form" in text
        assert "submitted\u00a045%" in text


def test_an_evaluation_has_no_iterations(out: io.StringIO, clock: Clock) -> None:
    with live(out, clock) as progress:
        progress.start(0)
        progress.phase("evaluating")
        progress.advance_within(30, 192)
    assert "evaluating  30/192" in out.getvalue()
    assert "iteration" not in out.getvalue()


def test_a_terminal_without_cursor_gets_lines(out: io.StringIO, clock: Clock) -> None:
    console = Console(file=out, force_terminal=True, color_system=None, _environ={"TERM": "dumb"})
    with TrainingProgress("eval", console=console, clock=clock) as progress:
        progress.start(1)
        progress.iteration(1, {"train/success": 1.0})
    assert "\x1b" not in out.getvalue()
    assert "iteration 1/1 | success 100%" in out.getvalue()


def test_it_writes_to_standard_error_only() -> None:
    script = (
        "from milepost.trainers.progress import TrainingProgress\n"
        "with TrainingProgress('t') as p:\n    p.start(1)\n    p.iteration(1, {'train/success': 0.5})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "success 50%" in done.stderr
