"""One behavioural suite for any Chromium and any backend: does this machine's sandbox do what milepost relies on?

    report = run_self_check()
    report.ok, report.failed

Each check tries one behaviour on real pages served by the application server, has a deadline, and ends as passed,
failed or skipped, with a detail. `milepost doctor --deep` runs and shows them all. The checks are in self_check_page.py
(what pages and agents see and do), self_check_time.py (clocks, randomness, repeatability), self_check_closed.py (what
must not be possible, and failures) and self_check_files.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from . import self_check_closed, self_check_files, self_check_page, self_check_time
from .browser_thread import BrowserThread
from .chromium import ENV_VARIABLE
from .errors import MilepostError
from .fleet import Fleet
from .self_check_kit import Backend, Check, CheckFailedError, CheckSkippedError, Kit, browser_pids

CLOSE_DEADLINE_S = 30.0
CHECKS: tuple[Check, ...] = tuple(
    check
    for module in (self_check_page, self_check_time, self_check_files, self_check_closed)
    for check in module.GROUP.checks
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How one check ended.

    Attributes:
        name: what was checked, "group: what holds".
        reason: why it matters.
        status: "passed", "failed" or "skipped".
        detail: what was expected and what came, or why it was skipped; "" for one that passed.
        seconds: how long it took.
    """

    name: str
    reason: str
    status: Literal["passed", "failed", "skipped"]
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheckReport:
    """How every check ended, in order, and how many seconds it took together."""

    results: tuple[CheckResult, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether something was checked and nothing failed."""
        return any(r.status == "passed" for r in self.results) and not self.failed

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(r for r in self.results if r.status == "failed")

    def count(self, status: str) -> int:
        """Return how many checks ended so."""
        return sum(r.status == status for r in self.results)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready plain data."""
        return {"ok": self.ok, "seconds": self.seconds, "checks": [asdict(r) for r in self.results]}


def run_self_check(
    *,
    chromium: Path | None = None,
    backend: Callable[[], Backend] = Fleet,
    only: Sequence[str] = (),
    on_result: Callable[[CheckResult, int, int], None] | None = None,
) -> SelfCheckReport:
    """Run the checks, one after another, in a browser of their own; blocks for up to a minute.

    Args:
        chromium: the Chromium to check; None finds one as episodes do.
        backend: makes the backend to check, on the browser thread; it is closed at the end.
        only: run the checks whose name contains one of these; empty runs all.
        on_result: called after each check with its result, how many are done, and how many there are; on another
            thread.

    Raises:
        ValueError: no check's name contains any of `only`.
    """
    chosen = [check for check in CHECKS if not only or any(part in check.name for part in only)]
    if not chosen:
        raise ValueError(f"no check's name contains {' or '.join(map(repr, only))}; see self_check.CHECKS")
    longest_s = sum(check.deadline_s for check in chosen) + (1 + len(chosen)) * CLOSE_DEADLINE_S
    with _environment(chromium):
        return BrowserThread.get().run(_run(chosen, backend, on_result), longest_s)


async def _run(
    checks: Sequence[Check], backend: Callable[[], Backend], on_result: Callable[[CheckResult, int, int], None] | None
) -> SelfCheckReport:
    began = time.monotonic()
    foreign = browser_pids()
    made = backend()
    results: list[CheckResult] = []
    try:
        for check in checks:
            if (
                results
                and check is not CHECKS[0]
                and results[0].name == CHECKS[0].name
                and results[0].status == "failed"
            ):
                detail = "the browser does not start"
                result = CheckResult(name=check.name, reason=check.reason, status="skipped", detail=detail, seconds=0.0)
            else:
                result = await _try(check, made, foreign)
            results.append(result)
            if on_result is not None:
                on_result(result, len(results), len(checks))
    finally:
        with contextlib.suppress(MilepostError, TimeoutError):
            await asyncio.wait_for(made.close(), CLOSE_DEADLINE_S)
    return SelfCheckReport(results=tuple(results), seconds=time.monotonic() - began)


async def _try(check: Check, backend: Backend, foreign: frozenset[int]) -> CheckResult:
    began = time.monotonic()
    kit = Kit(backend, foreign)
    status: Literal["passed", "failed", "skipped"] = "failed"
    try:
        await asyncio.wait_for(check.run(kit), check.deadline_s)
    except CheckSkippedError as skipped:
        status, detail = "skipped", str(skipped)
    except CheckFailedError as failed:
        detail = str(failed)
    except TimeoutError:
        detail = f"it was not done within {check.deadline_s:g} s"
    except Exception as error:  # whatever a backend raises is the finding
        detail = f"{type(error).__name__}: {error}"
    else:
        status, detail = "passed", ""
    try:
        await asyncio.wait_for(kit.close_all(), CLOSE_DEADLINE_S)
    except (MilepostError, TimeoutError) as error:
        status, detail = "failed", detail or f"it could not be tidied up: {type(error).__name__}: {error}"
    return CheckResult(
        name=check.name, reason=check.reason, status=status, detail=detail, seconds=time.monotonic() - began
    )


@contextlib.contextmanager
def _environment(chromium: Path | None) -> Iterator[None]:
    before = os.environ.get(ENV_VARIABLE)
    if chromium is not None:
        os.environ[ENV_VARIABLE] = str(chromium)
    try:
        yield
    finally:
        if chromium is not None:
            os.environ.pop(ENV_VARIABLE)
            if before is not None:
                os.environ[ENV_VARIABLE] = before


__all__ = ["CHECKS", "CheckResult", "SelfCheckReport", "run_self_check"]
