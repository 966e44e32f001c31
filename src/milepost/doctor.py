"""What this machine has and lacks for milepost, each lack with its cure."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .agents.models import DEFAULT_MODEL, cache_root, resolve_model
from .sandbox.errors import EngineError, SandboxError

if TYPE_CHECKING:
    from .sandbox.self_check import CheckResult, SelfCheckReport

Status = Literal["ok", "missing", "warning"]

_LAUNCH_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        status: `ok`; `missing`: something needed is absent; `warning`: it works, but not as well as it could.
        found: what is there, for people.
        cure: what to do about it; "" when nothing needs doing.
    """

    name: str
    status: Status
    found: str
    cure: str = ""


def examine(*, deep: bool = False, runs: Path = Path("runs")) -> list[Check]:
    """Looks at everything that training needs on this machine.

    Args:
        deep: also launch the browser and open a page in it (a second or two). `examine_sandbox` goes on from there.
        runs: the folder that runs are to be written to; need not exist yet.

    Returns:
        The checks, in the order in which to mend what is missing.
    """
    return [
        _python(),
        *_packages(),
        _browser(),
        *([_launch()] if deep else []),
        _model(),
        _disk(),
        _memory(),
        _writable(runs),
    ]


def examine_sandbox(
    on_result: Callable[[CheckResult, int, int], None] | None = None,
) -> tuple[Check, SelfCheckReport]:
    """Runs the sandbox's self-check: its many behaviours tried on real pages, up to a minute.

    Args:
        on_result: called after each of them with its result, how many are done, and how many there are.

    Returns:
        What came of it in one line, and the whole report.
    """
    from .sandbox.self_check import run_self_check

    report = run_self_check(on_result=on_result)
    counts = ", ".join(f"{report.count(status)} {status}" for status in ("passed", "failed", "skipped"))
    found = f"{counts} in {report.seconds:.0f} s"
    if report.ok:
        return Check(name="sandbox", status="ok", found=found), report
    names = "; ".join(result.name for result in report.failed)
    cure = f"another Chromium (see MILEPOST_CHROMIUM) or a quieter machine may do better; failed: {names}"
    return Check(name="sandbox", status="missing", found=found, cure=cure), report


def _python() -> Check:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} at {sys.executable}"
    return Check(name="python", status="ok", found=found)  # an older one could not have imported this


def _packages() -> Iterator[Check]:
    absent: dict[str, list[str]] = {}
    versions: dict[str, list[str]] = {}
    for requirement in metadata.requires("milepost") or []:
        marker = re.search(r"extra == ['\"]([^'\"]+)['\"]", requirement)
        extra = marker[1] if marker else "base"
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            versions.setdefault(extra, []).append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            absent.setdefault(extra, []).append(name)
    for extra in ("base", "train"):
        has, lacks = versions.get(extra, []), absent.get(extra, [])
        target = "milepost" if extra == "base" else f"'milepost[{extra}]'"
        yield Check(
            name=f"packages ({extra})",
            status="missing" if lacks else "ok",
            found=f"without {', '.join(lacks)}" if lacks else ", ".join(has),
            cure=f"make setup, or: pip install {target}" if lacks else "",
        )


def _browser() -> Check:
    from .sandbox.chromium import find_chromium

    try:
        chromium = find_chromium()
    except SandboxError as error:
        return Check(name="chromium", status="missing", found="none", cure=str(error))
    found = f"{chromium.path} ({chromium.source}{f', {chromium.version}' if chromium.version else ''})"
    return Check(name="chromium", status="ok", found=found)


def _launch() -> Check:
    name = "chromium starts"
    try:
        version = asyncio.run(asyncio.wait_for(_open_a_page(), _LAUNCH_DEADLINE_S))
    except Exception as error:
        # Whatever the launch raised is the finding: a missing library, no display, no shared memory, a deadline.
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        return Check(
            name=name,
            status="missing",
            found=reason,
            cure="install what it needs: `sudo apt-get install chromium-headless-shell` or `playwright install-deps`",
        )
    return Check(name=name, status="ok", found=f"version {version}, a page opens")


async def _open_a_page() -> str:
    from playwright.async_api import async_playwright

    from .sandbox.chromium import find_chromium

    async with async_playwright() as playwright:
        root = os.geteuid() == 0
        browser = await playwright.chromium.launch(
            executable_path=find_chromium().path, args=["--no-sandbox"] if root else []
        )
        page = await browser.new_page()
        await page.set_content("<title>ready</title>")
        if await page.title() != "ready":
            raise RuntimeError("a page opened but does not run")
        return browser.version


def _model() -> Check:
    name = f"model ({DEFAULT_MODEL})"
    try:
        return Check(name=name, status="ok", found=str(resolve_model(DEFAULT_MODEL)))
    except EngineError as error:
        return Check(name=name, status="missing", found="none", cure=str(error))


def _disk() -> Check:
    folder = next(p for p in (cache_root(), *cache_root().parents) if p.exists())
    free_gb = shutil.disk_usage(folder).free / 1e9
    found = f"{free_gb:.0f} GB free at {folder}"
    if free_gb >= 2:
        return Check(name="disk", status="ok", found=found)
    return Check(name="disk", status="warning", found=found, cure="free some space: the model and runs take about 2 GB")


def _memory() -> Check:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return Check(name="memory", status="ok", found="unknown on this system")
    available_gb = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024 / 1e9
    found = f"{available_gb:.1f} GB available, {os.cpu_count()} cores"
    if available_gb >= 4:
        return Check(name="memory", status="ok", found=found)
    return Check(name="memory", status="warning", found=found, cure="lower `groups` and `concurrency` in the config")


def _writable(runs: Path) -> Check:
    nearest = next(p for p in (runs.absolute(), *runs.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        cure = f"make {nearest} writable, or run in another folder, or set `run` in the config"
        return Check(name="run folder", status="missing", found=f"{runs.absolute()}: {error.strerror}", cure=cure)
    return Check(name="run folder", status="ok", found=f"{runs.absolute()} can be written")


__all__ = ["Check", "Status", "examine", "examine_sandbox"]
