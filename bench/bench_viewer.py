"""How fast the viewer opens a large run and steps through an episode.

    python bench/bench_viewer.py [--episodes 10000] [--json OUT]

Its run has episodes as a trainer writes them, about 3 kB each, a hundred to an iteration. Measured are: building
its index, opening it with that index, the document that the page is sent, the time in a real Chromium from the first
request until the list stands (with the index, and without), and one step through an episode, from the key to the drawn
frame. The numbers count only on a machine that does nothing else; CPU seconds of this process are told beside them.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))  # the tests' made-up runs

from milepost.sandbox.chromium import find_chromium
from milepost.trainers.local_page.server import LocalServer
from milepost.trainers.viewing.index import RunIndex
from milepost.trainers.viewing.overview import run_document
from milepost.trainers.viewing.server import Viewer
from milepost.trainers.viewing.tokens import TokenTexts
from tests.viewer.runs import record_many

_STEP_MS = """
async () => {
  const times = [];
  for (let n = 0; n < 30; n += 1) {
    const key = n % 8 < 4 ? "j" : "k";
    const began = performance.now();
    document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - began);
  }
  return times;
}
"""


def timed(act: Callable[[], object]) -> dict[str, float]:
    """Return the seconds that something took, on the wall and on the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return {"wall_s": round(time.perf_counter() - wall, 3), "cpu_s": round(time.process_time() - cpu, 3)}


def measure(run: Path) -> dict[str, object]:
    """Measure everything on a run."""
    found: dict[str, object] = {"build the index": timed(lambda: RunIndex.open(run))}
    found["open with the index"] = timed(lambda: RunIndex.open(run))
    index = RunIndex.open(run)
    found["make the document"] = timed(lambda: run_document(index))
    found["document_mb"] = round(len(orjson.dumps(run_document(index))) / 1e6, 2)
    viewer = Viewer(index, TokenTexts(run), run / "pictures")
    viewer.maker.note = "no pictures in this measurement"
    with sync_playwright() as playwright, LocalServer(viewer.app()) as server:
        server.start()
        browser = playwright.chromium.launch(executable_path=str(find_chromium().path))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(server.url)
        page.wait_for_selector(".space .row")
        found["browser, with the index"] = timed(lambda: _open(page, server.url))
        shutil.rmtree(run / "view")
        found["browser, without"] = timed(lambda: _open(page, server.url))
        page.goto(server.url + "#/e/1")
        page.wait_for_selector("#figure")
        steps = page.evaluate(_STEP_MS)
        found["step_ms"] = {"median": round(statistics.median(steps), 1), "worst": round(max(steps), 1)}
        browser.close()
    viewer.maker.close()
    return found


def _open(page: Page, url: str) -> None:
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_selector(".space .row")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(record_many(Path(folder) / "run", arguments.episodes))
    for name, value in found.items():
        print(f"{name:26} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
