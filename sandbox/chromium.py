"""Find a Chromium without starting one: MILEPOST_CHROMIUM, then Playwright's own, then the system's."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import BrowserNotFoundError

ENV_VARIABLE = "MILEPOST_CHROMIUM"
SYSTEM_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLAYWRIGHT_PATTERNS = (
    "chromium_headless_shell-*/chrome-*/*headless*shell*",
    "chromium-*/chrome-*/chrome",
    "chromium-*/chrome-*/chrome.exe",
    "chromium-*/chrome-*/*.app/Contents/MacOS/*",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChromiumInfo:
    """A usable Chromium.

    Attributes:
        path: the executable.
        source: who named it: the environment variable, Playwright's download folder, or the system's PATH.
        version: what the path says about it (Playwright's revision), or None; the browser itself is not started to ask.
    """

    path: Path
    source: Literal["env", "playwright", "system"]
    version: str | None = None


def find_chromium() -> ChromiumInfo:
    """Return the Chromium that episodes will run in. Starts no browser and no driver.

    Raises:
        BrowserNotFoundError: none was found, or MILEPOST_CHROMIUM names a file that cannot be run; the message names
        the cure.
    """
    named = os.environ.get(ENV_VARIABLE)
    if named:
        path = Path(named).expanduser()
        found = shutil.which(str(path))
        if found is None:
            raise BrowserNotFoundError(
                f"{ENV_VARIABLE} is {named!r}, which is not an executable file; "
                "point it at a Chromium or headless shell, or unset it to search for one"
            )
        return ChromiumInfo(path=Path(found), source="env")
    own = _playwright_chromium()
    if own is not None:
        revision = re.search(r"chromium(?:_headless_shell)?-(\d+)", str(own))
        return ChromiumInfo(path=own, source="playwright", version=f"r{revision[1]}" if revision else None)
    for name in SYSTEM_NAMES:
        found = shutil.which(name)
        if found is not None:
            return ChromiumInfo(path=Path(found), source="system")
    raise BrowserNotFoundError(
        f"no Chromium found: looked at {ENV_VARIABLE}, Playwright's browsers in {_playwright_folder()} and "
        f"{', '.join(SYSTEM_NAMES)} on PATH. Install one with `playwright install chromium-headless-shell`, "
        "or on Debian or Ubuntu `apt-get install chromium-headless-shell` (or `chromium`), "
        "or point MILEPOST_CHROMIUM at an executable"
    )


def _playwright_folder() -> Path:
    named = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    if named == "0":
        import importlib.util

        spec = importlib.util.find_spec("playwright")
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent / "driver" / "package" / ".local-browsers"
    if named and named != "0":
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ms-playwright"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ms-playwright"


def _playwright_chromium() -> Path | None:
    folder = _playwright_folder()
    if not folder.is_dir():
        return None

    def revision(path: Path) -> int:
        digits = re.search(r"-(\d+)", str(path.relative_to(folder)))
        return int(digits[1]) if digits else 0

    for pattern in PLAYWRIGHT_PATTERNS:
        for path in sorted(folder.glob(pattern), key=revision, reverse=True):
            if path.is_file() and os.access(path, os.X_OK):
                return path
    return None


__all__ = ["ChromiumInfo", "find_chromium"]
