"""Gets the peers of env_speed.py ready: a virtual environment for both in the cache, and browsers that they accept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from _miniwob_site import PACKAGE, cache_folder

REQUIREMENTS = ("browsergym-miniwob==0.14.3", PACKAGE, "selenium==4.51.0")
CHROMIUM_REVISION = "1117"  # what the Playwright that BrowserGym pins looks for


class PeerMissingError(Exception):
    """A peer cannot be measured here; the message says why and what to do."""


def peers_python():
    """Return the Python of the peers' virtual environment, making it on first use."""
    folder = cache_folder() / "peers"
    python, ready = folder / "bin" / "python", folder / "ready"
    wanted = "\n".join(REQUIREMENTS)
    if not (ready.exists() and ready.read_text(encoding="utf-8") == wanted):
        print(f"making the peers' virtual environment in {folder} (once; some 360 MB)", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        for command in ([sys.executable, "-m", "venv", folder], [python, "-m", "pip", "install", "-q", *REQUIREMENTS]):
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise PeerMissingError(f"its packages could not be installed: {reason}")
        ready.write_text(wanted, encoding="utf-8")
    return str(python)


def playwright_browsers(chromium):
    """Return a folder in which BrowserGym's Playwright finds this Chromium as its own."""
    folder = cache_folder() / "browsers" / Path(chromium).name
    link = folder / f"chromium-{CHROMIUM_REVISION}" / "chrome-linux" / "chrome"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    # A script, not a link: Chromium looks for its files beside the path it was called by. As root it needs the flag.
    flags = "--no-sandbox" if os.geteuid() == 0 else ""
    link.write_text(f'#!/bin/sh\nexec "{chromium}" {flags} "$@"\n', encoding="utf-8")
    link.chmod(0o755)
    return str(folder)


def chromedriver():
    """Return the ChromeDriver on PATH, which must be of the Chromium's version."""
    found = shutil.which("chromedriver")
    if found is None:
        raise PeerMissingError("no chromedriver on PATH (on Debian: apt-get install chromium-driver)")
    return found
