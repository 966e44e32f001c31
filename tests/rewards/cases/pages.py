"""Cases of what a page shows and of what is done on it: addresses, elements, fields, clicks, dialogs, tabs, looks."""

from __future__ import annotations

from .case import NOTE, Case

CAPTION = "<label>Caption <input oninput='document.title = this.value'></label>"

INVOICES = """<table><tr id=a><td>Invoice A<td>open<tr id=b><td>Invoice B<td>open</table>
<button onclick="a.remove()">Delete A</button><button onclick="b.remove()">Delete B</button>
<button onclick="a.cells[1].textContent = 'paid'">Pay A</button>
<button onclick="b.cells[1].textContent = 'paid'">Pay B</button>
<button onclick="b.outerHTML = b.outerHTML">Redraw B</button>
<button onclick="b.outerHTML = b.outerHTML.replace('open', 'paid')">Redraw B as paid</button>"""

PAGES: dict[str, Case] = {
    "url_loaded": Case(
        detector={"path": "/report"},
        pages={
            "/": """<a href=/report>Report</a><a href=/reports>Reports</a><button onclick="document.title = 'Report';
history.pushState(0, 0, '/report'); dispatchEvent(new Event('load'))">Forge</button>""",
            "/report": "<title>Report</title>",
            "/reports": "<title>Reports</title>",
        },
        positive=('click("Report")',),
        near_miss=('click("Reports")',),
        forged=('click("Forge")', "noop()"),
        lie={"url": "/report", "title": "Report"},
    ),
    "element_present": Case(
        detector={"role": "heading", "name": "Dashboard Summary"},
        pages={
            "/": f"""{CAPTION}<div id=box></div>
<button onclick="box.innerHTML = '<h2>Dashboard Summary</h2>'">All</button>
<button onclick="box.innerHTML = '<h2>Dashboard</h2>'">Short</button><button onclick="box.innerHTML =
'<h2 hidden>Dashboard Summary</h2><p>Dashboard Summary</p><!-- <h2>Dashboard Summary</h2> -->'">Forge</button>"""
        },
        positive=('click("All")',),
        near_miss=('click("Short")',),
        forged=('fill("Caption", "Dashboard Summary")', 'click("Forge")'),
        lie={"title": "Dashboard Summary", "page": "\nDashboard Summary\n"},
    ),
    "field_filled": Case(
        detector={"name": "Name", "value": "Ada"},
        pages={
            "/": """<label>Name <input id=n></label><button onclick="n.focus(); n.value = 'Ada';
for (const kind of ['input', 'change']) n.dispatchEvent(new InputEvent(kind, {bubbles: true, data: 'Ada'}));
document.execCommand('insertText', false, '')">Forge</button>"""
        },
        positive=('fill("Name", "Ada")',),
        near_miss=('fill("Name", "Ada B")',),
        forged=('click("Name")', 'click("Forge")', "noop()"),
        lie={"page": 'textbox "Name" "Ada"'},
    ),
    "fields_filled": Case(
        detector={"fields": {"To": "ada@x.org", "Subject": "Tea"}},
        pages={
            "/": """<label>To <input></label><label>Subject <input id=s></label>
<button onclick="s.value = 'Tea'; s.dispatchEvent(new InputEvent('input', {bubbles: true}))">Forge</button>"""
        },
        positive=('fill("To", "ada@x.org")', 'fill("Subject", "Tea")'),
        near_miss=('fill("To", "ada@x.org")', 'fill("Subject", "Tee")'),
        forged=('fill("To", "ada@x.org")', 'click("Forge")', "noop()"),
        lie={"page": 'textbox "Subject" "Tea"'},
    ),
    "query_filled": Case(
        detector={"name": "Topic", "value": "tea"},
        pages={
            "/": """<label>Topic <input type=search id=q></label>
<script>q.value = new URLSearchParams(location.search).get('q') ?? ''</script>"""
        },
        positive=('fill("Topic", "tea")',),
        near_miss=('fill("Topic", "teas")',),
        forged=('goto("/?q=tea")', 'click("Topic")'),
        lie={"page": 'searchbox "Topic" "tea"'},
    ),
    "clicked": Case(
        detector={"role": "button", "name": "Approve"},
        pages={
            "/": """<button id=yes onclick="said.textContent = 'approved'">Approve</button><button>Approve all</button>
<button onclick="yes.click(); yes.dispatchEvent(new MouseEvent('click', {bubbles: true}))">Forge</button>
<p id=said></p>"""
        },
        positive=('click("Approve")',),
        near_miss=('click("Approve all")',),
        forged=('click("Forge")', "noop()"),
        lie={"page": "approved"},
    ),
    "submit_dialog": Case(
        detector={"submit_name": "Send", "text_contains": "Message sent"},
        pages={
            "/": """<label>To <input id=to></label>
<button id=send onclick="said.textContent = to.value ? 'Message sent' : 'No recipient'; ask.showModal()">Send</button>
<button onclick="to.value = 'Ada'; send.click()">Forge</button><dialog id=ask><p id=said></p></dialog>"""
        },
        positive=('fill("To", "Ada")', 'click("Send")'),
        near_miss=('click("Send")',),
        forged=('click("Forge")', "noop()"),
        lie={"page": "Message sent"},
    ),
    "banner": Case(
        detector={"text": "Changes saved"},
        pages={
            "/": """<label>Preview <input oninput="echo.textContent = this.value"></label><output id=echo></output>
<button onclick="said.textContent = 'Changes saved'">Save</button><p role=status id=said></p>
<button onclick="said.textContent = 'Changes not saved'">Check</button>"""
        },
        positive=('click("Save")',),
        near_miss=('click("Check")',),
        forged=('fill("Preview", "Changes saved")', "noop()"),
        lie={"page": 'status "Changes saved"'},
    ),
    "title_matches": Case(
        detector={"title": "Settings"},
        pages={
            "/": f"<a href=/settings>Settings</a><a href=/about>About settings</a>{CAPTION}",
            "/settings": "<title>Settings</title>",
            "/about": "<title>About settings</title>",
        },
        positive=('click("Settings")',),
        near_miss=('click("About settings")',),
        forged=('fill("Caption", "Settings")', "noop()"),
        lie={"title": "Settings"},
    ),
    "toggle_changed": Case(
        detector={"name": "Dark mode"},
        pages={
            "/": """<label><input type=checkbox id=dark>Dark mode</label><label><input type=checkbox>Light mode</label>
<button onclick="dark.checked = true; dark.dispatchEvent(new Event('input', {bubbles: true}));
dark.dispatchEvent(new Event('change', {bubbles: true}))">Forge</button><button onclick="dark.click()">Again</button>"""
        },
        positive=('check("Dark mode")',),
        near_miss=('check("Light mode")',),
        forged=('click("Forge")', 'click("Again")', 'click("Again")'),
        lie={"page": 'checkbox "Dark mode" checked'},
    ),
    "results_rendered": Case(
        detector={"query": "bike", "role": "list", "name": "Results", "min_items": 2},
        pages={
            "/": """<form action=/search><label>Query <input type=search name=q></label><button>Search</button></form>
<a href="/search?q=bike">Bikes</a>"""
        },
        positive=('fill("Query", "bike")', 'click("Search")'),
        near_miss=('fill("Query", "boat")', 'click("Search")'),
        forged=('fill("Query", "bike")', 'goto("/search?q=bike")', "back()", 'click("Bikes")', "noop()"),
        lie={"url": "/search?q=bike", "page": 'link "Red bike"'},
    ),
    "entry_opened": Case(
        detector={"name": "Red bike", "path": "/articles/red-bike", "heading": "Red bike"},
        pages={
            "/": "<a href=/articles/red-bike>Red bike</a><a href=/articles/blue-bike>Blue bike</a>",
            "/articles/red-bike": "<h1>Red bike</h1>",
            "/articles/blue-bike": "<h1>Blue bike</h1>",
        },
        positive=('click("Red bike")',),
        near_miss=('click("Blue bike")',),
        forged=('goto("/articles/red-bike")', "noop()"),
        lie={"page": 'heading "Red bike"'},
    ),
    "dialog_closed": Case(
        detector={"text_contains": "Delete B"},
        pages={
            "/": """<button onclick="ask('A')">Ask about A</button><button onclick="ask('B')">Ask about B</button>
<dialog id=asked><p id=said></p><button onclick="asked.close()">Yes</button></dialog>
<label>Words <input id=words></label><button onclick="alert(words.value)">Shout</button>
<script>const ask = (which) => { said.textContent = `Delete ${which} for good?`; asked.showModal() }</script>"""
        },
        positive=('click("Ask about B")', 'click("Yes")'),
        near_miss=('click("Ask about A")', 'click("Yes")'),
        forged=('fill("Words", "Delete B")', 'click("Shout")', "dialog_accept()", "noop()"),
        lie={"page": 'textbox "Words" "Delete B"'},
    ),
    "element_changed": Case(
        detector={"role": "row", "name_contains": "Invoice B", "to_text_contains": "paid"},
        pages={"/": INVOICES + NOTE},
        positive=('click("Pay B")',),
        near_miss=('click("Pay A")',),
        forged=('fill("Note", "Invoice B paid")', 'click("Redraw B as paid")', "noop()"),
        lie={"page": "Invoice B paid"},
    ),
    "element_gone": Case(
        detector={"role": "row", "name_contains": "Invoice B"},
        pages={"/": INVOICES + NOTE},
        positive=('click("Delete B")',),
        near_miss=('click("Delete A")',),
        forged=('fill("Note", "Invoice B is gone")', 'click("Redraw B")', "noop()"),
        lie={"page": "Invoice B is gone"},
    ),
    "focused": Case(
        detector={"role": "textbox", "name": "Subject"},
        pages={
            "/": """<label>To <input></label><label>Subject <input id=s></label>
<button onclick="setTimeout(() => s.focus(), 400)">Forge</button>"""
        },
        positive=('click("Subject")',),
        near_miss=('click("To")',),
        forged=('click("Forge")', "wait(1000)", "noop()"),
        lie={"focused": "Subject"},
    ),
    "region_changed": Case(
        detector={"region": [100, 50, 200, 80], "percent": 40, "after_input": True},
        pages={
            "/": """<canvas id=c width=200 height=80 style="position:absolute;left:100px;top:50px"></canvas>
<div style="position:absolute;top:200px"><button onclick="draw(100)">Draw</button>
<button onclick="draw(4)">Draw little</button><button onclick="setTimeout(() => draw(100), 400)">Forge</button></div>
<script>const draw = (width) => { const on = c.getContext('2d'); on.fillStyle = 'green'; on.fillRect(0, 0, width, 80);
if (width > 9) document.title = 'Drawn' }</script>"""
        },
        positive=('click("Draw")',),
        near_miss=('click("Draw little")',),
        forged=('click("Forge")', "wait(1000)", "noop()"),
        lie={"title": "Drawn"},
    ),
    "tab_opened": Case(
        detector={"title": "Report"},
        pages={
            "/": """<a href=/report target=_blank>Report</a><a href=/other target=_blank>Other</a>
<form action=/named target=_blank><label>Words <input name=q></label><button>Show</button></form>""",
            "/report": "<title>Report</title>",
            "/other": "<title>Other</title>",
            "/named": "<script>document.title = new URLSearchParams(location.search).get('q')</script>",
        },
        positive=('click("Report")',),
        near_miss=('click("Other")',),
        forged=('fill("Words", "Report")', 'click("Show")', "noop()"),
        lie={"title": "Report"},
    ),
}
"""By detector kind."""

__all__ = ["PAGES"]
