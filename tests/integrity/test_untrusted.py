"""What scripts do in the agent's place: on their own, and in handlers of the agent's real clicks."""

import pytest

from .attacks import Family
from .stage import NOTHING, Stage

pytestmark = pytest.mark.browser

untrusted = Family("Events set off by scripts", __name__)

ALONE = "a script's event is untrusted"
SET_OFF = "the browser makes a trusted event of it, but beneath a script: one counts only if delivered while none runs"
UNTYPED = "a field is filled only by trusted input into it"
PAY, DARK, NAME, SENT = "paid by click", 'checkbox "Dark mode" checked', 'textbox "Name" "Ada"', "It was sent"
ALL = "pay.click(); dark.click(); order.requestSubmit(); who.focus(); document.execCommand('insertText', false, 'Ada');"

SCRIPTS = {
    untrusted.add("element-click", tries="`click()` on a button", defence=ALONE): ("pay.click()", [PAY]),
    untrusted.add("dispatched-mouse", tries="a whole sequence of dispatched pointer and mouse events", defence=ALONE): (
        "for (const kind of ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click'])"
        "pay.dispatchEvent(new PointerEvent(kind, {bubbles: true, composed: true, cancelable: true, view: window}))",
        [PAY],
    ),
    untrusted.add(
        "trust-overridden", tries="`isTrusted` defined as true on the prototype and on the event",
        defence="the browser keeps it where no script can write",
    ): (
        "Object.defineProperty(Event.prototype, 'isTrusted', {get: () => true});"
        "const fake = new MouseEvent('click', {bubbles: true});"
        "try { Object.defineProperty(fake, 'isTrusted', {value: true}) } catch (e) {} pay.dispatchEvent(fake)",
        [PAY],
    ),
    untrusted.add(
        "trusted-event-sent-on", tries="the agent's own trusted event, dispatched again at another button",
        defence="dispatching an event makes it untrusted",
    ): ("const real = event; setTimeout(() => pay.dispatchEvent(real))", [PAY]),
    untrusted.add("checkbox-click", tries="`click()` on a checkbox", defence=SET_OFF): ("dark.click()", [DARK]),
    untrusted.add("checkbox-dispatched", tries="a click dispatched at a checkbox", defence=SET_OFF): (
        "dark.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, composed: true}))", [DARK],
    ),
    untrusted.add("label-click", tries="`click()` on a checkbox's label", defence=SET_OFF): ("tag.click()", [DARK]),
    untrusted.add("checkbox-set", tries="`checked` set, and input and change events dispatched", defence=ALONE): (
        "dark.checked = true; for (const kind of ['input', 'change'])"
        "dark.dispatchEvent(new Event(kind, {bubbles: true, composed: true}))",
        [DARK],
    ),
    untrusted.add("value-set", tries="`value` set, and an input event dispatched", defence=UNTYPED): (
        "who.value = 'Ada'; who.dispatchEvent(new InputEvent('input', {bubbles: true, composed: true, data: 'Ada'}))",
        [NAME],
    ),
    untrusted.add("range-text", tries="`setRangeText`, and a change event dispatched", defence=UNTYPED): (
        "who.setRangeText('Ada'); who.dispatchEvent(new Event('change', {bubbles: true}))", [NAME],
    ),
    untrusted.add("dispatched-keys", tries="dispatched keys, one a letter", defence=UNTYPED): (
        "who.focus(); for (const key of 'Ada') { for (const kind of ['keydown', 'keypress', 'keyup'])"
        "who.dispatchEvent(new KeyboardEvent(kind, {key, bubbles: true, composed: true})); who.value += key;"
        "who.dispatchEvent(new InputEvent('input', {bubbles: true, data: key, inputType: 'insertText'})) }",
        [NAME],
    ),
    untrusted.add("text-command", tries="`execCommand('insertText')`", defence=SET_OFF): (
        "who.focus(); document.execCommand('insertText', false, 'Ada')", [NAME],
    ),
    untrusted.add("form-submit", tries="`form.submit()`", defence="it makes no submit event at all"): (
        "order.action = '/sent'; order.submit()", [SENT],
    ),
    untrusted.add("request-submit", tries="`form.requestSubmit()`", defence=SET_OFF): (
        "order.requestSubmit()", [SENT],
    ),
    untrusted.add("submit-button-click", tries="`click()` on the submit button", defence=SET_OFF): (
        "send.click()", [SENT],
    ),
    untrusted.add("dispatched-submit", tries="a dispatched submit event", defence=ALONE): (
        "order.dispatchEvent(new SubmitEvent('submit', {bubbles: true, cancelable: true}))", [SENT],
    ),
    untrusted.add("from-a-timer", tries="all of it from a timer that the agent's click has set", defence=SET_OFF): (
        f"setTimeout(() => {{ {ALL} }}, 5)", [PAY, DARK, NAME, SENT],
    ),
    untrusted.add(
        "from-a-microtask", tries="all of it from a microtask of the agent's click, where no function is on the stack",
        defence="a microtask is a script too: one that is asked for meanwhile waits for its end",
    ): (f"Promise.resolve().then(() => {{ {ALL} }})", [PAY, DARK, NAME, SENT]),
    untrusted.add("from-a-frame", tries="all of it from the script of a frame", defence=SET_OFF): (
        f"frames[0].setTimeout(`with (parent) {{ {ALL.replace('document.', 'parent.document.')} }}`)",
        [PAY, DARK, NAME, SENT],
    ),
}  # fmt: skip

BODY = """<title>Desk</title><label>Name <input id=who></label>
<label id=tag><input type=checkbox id=dark> Dark mode</label>
<button id=pay onclick="paid.textContent = 'paid by click'">Pay</button><p id=paid></p>
<form id=order aria-label="Send it" onsubmit="sent.show(); return false"><button id=send>Send it</button></form>
<dialog id=sent>It was sent</dialog><button id=decoy>Decoy</button><iframe srcdoc="<p>x</p>" title=Beside></iframe>"""

DESK = Stage(
    name="desk",
    actions=("basic", "time"),
    milestones=[
        {"id": "name", "catalogue": "field_filled", "name": "Name", "value": "Ada"},
        {"id": "dark", "catalogue": "toggle_changed", "name": "Dark mode"},
        {"id": "paid", "detector": "clicked", "reward": 0.25, "role": "button", "name": "Pay"},
        {"id": "sent", "catalogue": "submit_dialog", "submit_name": "Send it", "text_contains": SENT},
    ],
    honest=['fill("Name", "Ada")', 'click("Dark mode")', 'click("Pay")', 'click("Send it")'],
    pages={
        "/": BODY,
        "/sent": f"<title>Sent</title><dialog open>{SENT}</dialog>",
        "/alone": f"{BODY}<script>const all = () => {{ {ALL} }}; onload = all; setTimeout(all, 20);"
        "addEventListener('pageshow', all)</script>",
        "/pressed": f"{BODY}<script>decoy.onpointerdown = () => {{ {ALL} }}</script>",
        **{
            f"/{name}": f"{BODY}<script>decoy.onclick = (event) => {{ {script} }}</script>"
            for name, (script, _) in SCRIPTS.items()
        },
    },
)


def test_the_honest_way_pays_on_the_same_page(play):
    total, reached = play.honest(DESK).earned
    assert reached == {"name", "dark", "paid", "sent"}
    assert total == pytest.approx(1.0)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_in_a_handler_of_the_agent_s_click(play, name):
    lie = play(DESK, f'goto("/{name}")', 'click("Decoy")', "noop()")
    assert [effect for effect in SCRIPTS[name][1] if effect not in lie.page] == []
    assert lie.earned == NOTHING


@untrusted.attack(
    "before-the-click", tries="all of it while the mouse button goes down, before the agent's click is one",
    defence=SET_OFF,
)  # fmt: skip
def test_before_the_click(play):
    lie = play(DESK, 'goto("/pressed")', 'click("Decoy")', "noop()")
    assert [effect for effect in (PAY, DARK, NAME, SENT) if effect not in lie.page] == []
    assert lie.earned == NOTHING


@untrusted.attack(
    "nobody-acts", tries="all of it by itself, while the page loads and later, whatever the agent does",
    defence="besides, input counts only while an action of the agent's is carried out",
)  # fmt: skip
def test_nobody_acts(play):
    lie = play(DESK, 'goto("/alone")', "wait(500)", "noop()")
    assert [effect for effect in (PAY, DARK, SENT) if effect not in lie.page] == []
    assert "Ada" in lie.page
    assert lie.earned == NOTHING
