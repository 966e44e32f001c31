"""The MiniWoB++ pages, from the PyPI package `miniwob`, as an application that milepost's environments can run on.

`pages_folder` keeps a copy in the cache, with one page added: 5 000 elements, built on the same core.js so that every
contestant can open it. `MiniwobSite` serves the copy. A script added to each page starts its problem as soon as it
has loaded, from the seed in the address (`?seed=7`), and a new one when the fragment changes (`#seed=8`); the title
says how it ended.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from _measuring import NODES_PAGE
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from milepost.envs import Task
from milepost.envs.apps import register_app
from milepost.sandbox.app_server import App

PACKAGE = "miniwob==1.1.0"
MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".png": "image/png"}

START_SCRIPT = """
(() => {
  const begin = () => {
    const given = new URLSearchParams(location.hash.slice(1) || location.search);
    Math.seedrandom(given.get("seed") ?? "0");
    core.EPISODE_MAX_TIME = 1e9;
    document.title = "under way";
    core.startEpisodeReal();
  };
  const end = core.endEpisode;
  core.endEpisode = (reward, ...rest) => {
    end(reward, ...rest);
    document.title = reward > 0 ? "solved" : "failed";
  };
  addEventListener("load", begin);
  addEventListener("hashchange", begin);
})();
"""

_CELLS = "<tr><td>Report {i}</td><td>Region {region}</td><td><a href='#'>Open {i}</a></td></tr>"  # five elements
_ROWS = "\n".join(_CELLS.format(i=i, region=i % 7) for i in range(998))
NODES_HTML = f"""<!DOCTYPE html>
<html><head><title>Nodes</title>
<script src="../core/core.js"></script>
<script>
var genProblem = function() {{ document.getElementById('log').textContent = count = 0; }};
var count = 0;
window.onload = function() {{ core.startEpisode(); }};
</script></head>
<body><div id="wrap"><div id="query">Press the button.</div><div id="area">
<button onclick="document.getElementById('log').textContent = ++count">Count</button> <output id="log">0</output>
<table>{_ROWS}</table></div></div></body></html>
"""


def cache_folder():
    """Return the folder that benchmarks keep their downloads in."""
    root = os.environ.get("MILEPOST_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "milepost" / "bench"


def pages_folder():
    """Return the folder with the pages (`miniwob/*.html`, `core/`, `common/`), fetching the package on first use."""
    folder = cache_folder() / "html"
    if not (folder / "miniwob").is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", scratch, PACKAGE]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                raise SystemExit(f"the MiniWoB++ pages cannot be downloaded; `pip download {PACKAGE}` says why")
            with zipfile.ZipFile(next(Path(scratch).glob("miniwob-*.whl"))) as wheel:
                wheel.extractall(scratch, [n for n in wheel.namelist() if n.startswith("miniwob/html/")])
            (Path(scratch) / "miniwob" / "html").rename(folder)
    (folder / "miniwob" / f"{NODES_PAGE}.html").write_text(NODES_HTML, encoding="utf-8")
    return folder


class MiniwobSite(App):
    """Serves the pages as they are, but for the script that starts them; keeps no state."""

    name = "miniwob"

    def __init__(self, folder):
        self._files = {f"/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}
        self._read = cache(self._read_now)

    def create_schema(self, db):
        """No tables."""

    def seed(self, db, rng, parameters):
        """Nothing to fill in."""

    def state(self, db):
        """Return nothing."""
        return {}

    def asgi(self):
        """Serve the files that were there at the start, by their exact paths."""

        async def file(request):
            if request.url.path == "/start.js":
                return Response(START_SCRIPT, media_type="text/javascript")
            if request.url.path not in self._files:
                return Response("no such page", 404)
            body, media_type = self._read(request.url.path)
            return Response(body, media_type=media_type)

        return Starlette(routes=[Route("/{path:path}", file)])

    def _read_now(self, name):
        path = self._files[name]
        body = path.read_bytes()
        if path.suffix == ".html":
            body = body.replace(b"</body>", b'<script src="/start.js"></script></body>')
        return body, MEDIA_TYPES.get(path.suffix, "application/octet-stream")


def miniwob_task(page):
    """Return a task on one page (the site must be registered): solved when the page says so."""
    return Task.model_validate(
        {
            "name": f"miniwob-{page}",
            "family": "miniwob",
            "description": "A MiniWoB++ page, for measuring.",
            "app": MiniwobSite.name,
            "start": f"/miniwob/{page}.html?seed={{seed}}",
            "goal": "Do what the page says.",
            "parameters": {"seed": {"integer": [0, 999_999]}},
            "max_steps": 500,
            "milestones": [{"id": "solved", "detector": "title_matches", "title": "solved", "reward": 1.0}],
            "oracle": ["noop()"],
        }
    )


def register_site():
    """Make the pages available to tasks."""
    register_app(MiniwobSite(pages_folder()))
