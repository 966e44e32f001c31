"""How long a look takes within the page: small and large pages, in real milliseconds, less an empty call's.

    python -m bench.bench_look [--looks 40]

The rest of a step (input, settling, the way to Python and back) is in env_speed.py.
"""

import argparse
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.accessibility_agreement import folder_pages
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.page import MAX_ELEMENTS
from milepost.sandbox.settle import WORLD

PAGES = {
    "form, 30 elements": "<h1>Form</h1>"
    + "".join(f"<label for=i{i}>Field {i}</label><input id=i{i}>" for i in range(14))
    + "<button>Save</button>",
    "table, 5 000 nodes": "<table><tr><th>Name<th>Size<th>Link"
    + "".join(f"<tr><td>Report {i}<td>{i} kB<td><a href=/{i}>CSV {i}</a>" for i in range(620))
    + "</table>",
    "cards, 5 000 nodes": "".join(
        f"<div class=card><div><span>Title {i}</span></div><p>Some <b>bold</b> words</p><button>Go {i}</button></div>"
        for i in range(460)
    ),
    "links, 20 000 nodes": "".join(f"<div><span>t{i}</span><a href=/{i}>l{i}</a></div>" for i in range(4000)),
}


async def timed(channel, looks):
    """Return the milliseconds of each look, the first one included, and of each empty call; and what was seen."""
    frame = (await channel.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]
    world = await channel.send("Page.createIsolatedWorld", frameId=frame, worldName=WORLD)

    async def call(expression):
        began = time.perf_counter()
        answer = await channel.send(
            "Runtime.evaluate", expression=expression, contextId=world["executionContextId"], returnByValue=True
        )
        return 1e3 * (time.perf_counter() - began), answer["result"].get("value")

    spent, empty = [], []
    for _ in range(looks):
        spent.append((await call(f"void milepostPage.look({MAX_ELEMENTS})"))[0])
        empty.append((await call("void 0"))[0])
    _, seen = await call(f"(({{elements, omitted}}) => [elements.length, omitted])(milepostPage.look({MAX_ELEMENTS}))")
    return spent, empty, seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=40)
    looks = parser.parse_args().looks
    with TemporaryDirectory() as folder:
        for number, body in enumerate(PAGES.values()):
            (Path(folder) / f"{number}.html").write_text("<!doctype html>" + body, encoding="utf-8")
        pages = folder_pages(Path(folder), [f"{number}.html" for number in range(len(PAGES))])
        for (_, channel), name in zip(pages, PAGES, strict=True):
            spent, empty, (elements, omitted) = BrowserThread.get().run(timed(channel, looks), 300)
            floor = statistics.median(empty)
            median, best = statistics.median(spent) - floor, min(spent) - min(empty)
            print(f"{name:20} {elements:5} elements, {omitted:5} omitted: ", end="")
            print(f"median {median:6.1f} ms, best {best:6.1f} ms (an empty call: {floor:.1f} ms)", flush=True)


if __name__ == "__main__":
    main()
