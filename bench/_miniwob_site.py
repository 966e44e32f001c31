"""The MiniWoB++ pages for the benchmarks: milepost's own application of them, and one page more.

`pages_folder` keeps a copy of the package's pages in the cache, with a page of 5 000 elements added, built on the same
core.js so that every contestant can open it.
"""

import os
import shutil
from pathlib import Path

from _measuring import NODES_PAGE

from milepost.envs.apps import register_app
from milepost.envs.miniwob.app import MiniwobApp
from milepost.envs.miniwob.pages import miniwob_pages, package_folder
from milepost.envs.miniwob.tasks import miniwob_task as published_task

PACKAGE = "miniwob==1.1.0"

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
    """Return the folder with the pages (`miniwob/*.html`, `core/`, `common/`), copied from the package on first use."""
    folder = cache_folder() / "html"
    if not (folder / "miniwob").is_dir():
        shutil.copytree(package_folder(), folder, dirs_exist_ok=True)
    (folder / "miniwob" / f"{NODES_PAGE}.html").write_text(NODES_HTML, encoding="utf-8")
    return folder


class BenchSite(MiniwobApp):
    """The pages of that folder."""

    name = "miniwob-bench"


def miniwob_task(page):
    """Return a task on one page (the site must be registered), with steps enough for measuring."""
    name = page if page in miniwob_pages() else "click-test"
    changes = {"app": BenchSite.name, "max_steps": 500, "start": f"/miniwob/{page}.html"}
    return published_task(name).model_copy(update=changes)


def register_site():
    """Make the pages available to tasks."""
    register_app(BenchSite(pages_folder()))
