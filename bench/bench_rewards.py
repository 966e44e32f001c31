"""What detection and the ledger add to a step: the tracker's update and the ledger's write, in milliseconds.

    python -m bench.bench_rewards                       # hand-made moments of the bundled tasks
    python -m bench.bench_rewards --record FOLDER       # play the bundled tasks' oracles in a browser, keep the ledgers
    python -m bench.bench_rewards --ledgers FOLDER      # the moments that were recorded there
    python -m bench.bench_rewards --rescore 300         # also: ledgers read, verified and scored again per second

The bundled tasks' own pages have 5 to 20 elements; the hand-made moments have them among links and texts, 30 and 80
elements in all, and 1 000, with the events that an action on such a page brings. `any text` is the worst case: eight
milestones that look for a text on elements of any role. `step 200` is the end of an episode on one document.

The first line times a plain loop, so that figures of different machines can be held against each other.
"""

import argparse
import tempfile
import time
from math import fsum, isclose
from pathlib import Path
from urllib.parse import quote_plus

from bench._measuring import summary
from milepost.envs.env import MilepostEnv
from milepost.envs.registration import task_for
from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.ledger import LedgerWriter, read_ledger, rescore
from milepost.rewards.ledger_reading import moments_of
from milepost.rewards.scorer import Scorer
from milepost.rewards.types import Milestone, Moment
from milepost.sandbox import events as ev
from milepost.sandbox.snapshot import Element, FileInfo, Snapshot, TabInfo

MONTHS = ("January", "February", "March")
TASKS = ("expense-form", "report-download", "search-open")
SIZES = (30, 80, 1000)
PLAYS = {30: 100, 80: 60, 1000: 6}
SEED = 7


def loop_s():
    """Return how long five million additions take in plain Python, in seconds."""
    began, total = time.perf_counter(), 0
    for i in range(5_000_000):
        total += i
    return time.perf_counter() - began


class Stage:
    """Collects an episode's moments: what an action brings, and the page afterwards among other elements."""

    def __init__(self, host, size, state):
        self.host, self.size, self.state, self.files = f"http://{host}.local", size, state, ()
        self.moments, self.history = [], []
        self.t = 1000.0

    def show(self, path, title, core, events=(), focused=None):
        """Add a step: events as (class, fields), then the page with `core` (ref, role, name, value) within the rest."""
        step = len(self.moments)
        made = []
        for cls, fields in events:
            self.t += 0.0137
            made.append(cls(step=step, t=self.t, **fields))
        self.history += made
        before, after = self._rest(0, self.size // 3), self._rest(self.size // 3, self.size - len(core))
        middle = [_element(ref, role, name, value, ref) for ref, role, name, value in core]
        snapshot = Snapshot(
            url=self.host + path,
            title=title,
            focused=focused,
            elements=(*before, *middle, *after),
            files=self.files,
            tabs=(TabInfo(index=1, url=self.host + path, title=title, active=True),),
            app_state=self.state,
        )
        previous = self.moments[-1].snapshot if self.moments else None
        self.moments.append(
            Moment(
                step=step, events=tuple(made), history=tuple(self.history), snapshot=snapshot, previous=previous,
                parameters={},
            )
        )  # fmt: skip

    def _rest(self, start, end):
        made = []
        for i in range(start, end):
            kind = i % 4
            if kind == 0:
                made.append(_element(1000 + i, "listitem", "", None, i))
            elif kind == 1:
                made.append(_element(1000 + i, "link", f"Department {i} and its archive", None, i, depth=1))
            else:
                made.append(_element(1000 + i, "text", f"Note {i}: the office is open until five", None, i, depth=1))
        return made

    def opened(self, path):
        """Return the events of a click on a link that opens a page."""
        url = self.host + path
        return [
            (ev.Request, {"origin": "browser", "method": "GET", "url": url, "status": 200}),
            (ev.Navigation, {"origin": "browser", "url": url, "previous_url": self.host + "/", "same_document": False}),
            (ev.Load, {"origin": "browser", "url": url, "state": "domcontentloaded"}),
            (ev.Load, {"origin": "browser", "url": url, "state": "load"}),
        ]

    def clicked(self, ref, role, name):
        """Return the events of a click on an element."""
        return [
            (ev.Focus, {"origin": "input", "ref": ref, "role": role, "name": name}),
            (ev.Click, {"origin": "input", "ref": ref, "role": role, "name": name, "url": self.host}),
        ]

    def typed(self, ref, role, name, value):
        """Return the events of filling a field."""
        url = self.host
        return [
            *self.clicked(ref, role, name),
            (ev.Input, {"origin": "input", "ref": ref, "role": role, "name": name, "value": value, "url": url}),
        ]


def _element(ref, role, name, value, row, depth=0):
    return Element(
        ref=ref, role=role, name=name, value=value, depth=depth, box=(24.0, 18.5 + 22.25 * row, 310.75, 19.5),
        in_viewport=row < 30, interactive=role in ("link", "button", "textbox"),
    )  # fmt: skip


def expense_form(size, steps=0):
    """Return the moments of the form filled in and sent; with `steps`, of so many steps that fill in wrong things."""
    p = task_for("expense-form").instantiate(SEED).parameters
    stage = Stage("expenses", size, {"expenses": []})
    fields = {"Name": (2, ""), "Amount": (3, ""), "Purpose": (4, "")}

    def form():
        return [
            (1, "heading", "New expense", None),
            *((ref, "textbox", name, value) for name, (ref, value) in fields.items()),
            (5, "button", "Submit", None),
        ]

    stage.show("/new", "New expense", form(), stage.opened("/new"))
    for i in range(steps):
        name = ("Name", "Amount", "Purpose")[i % 3]
        ref = fields[name][0]
        fields[name] = (ref, f"wrong {i}")
        stage.show("/new", "New expense", form(), stage.typed(ref, "textbox", name, f"wrong {i}"), focused=ref)
    if steps:
        return stage.moments
    for name, value in (("Name", p["person"]), ("Amount", str(p["amount"])), ("Purpose", p["purpose"])):
        ref = fields[name][0]
        fields[name] = (ref, value)
        stage.show("/new", "New expense", form(), stage.typed(ref, "textbox", name, value), focused=ref)
    stage.state = {"expenses": [{"name": p["person"], "amount": p["amount"], "purpose": p["purpose"]}]}
    done = [
        (1, "dialog", "Expense submitted", None),
        (2, "status", "Saved as EX-7417", None),
        (4, "button", "Close", None),
    ]
    sent = [
        *stage.clicked(5, "button", "Submit"),
        (ev.Submit, {"origin": "input", "ref": 1, "name": "", "url": stage.host}),
        *stage.opened("/receipt"),
        (ev.AppState, {"origin": "app", "changed": ("expenses",)}),
    ]
    stage.show("/receipt", "Receipt", done, sent, focused=4)
    return stage.moments


def report_download(size):
    """Return the moments of a report found, its period chosen, and that month downloaded."""
    p = task_for("report-download").instantiate(SEED).parameters
    name, period = p["report"], p["period"]
    reports = [_report(f"Report {i}", "Travel" if p["section"] != "Travel" else "Sales", i) for i in range(19)]
    reports.append(_report(name, p["section"], 19))
    digest = next(total["sha256"] for total in reports[-1]["totals"] if total["month"] == period)
    stage = Stage("reports", size, {"reports": reports, "viewed": [], "exported": []})
    sections = [(i, "link", s, None) for i, s in enumerate(("Sales", "Finance", "People", "Support", "Travel"), 2)]
    stage.show("/", "Reports", [(1, "heading", "Reports", None), *sections], stage.opened("/"))
    section = f"/sections/{p['section']}"
    links = [(i, "link", f"Report {i}", None) for i in range(2, 5)] + [(6, "link", name, None)]
    stage.show(
        section, p["section"], [(1, "heading", f"{p['section']} reports", None), *links],
        [*stage.clicked(2, "link", p["section"]), *stage.opened(section)],
    )  # fmt: skip
    stage.state = {**stage.state, "viewed": [name]}
    page = f"/reports/{p['area']}-{p['topic']}"

    def report(chosen):
        rows = [(i, "row", f"{month} \N{MIDDLE DOT} {i * 137}", None) for i, month in enumerate(MONTHS, 3)]
        form = [(6, "combobox", "Period", chosen), (7, "button", "Export CSV", None), (8, "link", "All sections", None)]
        return [(1, "heading", name, None), (9, "table", name, None), *rows, *form]

    viewed = (ev.AppState, {"origin": "app", "changed": ("viewed",)})
    came = [*stage.clicked(6, "link", name), *stage.opened(page), viewed]
    stage.show(page, name, report("All months"), came)
    field = {"ref": 6, "role": "combobox", "name": "Period"}
    chosen = [
        (ev.Focus, {"origin": "input", **field}),
        (ev.Input, {"origin": "agent", **field, "value": period, "url": stage.host + page}),
    ]
    stage.show(page, name, report(period), chosen, focused=6)
    stage.state = {**stage.state, "exported": [{"name": name, "period": period}]}
    path = f"downloads/{p['area']}-{p['topic']}-{period}.csv"
    stage.files = (FileInfo(path=path, size_bytes=25, sha256=digest),)
    url, saved = f"{stage.host}{page}/export?period={period}", {"path": path, "size_bytes": 25, "sha256": digest}
    got = [
        *stage.clicked(7, "button", "Export CSV"),
        (ev.Submit, {"origin": "input", "ref": 12, "name": "", "url": stage.host + page}),
        (ev.Request, {"origin": "browser", "method": "GET", "url": url, "status": 200}),
        (ev.Download, {"origin": "browser", "url": url, **saved}),
        (ev.FileChange, {"origin": "files", "change": "created", "is_directory": False, **saved}),
        (ev.AppState, {"origin": "app", "changed": ("exported",)}),
    ]
    stage.show(page, name, report(period), got, focused=7)
    return stage.moments


def _report(name, section, number):
    """Return a report as the application's state has it."""
    totals = [
        {"month": month, "total": 100 + number * 40 + i, "sha256": f"{number * 16 + i:064x}"}
        for i, month in enumerate(MONTHS)
    ]
    file = f"{name.replace(' ', '-')}.csv"
    return {"name": name, "section": section, "file": file, "sha256": f"{number * 16 + 15:064x}", "totals": totals}


def search_open(size, steps=0):
    """Return the moments of a search and the right article opened; with `steps`, of the field filled and no search."""
    p = task_for("search-open").instantiate(SEED).parameters
    query = f"{p['color']} {p['thing']}"
    stage = Stage("library", size, {"searches": [], "opened": []})

    def start(value):
        return [(1, "heading", "Library", None), (2, "searchbox", "Topic", value), (3, "button", "Search", None)]

    stage.show("/", "Library", start(""), stage.opened("/"))
    stage.show("/", "Library", start(query), stage.typed(2, "searchbox", "Topic", query), focused=2)
    for _ in range(steps):
        stage.show("/", "Library", start(query), stage.clicked(1, "heading", "Library"), focused=2)
    if steps:
        return stage.moments
    stage.state = {"searches": [query], "opened": []}
    url = f"/search?q={quote_plus(query)}"
    found = [(1, "heading", f"Results for {query}", None), (2, "searchbox", "Topic", query)]
    found += [(3, "button", "Search", None), (4, "link", p["title"], None)]
    found.append((5, "link", f"{p['decoy_task']} a {query}", None))
    sent = (ev.Submit, {"origin": "input", "ref": 6, "name": "", "url": stage.host})
    searched = (ev.AppState, {"origin": "app", "changed": ("searches",)})
    came = [*stage.clicked(3, "button", "Search"), sent, *stage.opened(url), searched]
    stage.show(url, f"Results for {query}", found, came)
    article = f"/articles/{p['task']}-a-{p['color']}-{p['thing']}"
    stage.state = {"searches": [query], "opened": [p["title"]]}
    core = [(1, "heading", p["title"], None), (2, "text", "Wait ten minutes and try the last step again.", None)]
    opened = (ev.AppState, {"origin": "app", "changed": ("opened",)})
    stage.show(article, p["title"], core, [*stage.clicked(4, "link", p["title"]), *stage.opened(article), opened])
    return stage.moments


EPISODES = {"expense-form": expense_form, "report-download": report_download, "search-open": search_open}


def check_earnings(task, moments):
    """Score a hand-made episode of a task as an episode is scored.

    Raises:
        AssertionError: it does not earn what the oracle earns, so that its times would be of another task.
    """
    instance = task_for(task).instantiate(SEED)
    scorer = Scorer(instance.milestones, instance.scheme)
    rewards = [scorer.update(moment) for moment in moments]
    reached = sorted(result.id for reward in rewards for result in reward.milestones)
    earned = fsum(reward.total for reward in rewards)
    problem = (
        f"the hand-made episode of {task} earns {earned:g} ({', '.join(reached) or 'nothing'}), its oracle "
        f"{instance.max_reward:g}; bring the episode in line with the task file"
    )
    assert reached == sorted(milestone.id for milestone in instance.milestones if not milestone.forbidden), problem
    assert isclose(earned, instance.max_reward), problem


def any_text():
    """Return eight milestones that look for a text which is not there, on elements of any role."""
    return tuple(
        Milestone(
            id=f"text_{i}",
            description="",
            reward=0.1,
            detector=DETECTOR_ADAPTER.validate_python(
                {"kind": "element_present", "text_contains": f"the office is closed on {i}"}
            ).build({}),
        )
        for i in range(8)
    )


def measure(milestones, moments, plays, folder, last=None):
    """Play the moments so often; return the milliseconds of scoring and write per step (the `last` steps only)."""
    update_ms, write_ms, both_ms, size = [], [], [], 0
    for _ in range(plays):
        scorer = Scorer(milestones)
        path = folder / "one.jsonl"
        ledger = LedgerWriter(path, task="t", version=0, seed=SEED, parameters={}, milestones=milestones)
        for moment in moments:
            began = time.perf_counter()
            reward = scorer.update(moment)
            middle = time.perf_counter()
            ledger.write_step(moment, reward, action="click(5)")
            ended = time.perf_counter()
            if moment.step and (last is None or moment.step > len(moments) - 1 - last):
                update_ms.append(1e3 * (middle - began))
                write_ms.append(1e3 * (ended - middle))
                both_ms.append(1e3 * (ended - began))
        ledger.finish(stop_reason="done", success=scorer.tracker.progress == 1.0)
        size = path.stat().st_size
    return update_ms, write_ms, both_ms, size, scorer.tracker.progress


def show(name, elements, figures):
    update_ms, write_ms, both_ms, size, progress = figures
    cells = "  ".join(f"{s['p50']:7.3f} {s['p95']:7.3f}" for s in map(summary, (update_ms, write_ms, both_ms)))
    print(f"{name:26} {elements:5}  {cells}  {size / 1024:8.1f}  {progress:5.0%}", flush=True)


def recorded(folder):
    """Return (name, milestones, moments) of every ledger below a folder."""
    ledgers = [read_ledger(path) for path in sorted(Path(folder).rglob("*.jsonl"))]
    return [(ledger.header.task, ledger.header.milestones, list(moments_of(ledger))) for ledger in ledgers]


def record(folder):
    """Play every bundled task's oracle on its real pages, with ledgers in the folder."""
    for name in TASKS:
        env = MilepostEnv(task_for(name), ledger_dir=folder)
        env.reset(seed=SEED)
        for action in env.instance.oracle:
            env.step(action)
        env.close()


def rescoring(count, folder):
    """Write `count` ledgers of the bundled tasks' oracles at 30 elements; return files per second and their size."""
    written = 0
    for i in range(count):
        name = TASKS[i % len(TASKS)]
        instance = task_for(name).instantiate(SEED)
        scorer, path = Scorer(instance.milestones, instance.scheme), folder / f"{i:05d}.jsonl"
        ledger = LedgerWriter(
            path,
            task=name,
            version=0,
            seed=SEED,
            parameters=instance.parameters,
            milestones=instance.milestones,
            scheme=instance.scheme,
        )
        for moment in EPISODES[name](30):
            ledger.write_step(moment, scorer.update(moment))
        ledger.finish(stop_reason="success", success=True)
        written += path.stat().st_size
    began = time.perf_counter()
    for path in sorted(folder.iterdir()):
        rescore(path)
    return count / (time.perf_counter() - began), written / count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledgers", help="folder of recorded ledgers whose moments are played")
    parser.add_argument("--rescore", type=int, default=0, metavar="N", help="also write and score again N ledgers")
    parser.add_argument("--record", help="folder to record the bundled tasks' oracles into, in a browser")
    options = parser.parse_args()
    if options.record:
        record(options.record)
        return
    print(f"loop of 5 million additions: {loop_s():.2f} s; milliseconds per step, the reset left out")
    print(f"{'':33}{'update':>15}  {'write':>15}  {'both':>15}  {'file':>8}")
    print(
        f"{'episode':26} {'elems':>5}  {'p50     p95':>15}  {'p50     p95':>15}  {'p50     p95':>15}  {'kB':>8}  gains"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.ledgers:
            for task, milestones, moments in recorded(options.ledgers):
                show(task, len(moments[-1].snapshot.elements), measure(milestones, moments, 100, folder))
            return
        for size in SIZES:
            for task in TASKS:
                milestones, moments = task_for(task).instantiate(SEED).milestones, EPISODES[task](size)
                check_earnings(task, moments)
                show(task, size, measure(milestones, moments, PLAYS[size], folder))
            show("any text", size, measure(any_text(), expense_form(size), max(1, PLAYS[size] // 20), folder))
        for name, play in (("expense-form", expense_form), ("search-open", search_open)):
            milestones = task_for(name).instantiate(SEED).milestones
            for size in (80, 1000):
                figures = measure(milestones, play(size, steps=200), 1, folder, last=20)
                show(f"{name}, step 200", size, figures)
        if options.rescore:
            (folder / "many").mkdir()
            per_second, size = rescoring(options.rescore, folder / "many")
            print(f"rescore: {per_second:.0f} ledgers of {size / 1024:.1f} kB per second, one core")


if __name__ == "__main__":
    main()
