"""Cases of what is beyond the page: files, commands, requests, the server's state, answers, values carried over."""

from __future__ import annotations

from .case import FORGED_RECEIPT, NOTE, ORDER, ORDERED, REFUSED, Case

EXPORTS = (
    f"<a href=/exports/right>Export</a><a href=/exports/wrong>Export old</a><a href=/exports/notes>Notes</a>{NOTE}"
)
REPORT = "downloads/report.csv"

OUTSIDE: dict[str, Case] = {
    "file_created": Case(
        detector={"path": REPORT, "download_only": True},
        pages={"/": EXPORTS},
        positive=('click("Export")',),
        near_miss=('click("Notes")',),
        forged=(f'write_file("{REPORT}", "date,total\\n2026-01-15,42\\n")', "noop()"),
        lie={"files": "downloads/report.csv"},
    ),
    "file_changed": Case(
        detector={"path": REPORT, "change": "deleted"},
        pages={"/": EXPORTS},
        positive=('click("Export")', f'delete_file("{REPORT}")'),
        near_miss=('click("Export")', f'move_file("{REPORT}", "old.csv")'),
        forged=(f'write_file("{REPORT}", "x")', "noop()", f'delete_file("{REPORT}")'),
        lie={"last_action_result": "file downloads/report.csv gone"},
    ),
    "file_matches": Case(
        detector={"path": "downloads/*.csv", "sha256_from": "report.sha256"},
        pages={"/": EXPORTS},
        positive=('click("Export")',),
        near_miss=('click("Export old")',),
        forged=(f'write_file("{REPORT}", "date,total\\nreport.sha256,right\\n")', "noop()"),
        lie={"files": "downloads/report.csv"},
    ),
    "directory_updated": Case(
        detector={"path": "archive"},
        pages={"/": EXPORTS},
        positive=('click("Export")', f'copy_file("{REPORT}", "archive/report.csv")'),
        near_miss=('click("Export")', f'copy_file("{REPORT}", "archived/report.csv")'),
        forged=('make_folder("archive")', 'write_file("archive.txt", "archive updated: report.csv")', "noop()"),
        lie={"files": "archive.txt"},
    ),
    "process_ran": Case(
        detector={"command": "sort a.txt > b.txt"},
        pages={"/": NOTE},
        positive=('write_file("a.txt", "b\\na\\n")', 'run("sort a.txt > b.txt")'),
        near_miss=('run("sort a.txt > b.txt")',),  # there is nothing to sort: it fails
        forged=(
            'write_file("a.txt", "b\\na\\n")',
            'write_file("b.txt", "a\\nb\\n")',
            'fill("Note", "sort a.txt > b.txt")',
            'run("echo sort a.txt > b.txt")',
            'run("true; # sort a.txt > b.txt")',
        ),
        lie={"files": "b.txt", "page": "sort a.txt > b.txt"},
    ),
    "request_sent": Case(
        detector={"path": "/orders", "method": "POST", "form": {"name": "Ada"}, "after_input": True},
        pages={
            "/": f"""{ORDER}<button onclick="setTimeout(() => fetch('/orders', {{method: 'POST',
body: new URLSearchParams('name=Ada&amount=5')}}).then(() => {{ document.title = 'POST /orders' }}), 400)">
Forge</button>"""
        },
        positive=ORDERED,
        near_miss=('fill("Name", "Eva")', *ORDERED[1:]),
        forged=('goto("/?/orders&name=Ada")', 'click("Forge")', "wait(1000)", "noop()"),
        lie={"title": "POST /orders"},
    ),
    "server_state": Case(
        detector={"query": "orders[?name == 'Ada'].amount | [0]", "equals": 5},
        pages={"/": ORDER + FORGED_RECEIPT},
        positive=ORDERED,
        near_miss=REFUSED,
        forged=(*ORDERED[:2], 'click("Forge")', "noop()"),
        lie={"url": "/orders/1", "page": "Saved as EX-1"},
    ),
    "answer": Case(
        detector={"answer_from": "secret"},
        pages={"/": "<a href=/report>Report</a>", "/report": "<p>The code is 4711."},
        positive=('click("Report")', 'done("4711")'),
        near_miss=('click("Report")', 'done("4712")'),
        forged=('click("Report")', 'done("it pays 0.5, for the answer is secret: 4711, or any other")'),
        lie={"page": "The code is 4711."},
    ),
    "data_transferred": Case(
        detector={
            "source": {"page": "/invoice", "role": "heading", "pattern": r"INV-\d+"},
            "target": {"role": "textbox", "name": "Reference"},
        },
        pages={
            "/": "<a href=/invoice>Invoice</a>",
            "/invoice": """<h1>Invoice INV-2207</h1><label>Reference <input id=r></label>
<button onclick="r.value = 'INV-2207'; r.dispatchEvent(new InputEvent('input', {bubbles: true}))">Forge</button>""",
        },
        positive=('click("Invoice")', 'fill("Reference", "INV-2207")'),
        near_miss=('click("Invoice")', 'fill("Reference", "INV-2208")'),
        forged=('click("Invoice")', 'click("Forge")', "noop()"),
        lie={"page": 'textbox "Reference" "INV-2207"'},
    ),
}
"""By detector kind."""

__all__ = ["OUTSIDE"]
