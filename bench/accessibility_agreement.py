"""How far the tree that a look reports agrees with Chromium's own accessibility tree, in roles and in names.

    python bench/accessibility_agreement.py [--miniwob FOLDER] [--sets hard apps miniwob] [--json OUT] [--show 40]

Three sets of pages: `hard` (tests/sandbox/pages), `apps` (the bundled applications, along each task's oracle), and
`miniwob` (every MiniWoB++ page, started; from the `miniwob` package, or from FOLDER, which holds `miniwob/` and
`core/`). accessibility_compare.py says what is compared, and which differences are meant.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

if __package__:
    from .accessibility_compare import Agreement, compare
else:  # run as a script
    from accessibility_compare import Agreement, compare

from milepost.envs.env import MilepostEnv
from milepost.envs.registration import register_bundled_tasks, task_for
from milepost.sandbox.app_server import App, AppServer
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.channel import Channel
from milepost.sandbox.fleet import Fleet
from milepost.sandbox.page import PageSession

HARD = Path(__file__).resolve().parents[1] / "tests" / "sandbox" / "pages"
TASKS = ("expense-form", "report-download", "search-open")
SEEDS = (0, 1, 2)
DEADLINE_S = 120.0
BAR = 0.99
START = "window.core && core.startEpisodeReal && core.startEpisodeReal()"


class Folder(App):
    """Serves the files of a folder."""

    name = "folder"

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def create_schema(self, db: Any) -> None:
        """No tables."""

    def seed(self, db: Any, rng: np.random.Generator, parameters: Any) -> None:
        """Nothing to fill in."""

    def asgi(self) -> Any:
        """Serve the files."""

        async def file(request: Request) -> Response:
            path = (self.root / unquote(request.url.path).lstrip("/")).resolve()
            if path.is_relative_to(self.root) and path.is_file():
                return FileResponse(path)
            return Response("nothing here", 404)

        return Starlette(routes=[Route("/{path:path}", file)])

    def state(self, db: Any) -> dict[str, Any]:
        """Return nothing."""
        return {}


def folder_pages(root: Path, paths: Sequence[str], prepare: str = "") -> Iterator[tuple[str, Channel]]:
    """Open each file of a folder, run `prepare` in the page, look at it, and yield its name and its session."""
    thread = BrowserThread.get()
    instance = AppServer.shared().open(Folder(root), rng=np.random.default_rng(0), parameters={})

    async def acquire() -> PageSession:
        return await Fleet.shared().acquire()

    async def show(page: PageSession, path: str) -> None:
        await page.open(url=f"{instance.origin}/{path}", allowed_hosts=[instance.host], seed=1)
        if prepare:
            await page._channel.send("Runtime.evaluate", expression=prepare)
        await page.settle(200.0)
        await page.look()

    async def release(page: PageSession) -> None:
        await Fleet.shared().release(page)

    page = thread.run(acquire(), DEADLINE_S)
    try:
        for path in paths:
            thread.run(show(page, path), DEADLINE_S)
            yield path, page._channel
    finally:
        thread.run(release(page), DEADLINE_S)
        instance.close()


def app_pages(seeds: Sequence[int] = SEEDS) -> Iterator[tuple[str, Channel]]:
    """Yield every page of the bundled applications that the tasks' oracles and near misses see, step by step."""
    register_bundled_tasks()
    for name in TASKS:
        env = MilepostEnv(task_for(name))
        for seed in seeds:
            task = env.task.instantiate(seed)
            for play in (task.oracle, *(near_miss.actions for near_miss in task.near_misses)):
                env.reset(seed=seed)
                yield f"{name}/{seed}", _channel(env)
                for action in play:
                    _, _, terminated, truncated, _ = env.step(action)
                    yield f"{name}/{seed} {action}", _channel(env)
                    if terminated or truncated:
                        break
        env.close()


def _channel(env: MilepostEnv) -> Channel:
    assert env._episode is not None
    return env._episode._page._channel


def agreement(pages: Iterator[tuple[str, Channel]]) -> tuple[Agreement, int]:
    """Compare each page; return the sum, its differences marked with their page, and how many pages there were."""
    total, count = Agreement(), 0
    for name, channel in pages:
        found = BrowserThread.get().run(compare(channel), DEADLINE_S)
        found.differences = [replace(each, node=f"{name}: {each.node}") for each in found.differences]
        total += found
        count += 1
    return total, count


def miniwob_folder() -> Path | None:
    """Return the installed package's pages, or None."""
    spec = importlib.util.find_spec("miniwob")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "html"


def miniwob_pages(folder: Path) -> Iterator[tuple[str, Channel]]:
    """Yield every page of MiniWoB++, its episode started."""
    paths = sorted(str(path.relative_to(folder)) for path in (folder / "miniwob").glob("*.html"))
    return folder_pages(folder, paths, START)


def sets_of_pages(miniwob: Path | None) -> dict[str, Iterator[tuple[str, Channel]]]:
    """Return the three sets by name; `miniwob` only where its pages are found."""
    hard = sorted(path.name for path in HARD.glob("*.html"))
    sets = {"hard": folder_pages(HARD, hard), "apps": app_pages()}
    folder = miniwob or miniwob_folder()
    if folder is not None:
        sets["miniwob"] = miniwob_pages(folder)
    return sets


def main() -> int:
    """Compare, print the table, and return 1 where a set stays below the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["hard", "apps", "miniwob"])
    parser.add_argument("--miniwob", type=Path, metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--show", type=int, default=40, help="how many differences of each set to print")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    worst = 1.0
    print(f"{'set':8} {'pages':>6} {'nodes':>7} {'roles':>8} {'names':>8} {'states':>8} {'texts':>8}")
    for name, pages in sets_of_pages(options.miniwob).items():
        if name not in options.sets:
            continue
        found, count = agreement(pages)
        rates = {"roles": found.role_rate, "names": found.name_rate, "states": found.rate("state")}
        rates["texts"] = found.text_rate
        worst = min(worst, rates["roles"], rates["names"])
        shares = " ".join(f"{100 * rate:7.2f}%" for rate in rates.values())
        print(f"{name:8} {count:6} {found.nodes:7} {shares}", flush=True)
        for each in found.differences[: options.show]:
            print(f"    {each.kind:8} {each.node}\n{'':13}ours {each.ours or 'nothing'}; Chromium {each.theirs or 'nothing'}")
        results[name] = {
            "pages": count,
            "nodes": found.nodes,
            **rates,
            "differences": [asdict(each) for each in found.differences],
        }
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0 if worst >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
