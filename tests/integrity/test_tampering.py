"""A page that tampers with its own world: functions, clock, chance, console, and whatever might report to us."""

import pytest

from ..security.test_forgery import CALL
from .attacks import Family
from .stage import NOTHING, Stage

pytestmark = pytest.mark.browser

tampering = Family("Tampering with the page's world", __name__)

BODY = """<title>Desk</title><label>Name <input id=who></label>
<label><input type=checkbox id=dark> Dark mode</label><button id=pay>Pay</button><button id=decoy>Decoy</button>
<p id=out></p>"""
LIES = """
const lie = (target, name, get) => Object.defineProperty(target, name, {get, configurable: true});
lie(HTMLInputElement.prototype, 'value', () => 'Ada');
lie(HTMLInputElement.prototype, 'checked', () => true);
lie(Event.prototype, 'isTrusted', () => true);
lie(Event.prototype, 'target', () => pay);
Element.prototype.getAttribute = () => 'Ada';
Element.prototype.matches = () => true;
Event.prototype.composedPath = () => [document.querySelectorAll('button')[0]];
JSON.stringify = () => '{"kind": "click", "ref": 3, "role": "button", "name": "Pay", "url": ""}';
Array.prototype.find = function () { return this[0] };
WeakMap.prototype.get = () => 3;
window.queueMicrotask = (work) => work();
const oldThen = Promise.prototype.then; Promise.prototype.then = function (work) { work(); return this };
"""
CLOCK = """
const far = 4102444800000;
Date.now = () => far; Date = class extends Date { constructor() { super(far) } };
performance.now = () => far; Object.defineProperty(performance, 'timeOrigin', {value: 0});
Object.defineProperty(Event.prototype, 'timeStamp', {get: () => far});
const early = window.setTimeout; window.setTimeout = (work) => early(work, 0);
window.requestAnimationFrame = (work) => early(() => work(far), 0);
"""

WORLD = Stage(
    name="world",
    actions=("basic", "time"),
    milestones=[
        {"id": "name", "catalogue": "field_filled", "name": "Name", "value": "Ada"},
        {"id": "dark", "catalogue": "toggle_changed", "name": "Dark mode"},
        {"id": "paid", "detector": "clicked", "reward": 0.25, "role": "button", "name": "Pay"},
    ],
    honest=['fill("Name", "Ada")', 'click("Dark mode")', 'click("Pay")'],
    pages={
        "/": BODY,
        "/lies": f"<script>{LIES}</script>{BODY}<script>document.title = who.value + dark.checked</script>",
        "/calls": f"{BODY}<script>const call = () => {{ {CALL} }}; call(); setTimeout(call, 20);"
        "decoy.onclick = () => { call(); out.textContent = 'called' }</script>"
        f"<iframe srcdoc='<script>{CALL.replace(chr(39), '&#39;')}</script>' title=Within></iframe>",
        "/clock": f"{BODY}<script>{CLOCK}; decoy.onclick = (e) => {{ out.textContent = Date.now() + ' ' + e.timeStamp"
        "}</script>",
        "/chance": f"{BODY}<script>Math.random = () => 0.25; crypto.getRandomValues = (into) => into.fill(7);"
        "crypto.randomUUID = () => 'x'; decoy.onclick = () => { out.textContent = 'drew ' + Math.random() }</script>",
        "/console": f"{BODY}<script>const told = JSON.stringify({{kind: 'click', ref: 3, role: 'button'}});"
        "decoy.onclick = () => { for (const say of ['debug', 'log', 'info', 'error', 'table'])"
        "console[say]('milepostJournal', told); out.textContent = 'told' }</script>",
        "/opened": f"{BODY}<script>decoy.onclick = () => {{ document.open(); document.write("
        '"<title>Desk</title><label>Name <input value=Ada></label><label><input type=checkbox checked> Dark mode'
        '</label><button>Pay</button><p>rewritten</p>"); document.close() }</script>',
    },
)


def test_the_honest_way_pays_on_the_same_pages(play):
    assert play.honest(WORLD).earned[1] == {"name", "dark", "paid"}
    for path in ("/lies", "/clock", "/chance"):  # lies change nothing for whoever really does it, either
        assert play(WORLD, f'goto("{path}")', *WORLD.honest).earned[1] == {"name", "dark", "paid"}, path


@tampering.attack(
    "lying-prototypes", tries="getters, methods, `JSON` and `queueMicrotask` that answer as if all were done",
    defence="pages are read, and events heard, in a world of their own, whose functions the page cannot reach",
)  # fmt: skip
def test_lying_prototypes(play):
    lie = play(WORLD, 'goto("/lies")', 'click("Decoy")', "noop()")
    assert lie.observations[1]["title"] == "Adatrue"
    assert lie.earned == NOTHING


@tampering.attack(
    "calling-the-journal", tries="calls the function that reports events, by many names, from page and frame",
    defence="it exists in our world only, and what comes from another is not taken",
)  # fmt: skip
def test_calling_the_journal(play):
    lie = play(WORLD, 'goto("/calls")', 'click("Decoy")', "noop()")
    assert "called" in lie.page
    assert lie.earned == NOTHING


@tampering.attack("console-messages", tries="writes events to the console", defence="nothing of ours reads the console")
def test_console_messages(play):
    lie = play(WORLD, 'goto("/console")', 'click("Decoy")')
    assert "told" in lie.page
    assert lie.earned == NOTHING


@tampering.attack(
    "rewritten-document", tries="rewrites its document (`document.open`) so that all looks done",
    defence="a value or a state counts with the input that brought it about",
)  # fmt: skip
def test_rewritten_document(play):
    lie = play(WORLD, 'goto("/opened")', 'click("Decoy")', "noop()")
    assert "rewritten" in lie.page
    assert 'textbox "Name" "Ada"' in lie.page
    assert 'checkbox "Dark mode" checked' in lie.page
    assert lie.earned == NOTHING


@tampering.attack(
    "clock-moved", tries="moves `Date`, `performance`, time stamps, timers and frames to another century",
    defence="steps are counted by us, and no reward reads a page's time",
)  # fmt: skip
def test_clock_moved(play):
    lie = play(WORLD, 'goto("/clock")', 'click("Decoy")', "wait(1000)")
    assert "4102444800000 4102444800000" in lie.page
    assert lie.earned == NOTHING


@tampering.attack(
    "waiting", tries="lets an hour of the page's time pass, in the hope that something comes of it",
    defence="time is no event",
)  # fmt: skip
def test_waiting(play):
    lie = play(WORLD, *["wait(60000)"] * 5)
    assert lie.earned == NOTHING


@tampering.attack(
    "chance-fixed", tries="fixes `Math.random` and `crypto` to choose what the episode draws",
    defence="what an episode draws is drawn in another process, before the page exists",
)  # fmt: skip
def test_chance_fixed(play):
    lie = play(WORLD, 'goto("/chance")', 'click("Decoy")', "noop()")
    assert "drew 0.25" in lie.page
    assert lie.earned == NOTHING
    assert lie.snapshot.app_state["code"] == play(WORLD, "noop()").snapshot.app_state["code"]
    assert lie.snapshot.app_state["code"] != play(WORLD, "noop()", seed=4).snapshot.app_state["code"]
