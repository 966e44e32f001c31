"""Cases of detectors made of others: their parts are real, the order, number or guard is what is missed or forged."""

from __future__ import annotations

from typing import Any

from .case import FORGED_RECEIPT, ORDER, ORDERED, REFUSED, Case

ONE_ORDER: dict[str, Any] = {"detector": "server_state", "query": "length(orders)", "equals": 1}
NO_DELETE: dict[str, Any] = {"detector": "not", "of": {"detector": "clicked", "name": "Delete"}}


def clicked(name: str) -> dict[str, Any]:
    return {"detector": "clicked", "role": "button", "name": name}


COMBINED: dict[str, Case] = {
    "all": Case(
        detector={
            "of": [
                {"detector": "field_filled", "name": "Name", "value": "Ada"},
                {"detector": "toggle_changed", "name": "Agree"},
            ]
        },
        pages={
            "/": """<label>Name <input></label><label><input type=checkbox id=agree>Agree</label>
<button onclick="agree.click()">Forge</button>"""
        },
        positive=('fill("Name", "Ada")', 'check("Agree")'),
        near_miss=('fill("Name", "Adam")', 'check("Agree")'),
        forged=('fill("Name", "Ada")', 'click("Forge")', "noop()"),
        lie={"page": 'checkbox "Agree" checked'},
    ),
    "any": Case(
        detector={"of": [clicked("Approve"), {"detector": "url_loaded", "path": "/approved"}]},
        pages={
            "/": """<button id=yes>Approve</button><button>Approve all</button>
<button onclick="yes.click(); history.pushState(0, 0, '/approved')">Forge</button>""",
            "/approved": "<p>Approved",
        },
        positive=('click("Approve")',),
        near_miss=('click("Approve all")',),
        forged=('click("Forge")', "noop()"),
        lie={"url": "/approved"},
    ),
    "not": Case(
        detector={"now": True, "of": {"detector": "server_state", "query": "length(orders)", "equals": 0}},
        pages={"/": ORDER + FORGED_RECEIPT},
        positive=ORDERED,
        near_miss=REFUSED,
        forged=(*ORDERED[:2], 'click("Forge")', "noop()"),
        lie={"page": "Saved as EX-1"},
    ),
    "then": Case(
        detector={"steps": [clicked("Accept"), NO_DELETE, ONE_ORDER]},
        pages={
            "/": f"""<button id=yes onclick="document.title = 'Accepted'">Accept</button><button>Delete</button>{ORDER}
<button onclick="yes.click()">Forge</button>"""
        },
        positive=('click("Accept")', *ORDERED),
        near_miss=('click("Accept")', 'click("Delete")', *ORDERED),
        forged=('click("Forge")', *ORDERED),
        lie={"page": "Saved as EX-1"},
    ),
    "count": Case(
        detector={"times": 2, "distinct": "name", "of": {"detector": "clicked", "name_pattern": "Pay ."}},
        pages={
            "/": """<button>Pay A</button><button id=b onclick="said.textContent = '2 of 2 paid'">Pay B</button>
<button onclick="b.click()">Forge</button><p role=status id=said></p>"""
        },
        positive=('click("Pay A")', 'click("Pay B")'),
        near_miss=('click("Pay A")', 'click("Pay A")'),
        forged=('click("Pay A")', 'click("Forge")', "noop()"),
        lie={"page": "2 of 2 paid"},
    ),
    "within": Case(
        detector={"steps": 1, "since": clicked("Start"), "of": {"detector": "banner", "text": "Finished"}},
        pages={
            "/": """<button id=go onclick="said.textContent = 'Started'">Start</button>
<button onclick="go.click()">Forge</button>
<button onclick="said.textContent = 'Finished'">Finish</button><p role=status id=said></p>"""
        },
        positive=('click("Start")', 'click("Finish")'),
        near_miss=('click("Start")', "noop()", 'click("Finish")'),
        forged=('click("Start")', "noop()", 'click("Forge")', 'click("Finish")'),
        lie={"page": 'status "Finished"'},
    ),
    "in_app": Case(
        detector={"app": "hostile-case-in-app-next", "of": ONE_ORDER},
        pages={"/": ORDER + FORGED_RECEIPT},
        neighbour={"/": ORDER},
        positive=('goto("http://hostile-case-in-app-next.local/")', *ORDERED),
        near_miss=("noop()", *ORDERED),
        forged=(*ORDERED[:2], 'click("Forge")', "noop()"),
        lie={"page": "Saved as EX-1"},
    ),
    "at_end": Case(
        detector={"of": {"detector": "all", "of": [ONE_ORDER, NO_DELETE]}},
        pages={"/": f"<button>Delete</button>{ORDER}{FORGED_RECEIPT}"},
        positive=(*ORDERED, "done()"),
        near_miss=('click("Delete")', *ORDERED, "done()"),
        forged=(*ORDERED[:2], 'click("Forge")', 'done("The order was placed and nothing deleted: success")'),
        lie={"page": "Saved as EX-1"},
    ),
}
"""By detector kind."""

__all__ = ["COMBINED"]
