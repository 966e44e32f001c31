"""What a person watching a run sees: a live display on a terminal, one plain line per iteration elsewhere.

Everything goes to standard error, so standard output stays free for results. `NO_COLOR` and `TERM=dumb` are respected.

Usage:

    with TrainingProgress("grpo expense-form, report-download") as progress:
        progress.start(total_iterations=20, time_budget_s=600)
        progress.phase("warm start")
        progress.phase("sampling")
        progress.advance_within(12, 64)                 # episodes of this phase
        progress.phase("update")
        progress.iteration(1, {"train/success": 0.25, "milestone/expense-form/submitted": 0.5})
        progress.message("resumed at iteration 4")

An evaluation is the same display without iterations: `start(total_iterations=0)`, then `phase("evaluating")` and
`advance_within`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


class TrainingProgress:
    """Shows how a run is doing. Safe to call from any thread; does nothing to the run itself.

    Args:
        title: what is being trained or evaluated, one short line.
        console: where to write; by default standard error.
        clock: seconds, monotonic; for tests.
    """

    def __init__(
        self, title: str = "", *, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._title = title
        self._console = console or Console(stderr=True, highlight=False)
        self._clock = clock
        self._lock = threading.RLock()
        self._live: Live | None = None
        self._spinner = Spinner("dots")
        self._total = 0
        self._done = 0
        self._done_at_start = 0
        self._budget_s: float | None = None
        self._earlier_s = 0.0
        self._started = clock()
        self._first_sampling_at: float | None = None
        self._last_iteration_at = self._started
        self._phase = "starting"
        self._phase_started = self._started
        self._phase_seconds: dict[str, float] = {}
        self._announced: set[str] = set()
        self._within: tuple[int, int] | None = None
        self._values: dict[str, float] = {}
        self._previous: dict[str, float] = {}

    def start(
        self, total_iterations: int, time_budget_s: float | None = None, *, done: int = 0, elapsed_s: float = 0.0
    ) -> None:
        """Begin showing.

        Args:
            total_iterations: the iteration limit; 0 when there are none (an evaluation).
            time_budget_s: wall time for the whole run, earlier sessions included; None: no limit.
            done: iterations that earlier sessions finished.
            elapsed_s: seconds that earlier sessions took.
        """
        with self._lock:
            self._total, self._done, self._done_at_start = total_iterations, done, done
            self._budget_s, self._earlier_s = time_budget_s, elapsed_s
            self._started = self._phase_started = self._clock()
            if self._on_terminal and self._live is None:
                self._live = Live(
                    get_renderable=self._render, console=self._console, refresh_per_second=4, transient=False
                )
                self._live.start()
            elif not self._on_terminal and self._title:
                self._line(self._title)

    def phase(self, name: str) -> None:
        """Enter a phase ("warm start", "sampling", "update", "evaluating ..."); its time counts until the next one."""
        with self._lock:
            self._close_phase()
            self._phase, self._within = name, None
            if name == "sampling" and self._first_sampling_at is None:
                self._first_sampling_at = self._clock()
            if self._live is None and name not in self._announced and name not in _OF_ITERATIONS:
                self._line(f"{name} ...")
            self._announced.add(name)

    def advance_within(self, done: int, total: int) -> None:
        """Say how far the current phase is, in its own units (episodes, batches)."""
        with self._lock:
            self._within = (done, total)

    def iteration(self, number: int, values: Mapping[str, float]) -> None:
        """Show what an iteration measured, by the names of `metrics`."""
        with self._lock:
            self._close_phase()
            self._done = number
            self._last_iteration_at = self._clock()
            self._previous, self._values = self._values, dict(values)
            if self._live is None:
                self._announce_milestones()
                self._line(self._plain_line())

    def message(self, text: str) -> None:
        """Print a line that stays above the display."""
        with self._lock:
            self._line(text)

    def stop(self) -> None:
        """Stop showing; the last state of a live display stays on the screen. May be called twice."""
        with self._lock:
            self._close_phase()
            live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def elapsed_s(self) -> float:
        """Wall-clock seconds so far, earlier sessions included."""
        return self._earlier_s + self._clock() - self._started

    @property
    def phase_seconds(self) -> dict[str, float]:
        """Seconds spent in each phase of this session, the current one included."""
        with self._lock:
            seconds = dict(self._phase_seconds)
            seconds[self._phase] = seconds.get(self._phase, 0.0) + self._clock() - self._phase_started
            return seconds

    @property
    def eta_s(self) -> float | None:
        """Seconds to the iteration limit or the end of the time budget, whichever is sooner; None while unknown."""
        with self._lock:
            limits: list[float] = []
            finished = self._done - self._done_at_start
            if finished > 0 and self._first_sampling_at is not None and self._total:
                per_iteration = (self._last_iteration_at - self._first_sampling_at) / finished
                ends_at = self._last_iteration_at + per_iteration * (self._total - self._done)
                limits.append(max(0.0, ends_at - self._clock()))
            if self._budget_s is not None:
                limits.append(max(0.0, self._budget_s - self.elapsed_s))
            return min(limits, default=None)

    @property
    def _on_terminal(self) -> bool:
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _close_phase(self) -> None:
        now = self._clock()
        if self._phase != "starting":
            self._phase_seconds[self._phase] = self._phase_seconds.get(self._phase, 0.0) + now - self._phase_started
        self._phase_started = now

    def _plain_line(self) -> str:
        parts = [f"iteration {self._done}/{self._total}" if self._total else f"iteration {self._done}"]
        for name, label, form in _SHOWN:
            if name in self._values:
                parts.append(f"{label} {form(self._values[name])}")
        for task, success in _under(self._values, "train/success/").items():
            rates = _under(self._values, f"milestone/{task}/").values()
            shown = f" [{' '.join(f'{100 * rate:.0f}' for rate in rates)}]" if rates else ""
            parts.append(f"{task} {_percent(success)}{shown}")
        parts += [f"elapsed {_duration(self.elapsed_s)}", f"eta {_duration(self.eta_s)}"]
        return " | ".join(parts)

    def _announce_milestones(self) -> None:
        """Name, once per task, what the bracketed percentages of the plain lines stand for."""
        for task in _under(self._values, "train/success/"):
            ids = _under(self._values, f"milestone/{task}/")
            if ids and f"milestones of {task}" not in self._announced:
                self._announced.add(f"milestones of {task}")
                self._line(f"{task} [milestones reached, %]: {', '.join(ids)}")

    def _render(self) -> RenderableType:
        with self._lock:
            rows: list[RenderableType] = [self._head(), self._bars()]
            if self._values:
                rows += [Text(""), self._numbers(), Text(""), self._tasks()]
            return Panel(
                Group(*rows),
                title=f"[bold]milepost[/bold] {escape(self._title)}".strip(),
                title_align="left",
                border_style="dim",
                width=min(self._console.width, 110),
            )

    def _head(self) -> RenderableType:
        doing = Text(self._phase, style="bold cyan")
        if self._within:
            doing.append(f"  {self._within[0]}/{self._within[1]}", style="default not bold")
        doing.append(f"  {_duration(self._clock() - self._phase_started)}", style="dim not bold")
        times = Text.assemble(
            ("elapsed ", "dim"), _duration(self.elapsed_s), ("   left ", "dim"), _duration(self.eta_s), justify="right"
        )
        head = Table.grid(expand=True)
        head.add_column(width=2)
        head.add_column(ratio=1)
        head.add_column(justify="right")
        head.add_row(self._spinner, doing, times)
        return head

    def _bars(self) -> RenderableType:
        bars = Table.grid(expand=True, padding=(0, 1))
        bars.add_column(width=18)
        bars.add_column(ratio=1)
        if self._total:
            label = f"iteration {self._done}/{self._total}"
            bars.add_row(label, ProgressBar(total=self._total, completed=self._done))
        if self._within and self._within[1]:
            bars.add_row(Text("this phase", style="dim"), ProgressBar(total=self._within[1], completed=self._within[0]))
        return bars

    def _numbers(self) -> RenderableType:
        grid = Table.grid(expand=True, padding=(0, 2))
        cells: list[Text] = []
        for name, label, form in _SHOWN:
            if name in self._values:
                cells.append(Text.assemble((f"{label} ", "dim"), (form(self._values[name]), "bold"), self._trend(name)))
        phases = [f"{name} {_duration(s)}" for name, s in self._phase_seconds.items()]
        for _ in range(4):
            grid.add_column(ratio=1)
        for start in range(0, len(cells), 4):
            grid.add_row(*cells[start : start + 4])
        return Group(grid, Text("time in  " + "   ".join(phases), style="dim", overflow="ellipsis", no_wrap=True))

    def _trend(self, name: str) -> Text:
        now, before = self._values[name], self._previous.get(name)
        if before is None or abs(now - before) < 0.005 or name not in _TRENDS:
            return Text("")
        return Text(" ▲", style="green") if now > before else Text(" ▼", style="red")

    def _tasks(self) -> RenderableType:
        rows: list[RenderableType] = []
        for task, success in _under(self._values, "train/success/").items():
            bar = Table.grid(expand=True, padding=(0, 1))
            bar.add_column(width=24, no_wrap=True, overflow="ellipsis")
            bar.add_column(width=5, justify="right")
            bar.add_column(ratio=1)
            bar.add_row(Text(task), Text(_percent(success), style="bold"), ProgressBar(total=1.0, completed=success))
            rates = _under(self._values, f"milestone/{task}/")
            reached = [Text.assemble((f"{name}\u00a0", "dim"), _percent(rate)) for name, rate in rates.items()]
            rows += [bar, Padding(Text("  ").join(reached), (0, 0, 0, 2))]
        return Group(*rows)


def _under(values: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%"


def _three(value: float) -> str:
    return f"{value:.3f}"


def _count(value: float) -> str:
    return f"{value:.0f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


_OF_ITERATIONS = frozenset({"sampling", "reference", "critic", "update"})
_TRENDS = frozenset({"train/reward_fraction", "train/success"})
_SHOWN: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("train/reward_fraction", "reward", _percent),
    ("train/success", "success", _percent),
    ("train/entropy", "entropy", _three),
    ("train/kl", "kl", _three),
    ("train/explained_variance", "value explained", _three),
    ("train/dead_groups", "dead groups", _count),
    ("train/replaced_groups", "replaced", _count),
    ("train/episodes", "episodes", _count),
    ("time/iteration_s", "took", _duration),
)
