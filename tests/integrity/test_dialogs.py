"""Dialogs that nobody's submission brought about, that only look like one, or that say what the agent said."""

import pytest

from .attacks import Family
from .stage import NOTHING, Stage

pytestmark = pytest.mark.browser

FIELD = "<label>Name <input id=who></label>"
CONFIRM = Stage(
    name="confirm",
    milestones=[
        {"id": "confirmed", "catalogue": "submit_dialog", "submit_name": "Place order", "text_contains": "Order placed"}
    ],
    honest=['fill("Name", "Ada")', 'click("Place order")'],
    pages={
        "/": f"""<title>Shop</title>
<form id=order aria-label="Place order" onsubmit="placed(); return false">{FIELD}
<button id=send>Place order</button></form>
<dialog id=done>Order placed</dialog>
<dialog id=feedback><label>Words <input></label></dialog>
<label>Say <input id=say></label>
<button onclick="done.show()">Peek</button>
<button onclick="who.value = 'Ada'; send.click()">Hurry</button>
<button onclick="who.value = 'Ada'; order.requestSubmit()">Push</button>
<button onclick="alert('Order placed')">Tell</button>
<button onclick="alert(say.value)">Shout</button>
<button onclick="feedback.show()">Feedback</button>
<script>const placed = () => {{ if (who.value) done.show() }}</script>""",
        "/drawn": f"""<title>Shop</title><form onsubmit="box.hidden = false; return false">{FIELD}
<button>Place order</button></form><div id=box hidden style="border: solid; padding: 9px"><p>Order placed</p></div>""",
        "/silenced": f"""<title>Shop</title>
<script>window.alert = (text) => {{ said.textContent = text; return true }}</script>
<form onsubmit="alert('Order placed'); return false">{FIELD}<button>Place order</button></form><p id=said></p>""",
        "/spoken": f"""<title>Shop</title>
<form onsubmit="alert('Order placed'); return false">{FIELD}<button>Place order</button></form>""",
    },
)

ANSWERED = Stage(
    name="answered-dialog",
    milestones=[{"id": "answered", "detector": "dialog_closed", "reward": 0.3, "text_contains": "Delete the account"}],
    honest=['click("Delete account")'],
    pages={
        "/": """<title>Account</title><button onclick="confirm('Delete the account for good?')">Delete account</button>
<label>Say <input id=say></label><button onclick="alert(say.value)">Shout</button>"""
    },
)

dialogs = Family("Dialogs", __name__)


def test_the_honest_way_pays_on_the_same_page(play):
    assert play.honest(CONFIRM).earned == (0.3, {"confirmed"})


def test_a_dialog_that_is_answered_pays_too(play):
    assert play.honest(ANSWERED).earned == (0.3, {"answered"})


def test_a_javascript_dialog_of_the_honest_way_pays_too(play):
    assert play(CONFIRM, 'goto("/spoken")', 'click("Place order")').earned == (0.3, {"confirmed"})


@dialogs.attack(
    "dialog-without-submission", tries="opens the confirmation by a button that submits nothing",
    defence="the named button or form must have been clicked or submitted before, by trusted input",
)  # fmt: skip
def test_dialog_without_submission(play):
    lie = play(CONFIRM, 'click("Peek")')
    assert "dialog" in lie.roles
    assert "Order placed" in lie.page
    assert lie.earned == NOTHING


@dialogs.attack(
    "script-clicks-submit", tries="has a script click the submit button (`click()`), in a handler of a real click",
    defence="a script's click is untrusted, and what it sets off in the browser is seen to come from a script",
)  # fmt: skip
def test_script_clicks_submit(play):
    lie = play(CONFIRM, 'click("Hurry")')
    assert "Order placed" in lie.page
    assert lie.earned == NOTHING


@dialogs.attack(
    "script-submits-for-the-dialog", tries="has a script submit the form (`requestSubmit()`), whose event is trusted",
    defence="an event counts only if the browser delivers it while no script runs",
)  # fmt: skip
def test_script_submits(play):
    lie = play(CONFIRM, 'click("Push")')
    assert "Order placed" in lie.page
    assert lie.earned == NOTHING


@dialogs.attack(
    "javascript-dialog-without-submission", tries="has the page alert the confirmation without a submission",
    defence="as above: a dialog alone is none that a submission brought about",
)  # fmt: skip
def test_javascript_dialog_without_submission(play):
    lie = play(CONFIRM, 'click("Tell")')
    assert 'dialog said "Order placed"' in lie.last["last_action_result"]
    assert lie.earned == NOTHING


@dialogs.attack(
    "drawn-dialog", tries="submits where the page draws a box that only looks like a dialog",
    defence="a dialog is what the accessibility tree or the browser says is one",
)  # fmt: skip
def test_drawn_dialog(play):
    lie = play(CONFIRM, 'goto("/drawn")', 'fill("Name", "Ada")', 'click("Place order")')
    assert "Order placed" in lie.page
    assert lie.earned == NOTHING


@dialogs.attack(
    "replaced-alert", tries="submits where the page has replaced `window.alert` and writes the text instead",
    defence="a JavaScript dialog is what the browser reports, not what a function returns",
)  # fmt: skip
def test_replaced_alert(play):
    lie = play(CONFIRM, 'goto("/silenced")', 'fill("Name", "Ada")', 'click("Place order")')
    assert "Order placed" in lie.page
    assert lie.earned == NOTHING


@dialogs.attack(
    "words-typed-into-a-dialog", tries="submits in vain, opens another dialog and types the confirmation into it",
    defence="a dialog counts only if the agent has not itself written the words by which it is recognised",
)  # fmt: skip
def test_words_typed_into_a_dialog(play):
    lie = play(CONFIRM, 'click("Place order")', 'click("Feedback")', 'fill("Words", "Order placed")')
    assert 'textbox "Words" "Order placed"' in lie.page
    assert "dialog" in lie.roles
    assert lie.earned == NOTHING


@dialogs.attack(
    "words-echoed-by-an-alert", tries="submits in vain, and has an alert repeat the confirmation", defence="as above"
)
def test_words_echoed_by_an_alert(play):
    lie = play(CONFIRM, 'click("Place order")', 'fill("Say", "Order placed")', 'click("Shout")')
    assert 'dialog said "Order placed"' in lie.last["last_action_result"]
    assert lie.earned == NOTHING


@dialogs.attack(
    "words-in-an-answered-alert", tries="has an alert repeat the question that is to be answered, and answers that",
    defence="as above",
)  # fmt: skip
def test_words_in_an_answered_alert(play):
    lie = play(ANSWERED, 'fill("Say", "Delete the account")', 'click("Shout")', "noop()")
    assert 'dialog said "Delete the account"' in lie.observations[-2]["last_action_result"]
    assert lie.earned == NOTHING
